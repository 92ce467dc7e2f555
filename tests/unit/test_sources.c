/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/log.h"
#include "opener_fixture.h"
#include "source/sources.h"

#define PATIENCE_MSEC 10000
#define NAMESPACES_MAX 4096 /* of namespaces.c, the daemon's own included */
#define DESCRIPTORS_LEFT 256

static void ignore(enum tw_record_type type, const void *body, void *userdata)
{
	(void)type, (void)body, (void)userdata;
}

/* Until something is logged of what a scan meets. */
static void scan(struct sources *s, int log)
{
	struct pollfd waiting = {.fd = sources_opener_fd(s), .events = POLLIN};

	sources_scan(s);
	while (!lseek(log, 0, SEEK_END)) {
		assert_int_equal(poll(&waiting, 1, PATIENCE_MSEC), 1);
		assert_int_equal(sources_receive(s), 0);
		assert_int_equal(sources_receive(s), 0); /* tells what the one before has met */
	}
}

/* What is logged of a host with one namespace more than there is room for. */
static void scan_and_log(struct fake_opener *fake, char *ret, size_t size)
{
	struct sources_options options = {.record = ignore};
	int log = memfd_create("log", MFD_CLOEXEC), before = dup(STDERR_FILENO);
	char reason[SOURCES_REASON_SIZE];
	struct sources *s = NULL;
	ssize_t length;

	assert_int_equal(opener_start(fake_run, fake, &options.opener), 0);
	assert_true(dup2(log, STDERR_FILENO) >= 0);
	assert_int_equal(sources_new(&options, reason, &s), 0);
	scan(s, log);
	assert_true(dup2(before, STDERR_FILENO) >= 0);
	length = pread(log, ret, size - 1, 0);
	assert_true(length >= 0);
	ret[length] = '\0';
	close(log);
	close(before);
	sources_free(s);
	opener_free(options.opener);
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in \"%s\"", part, text);
}

/* To raise LimitNOFILE= would be in vain. */
static void test_more_than_are_ever_followed(void **state)
{
	struct fake_opener fake = {.found = NAMESPACES_MAX, .opened = NAMESPACES_MAX - 1};
	char text[2048];

	(void)state;
	scan_and_log(&fake, text, sizeof(text));
	has(text, "more network namespaces than can be followed");
	has(text, "4096 are; tcpwatchd never follows more");
	assert_null(strstr(text, "LimitNOFILE"));
}

static void test_more_than_files(void **state)
{
	struct rlimit before, limit;
	struct fake_opener fake = {.found = 1};
	char text[2048];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = DESCRIPTORS_LEFT + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	scan_and_log(&fake, text, sizeof(text));
	setrlimit(RLIMIT_NOFILE, &before);
	has(text, "more network namespaces than can be followed");
	has(text, "1 are; raise LimitNOFILE= or ulimit -n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_more_than_are_ever_followed),
		cmocka_unit_test(test_more_than_files),
	};

	log_open("test_sources");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
