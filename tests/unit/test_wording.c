/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "alert/wording.h"
#include "base/util.h"
#include "model_fixture.h"

struct words {
	char who[NOTICE_TARGET_SIZE];
	char summary[NOTICE_SUMMARY_SIZE];
};

static struct words words_of(struct fixture *f, const struct settings_alert *alert,
			     const struct rules_target *target)
{
	static struct rules_rule rule;
	struct words words;

	rule.alert = *alert;
	rule.rule.above = (double)alert->above.number;
	wording_target(f->m, &rule, target, words.who);
	wording_summary(f->m, &rule, target, words.who, words.summary);
	return words;
}

static void test_targets(void **state)
{
	static const struct {
		enum settings_scope scope;
		struct tally_key key;
		const char *who;
	} cases[] = {
		{SETTINGS_SCOPE_HOST, {.netns = 0}, "host"},
		{SETTINGS_SCOPE_NETNS, {.netns = 7}, "netns 7"},
		{SETTINGS_SCOPE_LISTENER, {.netns = 7, .port = 80}, "*:80 netns 7"},
		{SETTINGS_SCOPE_PORT, {.port = 80}, "port 80"},
		{SETTINGS_SCOPE_REMOTE, {.family = AF_INET, .address = {10, 0, 0, 1}}, "10.0.0.1"},
		{SETTINGS_SCOPE_REMOTE,
		 {.family = AF_INET6, .address = {0xfd, [15] = 1}, .port = 443, .netns = 7},
		 "[fd00::1]:443 netns 7"},
		{SETTINGS_SCOPE_PROCESS, {.id = 12}, "?[12]"},
		{SETTINGS_SCOPE_UNIT, {.id = 99}, "cgroup 99"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct settings_alert alert = {.state = TW_CLOSE_WAIT - 1,
						     .scope = cases[i].scope};
		const struct rules_target target = {.key = cases[i].key};

		assert_string_equal(words_of(*state, &alert, &target).who, cases[i].who);
	}
}

/* A connection of the control group, whose path is told. */
static void add_cgroup(struct fixture *f, uint32_t id, const char *path)
{
	struct socket s = {.cookie = id, .netns = HOST, .dport = 80};
	struct tw_event e = event_of(&s, TW_CLOSE, TW_ESTABLISHED, later(f));
	struct tw_cgroup group = {.id = id};
	struct tw_tick tick;

	e.cgroup = id;
	e.flags = TW_EVENT_PROCESS;
	e.pid = id;
	model_event(f->m, &e);
	tick.time_ns = later(f);
	model_tick(f->m, &tick);
	snprintf(group.path, sizeof(group.path), "%s", path);
	model_cgroup(f->m, &group);
}

/* Each control group by a name of its own: two instances, or two users' units, are two targets. */
static void test_units(void **state)
{
	static const struct {
		const char *path, *who;
	} cases[] = {
		{"/system.slice/nginx.service", "nginx.service"},
		{"/user.slice/user-1.slice/user@1.service/app.slice/nginx.service",
		 "user@1/nginx.service"},
		{"/user.slice/user-1.slice/user@1.service/app.slice/app-a-12.scope",
		 "user@1/app-a-12.scope"},
		{"/user.slice/user-1.slice/session-3.scope", "user-1/session-3.scope"},
		{"/system.slice/sshd@3-10.0.0.5:22-192.0.2.7:5.service",
		 "sshd@3-10.0.0.5:22-192.0.2.7:5.service"},
		{"/lxc/web", "container/web"},
		{"/system.slice/nginx.service/worker", "nginx.service/worker"},
		{"/user.slice/user-1.slice/user@1.service/app.slice/nginx.service/worker",
		 "user@1/nginx.service/worker"},
		{"/machine.slice/systemd-nspawn@web.service/payload/system.slice/a.service",
		 "systemd-nspawn@web.service/payload/system.slice/a.service"},
		{"/lxc.payload.web/system.slice/a.service", "container/web/system.slice/a.service"},
		{"/some/path", "/some/path"},
		{"/", "/"},
	};
	const struct settings_alert alert = {.state = TW_CLOSE_WAIT - 1,
					     .scope = SETTINGS_SCOPE_UNIT};
	struct fixture *f = *state;

	for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct rules_target target = {.key = {.id = 100 + i}};

		add_cgroup(f, 100 + i, cases[i].path);
		assert_string_equal(words_of(f, &alert, &target).who, cases[i].who);
	}
}

/* What does not fit is cut between characters, and no two of them are one target. */
static void test_long_units(void **state)
{
	static const struct {
		unsigned length; /* of a name of characters with two bytes each, a "/" before it */
		const char *end;
	} cases[] = {
		{63, "\xc3\xa4"}, {64, "\xc3\xa4...[cgroup 201]"}, {99, "\xc3\xa4...[cgroup 202]"}};
	const struct settings_alert alert = {.state = TW_CLOSE_WAIT - 1,
					     .scope = SETTINGS_SCOPE_UNIT};
	struct fixture *f = *state;

	for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct rules_target target = {.key = {.id = 200 + i}};
		char path[256] = "/";
		struct words words;

		for (unsigned j = 0; j < cases[i].length; j++)
			memcpy(path + 1 + 2 * j, "\xc3\xa4", 2);
		add_cgroup(f, 200 + i, path);
		words = words_of(f, &alert, &target);
		assert_in_range(strlen(words.who), 126, 127);
		assert_string_equal(words.who + strlen(words.who) - strlen(cases[i].end),
				    cases[i].end);
	}
}

