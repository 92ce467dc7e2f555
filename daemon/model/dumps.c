/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "model/ledger.h"
#include "model/valid.h"

#define SYN_ACK_MSEC \
	UINT64_C(1000) /* TCP_TIMEOUT_INIT: the first wait for the final ACK, then doubled */
#define SYN_ACK_MSEC_MAX UINT64_C(120000) /* TCP_RTO_MAX: no wait is longer */

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

	return row->kind <= TW_SOCKET_MINI && valid_state(row->state) &&
	       states_of_kind[row->kind] & TW_STATE_BIT(row->state) && valid_family(row->family);
}

void model_round_begin(struct model *m, const struct tw_round *round)
{
	ledger_time(m, round->time_ns);
	m->round_states = round->states & TW_STATES_ALL;
	m->drift = (struct model_drift){0};
	if (!m->looked && (m->round_states & MODEL_QUEUED_STATES) == MODEL_QUEUED_STATES)
		m->queued.count = 0; /* nobody looks, the rows tell */
	for (size_t i = 0; i < netns_count(m->netns); i++) {
		netns_at(m->netns, i)->dump_ns = 0;
		netns_at(m->netns, i)->dump_complete = false;
	}
}

void model_dump_begin(struct model *m, const struct tw_dump *dump)
{
	int index = netns_index(m->netns, dump->netns);
	struct netns *n;

	ledger_time(m, dump->time_ns);
	if (index < 0)
		return;
	n = netns_at(m->netns, (size_t)index);
	n->left = false;
	n->dump_ns = dump->time_ns;
	n->dump_complete = false;
	n->dump_events = n->events;
	memset(n->dump_untracked, 0, sizeof(n->dump_untracked));
	n->dump_minis_untracked = 0;
}

