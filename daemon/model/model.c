/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "model/model.h"

#define MSEC_NS UINT64_C(1000000)
#define SECOND_NS (1000 * MSEC_NS)
#define TIME_WAIT_MSEC \
	UINT64_C(60000) /* TCP_TIMEWAIT_LEN, include/net/tcp.h; also tcp_fin_timeout's default */
#define SYN_ACK_MSEC \
	UINT64_C(1000)      /* TCP_TIMEOUT_INIT: the first wait for the final ACK, then doubled */
#define RETRANSMITS_MAX 16U /* of a SYN-ACK, for the shift; the kernel's default is 5 */
/* connect() tells before it has found a port and is where dumps look: tcp_v4_connect(). */
#define EVENT_LEAD_NS UINT64_C(500000)

struct model {
	struct table *table;
	struct ages ages;
	struct owners *owners;
	struct netns_table *netns;
	struct listeners *listeners;
	bool looked; /* the listeners' queues are told; else they are counted from dumps */
	struct segments *segments;
	struct tw_source_summary sources;
	struct tw_netstat netstat_sums;
	struct stats stats;
	uint64_t now_ns;
	uint64_t event_ns;     /* of the newest event */
	uint32_t round_states; /* of the round that goes on; 0: none does */
	struct model_drift drift;
	bool known;
};

int model_new(uint32_t max_connections, struct model **ret)
{
	struct model *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	if (table_new(max_connections, &m->table) < 0 || owners_new(&m->owners) < 0 ||
	    netns_table_new(&m->netns) < 0 || listeners_new(&m->listeners) < 0 ||
	    segments_new(&m->segments) < 0) {
		model_free(m);
		return -ENOMEM;
	}
	ages_init(&m->ages, m->table);
	*ret = m;
	return 0;
}

struct model *model_free(struct model *m)
{
	if (!m)
		return NULL;
	table_free(m->table);
	owners_free(m->owners);
	netns_table_free(m->netns);
	listeners_free(m->listeners);
	segments_free(m->segments);
	free(m);
	return NULL;
}

void model_set_slots(struct model *m, size_t slots)
{
	segments_set_slots(m->segments, slots);
}

static void time_passes(struct model *m, uint64_t time_ns)
{
	if (time_ns > m->now_ns)
		m->now_ns = time_ns;
}

static bool state_valid(unsigned state)
{
	return state >= TW_STATE_FIRST && state <= TW_STATE_LAST;
}

static bool family_valid(unsigned family)
{
	return family == AF_INET || family == AF_INET6;
}

/* TIME_WAIT is a minisocket's state, which tcp_set_state() never sees. */
static bool event_valid(const struct tw_event *e)
{
	return state_valid(e->old_state) && state_valid(e->new_state) &&
	       e->old_state != TW_TIME_WAIT && e->new_state != TW_TIME_WAIT &&
	       family_valid(e->family);
}

/* A socket that closes between being found and being described has a row with CLOSE, and is none
 * any more: inet_diag_dump_icsk(). */
static bool row_valid(const struct tw_socket *row)
{
	static const uint32_t states_of_kind[] = {
		[TW_SOCKET_FULL] = TW_STATES_ALL &
				   ~(TW_STATE_BIT(TW_CLOSE) | TW_STATE_BIT(TW_TIME_WAIT)),
		[TW_SOCKET_REQUEST] = TW_STATE_BIT(TW_SYN_RECV),
		[TW_SOCKET_MINI] = TW_STATE_BIT(TW_FIN_WAIT2) | TW_STATE_BIT(TW_TIME_WAIT),
	};

	return row->kind <= TW_SOCKET_MINI && state_valid(row->state) &&
	       states_of_kind[row->kind] & TW_STATE_BIT(row->state) && family_valid(row->family);
}

static enum netns_family family_of(const struct connection *c)
{
	return c->flags & CONNECTION_IPV6 ? NETNS_IPV6 : NETNS_IPV4;
}

static struct netns *netns_of(const struct model *m, const struct connection *c)
{
	return netns_at(m->netns, c->netns);
}

/* Counts a connection of the table in (1) or out (-1), as it is now. */
static void count(struct model *m, const struct connection *c, int32_t by)
{
	struct netns *n = netns_of(m, c);

	n->tracked[c->state][family_of(c)] += (uint32_t)by;
	if (c->flags & CONNECTION_REQUEST)
		n->requests[family_of(c)] += (uint32_t)by;
	if (c->flags & CONNECTION_MINI && c->state == TW_FIN_WAIT2)
		n->minis += (uint32_t)by;
}