/* Whoever names a process names no line of a log, and breaks no JSON. */
static void test_a_hostile_name(void **state)
{
	const struct settings_alert alert = {.state = TW_CLOSE_WAIT - 1,
					     .scope = SETTINGS_SCOPE_PROCESS,
					     .above = {.number = 5}};
	const struct rules_target target = {
		.key = {.id = 3}, .comm = "a\nb\x1b[\xff\x7f", .state = {.value = 6}};
	struct words words = words_of(*state, &alert, &target);

	assert_string_equal(words.who, "a?b?[\xef\xbf\xbd?[3]");
	assert_string_equal(words.summary, "a?b?[\xef\xbf\xbd?[3] has 6 connections in close_wait "
					   "(threshold 5): the peers have closed, and the program "
					   "has not");
}

static void test_one(void **state)
{
	static const struct {
		double value, limit;
		const char *words;
	} cases[] = {
		{1, 0, " has 1 connection in time_wait"},
		{2, 0, " has 2 connections in time_wait"},
		{1, 100, " has 1 of at most 100 connections in time_wait"},
	};
	const struct settings_alert in_time_wait = {.state = TW_TIME_WAIT - 1};
	const struct settings_alert waiting = {.source = SETTINGS_SOURCE_ACCEPT_QUEUE};
	struct rules_target target = {0};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		target.state.value = cases[i].value;
		target.state.limit = cases[i].limit;
		assert_non_null(
			strstr(words_of(*state, &in_time_wait, &target).summary, cases[i].words));
	}
	assert_non_null(strstr(words_of(*state, &waiting, &target).summary,
			       " has 1 connection waiting for accept(), of a backlog of 100"));
}

/* One that does not answer is told from a scan. */
static void test_peers(void **state)
{
	const struct settings_alert alert = {.state = TW_SYN_SENT - 1,
					     .scope = SETTINGS_SCOPE_PROCESS};
	const struct rules_target target = {
		.key = {.id = 7}, .comm = "curl", .state = {.value = 1}};
	struct fixture *f = *state;

	for (unsigned i = 0; i < 30; i++) {
		struct socket s = {.cookie = 100 + i, .netns = HOST, .dport = (uint16_t)(1000 + i)};
		struct tw_event e = event_of(&s, TW_CLOSE, TW_SYN_SENT, later(f));

		e.flags = TW_EVENT_PROCESS;
		e.pid = 7;
		model_event(f->m, &e);
		if (i == 0)
			assert_non_null(strstr(words_of(f, &alert, &target).summary,
					       ": 127.0.0.1:1000 does not answer"));
	}
	assert_non_null(strstr(words_of(f, &alert, &target).summary, ": to 30 different peers"));
}

static void syns(struct fixture *f, uint64_t count)
{
	tick(f);
	model_port(f->m, &(struct tw_port_record){.port = {.netns = HOST, .port = 80},
						  .count = {.syns = count}});
}

/* Where SYNs come from is known of the whole host alone. */
static void test_sources(void **state)
{
	const struct settings_alert alert = {.source = SETTINGS_SOURCE_SYN_QUEUE,
					     .scope = SETTINGS_SCOPE_LISTENER};
	const struct rules_target target = {.key = {.netns = HOST, .port = 80},
					    .state = {.value = 9, .limit = 8}};
	struct fixture *f = *state;

	model_listener(f->m, &(struct tw_listener){.netns = HOST, .family = AF_INET, .port = 80});
	model_listeners_done(f->m, &(struct tw_tick){.time_ns = later(f)});
	syns(f, 3);
	model_sources(f->m, &(struct tw_source_summary){.time_ns = later(f),
							.duration_ns = NSEC_PER_SEC / 2,
							.syns = 1000,
							.prefixes = 96});
	assert_null(strstr(words_of(f, &alert, &target).summary, "networks"));
	assert_non_null(strstr(words_of(f, &alert, &target).summary,
			       "): half-open connections that are not completed"));
	syns(f, 103);
	assert_non_null(
		strstr(words_of(f, &alert, &target).summary, " completed, from about 96 networks"));
	f->now_ns += 2 * NSEC_PER_SEC;
	syns(f, 2003);
	assert_non_null(strstr(words_of(f, &alert, &target).summary,
			       " SYNs a second, from about 96 networks"));
	f->now_ns += 20 * NSEC_PER_SEC;
	syns(f, 2003);
	f->now_ns += 2 * NSEC_PER_SEC;
	syns(f, 2013);
	assert_null(strstr(words_of(f, &alert, &target).summary, "networks"));
}

/* A sentence that is too long is cut, and ends. */
static void test_length(void **state)
{
	struct settings_alert alert = {.source = SETTINGS_SOURCE_SYN_COOKIES,
				       .scope = SETTINGS_SCOPE_HOST};
	struct rules_target target = {.state = {.value = 1e300}};
	struct rules_rule rule = {.alert = alert, .rule = {.above = 1e300}};
	struct fixture *f = *state;
	char who[NOTICE_TARGET_SIZE], summary[NOTICE_SUMMARY_SIZE];

	memset(who, 'x', sizeof(who) - 1);
	who[sizeof(who) - 1] = '\0';
	wording_summary(f->m, &rule, &target, who, summary);
	assert_true(strlen(summary) < NOTICE_SUMMARY_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_targets),        test(test_units),  test(test_long_units),
		test(test_a_hostile_name), test(test_one),    test(test_sources),
		test(test_peers),          test(test_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
