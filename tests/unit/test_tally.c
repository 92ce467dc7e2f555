/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "model/tally.h"
#include "random.h"

static int set_up(void **state)
{
	struct tally *t;

	if (tally_new(&t) < 0)
		return -1;
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	tally_free(*state);
	return 0;
}

static struct tally_key key_of(uint64_t id)
{
	return (struct tally_key){.id = id};
}

static void count(struct tally *t, uint64_t id, int32_t by)
{
	const struct tally_key key = key_of(id);

	tally_count(t, &key, NULL, by);
}

static uint32_t get(const struct tally *t, uint64_t id)
{
	const struct tally_key key = key_of(id);

	return tally_get(t, &key);
}

static unsigned drain(struct tally *t)
{
	struct tally_key key;
	unsigned found = 0;
	uint32_t n;

	while (tally_next_changed(t, &key, &n)) {
		assert_int_equal(n, tally_get(t, &key));
		found++;
	}
	return found;
}

static void test_counts(void **state)
{
	struct tally *t = *state;
	const struct tally_key key = key_of(7);
	const char comm[TW_COMM_SIZE] = "one";

	assert_int_equal(get(t, 7), 0);
	tally_count(t, &key, comm, 1);
	tally_count(t, &key, NULL, 1);
	assert_int_equal(get(t, 7), 2);
	assert_string_equal(tally_comm(t, &key), "one");
	count(t, 7, -1);
	count(t, 8, 1);
	assert_int_equal(get(t, 7), 1);
	assert_int_equal(get(t, 8), 1);
}

/* Each key once, however often it has changed; one that fell to 0 too, and then it is gone. */
static void test_changed(void **state)
{
	struct tally *t = *state;

	for (unsigned i = 0; i < 5; i++)
		count(t, 1, 1);
	count(t, 2, 1);
	count(t, 2, -1);
	assert_int_equal(drain(t), 2);
	assert_int_equal(drain(t), 0);
	count(t, 1, -1);
	assert_int_equal(drain(t), 1);
	tally_change_all(t);
	assert_int_equal(drain(t), 1);
	assert_int_equal(get(t, 1), 4);
}

/* Past the bound what comes is counted as one; what had a place keeps it. */
static void test_bound(void **state)
{
	struct tally *t = *state;

	for (uint64_t i = 0; i < TALLY_KEYS_MAX + 1000; i++)
		count(t, i, 1);
	assert_int_equal(tally_other(t), 1000);
	assert_int_equal(drain(t), TALLY_KEYS_MAX);
	for (uint64_t i = 0; i < 10; i++)
		count(t, TALLY_KEYS_MAX + i, -1);
	assert_int_equal(tally_other(t), 990);
	count(t, 0, -1);
	assert_int_equal(drain(t), 1);
	count(t, TALLY_KEYS_MAX + 500, 1); /* it gets the place that came free */
	assert_int_equal(get(t, TALLY_KEYS_MAX + 500), 1);
	count(t, TALLY_KEYS_MAX + 500, -1);
	count(t, TALLY_KEYS_MAX + 500, -1); /* the one that was counted among the others */
	assert_int_equal(get(t, TALLY_KEYS_MAX + 500), 0);
	assert_int_equal(tally_other(t), 989);
}

/* Against plain counters. */
static void test_random(void **state)
{
	struct tally *t = *state;
	uint32_t counts[500] = {0};
	uint64_t seed = seed_first();

	for (unsigned i = 0; i < 200000; i++) {
		uint32_t id = random_below(&seed, 500);
		int32_t by = counts[id] && random_percent(&seed, 50) ? -1 : 1;

		counts[id] += (uint32_t)by;
		count(t, id, by);
		if (random_percent(&seed, 1))
			drain(t);
		assert_int_equal(get(t, id), counts[id]);
	}
	for (uint32_t id = 0; id < 500; id++)
		assert_int_equal(get(t, id), counts[id]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_counts),
		TEST(test_changed),
		TEST(test_bound),
		TEST(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
