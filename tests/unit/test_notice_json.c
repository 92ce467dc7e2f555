/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "alert/journal.h"
#include "alert/notice_json.h"
#include "base/util.h"
#include "notice_fixture.h"

static void test_time(void **state)
{
	char text[NOTICE_TIME_SIZE];

	(void)state;
	notice_time(NOTICE_SINCE_NS, text);
	assert_string_equal(text, "2026-11-20T13:23:05.123Z");
	notice_time(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
}

static void test_row(void **state)
{
	struct notice notice = make_notice(NOTICE_FIRING);
	struct json_object *row;
	_cleanup_free_ char *text = NULL;

	(void)state;
	notice.evidence = json_object_new_object();
	row = notice_json_abroad(&notice, "web1", "/var/lib/tcpwatch/alerts/x.json");
	text = notice_json_text(row);
	assert_string_equal(
		text,
		"{\"name\":\"close-wait-leak\",\"status\":\"firing\",\"severity\":\"warning\","
		"\"scope\":\"unit\",\"target\":\"nginx.service\",\"source\":\"close_wait\","
		"\"value\":153,\"threshold\":100,\"limit\":null,"
		"\"since\":\"2026-11-20T13:23:05.123Z\",\"resolved\":null,\"repeat\":false,"
		"\"held_back\":0,"
		"\"summary\":\"nginx.service holds 153 connections in close_wait\","
		"\"netns\":4026531840,\"port\":null,\"pid\":null,\"id\":\"0000000000abcdef\","
		"\"evidence\":{},\"host\":\"web1\",\"version\":\"0.1.0\","
		"\"evidence_file\":\"/var/lib/tcpwatch/alerts/x.json\"}");
	json_object_put(row);
	json_object_put(notice.evidence);
}

static void test_row_of_a_resolved_one(void **state)
{
	struct notice notice = make_notice(NOTICE_RESOLVED);
	struct json_object *row, *value;

	(void)state;
	notice.value = 12.5;
	notice.limit = 128;
	row = notice_json(&notice);
	assert_true(json_object_object_get_ex(row, "resolved", &value));
	assert_string_equal(json_object_get_string(value), "2026-11-20T13:24:05.123Z");
	assert_true(json_object_object_get_ex(row, "evidence", &value));
	assert_null(value);
	assert_true(json_object_object_get_ex(row, "value", &value));
	assert_string_equal(json_object_to_json_string(value), "12.5");
	assert_true(json_object_object_get_ex(row, "limit", &value));
	assert_string_equal(json_object_to_json_string(value), "128");
	json_object_put(row);
}

static bool has_line(const char *entry, const char *line)
{
	const char *found = strstr(entry, line);

	return found && (found == entry || found[-1] == '\n') && found[strlen(line)] == '\n';
}

static void test_entry(void **state)
{
	static const char *const lines[] = {
		"MESSAGE=close-wait-leak is firing: nginx.service holds 153 connections in "
		"close_wait",
		"MESSAGE_ID=" JOURNAL_ID_FIRING,
		"PRIORITY=4",
		"SYSLOG_IDENTIFIER=tcpwatchd",
		"TCPWATCH_ALERT=close-wait-leak",
		"TCPWATCH_STATUS=firing",
		"TCPWATCH_SEVERITY=warning",
		"TCPWATCH_SCOPE=unit",
		"TCPWATCH_TARGET=nginx.service",
		"TCPWATCH_UNIT=nginx.service",
		"TCPWATCH_VALUE=153",
		"TCPWATCH_THRESHOLD=100",
		"TCPWATCH_NETNS=4026531840",
		"TCPWATCH_SINCE=2026-11-20T13:23:05.123Z",
		"TCPWATCH_ID=0000000000abcdef",
		"TCPWATCH_EVIDENCE_FILE=/x.json",
		"TCPWATCH_EVIDENCE={\"a\":1}",
	};
	struct notice notice = make_notice(NOTICE_FIRING);
	_cleanup_free_ char *entry = NULL;

	(void)state;
	notice.evidence = json_object_new_object();
	json_object_object_add(notice.evidence, "a", json_object_new_int(1));
	entry = journal_entry(&notice, "/x.json");
	json_object_put(notice.evidence);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!has_line(entry, lines[i]))
			fail_msg("no line %s in\n%s", lines[i], entry);
	assert_null(strstr(entry, "TCPWATCH_PID"));
	assert_null(strstr(entry, "TCPWATCH_PORT"));
}