/* The untracked difference shrinks as dumps find which connections it is made of. */
static void untracked_explained(struct netns *n, const struct connection *c, int32_t by)
{
	int32_t *untracked = &n->untracked[c->state][family_of(c)];

	if (by > 0 ? *untracked <= 0 : *untracked >= 0)
		return;
	*untracked -= by;
	if (c->flags & CONNECTION_MINI && c->state == TW_FIN_WAIT2 && n->minis_untracked)
		n->minis_untracked--;
}

/* By an event, at whose time the connection entered the state. */
static void move(struct model *m, struct connection *c, unsigned state, uint64_t time_ns)
{
	count(m, c, -1);
	c->flags |= CONNECTION_EXACT;
	table_move(m->table, c, state, time_ns);
	count(m, c, 1);
}

/* By what a dump shows: the time is an estimate. */
static void correct(struct model *m, struct connection *c, unsigned state, uint64_t time_ns)
{
	count(m, c, -1);
	c->flags &= (uint8_t)~CONNECTION_EXACT;
	table_move(m->table, c, state, time_ns);
	count(m, c, 1);
}

static void drop(struct model *m, struct connection *c)
{
	count(m, c, -1);
	owners_drop(m->owners, c->owner);
	table_remove(m->table, c);
}

static void drop_gone(struct model *m)
{
	struct table_cursor cursor;
	struct connection *c;

	table_cursor_open(m->table, TW_STATE_BIT(TW_CLOSE), &cursor);
	while ((c = table_cursor_next(&cursor)))
		table_remove(m->table, c);
	table_cursor_close(&cursor);
}

/* A full socket has ended. While dumps go on it stays as a sign that a late row of theirs is about
 * the past. */
static void end(struct model *m, struct connection *c)
{
	if (!m->round_states) {
		drop(m, c);
		return;
	}
	count(m, c, -1);
	owners_drop(m->owners, c->owner);
	c->owner = OWNER_UNKNOWN;
	c->flags |= CONNECTION_GONE;
	table_move(m->table, c, TW_CLOSE, m->now_ns);
}

/* The end of a socket that the table has not met yet, to which a late row may lead all the same. */
static void end_unmet(struct model *m, int netns, const struct tw_event *e)
{
	const struct connection c = {
		.cookie = e->cookie,
		.entered_ns = m->now_ns,
		.netns = (uint16_t)netns,
		.state = TW_CLOSE,
		.flags = CONNECTION_GONE,
	};
	struct netns *n = netns_at(m->netns, (size_t)netns);
	int32_t *untracked =
		&n->untracked[e->old_state][e->family == AF_INET6 ? NETNS_IPV6 : NETNS_IPV4];

	if (*untracked > 0)
		--*untracked;
	if (m->round_states && n->dump_ns)
		table_insert(m->table, &c);
}

/* NULL when the table is full. Takes over the reference to the owner. */
static struct connection *insert(struct model *m, const struct connection *connection)
{
	struct connection *c = table_insert(m->table, connection);

	if (!c && table_length(m->table, TW_CLOSE)) {
		drop_gone(m);
		c = table_insert(m->table, connection);
	}
	if (c)
		count(m, c, 1);
	else
		owners_drop(m->owners, connection->owner);
	return c;
}

/* Whether what an event of this time tells may be newer than the rows of its namespace's dump. */
static bool since_dump(const struct netns *n, uint64_t event_ns)
{
	return n->dump_ns && event_ns + EVENT_LEAD_NS >= n->dump_ns;
}

static bool newer_than_dump(const struct connection *c, const struct netns *n)
{
	return c->flags & CONNECTION_EXACT && since_dump(n, c->entered_ns);
}

/* By a row, or by an event of the time. */
static void mark_seen(const struct model *m, struct connection *c, uint64_t time_ns)
{
	if (!(m->round_states & TW_STATE_BIT(c->state)))
		c->flags &= (uint8_t)~CONNECTION_SEEN;
	else if (since_dump(netns_of(m, c), time_ns))
		c->flags |= CONNECTION_SEEN;
}

static uint32_t owner_of_event(struct model *m, const struct tw_event *e)
{
	struct owner owner = {.cgroup = e->cgroup, .uid = e->uid};

	if (e->flags & TW_EVENT_PROCESS) {
		owner.pid = e->pid;
		memcpy(owner.comm, e->comm, strnlen(e->comm, sizeof(e->comm) - 1));
	}
	return owners_take(m->owners, &owner);
}

static void addresses_of_event(const struct tw_event *e, struct connection *c)
{
	memcpy(c->saddr, e->saddr, sizeof(c->saddr));
	memcpy(c->daddr, e->daddr, sizeof(c->daddr));
	c->sport = e->sport;
	c->dport = e->dport;
}

