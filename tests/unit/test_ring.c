/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reader on a file in memory that is laid out as the kernel maps a ring buffer: a page with the
 * consumer's position, one with the producer's, and the data. The test is the producer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/bpf.h>

#include "base/util.h"
#include "random.h"
#include "source/ring.h"

#define SIZE 4096U
#define TAKEN_MAX 256

struct fixture {
	int fd;
	size_t page;
	uint64_t *consumer, *producer;
	uint8_t *data;
	struct ring *ring;
	uint64_t handed[TAKEN_MAX]; /* the records' numbers */
	size_t sizes[TAKEN_MAX];
	size_t count;
	bool wrong; /* bytes were not those of the number */
};

/* Each byte of a record follows from its number. */
static uint8_t byte_of(uint64_t number, size_t at)
{
	return (uint8_t)(number * 131 + at);
}

static void on_record(const void *record, size_t size, void *userdata)
{
	struct fixture *f = userdata;
	const uint8_t *bytes = record;
	uint64_t number;

	memcpy(&number, record, sizeof(number));
	for (size_t i = sizeof(number); i < size; i++)
		f->wrong |= bytes[i] != byte_of(number, i);
	f->wrong |= (uintptr_t)record % 8 != 0;
	f->handed[f->count] = number;
	f->sizes[f->count++] = size;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	*state = f;
	f->page = (size_t)sysconf(_SC_PAGESIZE);
	f->fd = memfd_create("ring", MFD_CLOEXEC);
	if (f->fd < 0 || ftruncate(f->fd, (off_t)(2 * f->page + SIZE)) < 0)
		return -1;
	f->consumer = mmap(NULL, 2 * f->page + SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->consumer == MAP_FAILED)
		return -1;
	f->producer = (uint64_t *)((uint8_t *)f->consumer + f->page);
	f->data = (uint8_t *)f->producer + f->page;
	return ring_new(f->fd, SIZE, on_record, f, &f->ring);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	ring_free(f->ring);
	munmap(f->consumer, 2 * f->page + SIZE);
	close(f->fd);
	free(f);
	return 0;
}

static uint32_t *header_at(struct fixture *f, uint64_t position)
{
	return (uint32_t *)(f->data + position % SIZE);
}

static uint64_t room(const struct fixture *f)
{
	return SIZE - (*f->producer - *f->consumer);
}

/* Its position; it stays reserved until submit(). */
static uint64_t reserve(struct fixture *f, uint64_t number, uint32_t size)
{
	uint64_t position = *f->producer, payload = position + BPF_RINGBUF_HDR_SZ;

	assert_true(room(f) >= size + BPF_RINGBUF_HDR_SZ);
	for (size_t i = 0; i < size; i++)
		f->data[(payload + i) % SIZE] = i < sizeof(number) ? ((uint8_t *)&number)[i]
								   : byte_of(number, i);
	header_at(f, position)[0] = size | BPF_RINGBUF_BUSY_BIT;
	*f->producer += (size + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
	return position;
}

static void submit(struct fixture *f, uint64_t position)
{
	*header_at(f, position) &= ~BPF_RINGBUF_BUSY_BIT;
}

static void discard(struct fixture *f, uint64_t position)
{
	*header_at(f, position) |= BPF_RINGBUF_DISCARD_BIT;
	submit(f, position);
}

static void put(struct fixture *f, uint64_t number, uint32_t size)
{
	submit(f, reserve(f, number, size));
}

/* From the first that was not expected yet. */
static void assert_handed(struct fixture *f, size_t count, const uint64_t numbers[])
{
	assert_int_equal(f->count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(f->handed[i], numbers[i]);
	assert_false(f->wrong);
	f->count = 0;
}

static void test_empty(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ring_consume(f->ring, 10), 0);
	assert_int_equal(*f->consumer, 0);
	assert_false(ring_behind(f->ring));
}

static void test_order(void **state)
{
	struct fixture *f = *state;

	for (uint64_t n = 1; n <= 5; n++)
		put(f, n, 96);
	assert_int_equal(ring_consume(f->ring, 100), 5);
	assert_handed(f, 5, (uint64_t[]){1, 2, 3, 4, 5});
	assert_int_equal(*f->consumer, *f->producer);
	assert_int_equal(ring_consume(f->ring, 100), 0);
}

/* The rest is for the next time, and the kernel has only the room of what was taken. */
static void test_limit(void **state)
{
	struct fixture *f = *state;

	for (uint64_t n = 1; n <= 5; n++)
		put(f, n, 96);
	assert_int_equal(ring_consume(f->ring, 2), 2);
	assert_handed(f, 2, (uint64_t[]){1, 2});
	assert_int_equal(*f->consumer, 2 * (96 + BPF_RINGBUF_HDR_SZ));
	assert_int_equal(ring_consume(f->ring, 0), 0);
	assert_int_equal(ring_consume(f->ring, 2), 2);
	assert_true(ring_behind(f->ring));
	assert_int_equal(ring_consume(f->ring, 2), 1);
	assert_false(ring_behind(f->ring));
	assert_handed(f, 3, (uint64_t[]){3, 4, 5});
}

/* A reservation holds up what came after it. */
static void test_busy(void **state)
{
	struct fixture *f = *state;
	uint64_t held;

	put(f, 1, 96);
	held = reserve(f, 2, 96);
	put(f, 3, 96);
	assert_int_equal(ring_consume(f->ring, 100), 1);
	assert_handed(f, 1, (uint64_t[]){1});
	assert_int_equal(*f->consumer, held);
	assert_int_equal(ring_consume(f->ring, 100), 0);
	assert_true(ring_behind(f->ring));
	submit(f, held);
	assert_int_equal(ring_consume(f->ring, 100), 2);
	assert_false(ring_behind(f->ring));
	assert_handed(f, 2, (uint64_t[]){2, 3});
}

/* And its size says nothing until it is submitted: it may be discarded. */
static void test_discarded(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 96);
	discard(f, reserve(f, 2, 40));
	discard(f, reserve(f, 3, 96));
	put(f, 4, 96);
	assert_int_equal(ring_consume(f->ring, 2), 2);
	assert_handed(f, 2, (uint64_t[]){1, 4});
	assert_int_equal(*f->consumer, *f->producer);
	discard(f, reserve(f, 5, 96));
	assert_int_equal(ring_consume(f->ring, 100), 0);
	assert_int_equal(*f->consumer, *f->producer);
}

