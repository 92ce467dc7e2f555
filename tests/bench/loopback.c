/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/util.h"
#include "loopback.h"

static void write_sysctl(const char *path, const char *value)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		err(1, "cannot set %s to %s", path, value);
}

static void bring_up(const char *name)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_flags = IFF_UP};

	memcpy(request.ifr_name, name, strlen(name));
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		err(1, "cannot bring up %s in the new network namespace", name);
}

void loopback_enter(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		err(1, "cannot make a network namespace (root is needed)");
	bring_up("lo");
	write_sysctl("/proc/sys/net/ipv4/ip_local_port_range", LOOPBACK_PORT_RANGE);
	write_sysctl("/proc/sys/net/ipv4/tcp_max_tw_buckets", LOOPBACK_TIME_WAIT_MAX);
}

uint32_t loopback_netns(void)
{
	struct stat status;

	if (stat("/proc/self/ns/net", &status) < 0)
		err(1, "cannot read /proc/self/ns/net");
	return (uint32_t)status.st_ino;
}

static struct sockaddr_in address_of(uint32_t host)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(LOOPBACK_PORT),
		.sin_addr.s_addr = htonl(host == LOOPBACK_ANY ? INADDR_ANY
							      : INADDR_LOOPBACK - 1 + host),
	};
}

static int new_socket(bool abortive)
{
	const struct linger linger = {.l_onoff = abortive};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "cannot open a socket");
	if (abortive && setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) < 0)
		err(1, "cannot set SO_LINGER");
	return fd;
}

int loopback_listen(uint32_t host, int backlog, bool abortive)
{
	const struct sockaddr_in address = address_of(host);
	int fd = new_socket(abortive);

	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "cannot bind to %s:%d", inet_ntoa(address.sin_addr), LOOPBACK_PORT);
	if (listen(fd, backlog) < 0)
		err(1, "cannot listen on %s:%d", inet_ntoa(address.sin_addr), LOOPBACK_PORT);
	return fd;
}

int loopback_connect(uint32_t host, bool abortive)
{
	const struct sockaddr_in address = address_of(host);
	int fd = new_socket(abortive);

	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		err(1, "cannot connect to %s:%d", inet_ntoa(address.sin_addr), LOOPBACK_PORT);
	return fd;
}

int loopback_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		err(1, "cannot accept a connection");
	return fd;
}

uint64_t loopback_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value < min || value > max)
		errx(2, "%s wants a number from %llu to %llu, not '%s'", option,
		     (unsigned long long)min, (unsigned long long)max, text);
	return value;
}
