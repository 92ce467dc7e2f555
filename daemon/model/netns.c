/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/netns.h"
#include "model/netstat.h"

#define NETNS_MAX UINT16_MAX /* the index has 16 bits in each connection */
#define NETNS_STEP 16U
#define RECENT 256U /* spares a search for each event and tick; a power of two */

struct netns_table {
	struct netns *entries;
	size_t count, allocated;
	uint16_t recent[RECENT]; /* index of the last namespace asked for with this hash */
};

int netns_table_new(struct netns_table **ret)
{
	struct netns_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
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

static int find(const struct netns_table *t, uint32_t inum)
{
	uint16_t recent = t->recent[inum % RECENT];

	if (recent < t->count && t->entries[recent].inum == inum)
		return recent;
	for (size_t i = 0; i < t->count; i++)
		if (t->entries[i].inum == inum)
			return (int)i;
	return -ENOENT;
}

int netns_find(const struct netns_table *t, uint32_t inum)
{
	return inum ? find(t, inum) : -ENOENT;
}

int netns_index(struct netns_table *t, uint32_t inum)
{
	int index;

	if (!inum)
		return -EINVAL;
	index = find(t, inum);
	if (index < 0)
		index = find(t, 0);
	if (index < 0) {
		if (t->count == NETNS_MAX)
			return -ENOSPC;
		if (t->count == t->allocated) {
			size_t allocated = t->allocated * 2 + NETNS_STEP;
			struct netns *entries = realloc(t->entries, allocated * sizeof(*entries));

			if (!entries)
				return -ENOMEM;
			t->entries = entries;
			t->allocated = allocated;
		}
		index = (int)t->count++;
		t->entries[index].inum = 0;
	}
	if (!t->entries[index].inum)
		t->entries[index] = (struct netns){.inum = inum};
	t->recent[inum % RECENT] = (uint16_t)index;
	return index;
}

void netns_forget(struct netns_table *t, int index)
{
	t->entries[index] = (struct netns){0};
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

uint64_t netns_of_family(const struct netns *n, unsigned state, enum netns_family family)
{
	int64_t sum = (int64_t)n->tracked[state][family] + n->untracked[state][family];

	return sum > 0 ? (uint64_t)sum : 0;
}

uint64_t netns_connections(const struct netns *n, unsigned state)
{
	return netns_of_family(n, state, NETNS_IPV4) + netns_of_family(n, state, NETNS_IPV6);
}
