/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/util.h"
#include "serve/reader.h"

#define HEARTBEAT "1\r\n\n\r\n"

struct fixture {
	int fd, peer;
	struct reader reader;
	uint64_t now_ns;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fds[2];

	if (!f || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds))
		return -1;
	f->fd = fds[0];
	f->peer = fds[1];
	f->now_ns = NSEC_PER_SEC;
	reader_init(&f->reader, f->fd, f->now_ns);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close(f->fd);
	close(f->peer);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *data, size_t size)
{
	ssize_t n = send(f->fd, data, size, 0);

	if (n > 0)
		reader_wrote(&f->reader, (size_t)n);
}

static void take(struct fixture *f, size_t size)
{
	_cleanup_free_ char *data = malloc(size);

	assert_int_equal(recv(f->peer, data, size, 0), size);
}

/* A second later: for how many it has rested. */
static uint64_t look(struct fixture *f)
{
	f->now_ns += NSEC_PER_SEC;
	reader_look(&f->reader, f->now_ns);
	return reader_rests(&f->reader, f->now_ns) / NSEC_PER_SEC;
}

static void test_nothing_to_take(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(look(f), 0);
}

static void test_all_is_taken(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 10; i++) {
		put(f, HEARTBEAT, sizeof(HEARTBEAT) - 1);
		take(f, sizeof(HEARTBEAT) - 1);
		assert_int_equal(look(f), 0);
	}
}

/* There is room for them all. */
static void test_heartbeats_that_nobody_takes(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 1; i <= 10; i++) {
		put(f, HEARTBEAT, sizeof(HEARTBEAT) - 1);
		assert_int_equal(look(f), i);
	}
	take(f, 5 * (sizeof(HEARTBEAT) - 1));
	assert_int_equal(look(f), 0);
	assert_int_equal(look(f), 1);
}

/* As much is sent as is taken, so that no less waits than before. */
static void test_slow_reader(void **state)
{
	static const char block[32768];
	struct fixture *f = *state;

	for (unsigned i = 0; i < 100; i++)
		put(f, block, sizeof(block));
	look(f);
	for (unsigned i = 0; i < 10; i++) {
		take(f, sizeof(block));
		put(f, block, sizeof(block));
		assert_int_equal(look(f), 0);
	}
	for (unsigned i = 1; i <= 10; i++) {
		put(f, block, sizeof(block));
		assert_int_equal(look(f), i);
	}
}

static void test_hangs_up(void **state)
{
	struct fixture *f = *state;

	shutdown(f->peer, SHUT_WR); /* has asked all that it will ask, and reads on */
	assert_int_equal(reader_rests(&f->reader, f->now_ns), 0);
	shutdown(f->peer, SHUT_RD);
	assert_true(reader_rests(&f->reader, f->now_ns) == UINT64_MAX);
}

#define READER_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		READER_TEST(test_nothing_to_take),
		READER_TEST(test_all_is_taken),
		READER_TEST(test_heartbeats_that_nobody_takes),
		READER_TEST(test_slow_reader),
		READER_TEST(test_hangs_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