void model_dump_end(struct model *m, const struct tw_dump *dump)
{
	int index = netns_find(m->netns, dump->netns);

	ledger_time(m, dump->time_ns);
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

/*
 * How long a connection has been half-open, as far as it is certain. Its SYN-ACK goes out again
 * each time that the wait for an answer ends, after 1, 3, 7 s and so on, and with each SYN that the
 * client sends again: the wait then starts anew, and is not doubled (tcp_check_req()). The row has
 * the sum of both and the rest of a wait; neither side sends more than one a second (RFC 6298).
 */
static uint64_t request_age_ms(const struct tw_socket *row)
{
	uint64_t wait = SYN_ACK_MSEC, sent = row->retransmits * SYN_ACK_MSEC / 2, age;

	while (wait < row->expires_ms && wait < SYN_ACK_MSEC_MAX)
		wait *= 2;
	age = wait - SYN_ACK_MSEC + (row->expires_ms < wait ? wait - row->expires_ms : 0);
	return age > sent ? age : sent;
}

/* An orphan's timer runs for the namespace's tcp_fin_timeout, unless its program asked for another
 * (TCP_LINGER2, which nobody can tell); of more than TIME_WAIT's it has been a full socket for what
 * is beyond: tcp_close(). */
static uint64_t minisocket_age_ms(const struct tw_socket *row, const struct tw_limits *limits)
{
	uint64_t timer = TIME_WAIT_MSEC;

	if (row->state == TW_FIN_WAIT2 && limits->known & TW_SYSCTL_BIT(TW_SYSCTL_TCP_FIN_TIMEOUT))
		timer = limits->values[TW_SYSCTL_TCP_FIN_TIMEOUT] * UINT64_C(1000);
	return row->expires_ms < timer ? timer - row->expires_ms : 0;
}

/* When a socket that sends no event came into its state, from the timer that the dump shows. */
static uint64_t shadow_entered(const struct tw_socket *row, const struct netns *n)
{
	uint64_t age = row->kind == TW_SOCKET_MINI ? minisocket_age_ms(row, &n->limits)
						   : request_age_ms(row);

	return n->dump_ns > age * MSEC_NS ? n->dump_ns - age * MSEC_NS : 0;
}

/* index: the namespace's in its table. */
static struct connection connection_of_row(const struct tw_socket *row, const struct netns *n,
					   int index)
{
	static const uint8_t flags_of_kind[] = {
		[TW_SOCKET_FULL] = 0,
		[TW_SOCKET_REQUEST] = CONNECTION_REQUEST,
		[TW_SOCKET_MINI] = CONNECTION_MINI,
	};
	struct connection c = {
		.cookie = row->cookie,
		.entered_ns = row->kind == TW_SOCKET_FULL ? n->dump_ns : shadow_entered(row, n),
		.sport = row->sport,
		.dport = row->dport,
		.netns = (uint16_t)index,
		.state = row->state,
		.flags = flags_of_kind[row->kind] | CONNECTION_SEEN |
			 (row->family == AF_INET6 ? CONNECTION_IPV6 : 0),
	};

	memcpy(c.saddr, row->saddr, sizeof(c.saddr));
	memcpy(c.daddr, row->daddr, sizeof(c.daddr));
	return c;
}

static struct owner owner_of_row(const struct model *m, const struct tw_socket *row)
{
	struct owner owner = {.cgroup = row->cgroup, .uid = row->inode ? row->uid : UID_UNKNOWN};

	if (row->inode)
		return owner;
	if (row->kind == TW_SOCKET_FULL && MODEL_QUEUED_STATES & TW_STATE_BIT(row->state))
		owner.kind = OWNER_KIND_UNACCEPTED;
	else
		owner.kind = OWNER_KIND_KERNEL;
	if (owner.kind == OWNER_KIND_UNACCEPTED || row->kind == TW_SOCKET_REQUEST)
		ledger_listener_owner(m, row->netns, row->sport, &owner);
	return owner;
}

static void note_undated(struct model *m, const struct tw_socket *row)
{
	if (row->kind == TW_SOCKET_FULL && MODEL_DATED_STATES & TW_STATE_BIT(row->state))
		m->undated++;
}

static void insert_row(struct model *m, struct netns *n, struct connection *c,
		       const struct tw_socket *row)
{
	struct owner owner = owner_of_row(m, row);

	c->outgoing = row->kind != TW_SOCKET_REQUEST && row->state != TW_LISTEN &&
		      ledger_is_outgoing(m, n, row->sport);
	/* one that the looks at the queues do not know of, they could not find accepted */
	if (owner.kind == OWNER_KIND_UNACCEPTED && !queued_add(&m->queued, row->cookie))
		owner.kind = OWNER_KIND_UNKNOWN;
	c->owner = owners_take(m->owners, &owner);
	c->user = users_take(m->users, owner.uid);
	if (ledger_insert(m, c)) {
		note_undated(m, row);
		ledger_explained(n, c, 1);
		return;
	}
	n->dump_untracked[c->state][ledger_family(c)]++;
	if (c->flags & CONNECTION_MINI && c->state == TW_FIN_WAIT2)
		n->dump_minis_untracked++;
}

/* Whether anybody has a descriptor. Where the accept queues are looked at, they tell the rest. */
static void learn_holding(struct model *m, struct connection *c, const struct tw_socket *row)
{
	struct owner owner = *owners_get(m->owners, c->owner), by_row;

	if (!row->inode && !(MODEL_QUEUED_STATES & TW_STATE_BIT(row->state))) {
		ledger_disown(m, c);
	} else if (!m->looked && (!row->inode || owner.kind == OWNER_KIND_UNACCEPTED)) {
		by_row = owner_of_row(m, row);
		owner.kind = by_row.kind;
		queued_add(&m->queued, row->cookie);
		owner_complete(&owner, &by_row);
		/* accepted, by whoever listens as far as anybody knows */
		if (row->inode && (owner.pid || *owner.comm))
			owner.kind = OWNER_KIND_PROCESS;
		ledger_set_owner(m, c, &owner);
	}
}

static void row_full(struct model *m, struct netns *n, struct connection *row_connection,
		     const struct tw_socket *row)
{
	struct connection *c = table_find(m->table, row->cookie), *shadow;

	if (!c) {
		shadow = table_find_shadow(m->table, row_connection);
		if (shadow &&
		    (shadow->flags & CONNECTION_SEEN || ledger_newer_than_dump(shadow, n)))
			return; /* became a minisocket after the dump came by */
		/* at the bound it may well be one of those that are counted as untracked */
		if (!n->untracked[row->state][ledger_family(row_connection)])
			drifted(m, n, row->state);
		insert_row(m, n, row_connection, row);
		return;
	}
	if (c->flags & CONNECTION_GONE)
		return;
	if (!c->sport)
		ledger_set_addresses(m, c, row_connection);
	if (c->state != row->state && !ledger_newer_than_dump(c, n)) {
		drifted(m, n, c->state);
		ledger_correct(m, c, row->state, n->dump_ns);
		note_undated(m, row);
	}
	if (c->state == row->state)
		learn_holding(m, c, row);
	ledger_mark_seen(m, c, n->dump_ns);
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
	if (ledger_newer_than_dump(origin, n))
		return true;
	drifted(m, n, origin->state);
	ledger_drop(m, origin);
	return false;
}

static void row_shadow(struct model *m, struct netns *n, struct connection *row_connection,
		       const struct tw_socket *row)
{
	struct connection *c = table_find_shadow(m->table, row_connection);

	/* it has closed after the dump came by, and was a request or an orphan then */
	if (c && ledger_newer_than_dump(c, n) && row->state != c->state &&
	    row->state != TW_TIME_WAIT)
		return;
	if (c && (c->flags ^ row_connection->flags) & CONNECTION_SHADOW) {
		ledger_drop(m,
			    c); /* a half-open connection where a TIME_WAIT was, or the reverse */
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
		ledger_correct(m, c, TW_TIME_WAIT, shadow_entered(row, n));
	} else if (c->state == TW_TIME_WAIT && row->state == TW_FIN_WAIT2) {
		/* the kernel's never goes back: another one, whose events were lost */
		ledger_correct(m, c, TW_FIN_WAIT2, shadow_entered(row, n));
	}
	ledger_mark_seen(m, c, n->dump_ns);
}

/* Where no iterator tells of the listeners, dumps do: they come in them before all others. */
static bool looks(const struct model *m)
{
	return !m->looked && (m->round_states & MODEL_LISTENER_STATES) == MODEL_LISTENER_STATES;
}

/* Who has a descriptor, as far as transitions and passes over all descriptors have told. */
static void name_listener(const struct model *m, struct tw_listener *listener)
{
	const struct connection *c = table_find(m->table, listener->cookie);
	const struct owner *owner = c ? owners_get(m->owners, c->owner) : NULL;

	if (!owner || owner->kind != OWNER_KIND_PROCESS)
		return;
	listener->pid = owner->pid;
	listener->uid = owner->uid;
	listener->cgroup = owner->cgroup ? owner->cgroup : listener->cgroup;
	memcpy(listener->comm, owner->comm, sizeof(listener->comm));
}

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
		name_listener(m, &listener);
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
	segments_look(m->segments, m->now_ns);
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
	c = connection_of_row(row, n, index);
	if (looks(m))
		look_by_dump(m, row);
	if (row->kind == TW_SOCKET_FULL)
		row_full(m, n, &c, row);
	else
		row_shadow(m, n, &c, row);
}

