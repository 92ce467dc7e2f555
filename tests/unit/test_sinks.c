/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/stat.h>

#include "alert/sinks.h"
#include "base/log.h"
#include "base/util.h"
#include "directory.h"
#include "notice_fixture.h"

#define PATIENCE_NS (20 * NSEC_PER_SEC) /* for what should come long before */

struct fixture {
	struct directory directory;
	char config[64], state[64], out[64];
	sd_event *loop;
	struct settings *settings;
	struct sinks *sinks;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || directory_make(&f->directory, "test_sinks") < 0 || sd_event_new(&f->loop) < 0)
		return -1;
	directory_name(&f->directory, "conf", f->config, sizeof(f->config));
	directory_name(&f->directory, "state", f->state, sizeof(f->state));
	directory_name(&f->directory, "out", f->out, sizeof(f->out));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sinks_free(f->sinks);
	settings_free(f->settings);
	sd_event_unref(f->loop);
	directory_remove(&f->directory);
	free(f);
	return 0;
}

/* Takes sections in which each %s is the file `out`. */
static void configure(struct fixture *f, const char *sections)
{
	FILE *file = fopen(f->config, "we");
	struct settings *settings;

	assert_non_null(file);
	fprintf(file, "[daemon]\nstate_directory = %s\n", f->state);
	for (const char *c = sections; *c; c++)
		if (c[0] == '%' && c[1] == 's')
			fprintf(file, "%s", (c++, f->out));
		else
			putc(*c, file);
	fclose(file);
	assert_int_equal(settings_load(f->config, &settings), 0);
	if (f->sinks)
		assert_int_equal(sinks_set(f->sinks, settings), 0);
	else
		assert_int_equal(sinks_new(f->loop, settings, &f->sinks), 0);
	settings_free(f->settings);
	f->settings = settings;
}

static void tell(struct fixture *f, const char *target)
{
	struct notice notice = make_notice(NOTICE_FIRING);

	snprintf(notice.target, sizeof(notice.target), "%s", target);
	sinks_tell(f->sinks, &notice);
}

static uint64_t settled(const struct fixture *f)
{
	const struct sink_counts *counts = sinks_counts(f->sinks, 0);

	return counts->sent + counts->dropped;
}

static void wait_settled(struct fixture *f, uint64_t count)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + PATIENCE_NS;

	while (settled(f) < count) {
		assert_true(now_ns(CLOCK_MONOTONIC) < end);
		assert_true(sd_event_run(f->loop, 100 * 1000) >= 0);
	}
}

static void counts_are(const struct fixture *f, uint64_t sent, uint64_t failures, uint64_t dropped)
{
	const struct sink_counts *counts = sinks_counts(f->sinks, 0);

	assert_int_equal(counts->sent, sent);
	assert_int_equal(counts->failures, failures);
	assert_int_equal(counts->dropped, dropped);
}

static char *read_out(const struct fixture *f)
{
	_cleanup_close_ int fd = open(f->out, O_RDONLY | O_CLOEXEC);
	char *text = calloc(1, 16384);

	assert_true(fd >= 0);
	assert_non_null(text);
	assert_true(read(fd, text, 16383) >= 0);
	return text;
}

static void test_what_a_command_gets(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *text = NULL;
	struct json_object *row, *value;
	struct stat st;

	configure(f, "[sink a]\ntype = exec\ncommand = /bin/sh -c 'cat > %s'\n");
	tell(f, "nginx.service");
	wait_settled(f, 1);
	counts_are(f, 1, 0, 0);
	text = read_out(f);
	row = json_tokener_parse(text);
	assert_true(json_object_object_get_ex(row, "target", &value));
	assert_string_equal(json_object_get_string(value), "nginx.service");
	assert_true(json_object_object_get_ex(row, "evidence_file", &value));
	assert_int_equal(stat(json_object_get_string(value), &st), 0);
	json_object_put(row);
}

