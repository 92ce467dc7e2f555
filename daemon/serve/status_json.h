/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The JSON of /v1/status: sums of the model, and how the daemon does. It knows no single
 * connection, and reads no clock.
 */
#ifndef SERVE_STATUS_JSON_H
#define SERVE_STATUS_JSON_H

#include "base/json.h"
#include "model/model.h"
#include "serve/status.h"

/* The caller's. now_ns: CLOCK_MONOTONIC. */
struct json_object *status_json(struct model *m, const struct serve_status *status,
				uint64_t now_ns);

#endif
