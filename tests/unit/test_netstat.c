/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "model/netstat.h"

static const struct tw_netstat first = {
	.time_ns = NSEC_PER_SEC,
	.syncookies_sent = 100,
	.listen_drops = 7,
};

static void test_what_was_before_is_not_ours(void **state)
{
	struct tw_netstat sums = {0}, none = {0};

	(void)state;
	netstat_add(&sums, &none, &first);
	assert_int_equal(sums.syncookies_sent, 0);
	assert_int_equal(sums.listen_drops, 0);
}

static void test_every_counter(void **state)
{
	struct tw_netstat sums = {0}, next = first;

	(void)state;
#define X(name, field) next.field += 5;
	TW_NETSTAT(X)
#undef X
	netstat_add(&sums, &first, &next);
	netstat_add(&sums, &first, &next); /* of another namespace */
#define X(name, field) assert_int_equal(sums.field, 10);
	TW_NETSTAT(X)
#undef X
}

static void test_never_falls(void **state)
{
	struct tw_netstat sums = {.syncookies_sent = 3}, other = first;

	(void)state;
	other.syncookies_sent = 1; /* another namespace has the number now */
	other.listen_drops = 8;
	netstat_add(&sums, &first, &other);
	assert_int_equal(sums.syncookies_sent, 3);
	assert_int_equal(sums.listen_drops, 1);
}

static void test_rate(void **state)
{
	struct tw_netstat none = {0}, next = first;

	(void)state;
	assert_true(netstat_cookies_rate(&none, &first) == 0);
	assert_true(netstat_cookies_rate(&first, &first) == 0);
	next.time_ns += 1500 * NSEC_PER_MSEC;
	next.syncookies_sent += 300;
	assert_true(netstat_cookies_rate(&first, &next) == 200);
	next.syncookies_sent = 0;
	assert_true(netstat_cookies_rate(&first, &next) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_before_is_not_ours),
		cmocka_unit_test(test_every_counter),
		cmocka_unit_test(test_never_falls),
		cmocka_unit_test(test_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
