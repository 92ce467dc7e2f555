/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "alert/roll.h"
#include "base/util.h"
#include "notice_fixture.h"

#define NOW NOTICE_SINCE_NS

static int set_up(void **state)
{
	return roll_new("web1", (struct roll **)state);
}

static int tear_down(void **state)
{
	roll_free(*state);
	return 0;
}

static void put(struct roll *r, enum notice_status status, const char *target)
{
	struct notice notice = make_notice(status);

	snprintf(notice.target, sizeof(notice.target), "%s", target);
	assert_int_equal(roll_put(r, &notice, NULL, NOW), 0);
}

/* How many alerts the document has. */
static size_t send(struct roll *r, bool all)
{
	_cleanup_free_ char *text = roll_document(r, all, NOW);
	struct json_object *document = json_tokener_parse(text);
	size_t count;

	assert_true(json_object_is_type(document, json_type_array));
	count = json_object_array_length(document);
	json_object_put(document);
	return count;
}

static void test_document(void **state)
{
	struct notice notice = make_notice(NOTICE_FIRING);
	_cleanup_free_ char *firing = NULL, *resolved = NULL;

	assert_int_equal(roll_put(*state, &notice, "/x.json", NOW), 0);
	firing = roll_document(*state, false, NOW);
	assert_string_equal(
		firing,
		"[{\"labels\":{\"alertname\":\"close-wait-leak\",\"severity\":\"warning\","
		"\"scope\":\"unit\",\"target\":\"nginx.service\",\"source\":\"close_wait\","
		"\"instance\":\"web1\"},\"annotations\":{"
		"\"summary\":\"nginx.service holds 153 connections in close_wait\","
		"\"description\":\"close_wait of nginx.service on web1 is 153 and fires above "
		"100. `tcpwatchctl alerts` there shows more, and so does /x.json.\"},"
		"\"startsAt\":\"2026-11-20T13:23:05.123Z\","
		"\"endsAt\":\"2026-11-20T13:28:05.123Z\"}]");
	notice = make_notice(NOTICE_RESOLVED);
	assert_int_equal(roll_put(*state, &notice, NULL, NOW), 0);
	resolved = roll_document(*state, false, NOW);
	assert_non_null(strstr(resolved, "\"endsAt\":\"2026-11-20T13:24:05.123Z\""));
}

static void test_what_has_changed_is_told_once(void **state)
{
	put(*state, NOTICE_FIRING, "a");
	put(*state, NOTICE_FIRING, "b");
	assert_int_equal(send(*state, false), 2);
	assert_int_equal(roll_settle(*state), 2);
	assert_int_equal(roll_changed(*state), 0);
	assert_int_equal(send(*state, false), 0);
	assert_int_equal(roll_settle(*state), 0);
	/* but all that fire are told again */
	assert_int_equal(send(*state, true), 2);
	assert_int_equal(roll_settle(*state), 0);
	assert_int_equal(roll_count(*state), 2);
}

static void test_a_resolved_one_goes_when_it_is_told(void **state)
{
	put(*state, NOTICE_FIRING, "a");
	send(*state, false);
	roll_settle(*state);
	put(*state, NOTICE_RESOLVED, "a");
	assert_int_equal(send(*state, false), 1);
	assert_int_equal(roll_failed(*state, NOW), 0);
	assert_int_equal(roll_changed(*state), 1);
	assert_int_equal(send(*state, false), 1);
	assert_int_equal(roll_settle(*state), 1);
	assert_int_equal(roll_count(*state), 0);
}

static void test_a_change_under_way_is_not_settled(void **state)
{
	put(*state, NOTICE_FIRING, "a");
	assert_int_equal(send(*state, false), 1);
	put(*state, NOTICE_RESOLVED, "a");
	assert_int_equal(roll_settle(*state), 0);
	assert_int_equal(roll_changed(*state), 1);
	/* and one that fires again takes the place of what was not told */
	put(*state, NOTICE_FIRING, "a");
	assert_int_equal(send(*state, false), 1);
	assert_int_equal(roll_settle(*state), 1);
	assert_int_equal(roll_count(*state), 1);
}

static void test_an_old_resolved_one_is_given_up(void **state)
{
	struct notice notice = make_notice(NOTICE_RESOLVED);

	put(*state, NOTICE_FIRING, "fires");
	put(*state, NOTICE_RESOLVED, "ended");
	send(*state, false);
	assert_int_equal(roll_failed(*state, notice.resolved_unix_ns + ROLL_KEPT_NS - 1), 0);
	send(*state, false);
	assert_int_equal(roll_failed(*state, notice.resolved_unix_ns + ROLL_KEPT_NS), 1);
	assert_int_equal(roll_count(*state), 1);
	assert_int_equal(roll_changed(*state), 1);
}

static void test_the_limit(void **state)
{
	struct notice notice = make_notice(NOTICE_FIRING);

	for (unsigned i = 0; i < ROLL_ALERTS; i++) {
		snprintf(notice.target, sizeof(notice.target), "%u", i);
		assert_int_equal(roll_put(*state, &notice, NULL, NOW), 0);
	}
	assert_int_equal(roll_put(*state, &notice, NULL, NOW), 0);
	snprintf(notice.target, sizeof(notice.target), "x");
	assert_int_equal(roll_put(*state, &notice, NULL, NOW), -ENOSPC);
	assert_int_equal(roll_count(*state), ROLL_ALERTS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_document),
		TEST(test_what_has_changed_is_told_once),
		TEST(test_a_resolved_one_goes_when_it_is_told),
		TEST(test_a_change_under_way_is_not_settled),
		TEST(test_an_old_resolved_one_is_given_up),
		TEST(test_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
