/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many things there are of each kind, by key: connections by the process that holds them, by
 * the port they came to, and so on. It keeps a list of the keys whose count has changed since that
 * list was last read, so that who looks at it has as much to do as has happened.
 *
 * It is exact up to TALLY_KEYS_MAX keys at a time; what does not fit is counted as one.
 */
#ifndef MODEL_TALLY_H
#define MODEL_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include <tcpwatch/event.h>

#define TALLY_KEYS_MAX 65536U /* 5 MB, when they are there */

/* Those fields that say nothing of the kind at hand are 0. */
struct tally_key {
	uint8_t address[16]; /* the peer's, as in struct tw_event */
	uint64_t id;         /* pid, or cgroup v2 id */
	uint32_t netns;      /* inode number */
	uint16_t port;
	uint16_t family; /* of the address */
};

_Static_assert(sizeof(struct tally_key) == 32, "it is compared as bytes: no padding");

struct tally;

int tally_new(struct tally **ret); /* 0, -ENOMEM */
struct tally *tally_free(struct tally *t);

/* comm: TW_COMM_SIZE bytes, what the key's process is called, or NULL. */
void tally_count(struct tally *t, const struct tally_key *key, const char *comm, int32_t by);
uint32_t tally_get(const struct tally *t, const struct tally_key *key);
/* "" where it is not known. Valid until the tally changes. */
const char *tally_comm(const struct tally *t, const struct tally_key *key);
/* A number of the caller's that goes with the key; 0: none was set. */
void tally_set_tag(struct tally *t, const struct tally_key *key, uint32_t tag);
uint32_t tally_tag(const struct tally *t, const struct tally_key *key);
uint32_t tally_other(const struct tally *t); /* of keys that found no room */

/* Takes one key off the list of those that have changed; false: there is none. */
bool tally_next_changed(struct tally *t, struct tally_key *ret_key, uint32_t *ret_count);
/* All keys, in no order. */
void tally_each(const struct tally *t,
		void (*fn)(const struct tally_key *key, uint32_t count, void *userdata),
		void *userdata);
/* Puts all keys on it. O(keys). */
void tally_change_all(struct tally *t);

#endif