static struct connection connection_of_event(struct model *m, int netns, const struct tw_event *e)
{
	struct connection c = {
		.cookie = e->cookie,
		.entered_ns = e->time_ns,
		.netns = (uint16_t)netns,
		.state = e->new_state,
		.flags = CONNECTION_EXACT | (e->family == AF_INET6 ? CONNECTION_IPV6 : 0),
		.owner = owner_of_event(m, e),
	};

	addresses_of_event(e, &c);
	return c;
}

/*
 * A pair of addresses belongs to one socket at a time: the kernel has put this one in the place of
 * a half-open request, or of a TIME_WAIT that it may reuse (tcp_tw_reuse; RFC 9293 section 3.6.1).
 */
static void replace_shadow(struct model *m, const struct connection *c)
{
	const struct netns *n = netns_of(m, c);
	struct connection *shadow;

	if (!n->requests[family_of(c)] && !n->minis && !n->tracked[TW_TIME_WAIT][family_of(c)])
		return;
	shadow = table_find_shadow(m->table, c);
	if (shadow)
		drop(m, shadow);
}

static void event_birth(struct model *m, int netns, const struct tw_event *e, uint8_t flags)
{
	struct connection c = connection_of_event(m, netns, e);
	struct netns *n = netns_at(m->netns, (size_t)netns);
	int32_t *untracked = &n->untracked[e->old_state][family_of(&c)];
	struct connection *inserted;

	/* born long ago, and it found the table full: there is one less of them now */
	if (e->old_state != TW_CLOSE && e->old_state != TW_LISTEN && *untracked > 0)
		--*untracked;
	c.flags |= flags;
	if (c.sport && c.state != TW_LISTEN)
		replace_shadow(m, &c);
	inserted = insert(m, &c);
	if (inserted) {
		mark_seen(m, inserted, e->time_ns);
		return;
	}
	n->untracked[c.state][family_of(&c)]++;
	if (flags & CONNECTION_MINI && c.state == TW_FIN_WAIT2)
		n->minis_untracked++;
}

static void learn_owner(struct model *m, struct connection *c, const struct tw_event *e)
{
	uint32_t known = c->owner;

	if (!(e->flags & TW_EVENT_PROCESS) || owners_get(m->owners, known)->pid)
		return;
	c->owner = owner_of_event(m, e);
	owners_drop(m->owners, known);
}

static void observe_duration(struct model *m, const struct connection *c, const struct tw_event *e)
{
	if (c->flags & CONNECTION_EXACT && c->state == e->old_state && e->time_ns >= c->entered_ns)
		stats_duration(&m->stats, c->state, e->time_ns - c->entered_ns);
}

static void event_change(struct model *m, int netns, struct connection *c, const struct tw_event *e)
{
	stats_transition(&m->stats, e->old_state, e->new_state);
	if (!c) {
		event_birth(m, netns, e, 0);
		return;
	}
	observe_duration(m, c, e);
	learn_owner(m, c, e);
	move(m, c, e->new_state, e->time_ns);
	mark_seen(m, c, e->time_ns);
	if (e->old_state == TW_SYN_SENT || e->old_state == TW_SYN_RECV) {
		/* the local port and address are chosen after the first event: inet_hash_connect()
		 */
		addresses_of_event(e, c);
		replace_shadow(m, c);
	}
}

/* The state of the minisocket that tcp_time_wait() has put in the socket's place, or 0. */
static unsigned minisocket_state(const struct tw_event *e)
{
	if (e->error)
		return 0;
	if (e->flags & TW_EVENT_DONE &&
	    (e->old_state == TW_FIN_WAIT2 || e->old_state == TW_CLOSING))
		return TW_TIME_WAIT;
	if (e->flags & TW_EVENT_DEAD && e->old_state == TW_FIN_WAIT2)
		return TW_FIN_WAIT2;
	return 0;
}

static void become_mini(struct model *m, int netns, struct connection *c, const struct tw_event *e,
			unsigned state)
{
	if (!c) {
		struct tw_event born = *e;

		born.new_state = (uint8_t)state;
		event_birth(m, netns, &born, CONNECTION_MINI);
		return;
	}
	if (!c->sport)
		addresses_of_event(e, c);
	replace_shadow(m, c);
	count(m, c, -1);
	table_make_mini(m->table, c);
	count(m, c, 1);
	if (c->state != state)
		move(m, c, state, e->time_ns);
	mark_seen(m, c, e->time_ns);
}

static void event_close(struct model *m, int netns, struct connection *c, const struct tw_event *e)
{
	unsigned mini = minisocket_state(e);

	if (mini != TW_FIN_WAIT2) {
		stats_transition(&m->stats, e->old_state, mini ? mini : TW_CLOSE);
		if (c)
			observe_duration(m, c, e);
	}
	if (e->old_state == TW_SYN_SENT)
		m->stats.connect_failures[connect_failure_of(e)]++;
	else if (e->old_state != TW_LISTEN)
		m->stats.closed[close_reason_of(e, mini)]++;

	if (mini)
		become_mini(m, netns, c, e, mini);
	else if (c)
		end(m, c);
	else
		end_unmet(m, netns, e);
}

