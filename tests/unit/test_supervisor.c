/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "model_fixture.h"
#include "supervisor.h"

/* In the manager's place: a datagram socket of an abstract name. */
static int open_manager(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char name[32];
	int length;

	length = snprintf(name, sizeof(name), "@test_supervisor.%d", getpid());
	memcpy(a.sun_path + 1, name + 1, (size_t)length - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&a,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)length)),
			 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void assert_told(int manager, const char *expected)
{
	char text[SUPERVISOR_LINE_SIZE + 32];
	ssize_t length = recv(manager, text, sizeof(text) - 1, 0);

	assert_true(length > 0);
	text[length] = '\0';
	assert_string_equal(text, expected);
}

static void assert_silent(int manager)
{
	char text[1];

	assert_int_equal(recv(manager, text, sizeof(text), 0), -1);
}

static void test_line(void **state)
{
	struct fixture *f = *state;
	char line[SUPERVISOR_LINE_SIZE];

	supervisor_describe(f->m, true, 2, line);
	assert_string_equal(line,
			    "0 connections in 0 network namespaces, 2 alerts firing, by polling");
	change(f, &server, TW_CLOSE, TW_LISTEN);
	supervisor_describe(f->m, false, 0, line);
	assert_string_equal(line, "1 connection (1 listen) in 1 network namespace");
	establish(f, &client);
	establish(f, &on_ipv6);
	establish(f, &other);
	supervisor_describe(f->m, false, 0, line);
	assert_string_equal(line,
			    "4 connections (3 established, 1 listen) in 2 network namespaces");
}

static void test_alive(void **state)
{
	struct fixture *f = *state;
	struct supervisor s = {0};
	_cleanup_close_ int manager = open_manager();
	uint64_t now = 1000 * NSEC_PER_SEC;

	supervisor_alive(&s, f->m, false, 0, now);
	assert_told(manager, "WATCHDOG=1");
	assert_silent(manager); /* the counts are not whole yet */
	dump_nothing(f);
	supervisor_alive(&s, f->m, false, 0, now);
	assert_told(manager, "WATCHDOG=1");
	assert_told(manager, "STATUS=0 connections in 1 network namespace");
	establish(f, &client);
	supervisor_alive(&s, f->m, false, 0, now + 4 * NSEC_PER_SEC);
	assert_told(manager, "WATCHDOG=1");
	assert_silent(manager); /* so soon after the last */
	supervisor_alive(&s, f->m, false, 0, now + 5 * NSEC_PER_SEC);
	assert_told(manager, "WATCHDOG=1");
	assert_told(manager, "STATUS=1 connection (1 established) in 1 network namespace");
	supervisor_alive(&s, f->m, false, 0, now + 20 * NSEC_PER_SEC);
	assert_told(manager, "WATCHDOG=1");
	assert_silent(manager); /* nothing has changed */
}

static void test_reload(void **state)
{
	_cleanup_close_ int manager = open_manager();
	char text[128] = "";

	(void)state;
	supervisor_reloading();
	assert_true(recv(manager, text, sizeof(text) - 1, 0) > 0);
	assert_ptr_equal(strstr(text, "RELOADING=1\nMONOTONIC_USEC="), text);
	supervisor_reloaded();
	assert_told(manager, "READY=1");
	supervisor_stopping();
	assert_told(manager, "STOPPING=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_line),
		test(test_alive),
		test(test_reload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
