/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "alert/keep.h"
#include "alert/rules.h"
#include "base/util.h"
#include "model_fixture.h"

#define S NSEC_PER_SEC
#define MANY 10000U

/* What was announced. */
struct heard {
	unsigned fires, repeats, resolves;
	uint64_t held_back; /* as the notices said, in sum */
	uint64_t last_id;
};

struct world {
	struct fixture f;
	struct rules *rules;
	struct heard heard;
	char path[48];
};

static void on_news(const struct rules_rule *rule, const struct rules_target *target,
		    enum rules_news news, void *userdata)
{
	struct heard *heard = userdata;

	heard->fires += news == RULES_FIRES;
	heard->repeats += news == RULES_REPEATS;
	heard->resolves += news == RULES_RESOLVES;
	heard->held_back += rule->held_back;
	heard->last_id = target->id;
}

static int begin(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	if (!w)
		return -1;
	w->f.now_ns = 1000 * S;
	snprintf(w->path, sizeof(w->path), "/tmp/test_rules.%d.json", getpid());
	if (model_new(4 * MANY, &w->f.m) < 0 ||
	    rules_new(w->f.m, 0, on_news, &w->heard, &w->rules) < 0)
		return -1;
	dump_nothing(&w->f); /* from now on the counts are known */
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;

	rules_free(w->rules);
	model_free(w->f.m);
	unlink(w->path);
	free(w);
	return 0;
}

static struct settings_alert leak(const char *name, unsigned above)
{
	struct settings_alert alert = {
		.enabled = true,
		.source = SETTINGS_SOURCE_STATE,
		.state = TW_CLOSE_WAIT - 1,
		.scope = SETTINGS_SCOPE_PORT,
		.above = {.number = above},
		.repeat = 3600 * S,
	};

	snprintf(alert.member.name, sizeof(alert.member.name), "%s", name);
	return alert;
}

static void set(struct world *w, const struct settings_alert *alerts, size_t count)
{
	size_t failed;

	assert_int_equal(rules_set(w->rules, alerts, count, w->f.now_ns, &failed), 0);
}

/* A connection of a local port goes to CLOSE_WAIT. */
static struct socket leave(struct world *w, unsigned port, uint64_t cookie)
{
	const struct socket s = {
		.cookie = cookie, .netns = HOST, .sport = (uint16_t)port, .dport = 7};

	establish(&w->f, &s);
	change(&w->f, &s, TW_ESTABLISHED, TW_CLOSE_WAIT);
	return s;
}

static void close_it(struct world *w, const struct socket *s)
{
	change(&w->f, s, TW_CLOSE_WAIT, TW_LAST_ACK);
	change(&w->f, s, TW_LAST_ACK, TW_CLOSE);
}

static void pass_time(struct world *w, uint64_t seconds)
{
	for (uint64_t i = 0; i < 2 * seconds; i++) {
		w->f.now_ns += S / 2;
		tick(&w->f);
		rules_tick(w->rules, w->f.now_ns);
	}
}

/* By the transition itself, without a tick, whichever it is of many. */
static void test_at_once(void **state)
{
	struct world *w = *state;
	const struct settings_alert alert = leak("leak", 2);

	set(w, &alert, 1);
	for (unsigned i = 0; i < 2; i++)
		leave(w, 80, 100 + i);
	rules_changed(w->rules, w->f.now_ns);
	assert_int_equal(w->heard.fires, 0);
	leave(w, 81, 200);
	leave(w, 80, 102);
	rules_changed(w->rules, w->f.now_ns);
	assert_int_equal(w->heard.fires, 1);
	rules_changed(w->rules, w->f.now_ns);
	assert_int_equal(w->heard.fires, 1);
	assert_int_equal(rules_targets(w->rules, RULE_FIRING), 1);
}

static void test_resolved(void **state)
{
	struct world *w = *state;
	const struct settings_alert alert = leak("leak", 0);
	struct socket s;

	set(w, &alert, 1);
	s = leave(w, 80, 100);
	rules_changed(w->rules, w->f.now_ns);
	close_it(w, &s);
	pass_time(w, 9);
	assert_int_equal(w->heard.resolves, 0);
	pass_time(w, 2);
	assert_int_equal(w->heard.resolves, 1);
	assert_int_equal(rules_targets(w->rules, RULE_FIRING), 0);
}

