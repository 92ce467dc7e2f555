/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "opener_fixture.h"
#include "source/namespaces.h"

#define PATIENCE_MSEC 10000
#define HALF_A_MINUTE 60 /* of ticks */
#define INUM 7

struct fixture {
	struct opener *opener;
	struct namespaces *namespaces;
};

static int set_up(void **state)
{
	static struct fake_opener mute = {.mute = true};
	static struct fixture f;

	if (opener_start(fake_run, &mute, &f.opener) < 0 ||
	    namespaces_new(f.opener, NULL, &f.namespaces) < 0)
		return -1;
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	namespaces_free(f->namespaces);
	opener_free(f->opener);
	return 0;
}

static void ticks(struct namespaces *n, unsigned count)
{
	while (count--)
		assert_int_equal(namespaces_tick(n), 0);
}

static void receive(const struct fixture *f)
{
	struct pollfd waiting = {.fd = opener_fd(f->opener), .events = POLLIN};
	struct namespaces_news news;

	assert_int_equal(poll(&waiting, 1, PATIENCE_MSEC), 1);
	assert_int_equal(namespaces_receive(f->namespaces, &news), 0);
}

static void test_nothing_is_owed(void **state)
{
	const struct fixture *f = *state;

	ticks(f->namespaces, 100 * HALF_A_MINUTE);
	/* and that does not count once something is */
	assert_int_equal(namespaces_scan(f->namespaces), 0);
	ticks(f->namespaces, HALF_A_MINUTE);
}

static void test_scan_without_an_end(void **state)
{
	const struct fixture *f = *state;

	assert_int_equal(namespaces_scan(f->namespaces), 0);
	ticks(f->namespaces, HALF_A_MINUTE);
	assert_int_equal(namespaces_scan(f->namespaces), -EBUSY);
	assert_int_equal(namespaces_tick(f->namespaces), -ETIMEDOUT);
}

/* Who says something is not stuck. */
static void test_answers_in_between(void **state)
{
	const struct fixture *f = *state;

	assert_int_equal(namespaces_scan(f->namespaces), 0);
	for (int i = 0; i < 3; i++) {
		ticks(f->namespaces, HALF_A_MINUTE);
		assert_int_equal(namespaces_open(f->namespaces, INUM, 1), 0);
		receive(f);
		assert_int_equal(namespaces_find(f->namespaces, INUM)->error, -ENOENT);
	}
	ticks(f->namespaces, HALF_A_MINUTE);
	assert_int_equal(namespaces_tick(f->namespaces), -ETIMEDOUT);
}

/* Asked for, and the answer not taken: to the daemon that is the same as none. */
static void test_open_without_an_answer(void **state)
{
	const struct fixture *f = *state;

	assert_int_equal(namespaces_open(f->namespaces, INUM, 1), 0);
	ticks(f->namespaces, HALF_A_MINUTE);
	assert_int_equal(namespaces_tick(f->namespaces), -ETIMEDOUT);
	receive(f);
	ticks(f->namespaces, 100 * HALF_A_MINUTE);
}

/* Read up to its first byte, once, or not at all; closed in both cases. */
static void test_older(void **state)
{
	const struct fixture *f = *state;
	struct namespace *own = namespaces_at(f->namespaces, 0);
	char rest[4];

	for (int list = 0; list <= 1; list++) {
		int ends[2], peer;

		assert_int_equal(pipe(ends), 0);
		assert_int_equal(write(ends[1], "abc", 3), 3);
		peer = dup(ends[0]);
		own->files.older = ends[0];
		namespaces_older(f->namespaces, own, list);
		namespaces_older(f->namespaces, own, list);
		assert_int_equal(own->files.older, -1);
		assert_int_equal(fcntl(ends[0], F_GETFD), -1);
		assert_int_equal(read(peer, rest, sizeof(rest)), list ? 2 : 3);
		close(peer);
		close(ends[1]);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_is_owed),
		TEST(test_scan_without_an_end),
		TEST(test_answers_in_between),
		TEST(test_open_without_an_answer),
		TEST(test_older),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
