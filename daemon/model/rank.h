/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections added up by something that they have in common, as a port or a peer, and put in
 * order: those that have the most first, and all others together. Exact for up to RANK_KEYS_MAX
 * different ones; whatever comes with a further one is among the others. What is added up is the
 * caller's.
 */
#ifndef MODEL_RANK_H
#define MODEL_RANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tcpwatch/tcp_state.h>

#define RANK_KEYS_MAX 16384U /* 2.4 MB at most, by the number of keys */
#define RANK_KEY_SIZE 20

struct rank;

struct rank_key {
	uint8_t bytes[RANK_KEY_SIZE]; /* the caller's */
};

struct rank_row {
	struct rank_key key;
	uint32_t members; /* as rank_add_members() was told; of the others: keys */
	uint32_t tag;     /* of its first call */
	uint64_t connections;
	uint64_t states[TW_STATE_SLOTS]; /* the same, by state */
	uint64_t oldest_ns;              /* the least entered_ns that was added; UINT64_MAX: none */
};

/* 0, -ENOMEM. */
int rank_new(struct rank **ret);
struct rank *rank_free(struct rank *r);

/* connections in the state have the key, the oldest of which entered then, or UINT64_MAX. */
void rank_add(struct rank *r, const struct rank_key *key, unsigned state, uint64_t connections,
	      uint64_t entered_ns);
/* The key has so many more of whatever the caller counts beside connections. tag: the caller's. */
void rank_add_members(struct rank *r, const struct rank_key *key, uint32_t count, uint32_t tag);
/*
 * Ends the adding. Keeps up to limit rows, those with most connections, the greater key last where
 * they are equal, and makes the sum of all in each state what it is said to be: the others take
 * what is missing, or give what is too much, as far as they have it, and after them the rows, the
 * last first.
 */
void rank_finish(struct rank *r, size_t limit, const uint64_t totals[TW_STATE_SLOTS]);

/* After rank_finish(). */
const struct rank_row *rank_rows(const struct rank *r, size_t *ret_count);
/* members: how many keys they have, as far as there was room for them. */
const struct rank_row *rank_others(const struct rank *r);
/* Whether there were too many keys. */
bool rank_overflowed(const struct rank *r);

#endif
