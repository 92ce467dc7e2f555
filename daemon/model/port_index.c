/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/port_index.h"

#define STEP 64U

struct port_index_entry {
	uint32_t netns;
	uint32_t chain;
	uint16_t port;
};

static uint32_t *chain_of(struct port_index *x, uint32_t netns, uint16_t port)
{
	uint32_t hash = netns * UINT32_C(0x9e3779b1) ^ port * UINT32_C(0x85ebca6b);

	return &x->chains[hash >> 7 & (PORT_INDEX_CHAINS - 1)];
}

void port_index_init(struct port_index *x)
{
	*x = (struct port_index){0};
	memset(x->chains, 0xff, sizeof(x->chains));
}

void port_index_clear(struct port_index *x)
{
	free(x->entries);
	port_index_init(x);
}

uint32_t port_index_find(const struct port_index *x, uint32_t netns, uint16_t port)
{
	uint32_t i = *chain_of((struct port_index *)x, netns, port);

	while (i != PORT_INDEX_NONE && (x->entries[i].netns != netns || x->entries[i].port != port))
		i = x->entries[i].chain;
	return i;
}

int port_index_add(struct port_index *x, uint32_t netns, uint16_t port)
{
	uint32_t *chain = chain_of(x, netns, port);

	if (x->count == x->allocated) {
		size_t allocated = x->allocated * 2 + STEP;
		struct port_index_entry *entries = realloc(x->entries,
							   allocated * sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		x->entries = entries;
		x->allocated = allocated;
	}
	x->entries[x->count] = (struct port_index_entry){
		.netns = netns, .port = port, .chain = *chain};
	*chain = x->count++;
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
