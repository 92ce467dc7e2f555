/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "source/ring.h"

#define RECORD_MAX \
	512U /* the largest record that may wrap; ours are all of one size, far smaller */

struct ring {
	size_t size, page;
	uint64_t *consumer; /* a page of its own, ours to write */
	uint64_t *producer; /* a page, and the data after it */
	const uint8_t *data;
	uint64_t position, end; /* of the run: what is not taken yet */
	uint64_t next;          /* after the record that was peeked at */
	_Alignas(8) uint8_t wrapped[RECORD_MAX];
};

int ring_new(int map_fd, size_t size, struct ring **ret)
{
	struct ring *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	r->size = size;
	r->page = (size_t)sysconf(_SC_PAGESIZE);
	r->consumer = mmap(NULL, r->page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	r->producer = mmap(NULL, r->page + size, PROT_READ, MAP_SHARED, map_fd, (off_t)r->page);
	error = errno;
	if (r->consumer == MAP_FAILED || r->producer == MAP_FAILED) {
		ring_free(r);
		return -error;
	}
	r->data = (const uint8_t *)r->producer + r->page;
	*ret = r;
	return 0;
}

struct ring *ring_free(struct ring *r)
{
	if (!r)
		return NULL;
	if (r->consumer != MAP_FAILED)
		munmap(r->consumer, r->page);
	if (r->producer != MAP_FAILED)
		munmap(r->producer, r->page + r->size);
	free(r);
	return NULL;
}

/* The record's bytes in one piece, or NULL when it is no record of ours. */
static const void *unwrap(struct ring *r, size_t offset, size_t length)
{
	size_t first = r->size - offset;

	if (length <= first)
		return r->data + offset;
	if (length > sizeof(r->wrapped))
		return NULL;
	memcpy(r->wrapped, r->data + offset, first);
	memcpy(r->wrapped + first, r->data, length - first);
	return r->wrapped;
}

void ring_open(struct ring *r)
{
	r->position = r->next = *r->consumer;
	r->end = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
}

enum ring_head ring_peek(struct ring *r, const void **ret, size_t *ret_size)
{
	for (; r->position < r->end; r->position = r->next) {
		size_t offset = r->position & (r->size - 1);
		const uint32_t *header = (const uint32_t *)(r->data + offset);
		uint32_t length = __atomic_load_n(header, __ATOMIC_ACQUIRE);
		size_t size = length & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (length & BPF_RINGBUF_BUSY_BIT)
			return RING_BUSY;
		r->next = r->position + ((size + BPF_RINGBUF_HDR_SZ + 7) & ~UINT64_C(7));
		if (length & BPF_RINGBUF_DISCARD_BIT)
			continue;
		*ret = unwrap(r, (offset + BPF_RINGBUF_HDR_SZ) & (r->size - 1), size);
		*ret_size = size;
		if (*ret)
			return RING_RECORD;
	}
	return RING_EMPTY;
}

void ring_take(struct ring *r)
{
	r->position = r->next;
}

void ring_close(struct ring *r)
{
	if (r->position != *r->consumer)
		__atomic_store_n(r->consumer, r->position, __ATOMIC_RELEASE);
}
