/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The opener itself: the one process that may enter other network namespaces. It takes messages of
 * a fixed size from the daemon and from nobody else, reads nothing but the names of directories'
 * entries and links, allocates nothing, and ends when the daemon does.
 */
#ifndef SOURCE_OPENER_PROCESS_H
#define SOURCE_OPENER_PROCESS_H

#include <stdint.h>

#include "source/opener.h"

enum opener_verb {
	/* of the daemon */
	OPENER_PROGRAMS, /* those of struct opener_programs that are wanted come along */
	OPENER_SCAN,
	OPENER_OPEN, /* place */
	/* of the opener */
	OPENER_FOUND,   /* place: one of the scan that goes on */
	OPENER_SCANNED, /* it has ended: error, cost_ns */
	OPENER_OPENED,  /* place, error, hook_error, files; the descriptors come along */
};

struct opener_message {
	uint32_t verb;
	int32_t error; /* a negative errno, or 0 */
	int32_t hook_error;
	uint32_t zero;
	uint64_t files;   /* bit i: the i-th of struct opener_files comes along */
	uint64_t cost_ns; /* processor time */
	struct opener_place place;
};

_Static_assert(OPENER_FILES_COUNT <= 64, "a bit for each");

/* fds: as many as the message may bring, -1 where there is none; the caller's. flags: of
 * sendmsg(2). 0, or a negative errno. */
int opener_message_send(int socket, const struct opener_message *message, const int *fds,
			size_t count, int flags);
/*
 * Takes one message; what comes along is stored, close-on-exec, and *ret_count says how much. 1; 0:
 * the other end is gone; -EMFILE: a message came, but not all of its descriptors, and those that
 * did are closed; or another negative errno.
 */
int opener_message_receive(int socket, struct opener_message *ret, int fds[OPENER_FILES_COUNT],
			   size_t *ret_count, int flags);

/* Opens what it takes, so that confinement may follow. 0, or a negative errno. */
int opener_process_prepare(void);
/* Serves until the other end of the socket is gone. */
_Noreturn void opener_process_run(int socket);

#endif
