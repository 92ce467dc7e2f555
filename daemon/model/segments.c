/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/port_index.h"
#include "model/segments.h"

#define STEP 64U
#define PORTS 65536U
#define WINDOW_NS UINT64_C(60000000000) /* in which ports are compared */
/* A slot changes hands for more than twice its holder's segments and a hundred: at once for a
 * flood, never for health checks. */
#define LEAD_FACTOR 2U
#define LEAD_MIN 100U

/* Of one port of one namespace. */
struct counter {
	uint16_t port;
	bool wanted; /* when it was last told */
	struct tw_port_count last;
};

struct segments {
	struct port_index index;
	struct counter *counters; /* in the order of the index */
	size_t allocated;

	struct segments_slot slots[SEGMENTS_SLOTS_MAX];
	size_t used, limit;
	struct tw_port_count rest;

	uint32_t recent[PORTS]; /* segments in the window that goes on; mostly pages never touched
				 */
	uint64_t window_ns;     /* when it began */
};

int segments_new(struct segments **ret)
{
	struct segments *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*ret = s;
	return 0;
}

struct segments *segments_free(struct segments *s)
{
	if (!s)
		return NULL;
	port_index_clear(&s->index);
	free(s->counters);
	free(s);
	return NULL;
}

static void add(struct tw_port_count *sum, const struct tw_port_count *count)
{
	sum->syns += count->syns;
	sum->resets += count->resets;
}

static struct segments_slot *slot_of(struct segments *s, uint16_t port)
{
	for (size_t i = 0; i < s->used; i++)
		if (s->slots[i].port == port)
			return &s->slots[i];
	return NULL;
}

/* The slots behind it move up. */
static void give_up(struct segments *s, struct segments_slot *slot)
{
	size_t behind = (size_t)(&s->slots[s->used] - slot) - 1;

	add(&s->rest, &slot->count);
	memmove(slot, slot + 1, behind * sizeof(*slot));
	s->used--;
}

static struct segments_slot *take(struct segments *s, uint16_t port)
{
	s->slots[s->used] = (struct segments_slot){.port = port};
	return &s->slots[s->used++];
}

void segments_set_slots(struct segments *s, size_t slots)
{
	s->limit = slots < SEGMENTS_SLOTS_MAX ? slots : SEGMENTS_SLOTS_MAX;
	while (s->used > s->limit)
		give_up(s, &s->slots[s->used - 1]);
}

static struct segments_slot *unused_slot(struct segments *s)
{
	for (size_t i = 0; i < s->used; i++) {
		const struct segments_slot *slot = &s->slots[i];

		if (!slot->earned && !slot->count.syns && !slot->count.resets)
			return &s->slots[i];
	}
	return NULL;
}

/* A slot for a port that has none: a free one, or, if segments came for it, one whose port never
 * got any. NULL when there is none. */
static struct segments_slot *find_slot(struct segments *s, uint16_t port, bool came)
{
	if (s->used == s->limit && came) {
		struct segments_slot *unused = unused_slot(s);

		if (unused)
			give_up(s, unused);
	}
	return s->used < s->limit ? take(s, port) : NULL;
}

static struct counter *find_or_add(struct segments *s, const struct tw_port *port)
{
	uint32_t place = port_index_find(&s->index, port->netns, port->port);

	if (place != PORT_INDEX_NONE)
		return &s->counters[place];
	if (s->index.count == s->allocated) {
		size_t allocated = s->allocated * 2 + STEP;
		struct counter *counters = realloc(s->counters, allocated * sizeof(*counters));

		if (!counters)
			return NULL;
		s->counters = counters;
		s->allocated = allocated;
	}
	place = s->index.count;
	if (port_index_add(&s->index, port->netns, port->port) < 0)
		return NULL;
	s->counters[place] = (struct counter){.port = port->port};
	return &s->counters[place];
}

static struct tw_port_count growth(const struct tw_port_count *last,
				   const struct tw_port_count *now)
{
	/* less than before: it was removed and added again */
	if (now->syns < last->syns || now->resets < last->resets)
		return *now;
	return (struct tw_port_count){.syns = now->syns - last->syns,
				      .resets = now->resets - last->resets};
}

void segments_count(struct segments *s, const struct tw_port_record *record, bool wanted)
{
	struct counter *counter = find_or_add(s, &record->port);
	struct segments_slot *slot = NULL;
	struct tw_port_count came;

	if (!counter)
		return; /* what has come is added once there is memory */
	came = growth(&counter->last, &record->count);
	counter->last = record->count;
	counter->wanted = wanted;
	s->recent[counter->port] += (uint32_t)(came.syns + came.resets);
	if (counter->port) {
		slot = slot_of(s, counter->port);
		if (!slot && wanted)
			slot = find_slot(s, counter->port, came.syns || came.resets);
	}
	add(slot ? &slot->count : &s->rest, &came);
}

static bool is_counted(const struct segments *s, uint16_t port)
{
	for (size_t i = 0; i < s->index.count; i++)
		if (s->counters[i].port == port)
			return true;
	return false;
}

void segments_gone(struct segments *s, const struct tw_port *port)
{
	uint32_t place = port_index_find(&s->index, port->netns, port->port);
	struct segments_slot *slot = slot_of(s, port->port);

	if (place == PORT_INDEX_NONE)
		return;
	port_index_remove(&s->index, place);
	s->counters[place] = s->counters[s->index.count];
	if (slot && !is_counted(s, port->port))
		give_up(s, slot);
}

/* NULL when there are no slots. */
static struct segments_slot *idlest_slot(struct segments *s)
{
	struct segments_slot *idlest = NULL;

	for (size_t i = 0; i < s->used; i++)
		if (!idlest || s->recent[s->slots[i].port] < s->recent[idlest->port])
			idlest = &s->slots[i];
	return idlest;
}

/* 0 when no port without a slot got any. */
static uint16_t busiest_without_slot(struct segments *s)
{
	uint16_t busiest = 0;

	for (size_t i = 0; i < s->index.count; i++) {
		uint16_t port = s->counters[i].port;

		if (port && s->counters[i].wanted &&
		    s->recent[port] > (busiest ? s->recent[busiest] : 0) && !slot_of(s, port))
			busiest = port;
	}
	return busiest;
}

/* Each turn gives a slot to a port busier than all that are left without: it ends. */
static void rearrange(struct segments *s)
{
	struct segments_slot *idlest;
	uint16_t busiest;

	while (s->used < s->limit && (busiest = busiest_without_slot(s)))
		take(s, busiest)->earned = true;
	while ((idlest = idlest_slot(s)) && (busiest = busiest_without_slot(s))) {
		if (s->recent[busiest] <=
		    (uint64_t)s->recent[idlest->port] * LEAD_FACTOR + LEAD_MIN)
			return;
		give_up(s, idlest);
		take(s, busiest)->earned = true;
	}
}

static void begin_window(struct segments *s, uint64_t now_ns)
{
	s->window_ns = now_ns;
	for (size_t i = 0; i < PORTS; i++)
		if (s->recent[i])
			s->recent[i] = 0;
}

void segments_look(struct segments *s, uint64_t now_ns)
{
	rearrange(s);
	if (now_ns - s->window_ns >= WINDOW_NS)
		begin_window(s, now_ns);
}

const struct segments_slot *segments_slots(const struct segments *s, size_t *ret_count)
{
	*ret_count = s->used;
	return s->slots;
}

struct tw_port_count segments_rest(const struct segments *s)
{
	return s->rest;
}
