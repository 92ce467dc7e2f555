/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "model/rank.h"

#define ROWS_MIN 64U
#define NONE UINT32_MAX
#define KEY_WORDS ((RANK_KEY_SIZE + sizeof(uint64_t) - 1) / sizeof(uint64_t))

struct slot {
	struct rank_row row;
	uint32_t chain;
};

struct rank {
	struct secret secret; /* the keys may be peers' addresses */
	struct slot *slots;
	uint32_t *chains; /* as many as slots: a power of two */
	uint32_t count, room;
	struct rank_row *rows; /* those that are kept, in order */
	size_t kept;
	struct rank_row others;
	bool overflowed;
};

static uint32_t *chain_of(const struct rank *r, const struct rank_key *key)
{
	uint64_t words[KEY_WORDS] = {0};

	memcpy(words, key->bytes, sizeof(key->bytes));
	return &r->chains[secret_hash(&r->secret, words, KEY_WORDS) & (r->room - 1)];
}

/* Twice as much room. Without memory what is new is among the others. */
static int grow(struct rank *r)
{
	uint32_t room = r->room ? r->room * 2 : ROWS_MIN;
	struct slot *slots = realloc(r->slots, room * sizeof(*slots));
	uint32_t *chains;

	if (!slots)
		return -ENOMEM;
	r->slots = slots;
	chains = malloc(room * sizeof(*chains));
	if (!chains)
		return -ENOMEM;
	memset(chains, 0xff, room * sizeof(*chains));
	free(r->chains);
	r->chains = chains;
	r->room = room;
	for (uint32_t i = 0; i < r->count; i++) {
		uint32_t *link = chain_of(r, &slots[i].row.key);

		slots[i].chain = *link;
		*link = i;
	}
	return 0;
}

int rank_new(struct rank **ret)
{
	struct rank *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	secret_init(&r->secret);
	r->others.oldest_ns = UINT64_MAX;
	if (grow(r) < 0) {
		rank_free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

struct rank *rank_free(struct rank *r)
{
	if (!r)
		return NULL;
	free(r->slots);
	free(r->chains);
	free(r->rows);
	free(r);
	return NULL;
}

/* NULL: it is among the others. */
static struct rank_row *find_or_take(struct rank *r, const struct rank_key *key)
{
	struct slot *slot;

	for (uint32_t i = *chain_of(r, key); i != NONE; i = r->slots[i].chain)
		if (!memcmp(&r->slots[i].row.key, key, sizeof(*key)))
			return &r->slots[i].row;
	if (r->count == RANK_KEYS_MAX || (r->count == r->room && grow(r) < 0))
		return NULL;
	slot = &r->slots[r->count];
	*slot = (struct slot){.row = {.key = *key, .tag = UINT32_MAX, .oldest_ns = UINT64_MAX},
			      .chain = *chain_of(r, key)};
	*chain_of(r, key) = r->count++;
	return &slot->row;
}

void rank_add(struct rank *r, const struct rank_key *key, unsigned state, uint64_t connections,
	      uint64_t entered_ns)
{
	struct rank_row *row = find_or_take(r, key);

	if (!row) {
		r->overflowed = true;
		row = &r->others;
	}
	row->connections += connections;
	row->states[state] += connections;
	if (entered_ns < row->oldest_ns)
		row->oldest_ns = entered_ns;
}

void rank_add_members(struct rank *r, const struct rank_key *key, uint32_t count, uint32_t tag)
{
	struct rank_row *row = find_or_take(r, key);

	if (!row)
		return;
	if (row->tag == UINT32_MAX)
		row->tag = tag;
	row->members += count;
}

static int compare(const void *left, const void *right)
{
	const struct slot *a = left, *b = right;

	if (a->row.connections != b->row.connections)
		return a->row.connections < b->row.connections ? 1 : -1;
	return memcmp(&a->row.key, &b->row.key, sizeof(a->row.key));
}

static void give_to_others(struct rank *r, const struct rank_row *row)
{
	r->others.members++;
	r->others.connections += row->connections;
	TW_FOR_EACH_STATE(state)
		r->others.states[state] += row->states[state];
	if (row->oldest_ns < r->others.oldest_ns)
		r->others.oldest_ns = row->oldest_ns;
}

/* What of the excess the row had. */
static uint64_t take_from(struct rank_row *row, unsigned state, uint64_t excess)
{
	uint64_t taken = excess < row->states[state] ? excess : row->states[state];

	row->states[state] -= taken;
	row->connections -= taken;
	return taken;
}

static void balance(struct rank *r, unsigned state, uint64_t total)
{
	uint64_t sum = r->others.states[state];

	for (size_t i = 0; i < r->kept; i++)
		sum += r->rows[i].states[state];
	if (sum < total) {
		r->others.states[state] += total - sum;
		r->others.connections += total - sum;
		return;
	}
	sum -= take_from(&r->others, state, sum - total);
	for (size_t i = r->kept; i-- && sum > total;)
		sum -= take_from(&r->rows[i], state, sum - total);
}

void rank_finish(struct rank *r, size_t limit, const uint64_t totals[TW_STATE_SLOTS])
{
	qsort(r->slots, r->count, sizeof(*r->slots), compare);
	r->rows = calloc(limit < r->count ? limit + 1 : r->count + 1, sizeof(*r->rows));
	for (uint32_t i = 0; i < r->count; i++) {
		if (r->rows && r->kept < limit && r->slots[i].row.connections)
			r->rows[r->kept++] = r->slots[i].row;
		else if (r->slots[i].row.connections)
			give_to_others(r, &r->slots[i].row);
	}
	TW_FOR_EACH_STATE(state)
		balance(r, state, totals[state]);
}

const struct rank_row *rank_rows(const struct rank *r, size_t *ret_count)
{
	*ret_count = r->kept;
	return r->rows;
}

const struct rank_row *rank_others(const struct rank *r)
{
	return &r->others;
}

bool rank_overflowed(const struct rank *r)
{
	return r->overflowed;
}
