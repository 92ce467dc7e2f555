/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/owners.h"
#include "model/users.h"

#define SUBORDINATE 100000U /* what the first user's range begins with */

static int set_up(void **state)
{
	return users_new((struct users **)state);
}

static int tear_down(void **state)
{
	users_free(*state);
	return 0;
}

static void test_counts(void **state)
{
	struct users *u = *state;
	uint32_t root = users_take(u, 0), alice = users_take(u, 1000);

	assert_int_not_equal(root, alice);
	assert_int_not_equal(root, USER_UNKNOWN);
	assert_int_equal(users_take(u, 1000), alice);
	assert_int_equal(users_count(u, root), 1);
	assert_int_equal(users_count(u, alice), 2);
	assert_int_equal(users_largest(u), alice);
	users_drop(u, alice);
	users_drop(u, alice);
	assert_int_equal(users_count(u, alice), 0);
	assert_int_equal(users_largest(u), root);
}

static void test_unknown(void **state)
{
	struct users *u = *state;

	assert_int_equal(users_largest(u), USER_UNKNOWN);
	assert_int_equal(users_take(u, UID_UNKNOWN), USER_UNKNOWN);
	assert_int_equal(users_take(u, UID_UNKNOWN), USER_UNKNOWN);
	assert_int_equal(users_count(u, USER_UNKNOWN), 2);
	users_drop(u, USER_UNKNOWN);
	assert_int_equal(users_count(u, USER_UNKNOWN), 1);
}

/* All of a range are its owner's, and the next range is the next one's. */
static void test_subordinate_uids(void **state)
{
	struct users *u = *state;
	uint32_t first = users_take(u, SUBORDINATE);

	assert_int_equal(users_take(u, SUBORDINATE + 1), first);
	assert_int_equal(users_take(u, SUBORDINATE + 65535), first);
	assert_int_not_equal(users_take(u, SUBORDINATE + 65536), first);
	assert_int_not_equal(users_take(u, SUBORDINATE - 1), first);
	assert_int_equal(users_count(u, first), 3);
	assert_int_not_equal(users_take(u, UID_UNKNOWN - 1), USER_UNKNOWN);
}

/* Whoever comes when there is no room is one with the unknown; who leaves makes room. */
static void test_bound(void **state)
{
	struct users *u = *state;
	uint32_t last = USER_UNKNOWN;

	for (uint32_t uid = 0; uid < USERS_MAX - 1; uid++) {
		last = users_take(u, uid);
		assert_int_not_equal(last, USER_UNKNOWN);
	}
	assert_int_equal(users_take(u, USERS_MAX), USER_UNKNOWN);
	users_drop(u, last);
	assert_int_equal(users_take(u, USERS_MAX), last);
	/* in the chain of another, which it shares, the others are still found */
	for (uint32_t uid = 0; uid < USERS_MAX - 2; uid++)
		assert_int_equal(users_count(u, users_take(u, uid)), 2);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unknown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_subordinate_uids, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bound, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
