/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "model/ledger.h"

/* Linux's own, where a namespace's is not told: INET_DEFAULT_PORT_RANGE. */
#define PORT_LOW_DEFAULT 32768U
#define PORT_HIGH_DEFAULT 60999U
/* Entries looked at for one that gives way: of 100 users who share the table evenly, every
 * hundredth would do. */
#define ROOM_STEPS 1024U

/* Counts a connection of the table in (1) or out (-1), as it is now. other: the state that it comes
 * from or goes to, 0 for none. */
static void count(struct model *m, const struct connection *c, unsigned other, int32_t by)
{
	struct netns *n = ledger_netns(m, c);

	n->tracked[c->state][ledger_family(c)] += (uint32_t)by;
	if (c->flags & CONNECTION_REQUEST)
		n->requests[ledger_family(c)] += (uint32_t)by;
	if (c->flags & CONNECTION_MINI && c->state == TW_FIN_WAIT2)
		n->minis += (uint32_t)by;
	owners_count(m->owners, c->owner, c->state, by);
	if (by > 0)
		tallies_enter(m->tallies, c, other);
	else
		tallies_leave(m->tallies, c, other);
}

void ledger_explained(struct netns *n, const struct connection *c, int32_t by)
{
	int32_t *untracked = &n->untracked[c->state][ledger_family(c)];
	/* how many there are the kernel's sums tell, whichever the table has */
	bool summed = n->known && c->state == TW_TIME_WAIT;

	if (!summed && (by > 0 ? *untracked <= 0 : *untracked >= 0))
		return;
	*untracked -= by;
	if (c->flags & CONNECTION_MINI && c->state == TW_FIN_WAIT2 && n->minis_untracked)
		n->minis_untracked--;
}

void ledger_move(struct model *m, struct connection *c, unsigned state, uint64_t time_ns)
{
	unsigned from = c->state;

	count(m, c, state, -1);
	c->flags |= CONNECTION_EXACT;
	table_move(m->table, c, state, time_ns);
	count(m, c, from, 1);
}

void ledger_correct(struct model *m, struct connection *c, unsigned state, uint64_t time_ns)
{
	unsigned from = c->state;

	count(m, c, state, -1);
	c->flags &= (uint8_t)~CONNECTION_EXACT;
	table_move(m->table, c, state, time_ns);
	count(m, c, from, 1);
}

void ledger_make_mini(struct model *m, struct connection *c)
{
	count(m, c, c->state, -1);
	table_make_mini(m->table, c);
	count(m, c, c->state, 1);
}

/* To whom it belongs. */
static void drop_references(struct model *m, const struct connection *c)
{
	owners_drop(m->owners, c->owner);
	users_drop(m->users, c->user);
}

void ledger_drop(struct model *m, struct connection *c)
{
	count(m, c, 0, -1);
	drop_references(m, c);
	table_remove(m->table, c);
}

void ledger_drop_gone(struct model *m)
{
	struct table_cursor cursor;
	struct connection *c;

	table_cursor_open(m->table, TW_STATE_BIT(TW_CLOSE), &cursor);
	while ((c = table_cursor_next(&cursor)))
		table_remove(m->table, c);
	table_cursor_close(&cursor);
}

void ledger_expire(struct model *m, uint64_t gone)
{
	const struct connection *oldest;

	while ((oldest = table_oldest(m->table, TW_TIME_WAIT))) {
		struct connection *c = table_find_shadow(m->table, oldest);
		uint64_t age_ns = m->now_ns - oldest->entered_ns;

		if (m->now_ns < oldest->entered_ns || age_ns <= TIME_WAIT_MSEC * MSEC_NS ||
		    (!gone && age_ns <= TIME_WAIT_LATE_MSEC * MSEC_NS))
			return;
		stats_transition(&m->stats, TW_TIME_WAIT, TW_CLOSE);
		if (c->flags & CONNECTION_EXACT)
			stats_duration(&m->stats, TW_TIME_WAIT, age_ns);
		if (gone) {
			ledger_netns(m, c)->untracked[TW_TIME_WAIT][ledger_family(c)]++;
			gone--;
		}
		ledger_drop(m, c);
	}
}

void ledger_end(struct model *m, struct connection *c)
{
	if (!m->round_states) {
		ledger_drop(m, c);
		return;
	}
	count(m, c, 0, -1);
	drop_references(m, c);
	c->owner = OWNER_UNKNOWN;
	c->user = USER_UNKNOWN;
	c->flags |= CONNECTION_GONE;
	table_move(m->table, c, TW_CLOSE, m->now_ns);
}