/* Ages count by the table's marks. */
static void test_older_than(void **state)
{
	struct world *w = *state;
	struct settings_alert alert = leak("leak", 1);
	struct socket s;

	alert.older_than = 60 * S;
	set(w, &alert, 1);
	s = leave(w, 80, 100);
	leave(w, 80, 101);
	pass_time(w, 59);
	assert_int_equal(w->heard.fires, 0);
	pass_time(w, 2);
	assert_int_equal(w->heard.fires, 1);
	close_it(w, &s);
	pass_time(w, 11);
	assert_int_equal(w->heard.resolves, 1);
}

/*
 * 10,000 targets at once: so many are followed, so many are told, the rest is counted; and as time
 * goes on some more of those that still fire are told.
 */
static void test_many_targets(void **state)
{
	struct world *w = *state;
	const struct settings_alert alert = leak("leak", 0);
	const struct rules_rule *rule;

	set(w, &alert, 1);
	for (unsigned i = 0; i < MANY; i++)
		leave(w, 1000 + i, 100 + i);
	rules_changed(w->rules, w->f.now_ns);
	rule = rules_at(w->rules, 0);
	assert_int_equal(rule->count, RULES_TARGETS_MAX);
	assert_int_equal(w->heard.fires, (unsigned)RULES_BURST);
	assert_int_equal(rule->fired, RULES_TARGETS_MAX);
	assert_int_equal(rule->held_back_total, RULES_TARGETS_MAX - (unsigned)RULES_BURST);
	pass_time(w, 62);
	assert_int_equal(w->heard.fires, (unsigned)RULES_BURST + 2);
	assert_int_equal(rule->unfollowed, MANY - RULES_TARGETS_MAX);
	assert_int_equal(w->heard.repeats + w->heard.resolves, 0);
}

/* Many rules together tell no more than all may. */
static void test_many_rules(void **state)
{
	struct world *w = *state;
	struct settings_alert alerts[20];

	for (unsigned i = 0; i < ARRAY_SIZE(alerts); i++) {
		char name[16];

		snprintf(name, sizeof(name), "leak-%u", i);
		alerts[i] = leak(name, 0);
	}
	set(w, alerts, ARRAY_SIZE(alerts));
	for (unsigned i = 0; i < 9; i++)
		leave(w, 1000 + i, 100 + i);
	rules_changed(w->rules, w->f.now_ns);
	assert_int_equal(w->heard.fires, (unsigned)RULES_ALL_BURST);
	assert_int_equal(rules_targets(w->rules, RULE_FIRING), 9 * ARRAY_SIZE(alerts));
}

/* A place that comes free goes to one that had found none. */
static void test_the_next_ones(void **state)
{
	struct world *w = *state;
	const struct settings_alert alert = leak("leak", 0);
	struct socket sockets[RULES_TARGETS_MAX + 5];

	set(w, &alert, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(sockets); i++) {
		sockets[i] = leave(w, 1000 + i, 100 + i);
		rules_changed(w->rules, w->f.now_ns);
	}
	assert_int_equal(rules_at(w->rules, 0)->count, RULES_TARGETS_MAX);
	for (unsigned i = 0; i < 50; i++)
		close_it(w, &sockets[i]);
	pass_time(w, 25);
	assert_int_equal(rules_at(w->rules, 0)->count, RULES_TARGETS_MAX - 50 + 5);
	assert_int_equal(rules_at(w->rules, 0)->unfollowed, 0);
	assert_int_equal(w->heard.resolves, (unsigned)RULES_BURST); /* as many as were told */
}

static void test_reload(void **state)
{
	struct world *w = *state;
	struct settings_alert alerts[2] = {leak("same", 0), leak("other", 0)};
	size_t failed;

	set(w, alerts, 2);
	leave(w, 80, 100);
	rules_changed(w->rules, w->f.now_ns);
	assert_int_equal(w->heard.fires, 2);
	set(w, alerts, 2);
	assert_int_equal(rules_targets(w->rules, RULE_FIRING), 2);
	alerts[1].above.number = 5;
	set(w, alerts, 2);
	assert_int_equal(w->heard.resolves, 1);
	assert_int_equal(rules_targets(w->rules, RULE_FIRING), 1);
	pass_time(w, 1);
	assert_int_equal(w->heard.fires, 2);

	/* more marks than a state has: nothing of it is taken */
	for (unsigned i = 0; i < 30; i++) {
		struct settings_alert many[30];

		for (unsigned j = 0; j < ARRAY_SIZE(many); j++) {
			char name[16];

			snprintf(name, sizeof(name), "m%u", j);
			many[j] = leak(name, 0);
			many[j].older_than = (j + 1) * S;
		}
		assert_int_equal(rules_set(w->rules, many, ARRAY_SIZE(many), w->f.now_ns, &failed),
				 -ENOSPC);
		assert_true(failed > 0 && failed < ARRAY_SIZE(many));
	}
	assert_int_equal(rules_count(w->rules), 2);
	assert_int_equal(rules_targets(w->rules, RULE_FIRING), 1);
	alerts[0].enabled = false;
	set(w, alerts, 2);
	assert_int_equal(w->heard.resolves, 2);
	set(w, NULL, 0);
	assert_int_equal(w->heard.resolves, 2);
}

