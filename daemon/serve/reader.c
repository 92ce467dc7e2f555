/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/sock_diag.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "serve/reader.h"

/* SIOCOUTQ would tell as well, but is not among the system calls that the daemon may make. */
static uint64_t waiting(int fd)
{
	uint32_t memory[SK_MEMINFO_VARS] = {0};
	socklen_t size = sizeof(memory);

	/* Linux 4.12; without it nobody ever rests */
	getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size);
	return memory[SK_MEMINFO_WMEM_ALLOC];
}

void reader_init(struct reader *r, int fd, uint64_t now_ns)
{
	*r = (struct reader){.fd = fd, .waiting = waiting(fd), .taken_ns = now_ns};
}

void reader_wrote(struct reader *r, size_t bytes)
{
	r->written += bytes;
}

/* Bytes cost the kernel more than their number: had none been taken, there would be so many more.
 */
void reader_look(struct reader *r, uint64_t now_ns)
{
	uint64_t now_waiting = waiting(r->fd);

	if (!now_waiting || now_waiting < r->waiting + r->written)
		r->taken_ns = now_ns;
	r->waiting = now_waiting;
	r->written = 0;
}

static bool has_hung_up(int fd)
{
	struct pollfd peer = {.fd = fd};

	return poll(&peer, 1, 0) > 0 && (peer.revents & (POLLHUP | POLLERR));
}

uint64_t reader_rests(const struct reader *r, uint64_t now_ns)
{
	return has_hung_up(r->fd) ? UINT64_MAX : now_ns - r->taken_ns;
}
