/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A notice as JSON: one row, the same wherever it is shown, sent or stored.
 */
#ifndef ALERT_NOTICE_JSON_H
#define ALERT_NOTICE_JSON_H

#include <json-c/json.h>

#include "alert/notice.h"

#define NOTICE_TIME_SIZE 32 /* "2026-11-20T13:23:05.123Z" and a NUL, and room for other years */

/* RFC 3339 in UTC, with milliseconds; of CLOCK_REALTIME. */
void notice_time(uint64_t unix_ns, char text[static NOTICE_TIME_SIZE]);

/*
 * {"name","status","severity","scope","target","value","threshold","since","evidence","id",…}; the
 * caller's. evidence is referenced, and null where there is none. NULL when there is no memory.
 */
struct json_object *notice_json(const struct notice *notice);

/* The same, and what a reader on another host or at another time wants too: "host", "version",
 * "evidence_file" (null where there is none). */
struct json_object *notice_json_abroad(const struct notice *notice, const char *host,
				       const char *file);

/* As text of malloc(), on one line. NULL when there is no memory. */
char *notice_json_text(struct json_object *object);

#endif
