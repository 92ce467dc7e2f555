/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/util.h"
#include "source/opener_process.h"

#define PATIENCE_MSEC 10000

static int confine(void *userdata)
{
	return *(const int *)userdata;
}

static int set_up(void **state)
{
	struct opener *o = NULL;
	int result = 0;

	if (opener_start(confine, &result, &o))
		return -1;
	*state = o;
	return 0;
}

static int tear_down(void **state)
{
	opener_free(*state);
	return 0;
}

static int next(struct opener *o, struct opener_answer *ret)
{
	struct pollfd waiting = {.fd = opener_fd(o), .events = POLLIN};

	assert_int_equal(poll(&waiting, 1, PATIENCE_MSEC), 1);
	return opener_receive(o, ret);
}

static uint32_t own_netns(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/self/ns/net", &st), 0);
	return (uint32_t)st.st_ino;
}

static void test_confinement_that_fails(void **state)
{
	struct opener *o = NULL;
	int result = -EPERM;

	(void)state;
	assert_int_equal(opener_start(confine, &result, &o), -EPERM);
	assert_null(o);
}

/* Each namespace once, the one that this process is in among them, and then the end. */
static void test_scan(void **state)
{
	struct opener_answer answer;
	unsigned found_own = 0;

	for (int scans = 1; scans <= 2; scans++) {
		assert_int_equal(opener_scan(*state), 0);
		while (next(*state, &answer) == 1 && answer.type == OPENER_ANSWER_FOUND)
			found_own += answer.place.inum == own_netns();
		assert_int_equal(answer.type, OPENER_ANSWER_SCANNED);
		assert_int_equal(answer.error, 0);
		assert_true(answer.cost_ns > 0);
		assert_int_equal(found_own, scans);
	}
}

static void test_places_that_lead_nowhere(void **state)
{
	const struct {
		struct opener_place place;
		int error;
	} cases[] = {
		{{.inum = own_netns(), .pid = INT32_MAX}, -ENOENT},
		{{.inum = own_netns(), .name = "no-such-name"}, -ENOENT},
		{{.inum = 1, .pid = (uint32_t)getpid()}, -ESTALE},
		{{.inum = own_netns(), .name = ".."}, -ESTALE},
	};
	struct opener_answer answer;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(opener_open(*state, &cases[i].place), 0);
		assert_int_equal(next(*state, &answer), 1);
		assert_int_equal(answer.type, OPENER_ANSWER_OPENED);
		assert_int_equal(answer.place.inum, cases[i].place.inum);
		assert_int_equal(answer.error, cases[i].error);
		assert_int_equal(opener_files_count(&answer.files), 0);
	}
}

/* Files where it may enter, and else a plain refusal. */
static void test_open(void **state)
{
	const struct opener_place place = {.inum = own_netns(), .pid = (uint32_t)getpid()};
	struct opener_answer answer;

	assert_int_equal(opener_open(*state, &place), 0);
	assert_int_equal(next(*state, &answer), 1);
	if (answer.error) {
		assert_int_equal(answer.error, -EPERM);
		return;
	}
	assert_true(answer.files.diag >= 0 && answer.files.sockstat >= 0);
	assert_true(answer.files.hooks[OPENER_HOOK_IPV4] < 0);
	opener_files_close(&answer.files);
}

static void ask_with_a_slash(int fd)
{
	struct opener_message m = {.verb = OPENER_OPEN, .place.name = "../../etc/passwd"};

	opener_message_send(fd, &m, NULL, 0, 0);
}

static void ask_for_nothing_known(int fd)
{
	struct opener_message m = {.verb = OPENER_OPENED + 1};

	opener_message_send(fd, &m, NULL, 0, 0);
}

static void answer_it(int fd)
{
	struct opener_message m = {.verb = OPENER_FOUND};

	opener_message_send(fd, &m, NULL, 0, 0);
}

static void ask_too_briefly(int fd)
{
	send(fd, "x", 1, 0);
}

static void ask_at_length(int fd)
{
	char bytes[sizeof(struct opener_message) + 1] = {0};

	send(fd, bytes, sizeof(bytes), 0);
}

static void give_what_is_not_asked_for(int fd)
{
	struct opener_message m = {.verb = OPENER_SCAN};

	opener_message_send(fd, &m, &fd, 1, 0);
}

/* The hook of one family alone. */
static void give_two_programs(int fd)
{
	struct opener_message m = {.verb = OPENER_PROGRAMS};

	opener_message_send(fd, &m, (int[]){fd, fd}, 2, 0);
}

/* It ends, rather than to guess what was meant. */
static void test_nonsense_ends_it(void **state)
{
	static void (*const nonsense[])(int fd) = {
		ask_with_a_slash, ask_for_nothing_known,      answer_it,        ask_too_briefly,
		ask_at_length,    give_what_is_not_asked_for, give_two_programs};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nonsense); i++) {
		struct opener_answer answer;
		void *opener = NULL;

		assert_int_equal(set_up(&opener), 0);
		nonsense[i](opener_fd(opener));
		assert_int_equal(next(opener, &answer), -EPIPE);
		opener_free(opener);
	}
}

#define OPENER_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_confinement_that_fails), OPENER_TEST(test_scan),
		OPENER_TEST(test_places_that_lead_nowhere),    OPENER_TEST(test_open),
		cmocka_unit_test(test_nonsense_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
