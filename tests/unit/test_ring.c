/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "random.h"
#include "ring_fixture.h"
#include "source/ring.h"

#define TAKEN_MAX 256

struct fixture {
	struct kernel_ring kernel;
	struct ring *ring;
	uint64_t handed[TAKEN_MAX]; /* the records' numbers */
	size_t sizes[TAKEN_MAX];
	size_t count;
	enum ring_head head; /* what the last run ended at */
	bool wrong;          /* bytes were not those of the number */
};

static void keep(struct fixture *f, const void *record, size_t size)
{
	const uint8_t *bytes = record;
	uint64_t number;

	memcpy(&number, record, sizeof(number));
	for (size_t i = sizeof(number); i < size; i++)
		f->wrong |= bytes[i] != byte_of(number, i);
	f->wrong |= (uintptr_t)record % 8 != 0;
	f->handed[f->count] = number;
	f->sizes[f->count++] = size;
}

/* A run over up to limit records; how many. */
static size_t consume(struct fixture *f, size_t limit)
{
	const void *record;
	size_t count, size;

	ring_open(f->ring);
	for (count = 0; (f->head = ring_peek(f->ring, &record, &size)) == RING_RECORD; count++) {
		if (count == limit)
			break;
		keep(f, record, size);
		ring_take(f->ring);
	}
	ring_close(f->ring);
	return count;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	*state = f;
	if (kernel_ring_open(&f->kernel) < 0)
		return -1;
	return ring_new(f->kernel.fd, SIZE, &f->ring);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	ring_free(f->ring);
	kernel_ring_close(&f->kernel);
	free(f);
	return 0;
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

	assert_int_equal(consume(f, 10), 0);
	assert_int_equal(*f->kernel.consumer, 0);
	assert_int_equal(f->head, RING_EMPTY);
}

static void test_order(void **state)
{
	struct fixture *f = *state;

	for (uint64_t n = 1; n <= 5; n++)
		put(&f->kernel, n, 96);
	assert_int_equal(consume(f, 100), 5);
	assert_handed(f, 5, (uint64_t[]){1, 2, 3, 4, 5});
	assert_int_equal(*f->kernel.consumer, *f->kernel.producer);
	assert_int_equal(consume(f, 100), 0);
}

/* The rest is for the next time, and the kernel has only the room of what was taken. */
static void test_limit(void **state)
{
	struct fixture *f = *state;

	for (uint64_t n = 1; n <= 5; n++)
		put(&f->kernel, n, 96);
	assert_int_equal(consume(f, 2), 2);
	assert_handed(f, 2, (uint64_t[]){1, 2});
	assert_int_equal(*f->kernel.consumer, 2 * (96 + BPF_RINGBUF_HDR_SZ));
	assert_int_equal(consume(f, 0), 0);
	assert_int_equal(consume(f, 2), 2);
	assert_int_equal(f->head, RING_RECORD);
	assert_int_equal(consume(f, 2), 1);
	assert_int_equal(f->head, RING_EMPTY);
	assert_handed(f, 3, (uint64_t[]){3, 4, 5});
}

/* A reservation holds up what came after it. */
static void test_busy(void **state)
{
	struct fixture *f = *state;
	uint64_t held;

	put(&f->kernel, 1, 96);
	held = reserve(&f->kernel, 2, 96);
	put(&f->kernel, 3, 96);
	assert_int_equal(consume(f, 100), 1);
	assert_handed(f, 1, (uint64_t[]){1});
	assert_int_equal(*f->kernel.consumer, held);
	assert_int_equal(consume(f, 100), 0);
	assert_int_equal(f->head, RING_BUSY);
	submit(&f->kernel, held);
	assert_int_equal(consume(f, 100), 2);
	assert_int_equal(f->head, RING_EMPTY);
	assert_handed(f, 2, (uint64_t[]){2, 3});
}

/* And its size says nothing until it is submitted: it may be discarded. */
static void test_discarded(void **state)
{
	struct fixture *f = *state;

	put(&f->kernel, 1, 96);
	discard(&f->kernel, reserve(&f->kernel, 2, 40));
	discard(&f->kernel, reserve(&f->kernel, 3, 96));
	put(&f->kernel, 4, 96);
	assert_int_equal(consume(f, 2), 2);
	assert_handed(f, 2, (uint64_t[]){1, 4});
	assert_int_equal(*f->kernel.consumer, *f->kernel.producer);
	discard(&f->kernel, reserve(&f->kernel, 5, 96));
	assert_int_equal(consume(f, 100), 0);
	assert_int_equal(*f->kernel.consumer, *f->kernel.producer);
}

/* With 104 bytes each, some lie across the end of 4096: at each place that a record can. */
static void test_wrap(void **state)
{
	struct fixture *f = *state;

	for (uint64_t n = 1; n <= 5000; n++) {
		put(&f->kernel, n, 96);
		assert_int_equal(consume(f, 100), 1);
		assert_handed(f, 1, &n);
	}
	assert_true(*f->kernel.producer > 100 * SIZE);
}

static void test_full_ring(void **state)
{
	struct fixture *f = *state;
	uint64_t number = 0;

	for (int lap = 0; lap < 200; lap++) {
		size_t count = 0;

		for (; room(&f->kernel) >= 104; count++)
			put(&f->kernel, ++number, 96);
		assert_int_equal(count, SIZE / 104);
		assert_int_equal(consume(f, 1000), count);
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
		put(&f->kernel, size, size);
		assert_int_equal(consume(f, 1), 1);
		assert_int_equal(f->sizes[0], size);
		assert_handed(f, 1, (uint64_t[]){size});
	}
	assert_int_equal(*f->kernel.consumer % 8, 0);
}

/* What no record of ours is as large as is passed over where it wraps, and the next one is found.
 */
static void test_too_large_to_wrap(void **state)
{
	struct fixture *f = *state;

	put(&f->kernel, 1, 2000);
	put(&f->kernel, 2, 1900);
	assert_int_equal(consume(f, 10), 2);
	assert_handed(f, 2, (uint64_t[]){1, 2});
	put(&f->kernel, 3, 1000); /* across the end */
	put(&f->kernel, 4, 96);
	consume(f, 10);
	assert_handed(f, 1, (uint64_t[]){4});
	assert_int_equal(*f->kernel.consumer, *f->kernel.producer);
}

/* All of it at random, against a list. */
static void test_random(void **state)
{
	uint64_t seed = seed_first(), random = seed, number = 0, expected = 0, held = 0;
	bool holds = false;
	struct fixture *f = *state;

	for (unsigned step = 0; step < 100000; step++) {
		uint32_t size = 8 + random_below(&random, 200);

		if (random_percent(&random, 50) && room(&f->kernel) >= 256) {
			uint64_t position = reserve(&f->kernel, number + 1, size);

			if (random_percent(&random, 20)) {
				discard(&f->kernel, position);
				continue;
			}
			number++;
			if (!holds && random_percent(&random, 20)) {
				held = position;
				holds = true;
				continue;
			}
			submit(&f->kernel, position);
		} else if (holds && random_percent(&random, 50)) {
			submit(&f->kernel, held);
			holds = false;
		} else {
			consume(f, random_below(&random, 20));
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
	assert_int_equal(ring_new(-1, SIZE, &ring), -EBADF);
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
