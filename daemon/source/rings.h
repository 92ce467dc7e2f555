/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring buffers of the processors, read as if they were one: each processor writes to its own,
 * and waits for no other; what they have written is handed over in the order of its time.
 */
#ifndef SOURCE_RINGS_H
#define SOURCE_RINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rings;

/* The record begins with when it was made, 8 bytes, CLOCK_MONOTONIC. */
typedef void rings_record_fn(const void *record, size_t size, void *userdata);

/* map_fds: of count ring buffers of size bytes each; stay the caller's. 0, or a negative errno. */
int rings_new(const int map_fds[], size_t count, size_t size, rings_record_fn *on_record,
	      void *userdata, struct rings **ret);
struct rings *rings_free(struct rings *r);

/*
 * Hands over up to limit records that were made before until_ns, which is not in the future, oldest
 * first; how many. A record that is still being written ends the run: what the others have may be
 * later than it.
 */
size_t rings_consume(struct rings *r, uint64_t until_ns, size_t limit);
/* Whether the last run left records from before it began: beyond the limit, or because of one that
 * was still being written. */
bool rings_behind(const struct rings *r);

#endif
