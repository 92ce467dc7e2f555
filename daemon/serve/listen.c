/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "base/util.h"
#include "serve/listen.h"

#define BACKLOG 64 /* twice the connections that are served at once */
#define SOCKET_FLAGS (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

static int parse_port(const char *text, in_port_t *ret)
{
	char *end;
	unsigned long port;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	port = strtoul(text, &end, 10);
	if (*end || port < 1 || port > UINT16_MAX)
		return -EINVAL;
	*ret = htons((uint16_t)port);
	return 0;
}

/* Splits at the last colon; brackets stand around an IPv6 address and nothing else. */
static int parse_address(const char *text, union address *ret, socklen_t *ret_size)
{
	union address a = {0};
	char host[INET6_ADDRSTRLEN];
	const char *colon = strrchr(text, ':');
	bool v6 = text[0] == '[';
	const char *start = text + v6;
	in_port_t port;
	size_t length;

	if (!colon || parse_port(colon + 1, &port))
		return -EINVAL;
	if (colon < start + v6 || (v6 && colon[-1] != ']'))
		return -EINVAL;
	length = (size_t)(colon - v6 - start);
	if (length >= sizeof(host))
		return -EINVAL;
	memcpy(host, start, length);
	host[length] = '\0';
	a.any.sa_family = v6 ? AF_INET6 : AF_INET;
	if (inet_pton(a.any.sa_family, host,
		      v6 ? (void *)&a.v6.sin6_addr : (void *)&a.v4.sin_addr) != 1)
		return -EINVAL;
	if (v6)
		a.v6.sin6_port = port;
	else
		a.v4.sin_port = port;
	*ret = a;
	*ret_size = v6 ? sizeof(a.v6) : sizeof(a.v4);
	return 0;
}

int listen_tcp(const char *address, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	const int one = 1;
	union address a;
	socklen_t size;
	int r;

	r = parse_address(address, &a, &size);
	if (r)
		return r;
	fd = socket(a.any.sa_family, SOCKET_FLAGS, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		return -errno;
	if (a.any.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)))
		return -errno;
	if (bind(fd, &a.any, size) || listen(fd, BACKLOG))
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int take_passed(int fd)
{
	int r = sd_is_socket(fd, AF_INET, SOCK_STREAM, 1);

	if (!r)
		r = sd_is_socket(fd, AF_INET6, SOCK_STREAM, 1);
	if (r <= 0)
		return r ? r : -EINVAL;
	return fcntl(fd, F_SETFL, O_NONBLOCK) ? -errno : 0;
}

int listen_passed(int ret_fds[], int max)
{
	int count = sd_listen_fds(1), r = count > max ? -E2BIG : 0;

	if (count <= 0)
		return count;
	for (int i = 0; !r && i < count; i++)
		r = take_passed(SD_LISTEN_FDS_START + i);
	for (int i = 0; i < count; i++) {
		if (r)
			close(SD_LISTEN_FDS_START + i);
		else
			ret_fds[i] = SD_LISTEN_FDS_START + i;
	}
	return r ? r : count;
}

static int local_address(const char *path, union address *ret)
{
	union address a = {.local.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(a.local.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.local.sun_path, path, strlen(path));
	*ret = a;
	return 0;
}

/* 1: a program answers there; 0: it does not; or a negative errno. */
static int answers(const union address *a)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCKET_FLAGS, 0);

	if (fd < 0)
		return -errno;
	if (!connect(fd, &a->any, sizeof(a->local)) || errno == EAGAIN)
		return 1; /* EAGAIN: it listens, and its queue is full */
	return errno == ECONNREFUSED ? 0 : -errno;
}

static int remove_stale(const union address *a)
{
	struct stat st;
	int r;

	if (lstat(a->local.sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	r = answers(a);
	if (r)
		return r > 0 ? -EADDRINUSE : r;
	return unlink(a->local.sun_path) && errno != ENOENT ? -errno : 0;
}

static int give_to_group(const char *path, const char *name)
{
	const struct group *group = *name ? getgrnam(name) : NULL;

	if (!group)
		return 0;
	return lchown(path, (uid_t)-1, group->gr_gid) ? -errno : 0;
}

/* Not by chmod(2) after it, which would follow a link that the directory's owner puts there: that
 * may be the user whom the daemon is yet to become. */
static int bind_with_mode(int fd, const union address *a, mode_t mode)
{
	mode_t before = umask(~mode & 0777);
	int r = bind(fd, &a->any, sizeof(a->local)) ? -errno : 0;

	umask(before);
	return r;
}

int listen_unix(const char *path, const char *group, mode_t mode, int *ret_fd)
{
	_cleanup_close_ int fd = -1;
	union address a;
	int r;

	r = local_address(path, &a);
	if (!r)
		r = remove_stale(&a);
	if (r)
		return r;
	fd = socket(AF_UNIX, SOCKET_FLAGS, 0);
	if (fd < 0)
		return -errno;
	r = bind_with_mode(fd, &a, mode);
	if (r)
		return r;
	r = give_to_group(path, group);
	if (!r && listen(fd, BACKLOG))
		r = -errno;
	if (r) {
		unlink(path);
		return r;
	}
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void listen_unix_remove(const char *path)
{
	union address a;

	/* -EACCES: it was made with privileges that are gone, so that it cannot be asked who has it
	 */
	if (!local_address(path, &a) && remove_stale(&a) == -EACCES)
		unlink(path);
}