/* Whether the connection is not where the transition would take it from: it has been told already.
 */
static bool repeats(const struct connection *c, const struct tw_event *e)
{
	bool exists = c && !(c->flags & CONNECTION_GONE);

	if (e->old_state == TW_CLOSE || e->old_state == TW_LISTEN)
		return exists;
	return !exists || c->state != e->old_state;
}

bool model_event(struct model *m, const struct tw_event *e)
{
	struct tw_event in_order;
	struct connection *c;
	int netns;

	if (!event_valid(e) || (netns = netns_index(m->netns, e->netns)) < 0) {
		m->stats.events_malformed++;
		return false;
	}
	if (e->time_ns < m->event_ns) {
		/* two processors may differ by a microsecond; lists are in order of entry */
		in_order = *e;
		in_order.time_ns = m->event_ns;
		e = &in_order;
	}
	m->event_ns = e->time_ns;
	time_passes(m, e->time_ns);
	if (e->old_state == e->new_state)
		return false; /* close() after shutdown(): tcp_close_state() */
	c = table_find(m->table, e->cookie);
	if (e->flags & TW_EVENT_MISSED && repeats(c, e))
		return false;
	m->stats.events++;
	netns_at(m->netns, (size_t)netns)->events++;
	if (c && c->flags & CONNECTION_GONE) {
		/* the same socket again: connect() after a failed connect() */
		table_remove(m->table, c);
		c = NULL;
	}
	if (e->old_state == TW_LISTEN && e->new_state == TW_SYN_RECV && !e->dport) {
		/*
		 * Before Linux 6.14 a child tells of its birth before it has its peer and its
		 * cookie (inet_csk_clone_lock()): it is known from its next transition on, at once
		 * after this.
		 */
		stats_transition(&m->stats, e->old_state, e->new_state);
		return true;
	}
	if (e->new_state == TW_CLOSE)
		event_close(m, netns, c, e);
	else
		event_change(m, netns, c, e);
	return true;
}

void model_round_begin(struct model *m, const struct tw_round *round)
{
	time_passes(m, round->time_ns);
	m->round_states = round->states & TW_STATES_ALL;
	m->drift = (struct model_drift){0};
	for (size_t i = 0; i < netns_count(m->netns); i++) {
		netns_at(m->netns, i)->dump_ns = 0;
		netns_at(m->netns, i)->dump_complete = false;
	}
}

void model_dump_begin(struct model *m, const struct tw_dump *dump)
{
	int index = netns_index(m->netns, dump->netns);
	struct netns *n;

	time_passes(m, dump->time_ns);
	if (index < 0)
		return;
	n = netns_at(m->netns, (size_t)index);
	n->dump_ns = dump->time_ns;
	n->dump_complete = false;
	n->dump_events = n->events;
	memset(n->dump_untracked, 0, sizeof(n->dump_untracked));
	n->dump_minis_untracked = 0;
}

void model_dump_end(struct model *m, const struct tw_dump *dump)
{
	int index = netns_find(m->netns, dump->netns);

	time_passes(m, dump->time_ns);
	if (index >= 0 && netns_at(m->netns, (size_t)index)->dump_ns)
		netns_at(m->netns, (size_t)index)->dump_complete = dump->complete;
}

static void drifted(struct model *m, const struct netns *n, unsigned state)
{
	/* in a namespace's first dump all is news, and no error */
	if (!n->known)
		return;
	m->drift.by_state[state]++;
	m->drift.total++;
}

/* When a socket that sends no event came into its state, from the timer that the dump shows. */
static uint64_t shadow_entered(const struct tw_socket *row, uint64_t dump_ns)
{
	unsigned retransmits = row->retransmits < RETRANSMITS_MAX ? row->retransmits
								  : RETRANSMITS_MAX;
	uint64_t timeout = row->kind == TW_SOCKET_MINI
				   ? TIME_WAIT_MSEC
				   : (SYN_ACK_MSEC << (retransmits + 1)) - SYN_ACK_MSEC;
	uint64_t age = row->expires_ms < timeout ? timeout - row->expires_ms : 0;

	return dump_ns > age * MSEC_NS ? dump_ns - age * MSEC_NS : 0;
}

