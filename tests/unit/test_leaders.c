/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alert/leaders.h"

static void add(struct leaders *l, uint64_t high, uint64_t low, unsigned times)
{
	for (unsigned i = 0; i < times; i++)
		leaders_add(l, (const uint64_t[2]){high, low});
}

static int set_up(void **state)
{
	return leaders_new((struct leaders **)state);
}

static int tear_down(void **state)
{
	leaders_free(*state);
	return 0;
}

static void test_top(void **state)
{
	struct leaders *l = *state;
	struct leader top[3];

	assert_int_equal(leaders_top(l, 3, top), 0);
	add(l, 1, 0, 2);
	add(l, 0, 1, 5); /* both halves count */
	assert_int_equal(leaders_top(l, 3, top), 2);
	add(l, 0, 0, 3);
	add(l, 7, 7, 1);
	add(l, 8, 8, 9);
	assert_int_equal(leaders_keys(l), 5);
	assert_int_equal(leaders_top(l, 3, top), 3);
	assert_int_equal(top[0].count, 9);
	assert_int_equal(top[0].key[0], 8);
	assert_int_equal(top[1].count, 5);
	assert_int_equal(top[1].key[1], 1);
	assert_int_equal(top[2].count, 3);
	leaders_clear(l);
	assert_int_equal(leaders_top(l, 3, top), 0);
}

/* Where they are equal it is the same ones each time, wherever the keys lie. */
static void test_equal(void **state)
{
	struct leaders *l = *state;
	struct leader top[4];

	for (uint64_t i = 100; i-- > 0;)
		add(l, i / 10, i % 10, i == 77 ? 2 : 1);
	assert_int_equal(leaders_top(l, 4, top), 4);
	assert_int_equal(top[0].key[0] * 10 + top[0].key[1], 77);
	for (uint64_t i = 1; i < 4; i++)
		assert_int_equal(top[i].key[0] * 10 + top[i].key[1], i - 1);
}

/* As many keys as there may be things: each is told from the others, and no search goes round. */
static void test_bound(void **state)
{
	struct leaders *l = *state;
	struct leader top[2];

	add(l, 3, 0, 2);
	for (uint64_t i = 0; i < 2 * LEADERS_MAX; i++)
		leaders_add(l, (const uint64_t[2]){i << 32, i});
	assert_int_equal(leaders_keys(l), LEADERS_MAX - 1);
	assert_int_equal(leaders_top(l, 2, top), 2);
	assert_int_equal(top[0].count, 2);
	assert_int_equal(top[1].count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_top, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_equal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bound, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
