/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/tally.h"

#define CHAINS 4096U /* a power of two; chains are of 16 at the bound */
#define STEP 64U     /* entries that are added at a time, at least */
#define NONE UINT32_MAX

struct entry {
	struct tally_key key;
	uint32_t count;
	uint32_t next; /* in its chain, or among the free ones */
	uint32_t tag;
	bool changed; /* it is on the list */
	char comm[TW_COMM_SIZE];
};

struct tally {
	struct entry *entries;
	uint32_t *changed; /* as long as entries: none is on it twice */
	uint32_t allocated, used, free;
	uint32_t changed_count;
	uint32_t other;
	uint32_t chains[CHAINS];
};

int tally_new(struct tally **ret)
{
	struct tally *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->free = NONE;
	for (size_t i = 0; i < CHAINS; i++)
		t->chains[i] = NONE;
	*ret = t;
	return 0;
}

struct tally *tally_free(struct tally *t)
{
	if (t) {
		free(t->entries);
		free(t->changed);
	}
	free(t);
	return NULL;
}

/* By multiplication, which spreads what differs in few bits over the upper ones. */
static uint32_t chain_of(const struct tally_key *key)
{
	uint64_t words[sizeof(*key) / sizeof(uint64_t)], hash = 0;

	memcpy(words, key, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		hash = (hash ^ words[i] ^ hash >> 29) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(hash >> 40) & (CHAINS - 1);
}

static uint32_t find(const struct tally *t, const struct tally_key *key)
{
	uint32_t i = t->chains[chain_of(key)];

	while (i != NONE && memcmp(&t->entries[i].key, key, sizeof(*key)) != 0)
		i = t->entries[i].next;
	return i;
}

static int grow(struct tally *t)
{
	uint32_t allocated = t->allocated * 2 + STEP;
	struct entry *entries;
	uint32_t *changed;

	if (allocated > TALLY_KEYS_MAX)
		allocated = TALLY_KEYS_MAX;
	if (allocated == t->allocated)
		return -ENOSPC;
	entries = realloc(t->entries, allocated * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	t->entries = entries;
	changed = realloc(t->changed, allocated * sizeof(*changed));
	if (!changed)
		return -ENOMEM;
	t->changed = changed;
	t->allocated = allocated;
	return 0;
}

static uint32_t add(struct tally *t, const struct tally_key *key)
{
	uint32_t *chain = &t->chains[chain_of(key)], i = t->free;

	if (i != NONE) {
		t->free = t->entries[i].next;
	} else {
		if (t->used == t->allocated && grow(t) < 0)
			return NONE;
		i = t->used++;
	}
	t->entries[i] = (struct entry){.key = *key, .next = *chain};
	*chain = i;
	return i;
}

static void discard(struct tally *t, uint32_t i)
{
	uint32_t *link = &t->chains[chain_of(&t->entries[i].key)];

	while (*link != i)
		link = &t->entries[*link].next;
	*link = t->entries[i].next;
	t->entries[i].next = t->free;
	t->free = i;
}

static void note_change(struct tally *t, uint32_t i)
{
	if (t->entries[i].changed)
		return;
	t->entries[i].changed = true;
	t->changed[t->changed_count++] = i;
}

void tally_count(struct tally *t, const struct tally_key *key, const char *comm, int32_t by)
{
	uint32_t i = find(t, key);
	struct entry *e;

	if (i == NONE && by > 0)
		i = add(t, key);
	/* one that was counted among the others, whose key has got an entry since */
	if (i == NONE || (by < 0 && !t->entries[i].count)) {
		if (by > 0 || t->other)
			t->other += (uint32_t)by;
		return;
	}
	e = &t->entries[i];
	e->count += (uint32_t)by;
	if (comm && *comm)
		memcpy(e->comm, comm, sizeof(e->comm));
	note_change(t, i);
}

uint32_t tally_get(const struct tally *t, const struct tally_key *key)
{
	uint32_t i = find(t, key);

	return i == NONE ? 0 : t->entries[i].count;
}

const char *tally_comm(const struct tally *t, const struct tally_key *key)
{
	uint32_t i = find(t, key);

	return i == NONE ? "" : t->entries[i].comm;
}

void tally_set_tag(struct tally *t, const struct tally_key *key, uint32_t tag)
{
	uint32_t i = find(t, key);

	if (i != NONE)
		t->entries[i].tag = tag;
}

uint32_t tally_tag(const struct tally *t, const struct tally_key *key)
{
	uint32_t i = find(t, key);

	return i == NONE ? 0 : t->entries[i].tag;
}

uint32_t tally_other(const struct tally *t)
{
	return t->other;
}

bool tally_next_changed(struct tally *t, struct tally_key *ret_key, uint32_t *ret_count)
{
	struct entry *e;
	uint32_t i;

	if (!t->changed_count)
		return false;
	i = t->changed[--t->changed_count];
	e = &t->entries[i];
	e->changed = false;
	*ret_key = e->key;
	*ret_count = e->count;
	if (!e->count)
		discard(t, i);
	return true;
}

void tally_each(const struct tally *t,
		void (*fn)(const struct tally_key *key, uint32_t count, void *userdata),
		void *userdata)
{
	for (size_t chain = 0; chain < CHAINS; chain++)
		for (uint32_t i = t->chains[chain]; i != NONE; i = t->entries[i].next)
			fn(&t->entries[i].key, t->entries[i].count, userdata);
}

void tally_change_all(struct tally *t)
{
	for (size_t chain = 0; chain < CHAINS; chain++)
		for (uint32_t i = t->chains[chain]; i != NONE; i = t->entries[i].next)
			note_change(t, i);
}