static struct connection connection_of_row(const struct tw_socket *row, int netns, uint64_t dump_ns)
{
	static const uint8_t flags_of_kind[] = {
		[TW_SOCKET_FULL] = 0,
		[TW_SOCKET_REQUEST] = CONNECTION_REQUEST,
		[TW_SOCKET_MINI] = CONNECTION_MINI,
	};
	struct connection c = {
		.cookie = row->cookie,
		.entered_ns = row->kind == TW_SOCKET_FULL ? dump_ns : shadow_entered(row, dump_ns),
		.sport = row->sport,
		.dport = row->dport,
		.netns = (uint16_t)netns,
		.state = row->state,
		.flags = flags_of_kind[row->kind] | CONNECTION_SEEN |
			 (row->family == AF_INET6 ? CONNECTION_IPV6 : 0),
	};

	memcpy(c.saddr, row->saddr, sizeof(c.saddr));
	memcpy(c.daddr, row->daddr, sizeof(c.daddr));
	return c;
}

static void insert_row(struct model *m, struct netns *n, struct connection *c,
		       const struct tw_socket *row)
{
	struct owner owner = {.cgroup = row->cgroup, .uid = row->inode ? row->uid : UID_UNKNOWN};

	c->owner = row->kind == TW_SOCKET_FULL ? owners_take(m->owners, &owner) : OWNER_UNKNOWN;
	if (insert(m, c)) {
		untracked_explained(n, c, 1);
		return;
	}
	n->dump_untracked[c->state][family_of(c)]++;
	if (c->flags & CONNECTION_MINI && c->state == TW_FIN_WAIT2)
		n->dump_minis_untracked++;
}

static void row_full(struct model *m, struct netns *n, struct connection *row_connection,
		     const struct tw_socket *row)
{
	struct connection *c = table_find(m->table, row->cookie), *shadow;

	if (!c) {
		shadow = table_find_shadow(m->table, row_connection);
		if (shadow && (shadow->flags & CONNECTION_SEEN || newer_than_dump(shadow, n)))
			return; /* became a minisocket after the dump came by */
		/* at the bound it may well be one of those that are counted as untracked */
		if (!n->untracked[row->state][family_of(row_connection)])
			drifted(m, n, row->state);
		insert_row(m, n, row_connection, row);
		return;
	}
	if (c->flags & CONNECTION_GONE)
		return;
	if (!c->sport)
		c->sport = row->sport;
	if (c->state != row->state && !newer_than_dump(c, n)) {
		drifted(m, n, c->state);
		correct(m, c, row->state, n->dump_ns);
	}
	mark_seen(m, c, n->dump_ns);
}

/*
 * Whether the socket that the row's came from is still there as far as events tell: then the row is
 * of the past, or ahead of an event that will come. A request hands its cookie on to its child
 * (inet_csk_clone_lock()), a socket to its minisocket (inet_twsk_alloc()).
 */
static bool origin_lives(struct model *m, const struct netns *n, const struct tw_socket *row)
{
	struct connection *origin = table_find(m->table, row->cookie);

	if (!origin)
		return false;
	if (row->kind == TW_SOCKET_REQUEST)
		return true;
	if (origin->flags & CONNECTION_GONE)
		return false;
	if (newer_than_dump(origin, n))
		return true;
	drifted(m, n, origin->state);
	drop(m, origin);
	return false;
}

static void row_shadow(struct model *m, struct netns *n, struct connection *row_connection,
		       const struct tw_socket *row)
{
	struct connection *c = table_find_shadow(m->table, row_connection);

	/* it has closed after the dump came by, and was a request or an orphan then */
	if (c && newer_than_dump(c, n) && row->state != c->state && row->state != TW_TIME_WAIT)
		return;
	if (c && (c->flags ^ row_connection->flags) & CONNECTION_SHADOW) {
		drop(m, c); /* a half-open connection where a TIME_WAIT was, or the reverse */
		c = NULL;
	}
	if (!c) {
		if (!origin_lives(m, n, row))
			insert_row(m, n, row_connection, row);
		return;
	}
	c->cookie = row->cookie;
	if (c->state == TW_FIN_WAIT2 && row->state == TW_TIME_WAIT) {
		/* the peer's FIN came; the timer started anew with it */
		stats_transition(&m->stats, TW_FIN_WAIT2, TW_TIME_WAIT);
		correct(m, c, TW_TIME_WAIT, shadow_entered(row, n->dump_ns));
	} else if (c->state == TW_TIME_WAIT && row->state == TW_FIN_WAIT2) {
		/* the kernel's never goes back: another one, whose events were lost */
		correct(m, c, TW_FIN_WAIT2, shadow_entered(row, n->dump_ns));
	}
	mark_seen(m, c, n->dump_ns);
}

/* Where no iterator tells of the listeners, a dump of all states does: they come in it before all
 * others. */
