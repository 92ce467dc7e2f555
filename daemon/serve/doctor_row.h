/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One row of what the doctor says: of a setting, or of the daemon. It says nothing of its own
 * accord.
 */
#ifndef SERVE_DOCTOR_ROW_H
#define SERVE_DOCTOR_ROW_H

#include <stdint.h>

#include <json-c/json.h>

#include "base/util.h"

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

/* One more sentence of the finding. The row's level is that of its worst. */
void doctor_say(struct doctor_row *row, enum doctor_level level, const char *format, ...)
	_printf_(3, 4);

struct json_object *doctor_json(const struct doctor_row *row);

#endif