/* What it finds when it is taken up counts too. */
static void test_a_rule_that_comes_late(void **state)
{
	struct world *w = *state;
	const struct settings_alert alert = leak("leak", 2);

	for (unsigned i = 0; i < 3; i++)
		leave(w, 80, 100 + i);
	set(w, &alert, 1);
	rules_changed(w->rules, w->f.now_ns);
	assert_int_equal(w->heard.fires, 1);
}

static void name_it(const struct rules_rule *rule, const struct rules_target *target,
		    char text[static NOTICE_TARGET_SIZE], void *userdata)
{
	(void)rule, (void)target;
	snprintf(text, NOTICE_TARGET_SIZE, "%s", (const char *)userdata);
}

struct restored {
	uint64_t id;
	char target[NOTICE_TARGET_SIZE];
};

static void on_restored(uint64_t id, const char *target, void *userdata)
{
	struct restored *restored = userdata;

	restored->id = id;
	snprintf(restored->target, sizeof(restored->target), "%s", target);
}

/* The daemon ends, and another one finds the same connections, whose ages begin anew. */
static void test_restart(void **state)
{
	struct world *w = *state;
	struct settings_alert alert = leak("leak", 0);
	char hostile[] = "a\"b\\c\nd\xff";
	struct restored restored = {0};
	struct rules *after;
	size_t count;
	uint64_t id;

	alert.older_than = 30 * S;
	set(w, &alert, 1);
	leave(w, 80, 100);
	pass_time(w, 31);
	assert_int_equal(w->heard.fires, 1);
	id = w->heard.last_id;
	assert_int_equal(keep_write(w->path, w->rules, name_it, hostile), 0);

	w->heard = (struct heard){0};
	assert_int_equal(rules_new(w->f.m, 0, on_news, &w->heard, &after), 0);
	rules_free(w->rules);
	w->rules = after;
	model_free(w->f.m);
	assert_int_equal(model_new(CAPACITY, &w->f.m), 0);
	rules_free(w->rules);
	assert_int_equal(rules_new(w->f.m, 0, on_news, &w->heard, &w->rules), 0);
	dump_nothing(&w->f);
	set(w, &alert, 1);
	assert_int_equal(keep_read(w->path, w->rules, w->f.now_ns, on_restored, &restored, &count),
			 0);
	assert_int_equal(count, 1);
	assert_int_equal(restored.id, id);
	assert_string_equal(restored.target, "a\"b\\c?d\xef\xbf\xbd");
	leave(w, 80, 100);
	pass_time(w, 60);
	assert_int_equal(w->heard.fires + w->heard.resolves, 0);
	assert_int_equal(rules_at(w->rules, 0)->targets[0].id, id);
	close_it(w, &(struct socket){.cookie = 100, .netns = HOST, .sport = 80, .dport = 7});
	pass_time(w, 12);
	assert_int_equal(w->heard.resolves, 1);
}