static void look_by_dump(struct model *m, const struct tw_socket *row)
{
	if (row->kind == TW_SOCKET_REQUEST) {
		listeners_add_half_open(m->listeners, row);
	} else if (row->state == TW_LISTEN) {
		struct tw_listener listener = {
			.cookie = row->cookie,
			.cgroup = row->cgroup,
			.netns = row->netns,
			.uid = row->uid,
			.accept_queue = row->receive_queue,
			.backlog = row->send_queue,
			.port = row->sport,
			.family = row->family,
		};

		memcpy(listener.saddr, row->saddr, sizeof(listener.saddr));
		listeners_add(m->listeners, &listener);
	}
}

/* Of namespaces that the round did not look at, what was there before still holds. */
static void end_look_by_dump(struct model *m)
{
	size_t count;
	const struct tw_listener *rows = listeners_rows(m->listeners, &count);

	for (size_t i = 0; i < count; i++) {
		int index = netns_find(m->netns, rows[i].netns);

		if (index >= 0 && !netns_at(m->netns, (size_t)index)->dump_ns)
			listeners_add(m->listeners, &rows[i]);
	}
	listeners_done(m->listeners);
}

void model_socket(struct model *m, const struct tw_socket *row)
{
	int index = netns_find(m->netns, row->netns);
	struct connection c;
	struct netns *n;

	if (index < 0 || !row_valid(row))
		return;
	n = netns_at(m->netns, (size_t)index);
	if (!n->dump_ns || !(m->round_states & TW_STATE_BIT(row->state)))
		return;
	c = connection_of_row(row, index, n->dump_ns);
	if (!m->looked && m->round_states == TW_STATES_ALL)
		look_by_dump(m, row);
	if (row->kind == TW_SOCKET_FULL)
		row_full(m, n, &c, row);
	else
		row_shadow(m, n, &c, row);
}

/* A connection that its namespace's complete dump did not show. */
static void sweep(struct model *m, struct connection *c, uint64_t time_ns)
{
	struct netns *n = netns_of(m, c);

	if (!(c->flags & CONNECTION_SHADOW)) {
		drifted(m, n, c->state);
		drop(m, c);
	} else if (c->flags & CONNECTION_MINI && c->state == TW_FIN_WAIT2 &&
		   !(m->round_states & TW_STATE_BIT(TW_TIME_WAIT))) {
		/* most likely the peer's FIN came; if it ended instead, the kernel's counters say
		 * so */
		stats_transition(&m->stats, TW_FIN_WAIT2, TW_TIME_WAIT);
		correct(m, c, TW_TIME_WAIT, time_ns);
	} else {
		untracked_explained(n, c, -1);
		drop(m, c);
	}
}

static void sweep_state(struct model *m, unsigned state, uint64_t time_ns)
{
	struct table_cursor cursor;
	struct connection *c;

	table_settle(m->table, state);
	table_cursor_open(m->table, TW_STATE_BIT(state), &cursor);
	while ((c = table_cursor_next(&cursor))) {
		bool seen = c->flags & CONNECTION_SEEN;

		c->flags &= (uint8_t)~CONNECTION_SEEN;
		if (!seen && netns_of(m, c)->dump_complete && !newer_than_dump(c, netns_of(m, c)))
			sweep(m, c, time_ns);
	}
	table_cursor_close(&cursor);
}

static void netns_settle(struct model *m, struct netns *n)
{
	if (!n->dump_complete)
		return;
	for (unsigned state = TW_STATE_FIRST; state <= TW_STATE_LAST; state++)
		if (m->round_states & TW_STATE_BIT(state))
			memcpy(n->untracked[state], n->dump_untracked[state],
			       sizeof(n->untracked[state]));
	if (m->round_states & TW_STATE_BIT(TW_FIN_WAIT2))
		n->minis_untracked = n->dump_minis_untracked;
	if (m->round_states != TW_STATES_ALL)
		return;
	n->known = true;
	n->known_events = n->dump_events;
	n->suspect = false;
	m->known = true;
}

void model_round_end(struct model *m, const struct tw_round *round, struct model_drift *ret_drift)
{
	time_passes(m, round->time_ns);
	drop_gone(m);
	for (unsigned state = TW_STATE_FIRST; state <= TW_STATE_LAST; state++)
		if (m->round_states & TW_STATE_BIT(state))
			sweep_state(m, state, round->time_ns);
	table_settle(m->table, TW_TIME_WAIT); /* where a FIN_WAIT2 may have gone */
	for (size_t i = 0; i < netns_count(m->netns); i++)
		netns_settle(m, netns_at(m->netns, i));
	if (!m->looked && m->round_states == TW_STATES_ALL)
		end_look_by_dump(m);
	m->round_states = 0;
	*ret_drift = m->drift;
}

/* TIME_WAIT is what the kernel's minisockets are less those in FIN_WAIT2; the table may know of
 * more or fewer. */
