/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a BPF ring buffer (BPF_MAP_TYPE_RINGBUF; layout: kernel/bpf/ringbuf.c). libbpf's reader
 * maps the data twice over, which counts twice in resident memory, and cannot stop after a number
 * of records; this one maps it once, and puts a record that wraps together in a small buffer.
 */
#ifndef SOURCE_RING_H
#define SOURCE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

typedef void ring_record_fn(const void *record, size_t size, void *userdata);

/* map_fd: of the ring buffer, of size bytes; stays the caller's. 0, or a negative errno of mmap(2).
 */
int ring_new(int map_fd, size_t size, ring_record_fn *on_record, void *userdata, struct ring **ret);
struct ring *ring_free(struct ring *r);

/* Hands over up to limit records, oldest first; how many. Records not yet submitted end the run. */
size_t ring_consume(struct ring *r, size_t limit);
/* Whether the last run left records that were there when it began: beyond the limit, or behind one
 * not yet submitted. */
bool ring_behind(const struct ring *r);

#endif
