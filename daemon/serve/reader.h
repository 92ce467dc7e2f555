/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who reads an answer: whether it takes what it was sent. Told by the memory that the kernel holds
 * for the socket, which has room for twenty minutes of heartbeats that nobody reads.
 */
#ifndef SERVE_READER_H
#define SERVE_READER_H

#include <stddef.h>
#include <stdint.h>

struct reader {
	int fd;            /* its connection, the server's own */
	uint64_t waiting;  /* bytes in the kernel, with what they cost there, at the last look */
	uint64_t written;  /* bytes since then */
	uint64_t taken_ns; /* CLOCK_MONOTONIC, of the last look that found it had taken some, or had
			    * nothing to take */
};

/* All times are CLOCK_MONOTONIC. */
void reader_init(struct reader *r, int fd, uint64_t now_ns);
/* Bytes are about to be sent to it. */
void reader_wrote(struct reader *r, size_t bytes);
/* To be called a few times a second. */
void reader_look(struct reader *r, uint64_t now_ns);
/* For how long, in ns, it has taken nothing of what is there for it; UINT64_MAX: it has hung up. */
uint64_t reader_rests(const struct reader *r, uint64_t now_ns);

#endif