static void test_priorities(void **state)
{
	static const struct {
		enum notice_severity severity;
		const char *firing, *resolved;
	} cases[] = {
		{NOTICE_INFO, "PRIORITY=6", "PRIORITY=6"},
		{NOTICE_WARNING, "PRIORITY=4", "PRIORITY=5"},
		{NOTICE_CRITICAL, "PRIORITY=2", "PRIORITY=5"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct notice firing = make_notice(NOTICE_FIRING);
		struct notice resolved = make_notice(NOTICE_RESOLVED);
		_cleanup_free_ char *first = NULL, *second = NULL;

		firing.severity = resolved.severity = cases[i].severity;
		first = journal_entry(&firing, NULL);
		second = journal_entry(&resolved, NULL);
		assert_true(has_line(first, cases[i].firing));
		assert_true(has_line(second, cases[i].resolved));
		assert_true(has_line(second, "MESSAGE_ID=" JOURNAL_ID_RESOLVED));
	}
}

/* Whatever comes in, a value is one line, and each field stands there once. */
static void test_no_value_poses_as_a_field(void **state)
{
	struct notice notice = make_notice(NOTICE_FIRING);
	_cleanup_free_ char *entry = NULL;
	size_t ids = 0;

	(void)state;
	snprintf(notice.target, sizeof(notice.target), "x\nMESSAGE_ID=0\nPRIORITY=0\n");
	snprintf(notice.summary, sizeof(notice.summary), "y\nMESSAGE_ID=0");
	entry = journal_entry(&notice, "z\nMESSAGE_ID=0");
	for (const char *line = entry; *line; line = strchr(line, '\n') + 1)
		ids += strncmp(line, "MESSAGE_ID=", strlen("MESSAGE_ID=")) == 0;
	assert_int_equal(ids, 1);
	assert_true(has_line(entry, "PRIORITY=4"));
	assert_true(has_line(entry, "TCPWATCH_TARGET=x MESSAGE_ID=0 PRIORITY=0 "));
}

static void test_too_much_evidence_stays_in_its_file(void **state)
{
	static char text[JOURNAL_EVIDENCE_MAX + 1];
	struct notice notice = make_notice(NOTICE_FIRING);
	_cleanup_free_ char *short_one = NULL, *long_one = NULL;

	(void)state;
	memset(text, 'a', JOURNAL_EVIDENCE_MAX - 2); /* and two quotation marks */
	notice.evidence = json_object_new_string(text);
	short_one = journal_entry(&notice, "/x.json");
	json_object_put(notice.evidence);
	text[JOURNAL_EVIDENCE_MAX - 2] = 'a';
	notice.evidence = json_object_new_string(text);
	long_one = journal_entry(&notice, "/x.json");
	json_object_put(notice.evidence);
	assert_non_null(strstr(short_one, "\nTCPWATCH_EVIDENCE=\"a"));
	assert_null(strstr(long_one, "\nTCPWATCH_EVIDENCE="));
	assert_true(has_line(long_one, "TCPWATCH_EVIDENCE_FILE=/x.json"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_row),
		cmocka_unit_test(test_row_of_a_resolved_one),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_priorities),
		cmocka_unit_test(test_no_value_poses_as_a_field),
		cmocka_unit_test(test_too_much_evidence_stays_in_its_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
