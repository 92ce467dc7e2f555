/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The doctor behind /v1/doctor: the settings of the kernel that bear on connections, and what the
 * measured state of this host says about each; and how well the daemon itself can see. It gives
 * advice, and changes nothing.
 */
#ifndef SERVE_DOCTOR_H
#define SERVE_DOCTOR_H

#include <stdint.h>

#include <json-c/json.h>

#include "model/model.h"
#include "serve/status.h"

/* X(NAME, label) */
#define DOCTOR_LEVELS(X) \
	X(OK, "ok")      \
	X(NOTE, "note")  \
	X(WARNING, "warning")

enum doctor_level {
#define X(name, label) DOCTOR_##name,
	DOCTOR_LEVELS(X)
#undef X
		DOCTOR_LEVEL_COUNT
};

#define DOCTOR_VALUE_SIZE 64
#define DOCTOR_FINDING_SIZE 640 /* two or three sentences */

struct doctor_row {
	const char *name; /* as sysctl(8) has it, or "tcpwatch" and a word */
	uint32_t netns;   /* inode number of the namespace; 0: of the daemon itself, or the host */
	char value[DOCTOR_VALUE_SIZE]; /* "": not known */
	const char *recommended;       /* NULL: nothing else than what it is */
	enum doctor_level level;
	const char *what;                  /* it does */
	char finding[DOCTOR_FINDING_SIZE]; /* what is measured here; "": nothing to say */
};

typedef void doctor_row_fn(const struct doctor_row *row, void *userdata);

/*
 * Hands over the rows, the worst first: every setting in the daemon's own namespace, those of other
 * namespaces in which something is to be said, and the daemon. now_ns: CLOCK_MONOTONIC. 0, -ENOMEM.
 */
int doctor_examine(struct model *m, const struct serve_status *status, uint64_t now_ns,
		   doctor_row_fn *on_row, void *userdata);

struct json_object *doctor_json(const struct doctor_row *row);

#endif
