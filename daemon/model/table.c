/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "model/table.h"

#define NSEC_PER_USEC UINT64_C(1000)
#define CHUNK_ENTRIES 4096U /* 288 KiB: the table grows by this, and entries never move */
#define CHAINS_MIN 4096U
#define BLOCK 16U /* chains whose heads lie in one cache line */
#define INDEX_BITS 25U
#define INDEX_MASK ((1U << INDEX_BITS) - 1)
#define NONE 0U /* index of no entry; the first of the first chunk is never used */

struct list {
	uint32_t oldest, newest, length;
	uint64_t entered_usec; /* summed, modulo 2^64 */
};

/* Of a state, by age: none is greater than the one that follows. */
struct marks {
	struct table_mark *marks[TABLE_MARKS_MAX];
	unsigned count;
};

/*
 * A hash of entries, by one of their names. A head is the first entry's index and, above it, a bit
 * for each entry of the chain, by the rest of the hash: most of what is not there is not looked for
 * among entries that are in nobody's cache. An entry that leaves others behind leaves its bit, too.
 */
struct chains {
	uint32_t *heads;
	uint32_t count; /* of chains, a power of two */
	uint32_t size;  /* entries in them all */
};

struct table {
	uint32_t capacity;
	uint32_t size;
	uint32_t touched;     /* entries that were ever in use: those above it have no memory yet */
	uint32_t free;        /* index of the first of the free ones below it */
	struct secret secret; /* a peer must not know which addresses share a chain */
	struct chains by_cookie, by_addresses;
	struct list lists[TW_STATE_SLOTS];
	struct list arrivals[TW_STATE_SLOTS];
	struct marks marks[TW_STATE_SLOTS];
	struct table_cursor *cursors;
	struct connection **chunks;
};

static struct connection *at(const struct table *t, uint32_t index)
{
	return &t->chunks[index / CHUNK_ENTRIES][index % CHUNK_ENTRIES];
}

static bool chains_init(struct chains *chains, uint32_t count)
{
	size_t bytes = count * sizeof(*chains->heads);
	uint32_t *heads = aligned_alloc(BLOCK * sizeof(*heads), bytes);

	if (!heads)
		return false;
	memset(heads, 0, bytes);
	*chains = (struct chains){.heads = heads, .count = count};
	return true;
}

