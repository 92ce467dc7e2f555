/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Knows the host's network namespaces, which the opener finds through the processes in them and the
 * names below /run/netns, and keeps the files of each open. Open files keep a namespace alive, so
 * those of one that nobody else uses are closed again.
 */
#ifndef SOURCE_NAMESPACES_H
#define SOURCE_NAMESPACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/opener.h"

struct namespace
{
	uint32_t inum;
	struct opener_files files; /* diag is -1 where it could not be opened */
	uint64_t serial;           /* no two have the same, though their inode numbers may */
	int error;                 /* why not, a negative errno */
	bool found;                /* by the last scan, or since */
	bool asked;                /* the opener is at it */
	bool fresh;                /* not dumped yet */
	bool queued;               /* accept queues were not empty when they were last dumped */
	bool queued_before;        /* or the time before */
	uint32_t in_use;           /* full sockets, when its counters were last read */
	bool still;                /* as many as the time before, and no minisockets */
	uint64_t netstat_ns;       /* when its netstat was last read */
	uint64_t limits_ns;        /* and its limits */
	uint64_t segments;         /* received, when its request sockets were last dumped */
};

struct namespaces;

/* The inode number of the daemon's own. 0, or a negative errno. */
int namespaces_own(uint32_t *ret);

/*
 * opener: the caller's, and outlives the result; NULL: the daemon's own namespace alone. programs:
 * for each, the caller's, or NULL. 0, or a negative errno.
 */
int namespaces_new(struct opener *opener, const struct opener_programs *programs,
		   struct namespaces **ret);
struct namespaces *namespaces_free(struct namespaces *n);

/*
 * Has the opener look through /proc and /run/netns: some 2 us for each process. What cannot be
 * opened has an entry too, with the error, and is tried again the next time. 0; -EBUSY while a scan
 * goes on; or another negative errno.
 */
int namespaces_scan(struct namespaces *n);
/* One that a process was just seen in: asks for it to be opened. 0, or a negative errno. */
int namespaces_open(struct namespaces *n, uint32_t inum, uint32_t pid);
/* Before anything else goes on: a scan, and waits for all that it finds. 0; -ETIMEDOUT: the rest
 * comes later; or another negative errno. */
int namespaces_wait(struct namespaces *n);

/* What keeps one more from being followed. */
enum namespaces_limit {
	NAMESPACES_NO_LIMIT,
	NAMESPACES_LIMIT_COUNT, /* no more are followed, whatever the process may open */
	NAMESPACES_LIMIT_FILES, /* RLIMIT_NOFILE */
};

struct namespaces_news {
	bool scanned;               /* a scan has ended, at this cost of processor time */
	enum namespaces_limit full; /* one was left out, for there are too many */
	bool missed;                /* one is to be looked for again at once */
	uint64_t cost_ns;           /* of the scan */
};

/* Takes what the opener tells, when its descriptor is readable. 0; -EPIPE: it is gone; or another
 * negative errno. */
int namespaces_receive(struct namespaces *n, struct namespaces_news *ret);
/* On each tick of the daemon, two a second. 0; -ETIMEDOUT: the opener has owed an answer, and said
 * nothing, for half a minute of them. */
int namespaces_tick(struct namespaces *n);
void namespaces_close(struct namespaces *n, size_t index);
/*
 * Once. list: it has listeners that are older than the daemon and that no pass over all descriptors
 * meets. All of the namespace's are put into the listener map then. The kernel walks over its
 * sockets, as for a dump, up to the first of the namespace that does not listen.
 */
void namespaces_older(struct namespaces *n, struct namespace *entry, bool list);

/* The daemon's own comes first. */
size_t namespaces_count(const struct namespaces *n);
struct namespace *namespaces_at(const struct namespaces *n, size_t index);
/* NULL when it is not known. */
struct namespace *namespaces_find(const struct namespaces *n, uint32_t inum);

#endif
