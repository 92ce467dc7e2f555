/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's end of the opener, a process that finds the host's network namespaces and opens
 * files in them (opener_process.h): it alone keeps the privileges that this takes. Everything is
 * asked for and told later; nothing here waits.
 */
#ifndef SOURCE_OPENER_H
#define SOURCE_OPENER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "source/opener_files.h"

/* Where a namespace is to be found: at /proc/PID/ns/net, or /run/netns/NAME where pid is 0. */
struct opener_place {
	uint32_t inum;
	uint32_t pid;
	char name[NAME_MAX + 1];
};

struct opener_answer {
	enum opener_answer_type {
		OPENER_ANSWER_FOUND,   /* place: by the scan that goes on */
		OPENER_ANSWER_SCANNED, /* the scan has ended: error, cost_ns */
		OPENER_ANSWER_OPENED,  /* place, error, files */
	} type;
	struct opener_place place;
	/* A negative errno, or 0. OPENED: -ENOENT, -ESTALE: the place does not lead to the
	 * namespace any more; -EPERM: CAP_SYS_ADMIN is missing; -EMFILE: the daemon has too many
	 * files open. */
	int error;
	struct opener_files files; /* the receiver's from then on */
	uint64_t cost_ns;          /* processor time that the scan took */
};

struct opener;

/*
 * Forks it, from a process that has no thread and few secrets yet. confine: called in the new
 * process, to give up what it needs no more; a result that is not 0 ends it. 0, or a negative
 * errno; that of confine, too.
 */
int opener_start(int (*confine)(void *userdata), void *userdata, struct opener **ret);
/* And it ends. */
struct opener *opener_free(struct opener *o);

static inline void opener_freep(struct opener **o)
{
	opener_free(*o);
}

/* Readable when there is an answer, or when the opener is gone. The opener's own. */
int opener_fd(const struct opener *o);

/* For each namespace from now on; the caller's. 0, or a negative errno. */
int opener_set_programs(struct opener *o, const struct opener_programs *programs);
/* Not while a scan goes on. 0; -EAGAIN: it has much to do, ask later; or another negative errno. */
int opener_scan(struct opener *o);
/* Likewise, and at any time. */
int opener_open(struct opener *o, const struct opener_place *place);
/* 1; -EAGAIN: there is no answer now; -EPIPE: the opener is gone; or another negative errno. */
int opener_receive(struct opener *o, struct opener_answer *ret);

#endif