static void write_file(const struct world *w, const char *text)
{
	FILE *file = fopen(w->path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* A file may be anything. */
static void test_files_that_are_none(void **state)
{
	static const char *const broken[] = {
		"",
		"{",
		"[]",
		"null",
		"{\"version\":1}",
		"{\"version\":1,\"boot\":3,\"alerts\":[]}",
		"{\"version\":1,\"boot\":\"x\",\"alerts\":{}}",
	};
	static const char *const others[] = {
		"{\"version\":2,\"boot\":\"x\",\"alerts\":[]}",
		"{\"version\":1,\"boot\":\"\",\"alerts\":[]}",
		"{\"version\":1,\"boot\":\"another\",\"alerts\":[{\"name\":\"leak\"}]}",
	};
	struct world *w = *state;
	const struct settings_alert alert = leak("leak", 0);
	size_t count = 7;

	set(w, &alert, 1);
	assert_int_equal(
		keep_read("/nonexistent/x", w->rules, w->f.now_ns, on_restored, NULL, &count), 0);
	assert_int_equal(count, 0);
	assert_int_equal(keep_read("/tmp", w->rules, w->f.now_ns, on_restored, NULL, &count),
			 -EBADMSG);
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		write_file(w, broken[i]);
		assert_int_equal(
			keep_read(w->path, w->rules, w->f.now_ns, on_restored, NULL, &count),
			-EBADMSG);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		write_file(w, others[i]);
		assert_int_equal(
			keep_read(w->path, w->rules, w->f.now_ns, on_restored, NULL, &count), 0);
		assert_int_equal(count, 0);
	}
}

/* Rows that were tampered with are left out, one by one; without its name one goes on. */
static void test_rows_that_make_no_sense(void **state)
{
	static const struct {
		const char *from, *to;
		size_t kept;
	} edits[] = {
		{"\"key\":\"00", "\"key\":\"0x", 0},
		{"\"key\":\"00", "\"key\":\"", 0},
		{"\"name\":\"leak\"", "\"name\":\"gone\"", 0},
		{"\"name\":\"leak\"", "\"name\":7", 0},
		{"\"id\":", "\"id\":-", 0},
		{"\"since_ns\":", "\"since_ns\":9", 0},
		{"\"value\":", "\"value\":-", 0},
		{"\"told_ns\":", "\"other\":", 0},
		{"\"target\":\"x\"", "\"target\":7", 1},
		{"\"target\":", "\"other\":", 1},
	};
	struct world *w = *state;
	const struct settings_alert alert = leak("leak", 0);
	struct restored restored;

	set(w, &alert, 1);
	leave(w, 80, 100);
	rules_changed(w->rules, w->f.now_ns);
	assert_int_equal(keep_write(w->path, w->rules, name_it, "x"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
		char text[2048] = "", changed[2100], *at;
		FILE *file = fopen(w->path, "re");
		size_t count, length;

		assert_non_null(file);
		length = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
		text[length] = '\0';
		at = strstr(text, edits[i].from);
		assert_non_null(at);
		snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text, edits[i].to,
			 at + strlen(edits[i].from));
		set(w, NULL, 0);
		set(w, &alert, 1);
		write_file(w, changed);
		assert_int_equal(
			keep_read(w->path, w->rules, w->f.now_ns, on_restored, &restored, &count),
			0);
		assert_int_equal(count, edits[i].kept);
		if (count)
			assert_string_equal(restored.target, "");
		set(w, NULL, 0);
		set(w, &alert, 1);
		write_file(w, text);
		assert_int_equal(
			keep_read(w->path, w->rules, w->f.now_ns, on_restored, &restored, &count),
			0);
		assert_int_equal(count, 1);
		assert_string_equal(restored.target, "x");
	}
}

/* Failed calls of connect() are counted for a minute. */
static void test_failures(void **state)
{
	struct world *w = *state;
	struct settings_alert alert = leak("failures", 1);

	alert.source = SETTINGS_SOURCE_CONNECT_FAILURES;
	alert.reason = SETTINGS_REASON_REFUSED;
	alert.scope = SETTINGS_SCOPE_HOST;
	set(w, &alert, 1);
	for (unsigned i = 0; i < 2; i++) {
		change(&w->f, &client, TW_CLOSE, TW_SYN_SENT);
		change_with(&w->f, &client, TW_SYN_SENT, TW_CLOSE, 0, i ? ECONNREFUSED : ETIMEDOUT);
	}
	rules_changed(w->rules, w->f.now_ns);
	assert_int_equal(w->heard.fires, 0);
	change(&w->f, &client, TW_CLOSE, TW_SYN_SENT);
	change_with(&w->f, &client, TW_SYN_SENT, TW_CLOSE, 0, ECONNREFUSED);
	rules_changed(w->rules, w->f.now_ns);
	assert_int_equal(w->heard.fires, 1);
	pass_time(w, 59);
	assert_int_equal(rules_targets(w->rules, RULE_FIRING), 1);
	pass_time(w, 14);
	assert_int_equal(w->heard.resolves, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_at_once),
		TEST(test_resolved),
		TEST(test_older_than),
		TEST(test_many_targets),
		TEST(test_many_rules),
		TEST(test_the_next_ones),
		TEST(test_reload),
		TEST(test_a_rule_that_comes_late),
		TEST(test_restart),
		TEST(test_files_that_are_none),
		TEST(test_rows_that_make_no_sense),
		TEST(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
