/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads TCP sockets out of one network namespace by sock_diag(7): a request for some states, then
 * batches of rows, each made by the kernel when it is read, so that a dump of any size never holds
 * up the loop.
 */
#ifndef SOURCE_DIAG_H
#define SOURCE_DIAG_H

#include <stdint.h>

#include <tcpwatch/record.h>

/* Of one recv(2): the kernel fills at most 32 KiB at a time (netlink_dump()). */
#define DIAG_BUFFER_SIZE (64U << 10)

/*
 * One walk over the kernel's tables gives both families. states: mask of TW_STATE_BIT(). number: of
 * the request, by which its answer is told from what is left of another. 0, or a negative errno.
 */
int diag_request(int fd, uint32_t states, uint32_t number);

typedef void diag_socket_fn(const struct tw_socket *row, void *userdata);

/* The next batch's bytes, not looked at yet: their number, or a negative errno. */
int diag_receive(int fd, uint8_t buffer[DIAG_BUFFER_SIZE]);
/*
 * Hands over the rows of a batch, as sockets of the namespace. 1: more batches follow; 0: the dump
 * is complete; -EINTR: complete, but the kernel's tables changed so that rows may be missing
 * (NLM_F_DUMP_INTR); -EBUSY: the kernel is not done with the request before, which goes on as its
 * batches are received; or another negative errno, with which the dump ends.
 */
int diag_parse(const uint8_t *buffer, int length, uint32_t number, uint32_t netns,
	       diag_socket_fn *on_socket, void *userdata);

#endif
