/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/util.h"
#include "source/opener_process.h"

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(OPENER_FILES_COUNT * sizeof(int))];
};

int opener_message_send(int socket, const struct opener_message *message, const int *fds,
			size_t count, int flags)
{
	union control control = {0};
	struct iovec data = {.iov_base = (void *)message, .iov_len = sizeof(*message)};
	struct msghdr header = {.msg_iov = &data, .msg_iovlen = 1};

	if (count) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	}
	return sendmsg(socket, &header, flags | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static size_t take_fds(struct msghdr *header, int fds[OPENER_FILES_COUNT])
{
	struct cmsghdr *c = CMSG_FIRSTHDR(header);
	size_t count;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return 0;
	count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(c), count * sizeof(int));
	return count;
}

int opener_message_receive(int socket, struct opener_message *ret, int fds[OPENER_FILES_COUNT],
			   size_t *ret_count, int flags)
{
	union control control = {0};
	struct iovec data = {.iov_base = ret, .iov_len = sizeof(*ret)};
	struct msghdr header = {.msg_iov = &data,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	ssize_t length = recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
	size_t count;

	if (length <= 0)
		return length < 0 ? -errno : 0;
	count = take_fds(&header, fds);
	*ret_count = count;
	if (length == sizeof(*ret) && !(header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 1;
	while (count)
		close(fds[--count]);
	*ret_count = 0;
	return length == sizeof(*ret) && !(header.msg_flags & MSG_TRUNC) ? -EMFILE : -EBADMSG;
}