/* A connection that its namespace's complete dump did not show. */
static void sweep(struct model *m, struct connection *c, uint64_t time_ns)
{
	struct netns *n = ledger_netns(m, c);

	if (!(c->flags & CONNECTION_SHADOW)) {
		drifted(m, n, c->state);
		ledger_drop(m, c);
	} else if (c->flags & CONNECTION_MINI && c->state == TW_FIN_WAIT2 &&
		   !(m->round_states & TW_STATE_BIT(TW_TIME_WAIT))) {
		/* most likely the peer's FIN came; if it ended instead, the kernel's counters say
		 * so */
		stats_transition(&m->stats, TW_FIN_WAIT2, TW_TIME_WAIT);
		ledger_correct(m, c, TW_TIME_WAIT, time_ns);
	} else {
		ledger_explained(n, c, -1);
		ledger_drop(m, c);
	}
}

static void sweep_state(struct model *m, unsigned state, uint64_t time_ns)
{
	struct table_cursor cursor;
	struct connection *c;

	table_cursor_open(m->table, TW_STATE_BIT(state), &cursor);
	while ((c = table_cursor_next(&cursor))) {
		bool seen = c->flags & CONNECTION_SEEN;

		c->flags &= (uint8_t)~CONNECTION_SEEN;
		if (!seen && ledger_netns(m, c)->dump_complete &&
		    !ledger_newer_than_dump(c, ledger_netns(m, c)))
			sweep(m, c, time_ns);
	}
	table_cursor_close(&cursor);
}

static struct netns_excess established_excess(const struct netns *n)
{
	int64_t excess = (int64_t)n->established - (int64_t)netns_connections(n, TW_ESTABLISHED);

