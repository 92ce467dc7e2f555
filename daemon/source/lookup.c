/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>

#include "base/util.h"
#include "source/lookup.h"

#include <tcpwatch/tcp_state.h>

#define ANSWER_SIZE 4096U  /* one socket's; with INET_DIAG_INFO it has some 500 bytes */
#define TIMER_RETRANSMIT 1 /* idiag_timer: inet_sk_diag_fill() */

struct request {
	struct nlmsghdr header;
	struct inet_diag_req_v2 body;
};

_Static_assert(sizeof(struct request) == LOOKUP_MESSAGE_SIZE, "part of the kernel's interface");

static struct request request_of(const struct lookup_key *key, uint32_t number, bool ages)
{
	struct request r = {
		.header = {.nlmsg_len = sizeof(r),
			   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			   .nlmsg_flags = NLM_F_REQUEST,
			   .nlmsg_seq = number},
		.body = {.sdiag_family = key->family,
			 .sdiag_protocol = IPPROTO_TCP,
			 .idiag_ext = ages ? 1 << (INET_DIAG_INFO - 1) : 0,
			 .idiag_states = TW_STATES_ALL,
			 .id = {.idiag_sport = htons(key->sport),
				.idiag_dport = htons(key->dport),
				.idiag_cookie = {(uint32_t)key->cookie,
						 (uint32_t)(key->cookie >> 32)}}},
	};

	memcpy(r.body.id.idiag_src, key->saddr, sizeof(key->saddr));
	memcpy(r.body.id.idiag_dst, key->daddr, sizeof(key->daddr));
	return r;
}

size_t lookup_encode(const struct lookup_key *keys, size_t count, bool ages,
		     uint8_t buffer[LOOKUP_BATCH * LOOKUP_MESSAGE_SIZE])
{
	for (size_t i = 0; i < count; i++) {
		struct request request = request_of(&keys[i], (uint32_t)i, ages);

		memcpy(buffer + i * sizeof(request), &request, sizeof(request));
	}
	return count * sizeof(struct request);
}

/*
 * How long a FIN has been on its way that was not acknowledged yet, from the timer that doubles
 * with each retransmission (RFC 6298 section 5.5); not more than is certain, as the doubling has a
 * bound.
 */
static uint32_t fin_age_ms(const struct inet_diag_msg *m, const struct tcp_info *info)
{
	uint32_t timeout = info->tcpi_rto / 1000;
	uint32_t first = info->tcpi_backoff < 32 ? timeout >> info->tcpi_backoff : 0;
	uint32_t gone = timeout > m->idiag_expires ? timeout - m->idiag_expires : 0;

	if (m->idiag_timer != TIMER_RETRANSMIT)
		return LOOKUP_AGE_UNKNOWN;
	return timeout - first + gone;
}

/*
 * The peer's FIN, or its acknowledgement of ours, was the last that it sent, unless it sent
 * something later: then the age is greater. Where it is our FIN that made the state, what came last
 * may have come long before.
 */
static uint32_t age_of(const struct inet_diag_msg *m, const struct tcp_info *info)
{
	uint32_t silent = info->tcpi_last_ack_recv, fin;

	if (m->idiag_state != TW_FIN_WAIT1 && m->idiag_state != TW_LAST_ACK)
		return silent;
	fin = fin_age_ms(m, info);
	return fin < silent ? fin : silent;
}

static uint32_t read_age(const struct nlmsghdr *header)
{
	const struct inet_diag_msg *m = NLMSG_DATA(header);
	const struct rtattr *attribute = (const struct rtattr *)(m + 1);
	int length = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof(*m)));
	struct tcp_info info;

	for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
		if (attribute->rta_type != INET_DIAG_INFO ||
		    RTA_PAYLOAD(attribute) < offsetof(struct tcp_info, tcpi_pmtu))
			continue;
		memcpy(&info, RTA_DATA(attribute), offsetof(struct tcp_info, tcpi_pmtu));
		return age_of(m, &info);
	}
	return LOOKUP_AGE_UNKNOWN;
}

static void take(const struct nlmsghdr *header, const struct lookup_key *keys, size_t count,
		 struct lookup_answer *ret)
{
	const struct inet_diag_msg *m = NLMSG_DATA(header);
	uint32_t number = header->nlmsg_seq;

	if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    header->nlmsg_len < NLMSG_LENGTH(sizeof(*m)) || number >= count ||
	    keys[number].cookie != ((uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0]))
		return;
	ret[number] = (struct lookup_answer){
		.found = true,
		.state = m->idiag_state,
		.inode = m->idiag_inode,
		.receive_queue = m->idiag_rqueue,
		.send_queue = m->idiag_wqueue,
		.age_ms = read_age(header),
	};
}

void lookup_decode(const uint8_t *buffer, size_t length, const struct lookup_key *keys,
		   size_t count, struct lookup_answer *ret)
{
	const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;
	int left = (int)length;

	for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left))
		take(header, keys, count, ret);
}

/* The kernel has answered by the time that the request was sent: netlink_sendmsg(). */
static int receive(int fd, const struct lookup_key *keys, size_t count, struct lookup_answer *ret)
{
	alignas(struct nlmsghdr) uint8_t buffer[ANSWER_SIZE];

	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_size = sizeof(from);
		ssize_t length = recvfrom(fd, buffer, sizeof(buffer), MSG_TRUNC,
					  (struct sockaddr *)&from, &from_size);

		if (length < 0 && errno == EAGAIN)
			return 0;
		if (length < 0 && errno != ENOBUFS) /* which drops answers, not those that wait */
			return -errno;
		if (length > 0 && !from.nl_pid && length <= (ssize_t)sizeof(buffer))
			lookup_decode(buffer, (size_t)length, keys, count, ret);
	}
}

int lookup_sockets(int fd, const struct lookup_key *keys, size_t count, bool ages,
		   struct lookup_answer *ret)
{
	uint8_t requests[LOOKUP_BATCH * LOOKUP_MESSAGE_SIZE];
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	size_t length = lookup_encode(keys, count, ages, requests);

	memset(ret, 0, count * sizeof(*ret));
	if (sendto(fd, requests, length, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	return receive(fd, keys, count, ret);
}
