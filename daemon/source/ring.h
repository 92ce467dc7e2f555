/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a BPF ring buffer (BPF_MAP_TYPE_RINGBUF; layout: kernel/bpf/ringbuf.c). libbpf's reader
 * maps the data twice over, which counts twice in resident memory, and can neither stop after a
 * number of records nor before one; this one maps it once, and puts a record that wraps together in
 * a small buffer.
 */
#ifndef SOURCE_RING_H
#define SOURCE_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring;

enum ring_head {
	RING_EMPTY,
	RING_BUSY, /* a record that is still being written, and holds up those behind it */
	RING_RECORD,
};

/* map_fd: of the ring buffer, of size bytes; stays the caller's. 0, or a negative errno of mmap(2).
 */
int ring_new(int map_fd, size_t size, struct ring **ret);
struct ring *ring_free(struct ring *r);

/* Begins a run over the records that are there now. */
void ring_open(struct ring *r);
/* The oldest of them that is not taken, readable until the next call. What wraps and is larger than
 * any record of ours is passed over. */
enum ring_head ring_peek(struct ring *r, const void **ret, size_t *ret_size);
/* Takes the one that was peeked at. */
void ring_take(struct ring *r);
/* Ends the run: the kernel gets back the room of what was taken. */
void ring_close(struct ring *r);

#endif