static void counters_time_wait(struct netns *n, const struct tw_counters *counters)
{
	const uint32_t *tracked = n->tracked[TW_TIME_WAIT];
	int64_t sum = (int64_t)tracked[NETNS_IPV4] + tracked[NETNS_IPV6];
	int64_t count = (int64_t)counters->time_wait - n->minis - n->minis_untracked;
	/* fewer than those in FIN_WAIT2 alone: some of them are gone, which a dump will tell */
	int64_t excess = (count > 0 ? count : 0) - sum;
	/* the counter does not tell the families apart: the greater one gets the difference */
	enum netns_family family = tracked[NETNS_IPV6] > tracked[NETNS_IPV4] ? NETNS_IPV6
									     : NETNS_IPV4;
	int64_t share = excess < -(int64_t)tracked[family] ? -(int64_t)tracked[family] : excess;

	n->untracked[TW_TIME_WAIT][family] = (int32_t)share;
	n->untracked[TW_TIME_WAIT][!family] = (int32_t)(excess - share);
	n->time_wait_ticks = count != sum ? n->time_wait_ticks + 1 : 0;
}

static void counters_in_use(struct netns *n, const struct tw_counters *counters)
{
	bool quiet = n->events == n->counters_events;
	int64_t excess = counters->in_use;

	n->counters_events = n->events;
	for (unsigned state = TW_STATE_FIRST; state <= TW_STATE_LAST; state++)
		if (state != TW_TIME_WAIT && state != TW_CLOSE)
			excess -= (int64_t)netns_connections(n, state);
	for (unsigned family = 0; family < NETNS_FAMILIES; family++)
		excess += (int64_t)n->requests[family] + n->untracked[TW_SYN_RECV][family];
	excess += n->minis + n->minis_untracked;
	if (!quiet || excess == n->in_use_accepted)
		n->suspect = false;
	else if (n->known && n->known_events == n->events)
		n->in_use_accepted = excess;
	else
		n->suspect = true;
}

void model_counters(struct model *m, const struct tw_counters *counters)
{
	int index = netns_find(m->netns, counters->netns);

	time_passes(m, counters->time_ns);
	if (index < 0)
		return;
	counters_time_wait(netns_at(m->netns, (size_t)index), counters);
	counters_in_use(netns_at(m->netns, (size_t)index), counters);
}

void model_netns_gone(struct model *m, const struct tw_dump *netns)
{
	int index = netns_find(m->netns, netns->netns);
	struct table_cursor cursor;
	struct connection *c;

	time_passes(m, netns->time_ns);
	if (index < 0)
		return;
	for (unsigned state = TW_STATE_FIRST; state <= TW_STATE_LAST; state++)
		table_settle(m->table, state);
	table_cursor_open(m->table, TW_STATES_ALL, &cursor);
	while ((c = table_cursor_next(&cursor))) {
		if (c->netns != index)
			continue;
		if (c->flags & CONNECTION_GONE)
			table_remove(m->table, c);
		else
			drop(m, c);
	}
	table_cursor_close(&cursor);
	netns_forget(m->netns, index);
}

void model_listener(struct model *m, const struct tw_listener *row)
{
	/* what is left of a closed listener does not bring back a namespace that has gone */
	int index = row->closed ? netns_find(m->netns, row->netns)
				: netns_index(m->netns, row->netns);

	if (index < 0 || !family_valid(row->family))
		return;
	if (!m->looked) {
		/* the first one: what a dump has collected gives way */
		m->looked = true;
		listeners_done(m->listeners);
	}
	netns_at(m->netns, (size_t)index)
		->half_open_next[row->family == AF_INET6 ? NETNS_IPV6 : NETNS_IPV4] +=
		row->syn_queue;
	if (!row->closed)
		listeners_add(m->listeners, row);
}

static void drop_requests(struct model *m, int index)
{
	struct table_cursor cursor;
	struct connection *c;

	table_settle(m->table, TW_SYN_RECV);
	table_cursor_open(m->table, TW_STATE_BIT(TW_SYN_RECV), &cursor);
	while ((c = table_cursor_next(&cursor)))
		if (c->netns == index && c->flags & CONNECTION_REQUEST)
			drop(m, c);
	table_cursor_close(&cursor);
}

void model_listeners_done(struct model *m, const struct tw_tick *tick)
{
	time_passes(m, tick->time_ns);
	m->looked = true;
	listeners_done(m->listeners);
	segments_look(m->segments, m->now_ns);
	for (size_t i = 0; i < netns_count(m->netns); i++) {
		struct netns *n = netns_at(m->netns, i);

		memcpy(n->half_open, n->half_open_next, sizeof(n->half_open));
		memset(n->half_open_next, 0, sizeof(n->half_open_next));
		if (!n->half_open[NETNS_IPV4] && !n->half_open[NETNS_IPV6] &&
		    (n->requests[NETNS_IPV4] || n->requests[NETNS_IPV6]))
			drop_requests(m, (int)i);
		for (unsigned f = 0; f < NETNS_FAMILIES; f++)
			n->untracked[TW_SYN_RECV][f] = (int32_t)(n->half_open[f] - n->requests[f]);
	}
}

