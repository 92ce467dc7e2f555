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
#include "source/rings.h"

#define RINGS 3
#define TAKEN_MAX 256
#define RECORD 96

/* A record's number is its time. */
struct fixture {
	struct kernel_ring kernel[RINGS];
	struct rings *rings;
	uint64_t handed[TAKEN_MAX];
	size_t count;
};

static void on_record(const void *record, size_t size, void *userdata)
{
	struct fixture *f = userdata;

	assert_int_equal(size, RECORD);
	assert_true(f->count < TAKEN_MAX);
	memcpy(&f->handed[f->count++], record, sizeof(f->handed[0]));
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[RINGS];

	if (!f)
		return -1;
	*state = f;
	for (size_t i = 0; i < RINGS; i++) {
		if (kernel_ring_open(&f->kernel[i]) < 0)
			return -1;
		fds[i] = f->kernel[i].fd;
	}
	return rings_new(fds, RINGS, SIZE, on_record, f, &f->rings);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	rings_free(f->rings);
	for (size_t i = 0; i < RINGS; i++)
		kernel_ring_close(&f->kernel[i]);
	free(f);
	return 0;
}

static void assert_handed(struct fixture *f, size_t count, const uint64_t numbers[])
{
	assert_int_equal(f->count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(f->handed[i], numbers[i]);
	f->count = 0;
}

static void test_empty(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rings_consume(f->rings, 100, 10), 0);
	assert_false(rings_behind(f->rings));
}

static void test_order_of_time(void **state)
{
	struct fixture *f = *state;

	put(&f->kernel[1], 1, RECORD);
	put(&f->kernel[1], 2, RECORD);
	put(&f->kernel[0], 3, RECORD);
	put(&f->kernel[2], 4, RECORD);
	put(&f->kernel[1], 5, RECORD);
	put(&f->kernel[0], 5, RECORD);
	put(&f->kernel[0], 6, RECORD);
	assert_int_equal(rings_consume(f->rings, 100, 100), 7);
	assert_handed(f, 7, (uint64_t[]){1, 2, 3, 4, 5, 5, 6});
	assert_false(rings_behind(f->rings));
	for (size_t i = 0; i < RINGS; i++)
		assert_int_equal(room(&f->kernel[i]), SIZE);
}

/* An older one may come into another ring until then. */
static void test_until(void **state)
{
	struct fixture *f = *state;

	put(&f->kernel[0], 4, RECORD);
	put(&f->kernel[0], 6, RECORD);
	put(&f->kernel[1], 7, RECORD);
	assert_int_equal(rings_consume(f->rings, 5, 100), 1);
	assert_handed(f, 1, (uint64_t[]){4});
	assert_false(rings_behind(f->rings)); /* what is later was not there */
	put(&f->kernel[2], 5, RECORD);
	assert_int_equal(rings_consume(f->rings, 7, 100), 3);
	assert_handed(f, 3, (uint64_t[]){5, 6, 7});
}

static void test_limit(void **state)
{
	struct fixture *f = *state;

	for (uint64_t n = 1; n <= 5; n++)
		put(&f->kernel[n % RINGS], n, RECORD);
	assert_int_equal(rings_consume(f->rings, 100, 2), 2);
	assert_handed(f, 2, (uint64_t[]){1, 2});
	assert_true(rings_behind(f->rings));
	assert_int_equal(rings_consume(f->rings, 100, 0), 0);
	assert_int_equal(rings_consume(f->rings, 100, 3), 3);
	assert_handed(f, 3, (uint64_t[]){3, 4, 5});
	assert_false(rings_behind(f->rings));
}

/* What is being written may be older than all that the others have. */
static void test_busy(void **state)
{
	struct fixture *f = *state;
	uint64_t held;

	put(&f->kernel[0], 1, RECORD);
	held = reserve(&f->kernel[0], 3, RECORD);
	put(&f->kernel[0], 5, RECORD);
	put(&f->kernel[1], 2, RECORD);
	put(&f->kernel[1], 4, RECORD);
	assert_int_equal(rings_consume(f->rings, 100, 100), 1);
	assert_handed(f, 1, (uint64_t[]){1});
	assert_true(rings_behind(f->rings));
	assert_int_equal(rings_consume(f->rings, 100, 100), 0);
	submit(&f->kernel[0], held);
	assert_int_equal(rings_consume(f->rings, 100, 100), 4);
	assert_handed(f, 4, (uint64_t[]){2, 3, 4, 5});
	assert_false(rings_behind(f->rings));
}

/* Too short for a time, and given up: neither holds up the rest. */
static void test_no_records(void **state)
{
	struct fixture *f = *state;

	put(&f->kernel[0], 1, 4);
	put(&f->kernel[0], 2, RECORD);
	discard(&f->kernel[1], reserve(&f->kernel[1], 1, RECORD));
	put(&f->kernel[1], 3, RECORD);
	put(&f->kernel[2], 1, 7);
	assert_int_equal(rings_consume(f->rings, 100, 100), 2);
	assert_handed(f, 2, (uint64_t[]){2, 3});
	for (size_t i = 0; i < RINGS; i++)
		assert_int_equal(room(&f->kernel[i]), SIZE);
}

/* Time goes on, processors write, some of them slowly, and the reader comes now and then. */
static void test_random(void **state)
{
	uint64_t seed = seed_first(), random = seed, now = 1, last = 0, held[RINGS] = {0};
	bool holds[RINGS] = {false};
	size_t written = 0, read = 0;
	struct fixture *f = *state;

	for (unsigned step = 0; step < 100000; step++) {
		unsigned i = random_below(&random, RINGS);

		now += random_below(&random, 3);
		if (holds[i] && random_percent(&random, 50)) {
			submit(&f->kernel[i], held[i]);
			holds[i] = false;
		} else if (random_percent(&random, 60) && room(&f->kernel[i]) >= 2 * RECORD) {
			uint64_t position = reserve(&f->kernel[i], ++now, RECORD);

			written++;
			if (holds[i] || random_percent(&random, 80)) {
				submit(&f->kernel[i], position);
			} else {
				held[i] = position;
				holds[i] = true;
			}
		} else {
			uint64_t until = now - random_below(&random, 3);

			read += rings_consume(f->rings, until, random_below(&random, 40));
			for (size_t n = 0; n < f->count; n++) {
				assert_seeded(seed, f->handed[n] > last && f->handed[n] <= until);
				last = f->handed[n];
			}
			f->count = 0;
		}
	}
	for (size_t i = 0; i < RINGS; i++)
		if (holds[i])
			submit(&f->kernel[i], held[i]);
	read += rings_consume(f->rings, now, TAKEN_MAX);
	assert_int_equal(read, written);
	assert_true(read > 10000);
}

static void test_no_rings(void **state)
{
	struct rings *rings = NULL;

	(void)state;
	assert_int_equal(rings_new((const int[]){-1}, 1, SIZE, on_record, NULL, &rings), -EBADF);
	assert_null(rings);
}

#define test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_empty),  test(test_order_of_time),
		test(test_until),  test(test_limit),
		test(test_busy),   test(test_no_records),
		test(test_random), cmocka_unit_test(test_no_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
