/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/netns.h"
#include "model/netstat.h"

#define NETNS_MAX UINT16_MAX /* the index has 16 bits in each connection */
#define NETNS_STEP 16U
#define CHAINS 4096U    /* as many as are followed at most, a power of two */
#define NONE UINT16_MAX /* index of none */

struct netns_table {
	struct netns *entries;
	size_t count, allocated;
	uint16_t chains[CHAINS]; /* by inum, linked by netns.next */
	uint16_t free;           /* likewise, those that were forgotten */
};

int netns_table_new(struct netns_table **ret)
{
	struct netns_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	for (size_t i = 0; i < CHAINS; i++)
		t->chains[i] = NONE;
	t->free = NONE;
	*ret = t;
	return 0;
}

struct netns_table *netns_table_free(struct netns_table *t)
{
	if (t)
		free(t->entries);
	free(t);
	return NULL;
}

int netns_find(const struct netns_table *t, uint32_t inum)
{
	uint16_t index = t->chains[inum % CHAINS];

	while (index != NONE && t->entries[index].inum != inum)
		index = t->entries[index].next;
	return index == NONE ? -ENOENT : index;
}

/* Makes room for one more. */
static int grow(struct netns_table *t)
{
	size_t allocated = t->allocated * 2 + NETNS_STEP;
	struct netns *entries;

	if (t->count == NETNS_MAX)
		return -ENOSPC;
	if (t->count < t->allocated)
		return 0;
	entries = realloc(t->entries, allocated * sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	t->entries = entries;
	t->allocated = allocated;
	return 0;
}

int netns_index(struct netns_table *t, uint32_t inum)
{
	uint16_t *chain = &t->chains[inum % CHAINS];
	int index = inum ? netns_find(t, inum) : -EINVAL;

	if (index != -ENOENT)
		return index;
	index = t->free;
	if (index == NONE) {
		int error = grow(t);

		if (error < 0)
			return error;
		index = (int)t->count++;
	} else {
		t->free = t->entries[index].next;
	}
	t->entries[index] = (struct netns){
		.inum = inum, .next = *chain, .established = TW_NOT_READ};
	*chain = (uint16_t)index;
	return index;
}

void netns_forget(struct netns_table *t, int index)
{
	struct netns *n = &t->entries[index];
	uint16_t *link = &t->chains[n->inum % CHAINS];

	while (*link != index)
		link = &t->entries[*link].next;
	*link = n->next;
	*n = (struct netns){.next = t->free};
	t->free = (uint16_t)index;
}

size_t netns_count(const struct netns_table *t)
{
	return t->count;
}

struct netns *netns_at(const struct netns_table *t, size_t index)
{
	return &t->entries[index];
}

uint32_t netns_full_sockets(const struct netns *n)
{
	uint32_t count = 0;

	for (unsigned f = 0; f < NETNS_FAMILIES; f++) {
		TW_FOR_EACH_STATE(state)
			if (state != TW_TIME_WAIT)
				count += n->tracked[state][f];
		count -= n->requests[f];
	}
	return count - n->minis;
}

double netns_cookies_rate(const struct netns_table *t, uint32_t inum)
{
	int index = netns_find(t, inum);
	const struct netns *n;

	if (index < 0)
		return 0;
	n = &t->entries[index];
	return netstat_cookies_rate(&n->netstat_before, &n->netstat);
}

bool netns_established_known(const struct netns *n)
{
	return n->established != TW_NOT_READ && n->established_events == n->events;
}

uint64_t netns_of_family(const struct netns *n, unsigned state, enum netns_family family)
{
	int64_t sum = (int64_t)n->tracked[state][family] + n->untracked[state][family];

	return sum > 0 ? (uint64_t)sum : 0;
}

uint64_t netns_connections(const struct netns *n, unsigned state)
{
	return netns_of_family(n, state, NETNS_IPV4) + netns_of_family(n, state, NETNS_IPV6);
}