/* With 104 bytes each, some lie across the end of 4096: at each place that a record can. */
static void test_wrap(void **state)
{
	struct fixture *f = *state;

	for (uint64_t n = 1; n <= 5000; n++) {
		put(f, n, 96);
		assert_int_equal(ring_consume(f->ring, 100), 1);
		assert_handed(f, 1, &n);
	}
	assert_true(*f->producer > 100 * SIZE);
}

static void test_full_ring(void **state)
{
	struct fixture *f = *state;
	uint64_t number = 0;

	for (int lap = 0; lap < 200; lap++) {
		size_t count = 0;

		for (; room(f) >= 104; count++)
			put(f, ++number, 96);
		assert_int_equal(count, SIZE / 104);
		assert_int_equal(ring_consume(f->ring, 1000), count);
		assert_int_equal(f->handed[count - 1], number);
		assert_false(f->wrong);
		f->count = 0;
	}
}

/* Sizes that are no multiple of 8 are rounded up in the ring, and told as they are. */
static void test_odd_sizes(void **state)
{
	struct fixture *f = *state;

	for (uint32_t size = 8; size < 512; size++) {
		put(f, size, size);
		assert_int_equal(ring_consume(f->ring, 1), 1);
		assert_int_equal(f->sizes[0], size);
		assert_handed(f, 1, (uint64_t[]){size});
	}
	assert_int_equal(*f->consumer % 8, 0);
}

/* What no record of ours is as large as is passed over where it wraps, and the next one is found.
 */
static void test_too_large_to_wrap(void **state)
{
	struct fixture *f = *state;

	put(f, 1, 2000);
	put(f, 2, 1900);
	assert_int_equal(ring_consume(f->ring, 10), 2);
	assert_handed(f, 2, (uint64_t[]){1, 2});
	put(f, 3, 1000); /* across the end */
	put(f, 4, 96);
	ring_consume(f->ring, 10);
	assert_handed(f, 1, (uint64_t[]){4});
	assert_int_equal(*f->consumer, *f->producer);
}

/* All of it at random, against a list. */
static void test_random(void **state)
{
	uint64_t seed = seed_first(), random = seed, number = 0, expected = 0, held = 0;
	bool holds = false;
	struct fixture *f = *state;

	for (unsigned step = 0; step < 100000; step++) {
		uint32_t size = 8 + random_below(&random, 200);

		if (random_percent(&random, 50) && room(f) >= 256) {
			uint64_t position = reserve(f, number + 1, size);

			if (random_percent(&random, 20)) {
				discard(f, position);
				continue;
			}
			number++;
			if (!holds && random_percent(&random, 20)) {
				held = position;
				holds = true;
				continue;
			}
			submit(f, position);
		} else if (holds && random_percent(&random, 50)) {
			submit(f, held);
			holds = false;
		} else {
			ring_consume(f->ring, random_below(&random, 20));
			for (size_t i = 0; i < f->count; i++)
				assert_seeded(seed, f->handed[i] == ++expected);
			assert_seeded(seed, !f->wrong);
			f->count = 0;
		}
	}
	assert_true(expected > 10000);
}

static void test_no_ring(void **state)
{
	struct ring *ring = NULL;

	(void)state;
	assert_int_equal(ring_new(-1, SIZE, on_record, NULL, &ring), -EBADF);
	assert_null(ring);
}

#define test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_empty),
		test(test_order),
		test(test_limit),
		test(test_busy),
		test(test_discarded),
		test(test_wrap),
		test(test_full_ring),
		test(test_odd_sizes),
		test(test_too_large_to_wrap),
		test(test_random),
		cmocka_unit_test(test_no_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