int table_new(uint32_t capacity, struct table **ret)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->capacity = capacity;
	t->touched = 1;
	secret_init(&t->secret);
	t->chunks = calloc(capacity / CHUNK_ENTRIES + 1, sizeof(*t->chunks));
	if (!chains_init(&t->by_cookie, CHAINS_MIN) || !chains_init(&t->by_addresses, CHAINS_MIN) ||
	    !t->chunks) {
		table_free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

struct table *table_free(struct table *t)
{
	if (!t)
		return NULL;
	for (uint32_t i = 0; t->chunks && i <= t->capacity / CHUNK_ENTRIES; i++)
		free(t->chunks[i]);
	free(t->chunks);
	free(t->by_cookie.heads);
	free(t->by_addresses.heads);
	free(t);
	return NULL;
}

uint32_t table_size(const struct table *t)
{
	return t->size;
}

uint32_t table_capacity(const struct table *t)
{
	return t->capacity;
}

uint32_t table_length(const struct table *t, unsigned state)
{
	return t->lists[state].length + t->arrivals[state].length;
}

const struct connection *table_oldest(const struct table *t, unsigned state)
{
	return t->lists[state].oldest == NONE ? NULL : at(t, t->lists[state].oldest);
}

uint64_t table_age_sum_usec(const struct table *t, unsigned state, uint64_t now_ns)
{
	return table_length(t, state) * (now_ns / NSEC_PER_USEC) -
	       (t->lists[state].entered_usec + t->arrivals[state].entered_usec);
}

/* Sockets that are made one after the other have consecutive cookies: their chains' heads lie in
 * one block. The kernel counts them, and nobody chooses them. */
static uint64_t hash_cookie(const struct table *t, uint64_t cookie)
{
	uint64_t block = cookie / BLOCK * t->secret.words[0];

	return block ^ block >> 32 ^ cookie % BLOCK;
}

static uint64_t hash_addresses(const struct table *t, const struct connection *c)
{
	uint64_t words[5];

	memcpy(words, c->saddr, sizeof(c->saddr));
	memcpy(words + 2, c->daddr, sizeof(c->daddr));
	words[4] = (uint64_t)c->netns << 32 | (uint32_t)c->sport << 16 | c->dport;
	return secret_hash(&t->secret, words, 5);
}

static struct chains *chains_for(struct table *t, const struct connection *c)
{
	return c->flags & CONNECTION_SHADOW ? &t->by_addresses : &t->by_cookie;
}

static uint64_t hash_of(const struct table *t, const struct connection *c)
{
	return c->flags & CONNECTION_SHADOW ? hash_addresses(t, c) : hash_cookie(t, c->cookie);
}

static uint32_t *chain_head(const struct chains *chains, uint64_t hash)
{
	return &chains->heads[hash & (chains->count - 1)];
}

static uint32_t head_bit(uint64_t hash)
{
	return 1U << (INDEX_BITS + (hash >> 32) % (32 - INDEX_BITS));
}

/* The first entry of the chain where one with that hash would be; NONE: there is none such. */
static uint32_t chain_first(const struct chains *chains, uint64_t hash)
{
	uint32_t head = *chain_head(chains, hash);

	return head & head_bit(hash) ? head & INDEX_MASK : NONE;
}

static void chain_add(struct table *t, struct connection *c, uint32_t index)
{
	uint64_t hash = hash_of(t, c);
	uint32_t *head = chain_head(chains_for(t, c), hash);

	c->chain = *head & INDEX_MASK;
	*head = (*head & ~INDEX_MASK) | head_bit(hash) | index;
}

/* Twice as many chains. Without memory they just get longer. */
static void chains_grow(struct table *t, struct chains *chains)
{
	const struct chains old = *chains;

	if (!chains_init(chains, old.count * 2))
		return;
	chains->size = old.size;
	for (uint32_t i = 0; i < old.count; i++)
		for (uint32_t index = old.heads[i] & INDEX_MASK, next; index != NONE;
		     index = next) {
			next = at(t, index)->chain;
			chain_add(t, at(t, index), index);
		}
	free(old.heads);
}

static void chains_add(struct table *t, struct connection *c, uint32_t index)
{
	struct chains *chains = chains_for(t, c);

	if (++chains->size > chains->count)
		chains_grow(t, chains);
	chain_add(t, c, index);
}

/* Of the chain that it is in. */
static uint32_t *head_of(struct table *t, const struct connection *c)
{
	return chain_head(chains_for(t, c), hash_of(t, c));
}

static uint32_t index_of(struct table *t, const struct connection *c)
{
	uint32_t index = *head_of(t, c) & INDEX_MASK;

	while (at(t, index) != c)
		index = at(t, index)->chain;
	return index;
}

/* The index that it has. */
static uint32_t chains_remove(struct table *t, struct connection *c)
{
	uint32_t *head = head_of(t, c);
	uint32_t index = *head & INDEX_MASK, newer;

	chains_for(t, c)->size--;
	if (at(t, index) == c) {
		*head = c->chain == NONE ? 0 : (*head & ~INDEX_MASK) | c->chain;
		return index;
	}
	do {
		newer = index;
		index = at(t, index)->chain;
	} while (at(t, index) != c);
	at(t, newer)->chain = c->chain;
	return index;
}

struct connection *table_find(struct table *t, uint64_t cookie)
{
	uint32_t i = chain_first(&t->by_cookie, hash_cookie(t, cookie));

	for (; i != NONE; i = at(t, i)->chain) {
		struct connection *c = at(t, i);

		if (c->cookie == cookie)
			return c;
	}
	return NULL;
}

void table_prefetch(const struct table *t, uint64_t cookie)
{
	__builtin_prefetch(chain_head(&t->by_cookie, hash_cookie(t, cookie)));
}

void table_prefetch_entry(const struct table *t, uint64_t cookie)
{
	uint32_t index = chain_first(&t->by_cookie, hash_cookie(t, cookie));

	/* an entry lies in two cache lines */
	if (index != NONE) {
		__builtin_prefetch(at(t, index));
		__builtin_prefetch((const char *)(at(t, index) + 1) - 1);
	}
}

static bool same_addresses(const struct connection *a, const struct connection *b)
{
	return a->sport == b->sport && a->dport == b->dport && a->netns == b->netns &&
	       !memcmp(a->saddr, b->saddr, sizeof(a->saddr)) &&
	       !memcmp(a->daddr, b->daddr, sizeof(a->daddr));
}

struct connection *table_find_shadow(struct table *t, const struct connection *key)
{
	uint32_t i = chain_first(&t->by_addresses, hash_addresses(t, key));

	for (; i != NONE; i = at(t, i)->chain) {
		struct connection *c = at(t, i);

		if (same_addresses(c, key))
			return c;
	}
	return NULL;
}

static struct list *list_of(struct table *t, const struct connection *c)
{
	return c->flags & CONNECTION_ARRIVAL ? &t->arrivals[c->state] : &t->lists[c->state];
}

static void list_append(struct table *t, struct list *list, uint32_t index)
{
	struct connection *c = at(t, index);

	c->marks = 0;
	c->older = list->newest;
	c->newer = NONE;
	if (list->newest == NONE)
		list->oldest = index;
	else
		at(t, list->newest)->newer = index;
	list->newest = index;
	list->length++;
	list->entered_usec += c->entered_ns / NSEC_PER_USEC;
}

static void list_place(struct table *t, struct connection *c, uint32_t index)
{
	const struct connection *newest = at(t, t->lists[c->state].newest);

	if (c->flags & CONNECTION_EXACT || !t->lists[c->state].length ||
	    c->entered_ns >= newest->entered_ns)
		c->flags &= (uint8_t)~CONNECTION_ARRIVAL;
	else
		c->flags |= CONNECTION_ARRIVAL;
	list_append(t, list_of(t, c), index);
}

static void mark_pass(struct table_mark *mark, const struct connection *c, int by)
{
	mark->count += (uint32_t)by;
	if (mark->passed)
		mark->passed(c, by, mark->userdata);
}

/* A connection that has passed some of its state's marks is about to leave the list. */
static void marks_leave(struct table *t, const struct connection *c, uint32_t index)
{
	for (unsigned i = 0; i < c->marks; i++) {
		struct table_mark *mark = t->marks[c->state].marks[i];

		if (mark->last == index)
			mark->last = c->older;
		mark_pass(mark, c, -1);
	}
}

static void list_remove(struct table *t, struct connection *c, uint32_t index)
{
	struct list *list = list_of(t, c);

	if (c->marks)
		marks_leave(t, c, index);
	for (struct table_cursor *cursor = t->cursors; cursor; cursor = cursor->next)
		if (cursor->at == index)
			cursor->at = c->newer;
	if (c->older == NONE)
		list->oldest = c->newer;
	else
		at(t, c->older)->newer = c->newer;
	if (c->newer == NONE)
		list->newest = c->older;
	else
		at(t, c->newer)->older = c->older;
	list->length--;
	list->entered_usec -= c->entered_ns / NSEC_PER_USEC;
}

static uint32_t entry_take(struct table *t)
{
	uint32_t index = t->free;

	if (index != NONE) {
		t->free = at(t, index)->chain;
		return index;
	}
	index = t->touched;
	if (!t->chunks[index / CHUNK_ENTRIES]) {
		t->chunks[index / CHUNK_ENTRIES] = malloc(CHUNK_ENTRIES *
							  sizeof(struct connection));
		if (!t->chunks[index / CHUNK_ENTRIES])
			return NONE;
	}
	t->touched++;
	return index;
}

struct connection *table_insert(struct table *t, const struct connection *connection)
{
	struct connection *c;
	uint32_t index;

	if (t->size == t->capacity)
		return NULL;
	index = entry_take(t);
	if (index == NONE)
		return NULL;
	t->size++;
	c = at(t, index);
	*c = *connection;
	chains_add(t, c, index);
	list_place(t, c, index);
	return c;
}

void table_move(struct table *t, struct connection *c, unsigned state, uint64_t entered_ns)
{
	uint32_t index = index_of(t, c);

	list_remove(t, c, index);
	c->state = (uint8_t)state;
	c->entered_ns = entered_ns;
	list_place(t, c, index);
}

void table_make_mini(struct table *t, struct connection *c)
{
	uint32_t index = chains_remove(t, c);

	c->flags |= CONNECTION_MINI;
	chains_add(t, c, index);
}

void table_remove(struct table *t, struct connection *c)
{
	uint32_t index = chains_remove(t, c);

	list_remove(t, c, index);
	c->state = 0;
	c->chain = t->free;
	t->free = index;
	t->size--;
}

uint32_t table_slots(const struct table *t)
{
	return t->touched;
}

struct connection *table_slot(const struct table *t, uint32_t slot)
{
	struct connection *c = slot == NONE ? NULL : at(t, slot);

	return c && c->state ? c : NULL;
}

/* Merges two runs, linked by newer and in order; what is equal stays as it was. */
static uint32_t runs_merge(struct table *t, uint32_t a, uint32_t b)
{
	uint32_t first = NONE, *link = &first;

	while (a != NONE && b != NONE) {
		uint32_t *least = at(t, b)->entered_ns < at(t, a)->entered_ns ? &b : &a;

		*link = *least;
		link = &at(t, *least)->newer;
		*least = *link;
	}
	*link = a != NONE ? a : b;
	return first;
}

/* A bottom-up merge sort: runs[i] holds 2^i entries or none. */
static uint32_t runs_sort(struct table *t, uint32_t index)
{
	uint32_t runs[32] = {NONE}, sorted = NONE;

	while (index != NONE) {
		uint32_t run = index;
		unsigned i = 0;

		index = at(t, index)->newer;
		at(t, run)->newer = NONE;
		for (; runs[i] != NONE; runs[i++] = NONE)
			run = runs_merge(t, runs[i], run);
		runs[i] = run;
	}
	for (unsigned i = 0; i < 32; i++)
		sorted = runs_merge(t, runs[i], sorted);
	return sorted;
}

/* Up to the first connection that has not passed it: what comes after is passed over again. */
static void marks_rest(struct marks *marks, unsigned *from, unsigned to, uint32_t last)
{
	while (*from > to)
		marks->marks[--*from]->last = last;
}

void table_settle(struct table *t, unsigned state)
{
	struct list *list = &t->lists[state], *arrivals = &t->arrivals[state];
	struct marks *marks = &t->marks[state];
	unsigned unrested = marks->count;
	uint32_t older = NONE;

	if (!arrivals->length)
		return;
	list->oldest = runs_merge(t, list->oldest, runs_sort(t, arrivals->oldest));
	for (uint32_t i = list->oldest; i != NONE; i = at(t, i)->newer) {
		at(t, i)->flags &= (uint8_t)~CONNECTION_ARRIVAL;
		at(t, i)->older = older;
		marks_rest(marks, &unrested, at(t, i)->marks, older);
		older = i;
	}
	marks_rest(marks, &unrested, 0, older);
	list->newest = older;
	list->length += arrivals->length;
	list->entered_usec += arrivals->entered_usec;
	*arrivals = (struct list){0};
}

int table_mark_add(struct table *t, unsigned state, struct table_mark *mark)
{
	struct marks *marks = &t->marks[state];
	unsigned index = marks->count;

	if (marks->count == TABLE_MARKS_MAX)
		return -ENOSPC;
	for (; index && marks->marks[index - 1]->age_ns > mark->age_ns; index--) {
		marks->marks[index] = marks->marks[index - 1];
		marks->marks[index]->index = index;
	}
	marks->marks[index] = mark;
	marks->count++;
	mark->state = state;
	mark->index = index;
	mark->count = 0;
	mark->last = NONE;
	for (uint32_t i = t->lists[state].oldest; i != NONE; i = at(t, i)->newer)
		if (at(t, i)->marks > index) {
			at(t, i)->marks++;
			mark_pass(mark, at(t, i), 1);
		}
	return 0;
}

void table_mark_remove(struct table *t, struct table_mark *mark)
{
	struct marks *marks = &t->marks[mark->state];

	marks->count--;
	for (unsigned i = mark->index; i < marks->count; i++) {
		marks->marks[i] = marks->marks[i + 1];
		marks->marks[i]->index = i;
	}
	for (uint32_t i = t->lists[mark->state].oldest; i != NONE; i = at(t, i)->newer)
		if (at(t, i)->marks > mark->index)
			at(t, i)->marks--;
}

static void mark_advance(struct table *t, struct table_mark *mark, uint64_t now_ns)
{
	uint32_t i = mark->last == NONE ? t->lists[mark->state].oldest : at(t, mark->last)->newer;

	for (; i != NONE; i = at(t, i)->newer) {
		struct connection *c = at(t, i);

		if (c->entered_ns + mark->age_ns > now_ns)
			return;
		mark->last = i;
		if (c->marks > mark->index)
			continue; /* it has been here before */
		c->marks++;
		mark_pass(mark, c, 1);
	}
}

void table_advance(struct table *t, uint64_t now_ns)
{
	TW_FOR_EACH_STATE(state)
		for (unsigned i = 0; i < t->marks[state].count; i++)
			mark_advance(t, t->marks[state].marks[i], now_ns);
}

void table_cursor_open(struct table *t, uint32_t states, struct table_cursor *cursor)
{
	TW_FOR_EACH_STATE(state)
		if (states & TW_STATE_BIT(state))
			table_settle(t, state);
	*cursor = (struct table_cursor){
		.table = t, .next = t->cursors, .states = states, .at = NONE};
	t->cursors = cursor;
}

struct connection *table_cursor_next(struct table_cursor *cursor)
{
	struct connection *c;

	while (cursor->at == NONE) {
		unsigned state = TW_STATE_FIRST;

		while (state <= TW_STATE_LAST && !(cursor->states & TW_STATE_BIT(state)))
			state++;
		if (state > TW_STATE_LAST)
			return NULL;
		cursor->states &= ~TW_STATE_BIT(state);
		cursor->at = cursor->table->lists[state].oldest;
	}
	c = at(cursor->table, cursor->at);
	cursor->at = c->newer;
	return c;
}

void table_cursor_close(struct table_cursor *cursor)
{
	struct table_cursor **link = &cursor->table->cursors;

	while (*link != cursor)
		link = &(*link)->next;
	*link = cursor->next;
}

_Static_assert(NONE == 0, "what is set to 0 is an empty chain or list");
_Static_assert(TABLE_CAPACITY_MAX <= INDEX_MASK, "a head has room for each index");
