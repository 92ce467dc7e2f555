/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file in memory that is laid out as the kernel maps a ring buffer: a page with the consumer's
 * position, one with the producer's, and the data. The test is the producer.
 */
#ifndef TESTS_RING_FIXTURE_H
#define TESTS_RING_FIXTURE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/bpf.h>

#define SIZE 4096U

struct kernel_ring {
	int fd;
	size_t page;
	uint64_t *consumer, *producer;
	uint8_t *data;
};

static inline int kernel_ring_open(struct kernel_ring *k)
{
	k->page = (size_t)sysconf(_SC_PAGESIZE);
	k->fd = memfd_create("ring", MFD_CLOEXEC);
	if (k->fd < 0 || ftruncate(k->fd, (off_t)(2 * k->page + SIZE)) < 0)
		return -1;
	k->consumer = mmap(NULL, 2 * k->page + SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, k->fd, 0);
	if (k->consumer == MAP_FAILED)
		return -1;
	k->producer = (uint64_t *)((uint8_t *)k->consumer + k->page);
	k->data = (uint8_t *)k->producer + k->page;
	return 0;
}

static inline void kernel_ring_close(struct kernel_ring *k)
{
	munmap(k->consumer, 2 * k->page + SIZE);
	close(k->fd);
}

/* Each byte of a record, but for the first 8, follows from its number, which those are. */
static inline uint8_t byte_of(uint64_t number, size_t at)
{
	return (uint8_t)(number * 131 + at);
}

static inline uint32_t *header_at(struct kernel_ring *k, uint64_t position)
{
	return (uint32_t *)(k->data + position % SIZE);
}

static inline uint64_t room(const struct kernel_ring *k)
{
	return SIZE - (*k->producer - *k->consumer);
}

/* Its position; it stays reserved until submit(). */
static inline uint64_t reserve(struct kernel_ring *k, uint64_t number, uint32_t size)
{
	uint64_t position = *k->producer, payload = position + BPF_RINGBUF_HDR_SZ;

	assert_true(room(k) >= size + BPF_RINGBUF_HDR_SZ);
	for (size_t i = 0; i < size; i++)
		k->data[(payload + i) % SIZE] = i < sizeof(number) ? ((uint8_t *)&number)[i]
								   : byte_of(number, i);
	header_at(k, position)[0] = size | BPF_RINGBUF_BUSY_BIT;
	*k->producer += (size + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
	return position;
}

static inline void submit(struct kernel_ring *k, uint64_t position)
{
	*header_at(k, position) &= ~BPF_RINGBUF_BUSY_BIT;
}

static inline void discard(struct kernel_ring *k, uint64_t position)
{
	*header_at(k, position) |= BPF_RINGBUF_DISCARD_BIT;
	submit(k, position);
}

static inline void put(struct kernel_ring *k, uint64_t number, uint32_t size)
{
	submit(k, reserve(k, number, size));
}

#endif
