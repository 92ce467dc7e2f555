/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The doctor behind /v1/doctor: the settings of the kernel that bear on connections, and what the
 * measured state of this host says about each; and how well the daemon itself can see. It gives
 * advice, and changes nothing.
 */
#ifndef SERVE_DOCTOR_H
#define SERVE_DOCTOR_H

#include <stdint.h>

#include "model/model.h"
#include "serve/doctor_row.h"
#include "serve/status.h"

typedef void doctor_row_fn(const struct doctor_row *row, void *userdata);

/*
 * Hands over the rows, the worst first: every setting in the daemon's own namespace, those of other
 * namespaces in which something is to be said, and the daemon. now_ns: CLOCK_MONOTONIC. 0, -ENOMEM.
 */
int doctor_examine(struct model *m, const struct serve_status *status, uint64_t now_ns,
		   doctor_row_fn *on_row, void *userdata);

#endif
