/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "model/rank.h"
#include "random.h"

#define SEEDS 300
#define KEYS 40

static struct rank_key key_of(uint32_t number)
{
	struct rank_key key = {0};

	memcpy(key.bytes, &number, sizeof(number));
	return key;
}

static uint32_t number_of(const struct rank_row *row)
{
	uint32_t number;

	memcpy(&number, row->key.bytes, sizeof(number));
	return number;
}

struct naive {
	uint64_t states[KEYS][TW_STATE_SLOTS];
	uint64_t oldest[KEYS];
	uint64_t totals[TW_STATE_SLOTS];
};

static uint64_t sum_of(const struct naive *n, uint32_t key)
{
	uint64_t sum = 0;

	for (unsigned s = 0; s < TW_STATE_SLOTS; s++)
		sum += n->states[key][s];
	return sum;
}

static void fill(struct rank *r, struct naive *n, uint64_t *random)
{
	memset(n->oldest, 0xff, sizeof(n->oldest));
	for (unsigned i = 0; i < 500; i++) {
		uint32_t number = random_below(random, 1 + random_below(random, KEYS));
		unsigned state = TW_STATE_FIRST + random_below(random, 4);
		uint64_t count = random_below(random, 5), entered = random_next(random);
		struct rank_key key = key_of(number);

		rank_add(r, &key, state, count, entered);
		n->states[number][state] += count;
		n->totals[state] += count;
		if (entered < n->oldest[number])
			n->oldest[number] = entered;
	}
}

/* Each row is exact, no key left out has more than one that is there, and all is in the sum. */
static void check(struct rank *r, const struct naive *n, size_t limit, uint64_t seed)
{
	uint64_t states[TW_STATE_SLOTS] = {0}, last = UINT64_MAX;
	bool there[KEYS] = {false};
	const struct rank_row *rows;
	size_t count;

	rows = rank_rows(r, &count);
	assert_seeded(seed, count <= limit);
	for (size_t i = 0; i < count; i++) {
		uint32_t number = number_of(&rows[i]);

		assert_seeded(seed, rows[i].connections == sum_of(n, number));
		assert_seeded(seed, rows[i].oldest_ns == n->oldest[number]);
		assert_seeded(seed, rows[i].connections <= last && rows[i].connections);
		last = rows[i].connections;
		there[number] = true;
		for (unsigned s = 0; s < TW_STATE_SLOTS; s++) {
			assert_seeded(seed, rows[i].states[s] == n->states[number][s]);
			states[s] += rows[i].states[s];
		}
	}
	for (uint32_t key = 0; key < KEYS; key++)
		assert_seeded(seed, there[key] || !sum_of(n, key) ||
					    (count == limit && sum_of(n, key) <= last));
	for (unsigned s = 0; s < TW_STATE_SLOTS; s++)
		assert_seeded(seed, states[s] + rank_others(r)->states[s] == n->totals[s]);
}

static void test_against_naive(void **state)
{
	(void)state;
	for (uint64_t seed = seed_first(), end = seed + SEEDS; seed < end; seed++) {
		uint64_t random = seed;
		size_t limit = random_below(&random, KEYS + 10);
		struct naive n = {0};
		struct rank *r;

		assert_int_equal(rank_new(&r), 0);
		fill(r, &n, &random);
		/* some are counted that nobody added */
		n.totals[TW_STATE_FIRST] += random_below(&random, 3);
		rank_finish(r, limit, n.totals);
		check(r, &n, limit, seed);
		assert_false(rank_overflowed(r));
		rank_free(r);
	}
}

/* What is too much is taken from the others, then from the last row, and from no other state. */
static void test_fewer_than_were_added(void **state)
{
	uint64_t totals[TW_STATE_SLOTS] = {[1] = 9, [2] = 6};
	const struct rank_row *rows;
	struct rank *r;
	size_t count;

	(void)state;
	assert_int_equal(rank_new(&r), 0);
	for (uint32_t i = 1; i <= 3; i++) {
		struct rank_key key = key_of(i);

		rank_add(r, &key, 1, 4 * i, 100 - i);
		rank_add(r, &key, 2, 2, 100);
	}
	rank_finish(r, 2, totals);
	rows = rank_rows(r, &count);
	assert_int_equal(count, 2);
	assert_int_equal(number_of(&rows[0]), 3);
	assert_int_equal(rows[0].states[1], 9);
	assert_int_equal(rows[0].connections, 11);
	assert_int_equal(rows[1].states[1], 0);
	assert_int_equal(rows[1].states[2], 2);
	assert_int_equal(rank_others(r)->states[1], 0);
	assert_int_equal(rank_others(r)->connections, 2);
	assert_int_equal(rank_others(r)->members, 1);
	assert_int_equal(rank_others(r)->oldest_ns, 99);
	rank_free(r);
}

/* The bound holds, what was met before goes on to be exact, and nothing is lost. */
static void test_too_many_keys(void **state)
{
	uint64_t totals[TW_STATE_SLOTS] = {[1] = RANK_KEYS_MAX + 1000 + 5};
	const struct rank_row *rows;
	struct rank *r;
	size_t count;

	(void)state;
	assert_int_equal(rank_new(&r), 0);
	for (uint32_t i = 0; i < RANK_KEYS_MAX + 1000; i++) {
		struct rank_key key = key_of(i);

		rank_add(r, &key, 1, 1, i);
	}
	assert_true(rank_overflowed(r));
	for (uint32_t i = 0; i < 5; i++) {
		struct rank_key key = key_of(77);

		rank_add(r, &key, 1, 1, i);
	}
	rank_finish(r, 3, totals);
	rows = rank_rows(r, &count);
	assert_int_equal(count, 3);
	assert_int_equal(number_of(&rows[0]), 77);
	assert_int_equal(rows[0].connections, 6);
	assert_int_equal(rank_others(r)->members, RANK_KEYS_MAX - 3);
	assert_int_equal(rank_others(r)->connections, totals[1] - 8);
	rank_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_naive),
		cmocka_unit_test(test_fewer_than_were_added),
		cmocka_unit_test(test_too_many_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
