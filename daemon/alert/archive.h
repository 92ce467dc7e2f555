/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of JSON for each time that an alert fired, in one directory: what was true at the moment,
 * for whoever comes later. The oldest go when there are too many, or when together they are too
 * large. No name comes from outside: what a target's name brings is cut down to letters, digits and
 * dots.
 */
#ifndef ALERT_ARCHIVE_H
#define ALERT_ARCHIVE_H

#include <json-c/json.h>
#include <stdint.h>

#include "alert/notice.h"

struct archive;

/* "20261120T132305.123Z-close-wait-leak-nginx.service-0123456789abcdef.json", a NUL, and what a
 * name and a target may add. */
#define ARCHIVE_NAME_SIZE 256

/* The files go to state_directory/alerts, which is made when the first one is written. */
int archive_new(const char *state_directory, struct archive **ret);
struct archive *archive_free(struct archive *a);

/* files: how many are kept, 0: none is written; bytes: of all of them together. */
void archive_set_limits(struct archive *a, uint64_t files, uint64_t bytes);

/* Of a notice that fires now. In order of name they are in order of time. */
void archive_name(const struct notice *notice, uint64_t unix_ns,
		  char name[static ARCHIVE_NAME_SIZE]);

/*
 * Writes the row of a notice under its archive_name(), all of it or nothing, and removes what is
 * too much. ret: its path, of malloc(). 0 or a negative errno; a message has been logged when a
 * file could not be written, and the one before could.
 */
int archive_write(struct archive *a, const struct notice *notice, struct json_object *row,
		  char **ret);

#endif