static void test_its_environment(void **state)
{
	static const char *const lines[] = {
		"TCPWATCH_ALERT=close-wait-leak\n",
		"TCPWATCH_STATUS=firing\n",
		"TCPWATCH_TARGET=$(touch /x) `touch /x`; \"'\n",
		"TCPWATCH_VALUE=153\n",
		"PATH=/usr/local/sbin:",
	};
	struct fixture *f = *state;
	_cleanup_free_ char *text = NULL;

	setenv("SECRET_OF_THE_DAEMON", "x", 1);
	configure(f, "[sink a]\ntype = exec\ncommand = /bin/sh -c 'env > %s; pwd >> %s'\n");
	tell(f, "$(touch /x) `touch /x`; \"'");
	wait_settled(f, 1);
	text = read_out(f);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("no %s in %s", lines[i], text);
	assert_null(strstr(text, "SECRET_OF_THE_DAEMON"));
	assert_string_equal(strrchr(text, '/'), "/\n");
	assert_int_equal(access("/x", F_OK), -1);
}

/* It gets no descriptor, no blocked and no ignored signal of the daemon's. */
static void test_what_it_does_not_inherit(void **state)
{
	struct fixture *f = *state;
	_cleanup_close_ int fd = fcntl(STDERR_FILENO, F_DUPFD, 70); /* without FD_CLOEXEC */
	_cleanup_free_ char *text = NULL;
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	configure(f, "[sink a]\ntype = exec\ncommand = /bin/sh -c 'cd /proc/$$/fd; echo * > %s'\n");
	tell(f, "x");
	wait_settled(f, 1);
	/* a shell has ideas of its own about signals */
	configure(f, "[sink a]\ntype = exec\ncommand = /bin/dd if=/proc/self/status of=%s "
		     "oflag=append conv=notrunc\n");
	tell(f, "x");
	wait_settled(f, 2);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &mask, NULL);
	text = read_out(f);
	/* a shell has one of its own while it lists a directory */
	assert_int_equal(strncmp(text, "0 1 2", 5), 0);
	assert_true(strcspn(text, "\n") < strlen("0 1 2 3 70"));
	if (!strstr(text, "SigBlk:\t0000000000000000\n"))
		fail_msg("%s", text);
	/* glibc leaves two of its own, 32 and 33 */
	assert_int_equal(strtoul(strstr(text, "SigIgn:") + 8, NULL, 16) & 0x7fffffff, 0);
}

static void test_commands_that_fail(void **state)
{
	static const char *const sections[] = {
		"[sink a]\ntype = exec\ncommand = /bin/sh -c 'exit 3'\n",
		"[sink a]\ntype = exec\ncommand = /bin/sh -c 'kill -9 $$'\n",
		"[sink a]\ntype = exec\ncommand = /no/such/program\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(sections); i++) {
		configure(f, sections[i]);
		tell(f, "x");
		wait_settled(f, i + 1);
		counts_are(f, 0, i + 1, i + 1);
	}
}

/* One that reads nothing and says much is nobody's trouble. */
static void test_commands_that_are_rude(void **state)
{
	struct fixture *f = *state;

	configure(f, "[sink a]\ntype = exec\ncommand = /bin/sh -c 'head -c 10000000 /dev/zero; "
		     "head -c 1000000 /dev/zero >&2'\n");
	tell(f, "x");
	wait_settled(f, 1);
	counts_are(f, 1, 0, 0);
	configure(f, "[sink a]\ntype = exec\ncommand = /bin/true\n");
	tell(f, "x");
	wait_settled(f, 2);
	counts_are(f, 2, 0, 0);
}

static pid_t pid_in(const struct fixture *f)
{
	_cleanup_free_ char *text = read_out(f);

	return (pid_t)strtol(text, NULL, 10);
}

static void wait_gone(struct fixture *f)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + PATIENCE_NS;

	while (kill(pid_in(f), 0) == 0) {
		assert_true(now_ns(CLOCK_MONOTONIC) < end);
		assert_true(sd_event_run(f->loop, 10 * 1000) >= 0);
	}
	assert_int_equal(errno, ESRCH);
}