bool model_wants_port(const struct model *m, const struct tw_port *port)
{
	return port->port ? listeners_port(m->listeners, port->netns, port->port) != NULL
			  : netns_find(m->netns, port->netns) >= 0;
}

void model_port(struct model *m, const struct tw_port_record *record)
{
	int netns = netns_find(m->netns, record->port.netns);

	if (!record->port.port && netns >= 0)
		netns_at(m->netns, (size_t)netns)->rest_counted = true;
	segments_count(m->segments, record, model_wants_port(m, &record->port));
	listeners_count(m->listeners, record, m->now_ns);
}

void model_sources(struct model *m, const struct tw_source_summary *summary)
{
	time_passes(m, summary->time_ns);
	m->sources = *summary;
}

void model_netstat(struct model *m, const struct tw_netstat *netstat)
{
	int index = netns_find(m->netns, netstat->netns);
	struct netns *n;

	time_passes(m, netstat->time_ns);
	if (index < 0)
		return;
	n = netns_at(m->netns, (size_t)index);
	netstat_add(&m->netstat_sums, &n->netstat, netstat);
	if (netstat->time_ns - n->netstat.time_ns >= SECOND_NS || !n->netstat_before.time_ns)
		n->netstat_before = n->netstat;
	n->netstat = *netstat;
}

void model_limits(struct model *m, const struct tw_limits *limits)
{
	/* they may come before the first dump, and then not again for a while */
	int index = netns_index(m->netns, limits->netns);

	time_passes(m, limits->time_ns);
	if (index >= 0)
		netns_at(m->netns, (size_t)index)->limits = *limits;
}

void model_lost(struct model *m, const struct tw_lost *lost)
{
	time_passes(m, lost->time_ns);
	m->stats.events_lost[EVENT_LOSS_RING_FULL] += lost->ring_full;
	m->stats.events_lost[EVENT_LOSS_NOT_RUN] += lost->not_run;
}

static void expire_time_wait(struct model *m)
{
	const struct connection *oldest;

	while ((oldest = table_oldest(m->table, TW_TIME_WAIT)) &&
	       m->now_ns - oldest->entered_ns > TIME_WAIT_MSEC * MSEC_NS) {
		struct connection *c = table_find_shadow(m->table, oldest);

		stats_transition(&m->stats, TW_TIME_WAIT, TW_CLOSE);
		if (c->flags & CONNECTION_EXACT)
			stats_duration(&m->stats, TW_TIME_WAIT, m->now_ns - c->entered_ns);
		drop(m, c);
	}
}

void model_tick(struct model *m, const struct tw_tick *tick)
{
	time_passes(m, tick->time_ns);
	expire_time_wait(m);
	table_advance(m->table, m->now_ns);
	stats_sample(&m->stats, m->now_ns);
}

uint64_t model_now_ns(const struct model *m)
{
	return m->now_ns;
}

uint64_t model_connections(const struct model *m, unsigned state, enum netns_family family)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < netns_count(m->netns); i++)
		sum += netns_of_family(netns_at(m->netns, i), state, family);
	return sum;
}

uint64_t model_untracked(const struct model *m)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < netns_count(m->netns); i++)
		for (unsigned state = TW_STATE_FIRST; state <= TW_STATE_LAST; state++)
			for (unsigned family = 0; family < NETNS_FAMILIES; family++) {
				int32_t untracked = netns_at(m->netns, i)->untracked[state][family];

				sum += untracked > 0 ? (uint64_t)untracked : 0;
			}
	return sum;
}

const struct stats *model_stats(const struct model *m)
{
	return &m->stats;
}

const struct ages *model_ages(const struct model *m)
{
	return &m->ages;
}

const struct netns_table *model_netns(const struct model *m)
{
	return m->netns;
}

const struct owners *model_owners(const struct model *m)
{
	return m->owners;
}

const struct tw_source_summary *model_syn_sources(const struct model *m)
{
	return &m->sources;
}

const struct listeners *model_listeners(const struct model *m)
{
	return m->listeners;
}

const struct segments *model_segments(const struct model *m)
{
	return m->segments;
}

const struct tw_netstat *model_netstat_sums(const struct model *m)
{
	return &m->netstat_sums;
}

struct table *model_table(struct model *m)
{
	return m->table;
}

bool model_known(const struct model *m)
{
	return m->known;
}
