/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recordings of the stream of records (include/tcpwatch/record.h): writes them, reads them, and
 * knows how long a body of each type is, and whether a file is as it was written. What the records
 * mean is the model's.
 */
#ifndef RECORDING_H
#define RECORDING_H

#include <stddef.h>

#include <tcpwatch/record.h>

struct recording;

/* A new file; one that exists is left alone. 0, -EEXIST, or another negative errno of open(2). */
int recording_create(const char *path, struct recording **ret);
/* body: of the type's size. After the first error nothing more is written. 0, or a negative errno,
 * told once. */
int recording_write(struct recording *r, enum tw_record_type type, const void *body);
/* Writes what waits and, unless there was an error, the end; and closes. */
struct recording *recording_close(struct recording *r);

typedef void recording_record_fn(enum tw_record_type type, const void *body, void *userdata);

/*
 * Hands over each record of a file, up to the first that is not as it was written. 0; -ENODATA: all
 * that are there have been handed over, but the end is not; -EBADMSG: the file is no recording, or
 * is damaged; or another negative errno. Each is logged, with path and byte where there is one.
 */
int recording_read(const char *path, recording_record_fn *on_record, void *userdata);

#endif
