/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/bpf.h>

#include "source/ring.h"

#define RECORD_MAX \
	512U /* the largest record that may wrap; ours are all of one size, far smaller */

struct ring {
	ring_record_fn *on_record;
	void *userdata;
	size_t size, page;
	uint64_t *consumer; /* a page of its own, ours to write */
	uint64_t *producer; /* a page, and the data after it */
	const uint8_t *data;
	bool behind; /* records were left */
	_Alignas(8) uint8_t wrapped[RECORD_MAX];
};

int ring_new(int map_fd, size_t size, ring_record_fn *on_record, void *userdata, struct ring **ret)
{
	struct ring *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	r->on_record = on_record;
	r->userdata = userdata;
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

size_t ring_consume(struct ring *r, size_t limit)
{
	uint64_t position = *r->consumer;
	uint64_t end = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE);
	size_t count = 0;

	while (position < end && count < limit) {
		size_t offset = position & (r->size - 1);
		const uint32_t *header = (const uint32_t *)(r->data + offset);
		uint32_t length = __atomic_load_n(header, __ATOMIC_ACQUIRE);
		const void *record;

		if (length & BPF_RINGBUF_BUSY_BIT)
			break;
		if (!(length & BPF_RINGBUF_DISCARD_BIT)) {
			record = unwrap(r, (offset + BPF_RINGBUF_HDR_SZ) & (r->size - 1), length);
			if (record)
				r->on_record(record, length, r->userdata);
			count++;
		}
		length &= ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
		position += (length + BPF_RINGBUF_HDR_SZ + 7) & ~UINT64_C(7);
	}
	__atomic_store_n(r->consumer, position, __ATOMIC_RELEASE);
	r->behind = position < end;
	return count;
}

bool ring_behind(const struct ring *r)
{
	return r->behind;
}
