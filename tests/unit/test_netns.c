/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "model/netns.h"

#define FIRST 4026531833U /* what the host's own is called on an ordinary kernel */

static int set_up(void **state)
{
	return netns_table_new((struct netns_table **)state);
}

static int tear_down(void **state)
{
	netns_table_free(*state);
	return 0;
}

static void test_index(void **state)
{
	struct netns_table *t = *state;

	assert_int_equal(netns_count(t), 0);
	assert_int_equal(netns_find(t, FIRST), -ENOENT);
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < 1000; i++)
			assert_int_equal(netns_index(t, FIRST + (uint32_t)i), i);
	assert_int_equal(netns_count(t), 1000);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(netns_find(t, FIRST + (uint32_t)i), i);
		assert_int_equal(netns_at(t, (size_t)i)->inum, FIRST + (uint32_t)i);
	}
	assert_int_equal(netns_find(t, FIRST + 1000), -ENOENT);
	assert_int_equal(netns_count(t), 1000);
}

/* What is known of a namespace stays with it while others make the table grow. */
static void test_growth_keeps(void **state)
{
	struct netns_table *t = *state;

	netns_index(t, FIRST);
	netns_at(t, 0)->tracked[TW_LISTEN][NETNS_IPV6] = 7;
	for (uint32_t i = 1; i < 1000; i++)
		netns_index(t, FIRST + i);
	assert_int_equal(netns_at(t, 0)->tracked[TW_LISTEN][NETNS_IPV6], 7);
	assert_int_equal(netns_connections(netns_at(t, 0), TW_LISTEN), 7);
}

/* A free index goes to the next new namespace, which inherits nothing. */
static void test_forget(void **state)
{
	struct netns_table *t = *state;

	for (uint32_t i = 0; i < 3; i++)
		netns_index(t, FIRST + i);
	netns_at(t, 1)->tracked[TW_LISTEN][NETNS_IPV4] = 1;
	netns_at(t, 1)->known = true;
	netns_forget(t, 1);
	assert_int_equal(netns_find(t, FIRST + 1), -ENOENT);
	assert_int_equal(netns_count(t), 3);
	assert_int_equal(netns_at(t, 1)->inum, 0);
	assert_int_equal(netns_connections(netns_at(t, 1), TW_LISTEN), 0);
	assert_int_equal(netns_index(t, FIRST + 2), 2);
	assert_int_equal(netns_index(t, FIRST + 9), 1);
	assert_int_equal(netns_connections(netns_at(t, 1), TW_LISTEN), 0);
	assert_false(netns_at(t, 1)->known);
	assert_int_equal(netns_index(t, FIRST + 1), 3);
}

/* 0 marks a free index, and is no namespace's number. */
static void test_number_zero(void **state)
{
	struct netns_table *t = *state;

	assert_int_equal(netns_index(t, 0), -EINVAL);
	assert_int_equal(netns_count(t), 0);
	netns_index(t, FIRST);
	netns_forget(t, 0);
	assert_int_equal(netns_index(t, 0), -EINVAL);
	assert_int_equal(netns_find(t, 0), -ENOENT);
}

static uint32_t number(int i)
{
	return FIRST + 65536 * (uint32_t)i;
}

/* Those whose numbers are equal in the low bits: each of them may go, the others are found. */
static void test_alike(void **state)
{
	struct netns_table *t = *state;

	for (int i = 0; i < 8; i++)
		assert_int_equal(netns_index(t, number(i)), i);
	for (int gone = 0; gone < 8; gone++) {
		netns_forget(t, gone);
		for (int i = 0; i < 8; i++)
			assert_int_equal(netns_find(t, number(i)), i == gone ? -ENOENT : i);
		assert_int_equal(netns_index(t, number(gone)), gone);
	}
	for (int i = 0; i < 8; i++)
		netns_forget(t, i);
	for (int i = 0; i < 8; i++)
		assert_int_equal(netns_find(t, number(i)), -ENOENT);
	for (int i = 7; i >= 0; i--)
		assert_in_range(netns_index(t, number(i)), 0, 7);
	assert_int_equal(netns_count(t), 8);
}

static void test_connections(void **state)
{
	struct netns n = {0};

	(void)state;
	n.tracked[TW_TIME_WAIT][NETNS_IPV4] = 3;
	n.tracked[TW_TIME_WAIT][NETNS_IPV6] = 4;
	assert_int_equal(netns_connections(&n, TW_TIME_WAIT), 7);
	n.untracked[TW_TIME_WAIT][NETNS_IPV4] = 10;
	assert_int_equal(netns_connections(&n, TW_TIME_WAIT), 17);
	/* whatever the difference, no family has fewer than none */
	n.untracked[TW_TIME_WAIT][NETNS_IPV4] = -5;
	assert_int_equal(netns_of_family(&n, TW_TIME_WAIT, NETNS_IPV4), 0);
	assert_int_equal(netns_of_family(&n, TW_TIME_WAIT, NETNS_IPV6), 4);
	assert_int_equal(netns_connections(&n, TW_TIME_WAIT), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_index, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_growth_keeps, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_forget, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_number_zero, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_alike, set_up, tear_down),
		cmocka_unit_test(test_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
