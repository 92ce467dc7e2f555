/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/listeners.h"

#define ROWS_STEP 64U
#define CHAINS 1024U /* a power of two; 5,000 ports make chains of five */
#define NONE UINT32_MAX
#define RATE_NS UINT64_C(1000000000) /* a rate is over at least this */

struct rows {
	struct tw_listener *entries;
	size_t count, allocated;
};

struct listeners {
	struct rows now;  /* of the last complete look */
	struct rows next; /* of the one that goes on */
	size_t missed, missed_next;
	uint64_t look;

	struct listener_port *ports;
	size_t port_count, port_allocated;
	uint32_t chains[CHAINS];
};

static size_t bucket_of(uint32_t netns, uint16_t port)
{
	return (netns * UINT32_C(0x9e3779b1) ^ port * UINT32_C(0x85ebca6b)) >> 7 & (CHAINS - 1);
}

/* NONE when there is none. */
static uint32_t find(const struct listeners *l, uint32_t netns, uint16_t port)
{
	uint32_t i = l->chains[bucket_of(netns, port)];

	while (i != NONE && (l->ports[i].netns != netns || l->ports[i].port != port))
		i = l->ports[i].chain;
	return i;
}

/* What refers to the port: the head of its chain, or the one before it. */
static uint32_t *link_to(struct listeners *l, uint32_t index)
{
	uint32_t *link = &l->chains[bucket_of(l->ports[index].netns, l->ports[index].port)];

	while (*link != index)
		link = &l->ports[*link].chain;
	return link;
}

int listeners_new(struct listeners **ret)
{
	struct listeners *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	memset(l->chains, 0xff, sizeof(l->chains));
	*ret = l;
	return 0;
}

struct listeners *listeners_free(struct listeners *l)
{
	if (!l)
		return NULL;
	free(l->now.entries);
	free(l->next.entries);
	free(l->ports);
	free(l);
	return NULL;
}

void listeners_add(struct listeners *l, const struct tw_listener *row)
{
	struct rows *rows = &l->next;

	if (rows->count == rows->allocated) {
		size_t allocated = rows->allocated * 2 + ROWS_STEP;
		struct tw_listener *entries = realloc(rows->entries, allocated * sizeof(*entries));

		if (!entries) {
			l->missed_next++;
			return;
		}
		rows->entries = entries;
		rows->allocated = allocated;
	}
	rows->entries[rows->count] = *row;
	rows->entries[rows->count++].comm[TW_COMM_SIZE - 1] = '\0';
}

static struct listener_port *find_or_add(struct listeners *l, uint32_t netns, uint16_t port)
{
	uint32_t index = find(l, netns, port), *chain = &l->chains[bucket_of(netns, port)];

	if (index != NONE)
		return &l->ports[index];
	if (l->port_count == l->port_allocated) {
		size_t allocated = l->port_allocated * 2 + ROWS_STEP;
		struct listener_port *ports = realloc(l->ports, allocated * sizeof(*ports));

		if (!ports)
			return NULL;
		l->ports = ports;
		l->port_allocated = allocated;
	}
	index = (uint32_t)l->port_count++;
	l->ports[index] = (struct listener_port){.netns = netns, .port = port, .chain = *chain};
	*chain = index;
	return &l->ports[index];
}

/* Keeps the array dense: the last port takes the place of one that nobody listens on any more. */
static void remove_port(struct listeners *l, uint32_t index)
{
	uint32_t last = (uint32_t)l->port_count - 1;

	*link_to(l, index) = l->ports[index].chain;
	if (index != last) {
		*link_to(l, last) = index;
		l->ports[index] = l->ports[last];
	}
	l->port_count--;
}

static void sum_up(struct listeners *l, const struct tw_listener *row)
{
	struct listener_port *p = find_or_add(l, row->netns, row->port);

	if (!p) {
		l->missed++;
		return;
	}
	if (p->look != l->look) {
		p->look = l->look;
		p->count = 0;
		p->syn_queue = p->accept_queue = p->backlog = 0;
	}
	p->count++;
	p->syn_queue += row->syn_queue;
	p->accept_queue += row->accept_queue;
	p->backlog += row->backlog;
}

void listeners_add_half_open(struct listeners *l, const struct tw_socket *request)
{
	static const uint8_t any[sizeof(request->saddr)];
	struct tw_listener *best = NULL;

	for (size_t i = 0; i < l->next.count; i++) {
		struct tw_listener *row = &l->next.entries[i];

		if (row->netns != request->netns || row->port != request->sport)
			continue;
		if (!memcmp(row->saddr, request->saddr, sizeof(row->saddr)) &&
		    row->family == request->family) {
			row->syn_queue++;
			return;
		}
		if (!memcmp(row->saddr, any, sizeof(any)))
			best = row;
	}
	if (best)
		best->syn_queue++;
}

void listeners_done(struct listeners *l)
{
	struct rows before = l->now;

	l->now = l->next;
	l->next = before;
	l->next.count = 0;
	l->missed = l->missed_next;
	l->missed_next = 0;
	l->look++;
	for (size_t i = 0; i < l->now.count; i++)
		sum_up(l, &l->now.entries[i]);
	for (size_t i = l->port_count; i-- > 0;)
		if (l->ports[i].look != l->look)
			remove_port(l, (uint32_t)i);
}

void listeners_count(struct listeners *l, const struct tw_port_record *record, uint64_t now_ns)
{
	uint32_t index = find(l, record->port.netns, record->port.port);
	struct listener_port *p = &l->ports[index];

	if (index == NONE)
		return;
	p->syns = record->count.syns;
	p->resets = record->count.resets;
	if (!p->counted || p->syns < p->rate_syns) {
		p->counted = true;
		p->rate_syns = p->syns;
		p->rate_ns = now_ns;
	} else if (now_ns - p->rate_ns >= RATE_NS) {
		p->syn_rate = (double)(p->syns - p->rate_syns) * 1e9 /
			      (double)(now_ns - p->rate_ns);
		p->rate_syns = p->syns;
		p->rate_ns = now_ns;
	}
}

const struct tw_listener *listeners_rows(const struct listeners *l, size_t *ret_count)
{
	*ret_count = l->now.count;
	return l->now.entries;
}

size_t listeners_port_count(const struct listeners *l)
{
	return l->port_count;
}

const struct listener_port *listeners_port_at(const struct listeners *l, size_t index)
{
	return &l->ports[index];
}

const struct listener_port *listeners_port(const struct listeners *l, uint32_t netns, uint16_t port)
{
	uint32_t index = find(l, netns, port);

	return index == NONE ? NULL : &l->ports[index];
}

size_t listeners_missed(const struct listeners *l)
{
	return l->missed;
}
