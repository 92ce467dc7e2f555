/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#include "base/util.h"
#include "source/diag.h"

#define TIMER_TIME_WAIT 3 /* idiag_timer of a minisocket: inet_twsk_diag_fill() */

int diag_request(int fd, uint32_t states, uint32_t number)
{
	/*
	 * The older form of the request: alone it takes both families in one walk
	 * (inet_diag_dump_compat()), where SOCK_DIAG_BY_FAMILY would need two.
	 */
	struct {
		struct nlmsghdr header;
		struct inet_diag_req request;
	} message = {
		.header = {.nlmsg_len = sizeof(message),
			   .nlmsg_type = TCPDIAG_GETSOCK,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			   .nlmsg_seq = number},
		.request = {.idiag_states = states},
	};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	if (sendto(fd, &message, sizeof(message), 0, (struct sockaddr *)&kernel, sizeof(kernel)) <
	    0)
		return -errno;
	return 0;
}

int diag_receive(int fd, uint8_t buffer[DIAG_BUFFER_SIZE])
{
	struct sockaddr_nl from = {0};
	socklen_t from_size = sizeof(from);
	ssize_t length;

	do {
		length = recvfrom(fd, buffer, DIAG_BUFFER_SIZE, MSG_TRUNC, (struct sockaddr *)&from,
				  &from_size);
		if (length < 0)
			return -errno;
	} while (from.nl_pid); /* not from the kernel */
	return length > (ssize_t)DIAG_BUFFER_SIZE ? -EMSGSIZE : (int)length;
}

/* Full sockets alone tell which ways they are shut (inet_diag_msg_attrs_fill()); and their cgroup.
 */
static void read_attributes(const struct nlmsghdr *header, struct tw_socket *row, bool *ret_full)
{
	const struct inet_diag_msg *m = NLMSG_DATA(header);
	const struct rtattr *attribute = (const struct rtattr *)(m + 1);
	int length = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof(*m)));

	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
		if (attribute->rta_type == INET_DIAG_SHUTDOWN)
			*ret_full = true;
		else if (attribute->rta_type == INET_DIAG_CGROUP_ID &&
			 RTA_PAYLOAD(attribute) >= sizeof(row->cgroup))
			memcpy(&row->cgroup, RTA_DATA(attribute), sizeof(row->cgroup));
	}
}

static struct tw_socket row_of(const struct nlmsghdr *header, uint32_t netns)
{
	const struct inet_diag_msg *m = NLMSG_DATA(header);
	struct tw_socket row = {
		.cookie = (uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0],
		.netns = netns,
		.uid = m->idiag_uid,
		.inode = m->idiag_inode,
		.expires_ms = m->idiag_expires,
		.sport = ntohs(m->id.idiag_sport),
		.dport = ntohs(m->id.idiag_dport),
		.family = m->idiag_family,
		.state = m->idiag_state,
		.retransmits = m->idiag_retrans,
		.receive_queue = m->idiag_rqueue,
		.send_queue = m->idiag_wqueue,
	};
	size_t address = m->idiag_family == AF_INET6 ? 16 : 4;
	bool full = false;

	memcpy(row.saddr, m->id.idiag_src, address);
	memcpy(row.daddr, m->id.idiag_dst, address);
	read_attributes(header, &row, &full);
	if (m->idiag_timer == TIMER_TIME_WAIT)
		row.kind = TW_SOCKET_MINI;
	else
		row.kind = full ? TW_SOCKET_FULL : TW_SOCKET_REQUEST;
	return row;
}

static int error_of(const struct nlmsghdr *header)
{
	const struct nlmsgerr *error = NLMSG_DATA(header);

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*error)) || error->error >= 0)
		return -EBADMSG;
	return error->error;
}

/* A dump that the kernel could not finish ends with the error in place of 0: netlink_dump_done().
 */
static int end_of(const struct nlmsghdr *header)
{
	int error = 0;

	if (header->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
		memcpy(&error, NLMSG_DATA(header), sizeof(error));
	return error < 0 ? error : 0;
}

int diag_parse(const uint8_t *buffer, int length, uint32_t number, uint32_t netns,
	       diag_socket_fn *on_socket, void *userdata)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;
	bool interrupted = false;

	for (; NLMSG_OK(header, length); header = NLMSG_NEXT(header, length)) {
		struct tw_socket row;

		if (header->nlmsg_seq != number)
			continue;
		interrupted |= header->nlmsg_flags & NLM_F_DUMP_INTR;
		if (header->nlmsg_type == NLMSG_DONE) {
			int error = end_of(header);

			return !error && interrupted ? -EINTR : error;
		}
		if (header->nlmsg_type == NLMSG_ERROR)
			return error_of(header);
		if (header->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			return -EBADMSG;
		row = row_of(header, netns);
		on_socket(&row, userdata);
	}
	return 1;
}