void ledger_set_owner(struct model *m, struct connection *c, const struct owner *owner)
{
	uint32_t before = c->owner;

	tallies_leave(m->tallies, c, 0);
	c->owner = owners_take(m->owners, owner);
	owners_count(m->owners, c->owner, c->state, 1);
	owners_count(m->owners, before, c->state, -1);
	owners_drop(m->owners, before);
	tallies_enter(m->tallies, c, 0);
}

void ledger_set_addresses(struct model *m, struct connection *c, const struct connection *from)
{
	tallies_leave(m->tallies, c, 0);
	memcpy(c->saddr, from->saddr, sizeof(c->saddr));
	memcpy(c->daddr, from->daddr, sizeof(c->daddr));
	c->sport = from->sport;
	c->dport = from->dport;
	tallies_enter(m->tallies, c, 0);
}

bool ledger_is_outgoing(const struct model *m, const struct netns *n, uint16_t sport)
{
	bool told = n->limits.port_high;

	return sport >= (told ? n->limits.port_low : PORT_LOW_DEFAULT) &&
	       sport <= (told ? n->limits.port_high : PORT_HIGH_DEFAULT) &&
	       !listeners_port(m->listeners, n->inum, sport);
}

void ledger_disown(struct model *m, struct connection *c)
{
	struct owner owner = *owners_get(m->owners, c->owner);

	if (owner.kind == OWNER_KIND_KERNEL)
		return;
	owner.kind = OWNER_KIND_KERNEL;
	ledger_set_owner(m, c, &owner);
}

void ledger_listener_owner(const struct model *m, uint32_t netns, uint16_t port,
			   struct owner *owner)
{
	const struct listener_port *p = listeners_port(m->listeners, netns, port);
	const struct owner of_socket = *owner;

	if (!p)
		return;
	*owner = p->owner;
	if (of_socket.kind != OWNER_KIND_UNKNOWN)
		owner->kind = of_socket.kind;
	owner_complete(owner, &of_socket);
}

/* It goes on, but is followed no longer: from now on it is counted alone. */
static void give_way(struct model *m, struct connection *c)
{
	struct netns *n = ledger_netns(m, c);
	bool mini = c->flags & CONNECTION_MINI && c->state == TW_FIN_WAIT2;

	n->untracked[c->state][ledger_family(c)]++;
	n->minis_untracked += mini;
	if (m->round_states & TW_STATE_BIT(c->state) && c->flags & CONNECTION_SEEN) {
		n->dump_untracked[c->state][ledger_family(c)]++;
		n->dump_minis_untracked += mini;
	}
	ledger_drop(m, c);
}

/*
 * The table is full. Whoever has the most connections in it gives one up for a user who has fewer,
 * who is counted with the new one: so no user is short of room as long as he wants no more than an
 * equal share.
 */
static bool make_room(struct model *m, uint32_t user)
{
	uint32_t largest = users_largest(m->users), slots = table_slots(m->table);

	if (users_count(m->users, largest) <= users_count(m->users, user))
		return false;
	for (unsigned i = 0; i < ROOM_STEPS; i++) {
		struct connection *c;

		m->room_slot = m->room_slot + 1 < slots ? m->room_slot + 1 : 0;
		c = table_slot(m->table, m->room_slot);
		if (c && c->user == largest && !(c->flags & CONNECTION_GONE)) {
			give_way(m, c);
			return true;
		}
	}
	return false;
}

struct connection *ledger_insert(struct model *m, const struct connection *connection)
{
	struct connection *c = table_insert(m->table, connection);

	if (!c && table_length(m->table, TW_CLOSE)) {
		ledger_drop_gone(m);
		c = table_insert(m->table, connection);
	}
	if (!c && make_room(m, connection->user))
		c = table_insert(m->table, connection);
	if (c)
		count(m, c, 0, 1);
	else
		drop_references(m, connection);
	return c;
}

void ledger_mark_seen(const struct model *m, struct connection *c, uint64_t time_ns)
{
	if (!(m->round_states & TW_STATE_BIT(c->state)))
		c->flags &= (uint8_t)~CONNECTION_SEEN;
	else if (ledger_since_dump(ledger_netns(m, c), time_ns))
		c->flags |= CONNECTION_SEEN;
}
