/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who holds connections. Thousands of connections have the same owner, so each owner is kept once,
 * with a count for each state of the connections that refer to it, and a connection has a 4-byte
 * index.
 *
 * There are at most OWNERS_MAX. A process that ends may leave connections behind, and is an owner
 * for as long as they last, so pids are what is given up first: a new owner is kept without its pid
 * once a quarter is in use and the kernel is the holder, or once half is, whoever it is. From there
 * on a user who has an eighth without pids is no longer told of by anything but uid and kind, so
 * that names he makes up leave room for those of others. Past the bound it is OWNER_UNKNOWN. The
 * counts are right all the same.
 */
#ifndef MODEL_OWNERS_H
#define MODEL_OWNERS_H

#include <stdbool.h>
#include <stdint.h>

#include <tcpwatch/event.h>
#include <tcpwatch/tcp_state.h>

#include "model/users.h"

struct owners;

#define OWNERS_MAX 16384U /* 1.7 MB */
#define OWNER_UNKNOWN 0   /* index of the owner of which nothing is known; needs no reference */

/*
 * X(NAME, label)
 * UNKNOWN: nobody said who holds it. PROCESS: a process has a descriptor of it; of a connection
 * just accepted, the one that listens. UNACCEPTED: it is in the accept queue, and the process
 * listens. KERNEL: no process has a descriptor; of an orphan or a minisocket, the process is who
 * closed it; of a half-open connection, who listens.
 */
#define OWNER_KINDS(X)              \
	X(UNKNOWN, "unknown")       \
	X(PROCESS, "process")       \
	X(UNACCEPTED, "unaccepted") \
	X(KERNEL, "kernel")

enum owner_kind {
#define X(name, label) OWNER_KIND_##name,
	OWNER_KINDS(X)
#undef X
		OWNER_KINDS_COUNT
};

extern const char *const owner_kind_labels[OWNER_KINDS_COUNT];

struct owner {
	uint64_t cgroup;         /* cgroup v2 id, 0: not known */
	uint32_t uid;            /* UID_UNKNOWN: not known */
	uint32_t pid;            /* 0: not known */
	char comm[TW_COMM_SIZE]; /* any bytes, NUL-terminated, all bytes after the NUL are NUL */
	uint32_t executable;     /* number: see executables.h */
	uint8_t kind;            /* enum owner_kind */
};

#define OWNER_INIT ((struct owner){.uid = UID_UNKNOWN}) /* nothing known */

bool owner_equal(const struct owner *a, const struct owner *b);
/* Any bytes, and NULs after them. */
void owner_set_comm(struct owner *owner, const char comm[TW_COMM_SIZE]);
/* Takes from the other what is not known of the process. */
void owner_complete(struct owner *owner, const struct owner *other);

int owners_new(struct owners **ret);
struct owners *owners_free(struct owners *o);

/* The index of an equal owner (but for a pid, see above), with one more reference; OWNER_UNKNOWN at
 * the bound, or when memory is full. */
uint32_t owners_take(struct owners *o, const struct owner *owner);
void owners_drop(struct owners *o, uint32_t index);
const struct owner *owners_get(const struct owners *o, uint32_t index);

/* One connection more in the state (1), or one less (-1). */
void owners_count(struct owners *o, uint32_t index, unsigned state, int32_t by);
uint32_t owners_connections(const struct owners *o, uint32_t index, unsigned state);

/* How many descriptors the process may have, once somebody said so; 0: not known. */
void owners_set_nofile(struct owners *o, uint32_t index, uint32_t nofile);
uint32_t owners_nofile(const struct owners *o, uint32_t index);

/* Indices run from 0 to owners_end() - 1. Those that are not in use have no connections. */
uint32_t owners_end(const struct owners *o);
bool owners_used(const struct owners *o, uint32_t index);
/* How often one has come or gone. */
uint64_t owners_changes(const struct owners *o);

#endif
