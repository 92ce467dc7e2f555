/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who holds connections. Thousands of connections have the same owner, so each owner is kept once,
 * with a count of the connections that refer to it, and a connection has a 4-byte index.
 */
#ifndef MODEL_OWNERS_H
#define MODEL_OWNERS_H

#include <stdint.h>

#include <tcpwatch/event.h>

struct owners;

#define OWNER_UNKNOWN 0 /* index of the owner of which nothing is known; needs no reference */

struct owner {
	uint64_t cgroup;         /* cgroup v2 id, 0: not known */
	uint32_t uid;            /* UID_UNKNOWN: not known */
	uint32_t pid;            /* 0: not known */
	char comm[TW_COMM_SIZE]; /* any bytes, NUL-terminated, all bytes after the NUL are NUL */
};

#define UID_UNKNOWN UINT32_MAX

int owners_new(struct owners **ret);
struct owners *owners_free(struct owners *o);

/* The index of an equal owner, with one more reference; OWNER_UNKNOWN when memory is full. */
uint32_t owners_take(struct owners *o, const struct owner *owner);
void owners_drop(struct owners *o, uint32_t index);
const struct owner *owners_get(const struct owners *o, uint32_t index);

#endif