	return (struct netns_excess){
		.established = excess,
		.with_close_wait = excess - (int64_t)netns_connections(n, TW_CLOSE_WAIT)};
}

static void netns_settle(struct model *m, struct netns *n)
{
	if (!n->dump_complete)
		return;
	TW_FOR_EACH_STATE(state)
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
	if (netns_established_known(n))
		n->accepted = established_excess(n);
	m->known = true;
}

void model_round_end(struct model *m, const struct tw_round *round, struct model_drift *ret_drift)
{
	ledger_time(m, round->time_ns);
	ledger_drop_gone(m);
	TW_FOR_EACH_STATE(state)
		if (m->round_states & TW_STATE_BIT(state))
			sweep_state(m, state, round->time_ns);
	table_settle(m->table, TW_TIME_WAIT); /* where a FIN_WAIT2 may have gone */
	for (size_t i = 0; i < netns_count(m->netns); i++)
		netns_settle(m, netns_at(m->netns, i));
	if (looks(m))
		end_look_by_dump(m);
	cgroups_follow(m->cgroups, m->owners, m->now_ns);
	m->round_states = 0;
	*ret_drift = m->drift;
}

/* TIME_WAIT is what the kernel's minisockets are less those in FIN_WAIT2; the table may know of
 * more or fewer. */
static void counters_time_wait(struct model *m, struct netns *n, const struct tw_counters *counters)
{
	const uint32_t *tracked = n->tracked[TW_TIME_WAIT];
	int64_t sum = (int64_t)tracked[NETNS_IPV4] + tracked[NETNS_IPV6];
	int64_t count = (int64_t)counters->time_wait - n->minis - n->minis_untracked;
	/* fewer than those in FIN_WAIT2 alone: some of them are gone, which a dump will tell */
	int64_t true_count = count > 0 ? count : 0, excess;
	enum netns_family family;
	int64_t share;

	if (sum > true_count) {
		ledger_expire(m, (uint64_t)(sum - true_count));
		sum = (int64_t)tracked[NETNS_IPV4] + tracked[NETNS_IPV6];
	}
	excess = true_count - sum;
	/* the counter does not tell the families apart: the greater one gets the difference */
	family = tracked[NETNS_IPV6] > tracked[NETNS_IPV4] ? NETNS_IPV6 : NETNS_IPV4;
	share = excess < -(int64_t)tracked[family] ? -(int64_t)tracked[family] : excess;

	n->untracked[TW_TIME_WAIT][family] = (int32_t)share;
	n->untracked[TW_TIME_WAIT][!family] = (int32_t)(excess - share);
	n->time_wait_ticks = count != sum ? n->time_wait_ticks + 1 : 0;
}

/* Transitions that are lost without a word may leave as many sockets in use. */
static bool established_differs(const struct netns *n)
{
	struct netns_excess excess = established_excess(n);

	return n->known && netns_established_known(n) &&
	       excess.established != n->accepted.established &&
	       excess.with_close_wait != n->accepted.with_close_wait;
}

static bool in_use_differs(struct netns *n, const struct tw_counters *counters)
{
	int64_t excess = counters->in_use;

	TW_FOR_EACH_STATE(state)
		if (state != TW_TIME_WAIT && state != TW_CLOSE)
			excess -= (int64_t)netns_connections(n, state);
	for (unsigned family = 0; family < NETNS_FAMILIES; family++)
		excess += (int64_t)n->requests[family] + n->untracked[TW_SYN_RECV][family];
	excess += n->minis + n->minis_untracked;
	if (excess == n->in_use_accepted)
		return false;
	if (!n->known || n->known_events != n->events)
		return true;
	n->in_use_accepted = excess;
	return false;
}

/* While transitions come the sums are of different moments. */
static void counters_compare(struct netns *n, const struct tw_counters *counters)
{
	bool quiet = n->events == n->counters_events;

	n->counters_events = n->events;
	if (counters->established != TW_NOT_READ) {
		n->established = counters->established;
		n->established_events = n->events;
	}
	n->suspect = quiet && (in_use_differs(n, counters) || established_differs(n));
}

void model_counters(struct model *m, const struct tw_counters *counters)
{
	int index = netns_find(m->netns, counters->netns);

	ledger_time(m, counters->time_ns);
	if (index < 0)
		return;
	counters_time_wait(m, netns_at(m->netns, (size_t)index), counters);
	counters_compare(netns_at(m->netns, (size_t)index), counters);
}
