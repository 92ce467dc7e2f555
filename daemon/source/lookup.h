/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asks sock_diag(7) about single TCP sockets of one network namespace, many at a time: some 2 us
 * each, however many sockets there are. Needs no capability. Sockets that are bound to an interface
 * are not found, as their interface is not known here.
 */
#ifndef SOURCE_LOOKUP_H
#define SOURCE_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In one go: their answers wait in the socket's receive buffer, 208 KiB by default, at 1.3 KiB to
 * 2.3 KiB each (SKB_TRUESIZE). */
#define LOOKUP_BATCH 64U

struct lookup_key {
	uint64_t cookie;
	uint16_t sport, dport; /* host byte order; a listener's dport is 0 */
	uint8_t family;        /* AF_INET or AF_INET6 */
	uint8_t saddr[16];     /* as in struct tw_event */
	uint8_t daddr[16];
};

#define LOOKUP_AGE_UNKNOWN UINT32_MAX

struct lookup_answer {
	bool found;             /* else it is gone, or not to be found */
	uint8_t state;          /* enum tw_tcp_state */
	uint32_t inode;         /* 0: no descriptor */
	uint32_t receive_queue; /* as in struct tw_socket */
	uint32_t send_queue;
	uint32_t age_ms; /* where asked for: for how long it seems to have been in its state, or
			    LOOKUP_AGE_UNKNOWN */
};

#define LOOKUP_MESSAGE_SIZE 72U /* struct nlmsghdr and struct inet_diag_req_v2 */

/* The requests, numbered from 0. count: up to LOOKUP_BATCH. How many bytes. */
size_t lookup_encode(const struct lookup_key *keys, size_t count, bool ages,
		     uint8_t buffer[LOOKUP_BATCH * LOOKUP_MESSAGE_SIZE]);
/* Takes the answers of one datagram; those that fit no key, or make no sense, are passed over. */
void lookup_decode(const uint8_t *buffer, size_t length, const struct lookup_key *keys,
		   size_t count, struct lookup_answer *ret);

/* fd: a sock_diag socket of the namespace, non-blocking, on which nothing else is asked. count: up
 * to LOOKUP_BATCH. 0, or a negative errno; what was not answered is not found. */
int lookup_sockets(int fd, const struct lookup_key *keys, size_t count, bool ages,
		   struct lookup_answer *ret);

#endif
