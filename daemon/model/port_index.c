/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/port_index.h"

#define FIRST 64U /* entries; a power of two */

struct port_index_entry {
	uint32_t netns;
	uint32_t chain;
	uint16_t port;
};

static uint32_t *chain_of(const struct port_index *x, uint32_t netns, uint16_t port)
{
	uint32_t hash = netns * UINT32_C(0x9e3779b1) ^ port * UINT32_C(0x85ebca6b);

	return &x->chains[hash >> 7 & (x->allocated - 1)];
}

void port_index_clear(struct port_index *x)
{
	free(x->entries);
	free(x->chains);
	*x = (struct port_index){0};
}

uint32_t port_index_find(const struct port_index *x, uint32_t netns, uint16_t port)
{
	uint32_t i = x->count ? *chain_of(x, netns, port) : PORT_INDEX_NONE;

	while (i != PORT_INDEX_NONE && (x->entries[i].netns != netns || x->entries[i].port != port))
		i = x->entries[i].chain;
	return i;
}

static void put_first(struct port_index *x, uint32_t place)
{
	struct port_index_entry *entry = &x->entries[place];
	uint32_t *chain = chain_of(x, entry->netns, entry->port);

	entry->chain = *chain;
	*chain = place;
}

/* As many chains as there may be entries: they stay short. */
static int grow(struct port_index *x)
{
	uint32_t allocated = x->allocated ? 2 * x->allocated : FIRST;
	struct port_index_entry *entries = realloc(x->entries, allocated * sizeof(*entries));
	uint32_t *chains;

	if (!entries)
		return -ENOMEM;
	x->entries = entries;
	chains = malloc(allocated * sizeof(*chains));
	if (!chains)
		return -ENOMEM;
	memset(chains, 0xff, allocated * sizeof(*chains));
	free(x->chains);
	x->chains = chains;
	x->allocated = allocated;
	for (uint32_t i = 0; i < x->count; i++)
		put_first(x, i);
	return 0;
}

int port_index_add(struct port_index *x, uint32_t netns, uint16_t port)
{
	if (x->count == x->allocated && grow(x) < 0)
		return -ENOMEM;
	x->entries[x->count] = (struct port_index_entry){.netns = netns, .port = port};
	put_first(x, x->count++);
	return 0;
}

/* What refers to the entry: the head of its chain, or the one before it. */
static uint32_t *link_to(struct port_index *x, uint32_t place)
{
	uint32_t *link = chain_of(x, x->entries[place].netns, x->entries[place].port);

	while (*link != place)
		link = &x->entries[*link].chain;
	return link;
}

void port_index_remove(struct port_index *x, uint32_t place)
{
	uint32_t last = x->count - 1;

	*link_to(x, place) = x->entries[place].chain;
	if (place != last) {
		*link_to(x, last) = place;
		x->entries[place] = x->entries[last];
	}
	x->count--;
}
