/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/util.h"
#include "directory.h"
#include "serve/listen.h"

struct fixture {
	struct directory directory;
	char path[64];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || directory_make(&f->directory, "test_listen") < 0)
		return -1;
	directory_name(&f->directory, "control.sock", f->path, sizeof(f->path));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	directory_remove(&f->directory);
	free(f);
	return 0;
}

static bool connects(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return !connect(fd, (struct sockaddr *)&a, sizeof(a));
}

static bool exists(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static void test_unix_mode_and_flags(void **state)
{
	const struct fixture *f = *state;
	mode_t before = umask(0);
	_cleanup_close_ int fd = -1;
	struct stat st;

	assert_int_equal(listen_unix(f->path, "no-such-group", 0660, &fd), 0);
	assert_int_equal(umask(before), 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0660);
	assert_int_equal(st.st_gid, getegid());
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_true(connects(f->path));
}

static void test_unix_live_one_stays(void **state)
{
	const struct fixture *f = *state;
	_cleanup_close_ int fd = -1;
	int other = -1;

	assert_int_equal(listen_unix(f->path, "", 0660, &fd), 0);
	assert_int_equal(listen_unix(f->path, "", 0660, &other), -EADDRINUSE);
	assert_int_equal(other, -1);
	listen_unix_remove(f->path);
	assert_true(connects(f->path));
}

static void test_unix_stale_one_is_replaced(void **state)
{
	const struct fixture *f = *state;
	_cleanup_close_ int fd = -1;
	int dead;

	assert_int_equal(listen_unix(f->path, "", 0660, &dead), 0);
	close(dead);
	assert_true(exists(f->path));
	assert_int_equal(listen_unix(f->path, "", 0660, &fd), 0);
	assert_true(connects(f->path));
	close(TAKE_FD(fd));
	listen_unix_remove(f->path);
	assert_false(exists(f->path));
}

static void test_unix_other_files_stay(void **state)
{
	const struct fixture *f = *state;
	int fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600), none = -1;

	close(fd);
	assert_int_equal(listen_unix(f->path, "", 0660, &none), -EEXIST);
	listen_unix_remove(f->path);
	assert_true(exists(f->path));
	unlink(f->path);
	assert_int_equal(symlink("/nowhere", f->path), 0);
	assert_int_equal(listen_unix(f->path, "", 0660, &none), -EEXIST);
	assert_true(exists(f->path));
}

static void test_unix_bad_paths(void **state)
{
	char path[200];
	int fd = -1;

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(listen_unix(path, "", 0660, &fd), -ENAMETOOLONG);
	assert_int_equal(listen_unix("/tmp/no/such/directory/socket", "", 0660, &fd), -ENOENT);
}

static void test_tcp_in_use(void **state)
{
	_cleanup_close_ int fd = -1, v6 = -1;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	_cleanup_close_ int holder = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(a);
	char text[64];

	(void)state;
	assert_int_equal(bind(holder, (struct sockaddr *)&a, size), 0);
	assert_int_equal(getsockname(holder, (struct sockaddr *)&a, &size), 0);
	assert_int_equal(listen(holder, 1), 0);
	snprintf(text, sizeof(text), "127.0.0.1:%u", ntohs(a.sin_port));
	assert_int_equal(listen_tcp(text, &fd), -EADDRINUSE);
	assert_int_equal(fd, -1);
	close(TAKE_FD(holder));
	assert_int_equal(listen_tcp(text, &fd), 0);
	/* IPv6 takes IPv6 only: both may have the port */
	snprintf(text, sizeof(text), "[::]:%u", ntohs(a.sin_port));
	assert_int_equal(listen_tcp(text, &v6), 0);
}

static void test_tcp_bad_addresses(void **state)
{
	static const char *const wrong[] = {
		"",
		":",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:0",
		"127.0.0.1:65536",
		"127.0.0.1:80x",
		"127.0.0.1:+80",
		"localhost:80",
		"::1:80",
		"[::1]",
		"[::1]80",
		"[:80",
		"[]:80",
		"[127.0.0.1]:80",
	};
	int fd = -1;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		if (listen_tcp(wrong[i], &fd) != -EINVAL)
			fail_msg("%s", wrong[i]);
	}
	assert_int_equal(fd, -1);
}

#define UNIX_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIX_TEST(test_unix_mode_and_flags),        UNIX_TEST(test_unix_live_one_stays),
		UNIX_TEST(test_unix_stale_one_is_replaced), UNIX_TEST(test_unix_other_files_stay),
		cmocka_unit_test(test_unix_bad_paths),      cmocka_unit_test(test_tcp_in_use),
		cmocka_unit_test(test_tcp_bad_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