static void test_a_command_that_hangs(void **state)
{
	struct fixture *f = *state;

	/* it does not mind SIGTERM, and has a child */
	configure(f,
		  "[sink a]\ntype = exec\ntimeout = 300ms\ncommand = /bin/sh -c 'trap \"\" TERM; "
		  "sleep 1000 & echo $! > %s; wait; sleep 1000'\n");
	tell(f, "x");
	wait_settled(f, 1);
	counts_are(f, 0, 1, 1);
	wait_gone(f);
}

/* It ends at SIGTERM, and has a child that does not. */
static void test_a_command_with_a_child_that_hangs(void **state)
{
	struct fixture *f = *state;

	configure(f,
		  "[sink a]\ntype = exec\ntimeout = 300ms\ncommand = /bin/sh -c 'trap \"\" TERM; "
		  "sleep 1000 & echo $! > %s; trap - TERM; sleep 1000'\n");
	tell(f, "x");
	wait_settled(f, 1);
	counts_are(f, 0, 1, 1);
	wait_gone(f);
}

static void test_few_at_once_and_the_others_wait(void **state)
{
	struct fixture *f = *state;

	configure(f, "[sink a]\ntype = exec\ncommand = /bin/sh -c 'echo >> %s; while [ ! -e "
		     "%s.go ]; do sleep 0.05; done; echo >> %s.done'\n");
	for (unsigned i = 0; i < 70; i++)
		tell(f, "x");
	/* four run and 64 wait */
	counts_are(f, 0, 0, 2);
	configure(f, "[sink a]\ntype = exec\ncommand = /bin/true\n");
	counts_are(f, 0, 0, 2);
}

static void test_a_sink_that_stays_keeps_what_it_has(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *text = NULL;

	configure(f, "[sink a]\ntype = exec\ncommand = /bin/sh -c 'sleep 0.3; echo x >> %s'\n");
	tell(f, "x");
	configure(f, "\n[sink b]\ntype = journal\n[sink a]\ntype = exec\n"
		     "command = /bin/sh -c 'sleep 0.3; echo x >> %s'\n[sink c]\ntype = journal\n");
	assert_int_equal(sinks_count(f->sinks), 3);
	assert_string_equal(sinks_name(f->sinks, 1), "a");
	configure(f, "[sink a]\ntype = exec\ncommand = /bin/sh -c 'sleep 0.3; echo x >> %s'\n");
	wait_settled(f, 1);
	text = read_out(f);
	assert_string_equal(text, "x\n");
}

static void test_severities(void **state)
{
	struct fixture *f = *state;
	struct notice notice = make_notice(NOTICE_FIRING);

	configure(f, "[sink a]\ntype = exec\nmin_severity = critical\ncommand = /bin/true\n");
	sinks_tell(f->sinks, &notice);
	assert_int_equal(sd_event_run(f->loop, 100 * 1000), 0);
	counts_are(f, 0, 0, 0);
	notice.severity = NOTICE_CRITICAL;
	sinks_tell(f->sinks, &notice);
	wait_settled(f, 1);
	counts_are(f, 1, 0, 0);
}

static void test_the_journal_is_there_without_a_word(void **state)
{
	struct fixture *f = *state;

	configure(f, "");
	assert_int_equal(sinks_count(f->sinks), 1);
	assert_string_equal(sinks_name(f->sinks, 0), "journal");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_a_command_gets),
		TEST(test_its_environment),
		TEST(test_what_it_does_not_inherit),
		TEST(test_commands_that_fail),
		TEST(test_commands_that_are_rude),
		TEST(test_a_command_that_hangs),
		TEST(test_a_command_with_a_child_that_hangs),
		TEST(test_few_at_once_and_the_others_wait),
		TEST(test_a_sink_that_stays_keeps_what_it_has),
		TEST(test_severities),
		TEST(test_the_journal_is_there_without_a_word),
	};

	log_open("test_sinks");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
