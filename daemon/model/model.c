/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/ledger.h"
#include "model/valid.h"

int model_new(uint32_t max_connections, struct model **ret)
{
	struct model *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	if (table_new(max_connections, &m->table) < 0 || owners_new(&m->owners) < 0 ||
	    users_new(&m->users) < 0 || cgroups_new(&m->cgroups) < 0 ||
	    executables_new(&m->executables) < 0 || netns_table_new(&m->netns) < 0 ||
	    listeners_new(m->executables, &m->listeners) < 0 || segments_new(&m->segments) < 0 ||
	    tallies_new(m->table, m->owners, m->netns, &m->tallies) < 0) {
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
	users_free(m->users);
	tallies_free(m->tallies);
	cgroups_free(m->cgroups);
	executables_free(m->executables);
	netns_table_free(m->netns);
	listeners_free(m->listeners);
	queued_clear(&m->queued);
	queued_clear(&m->queued_next);
	segments_free(m->segments);
	free(m);
	return NULL;
}

void model_set_slots(struct model *m, size_t slots)
{
	segments_set_slots(m->segments, slots);
}

/* TIME_WAIT is a minisocket's state, which tcp_set_state() never sees. */
static bool event_valid(const struct tw_event *e)
{
	return valid_state(e->old_state) && valid_state(e->new_state) &&
	       e->old_state != TW_TIME_WAIT && e->new_state != TW_TIME_WAIT &&
	       valid_family(e->family);
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

static void owner_set_process(const struct model *m, struct owner *owner, const struct tw_event *e)
{
	owner->kind = OWNER_KIND_PROCESS;
	owner->pid = e->pid;
	owner_set_comm(owner, e->comm);
	owner->executable = executables_of(m->executables, owner->pid, owner->comm);
}

/* Of a socket that is told of for the first time. Before Linux 6.14 that is the second transition
 * of a listener's child. */
static struct owner owner_of_event(const struct model *m, const struct tw_event *e)
{
	struct owner owner = {.cgroup = e->cgroup, .uid = e->uid};

	if (e->flags & TW_EVENT_PROCESS)
		owner_set_process(m, &owner, e);
	else if (e->old_state == TW_LISTEN || e->old_state == TW_SYN_RECV)
		ledger_listener_owner(m, e->netns, e->sport, &owner);
	return owner;
}

/* An end that connect() made, as far as the transition tells. */
static bool outgoing_by_event(const struct model *m, const struct netns *n,
			      const struct tw_event *e)
{
	bool outgoing = e->old_state == TW_CLOSE || e->old_state == TW_SYN_SENT;

	if (e->new_state == TW_LISTEN)
		outgoing = false;
	else if (!outgoing && e->old_state != TW_LISTEN && e->old_state != TW_SYN_RECV)
		outgoing = ledger_is_outgoing(m, n, e->sport);
	return outgoing;
}

static void addresses_of_event(const struct tw_event *e, struct connection *c)
{
	memcpy(c->saddr, e->saddr, sizeof(c->saddr));
	memcpy(c->daddr, e->daddr, sizeof(c->daddr));
	c->sport = e->sport;
	c->dport = e->dport;
}

static struct connection connection_of_event(struct model *m, int netns, const struct tw_event *e,
					     uint8_t flags)
{
	struct owner owner = owner_of_event(m, e);
	struct connection c = {
		.cookie = e->cookie,
		.entered_ns = e->time_ns,
		.netns = (uint16_t)netns,
		.state = e->new_state,
		.flags = flags | CONNECTION_EXACT | (e->family == AF_INET6 ? CONNECTION_IPV6 : 0),
	};

	c.outgoing = outgoing_by_event(m, netns_at(m->netns, (size_t)netns), e);
	addresses_of_event(e, &c);
	if (flags & CONNECTION_MINI || e->flags & TW_EVENT_DEAD)
		owner.kind = OWNER_KIND_KERNEL;
	if (c.state == TW_LISTEN)
		listeners_begin(m->listeners, e->netns, c.sport, &owner);
	c.owner = owners_take(m->owners, &owner);
	c.user = users_take(m->users, owner.uid);
	return c;
}

/*
 * A pair of addresses belongs to one socket at a time: the kernel has put this one in the place of
 * a half-open request, or of a TIME_WAIT that it may reuse (tcp_tw_reuse; RFC 9293 section 3.6.1).
 */
static void replace_shadow(struct model *m, const struct connection *c)
{
	const struct netns *n = ledger_netns(m, c);
	struct connection *shadow;

	if (!n->requests[ledger_family(c)] && !n->minis &&
	    !n->tracked[TW_TIME_WAIT][ledger_family(c)])
		return;
	shadow = table_find_shadow(m->table, c);
	if (shadow)
		ledger_drop(m, shadow);
}

static void event_birth(struct model *m, int netns, const struct tw_event *e, uint8_t flags)
{
	struct connection c = connection_of_event(m, netns, e, flags);
	struct netns *n = netns_at(m->netns, (size_t)netns);
	int32_t *untracked = &n->untracked[e->old_state][ledger_family(&c)];
	struct connection *inserted;

	/* born long ago, and it found the table full: there is one less of them now */
	if (e->old_state != TW_CLOSE && e->old_state != TW_LISTEN && *untracked > 0)
		--*untracked;
	if (c.sport && c.state != TW_LISTEN)
		replace_shadow(m, &c);
	inserted = ledger_insert(m, &c);
	if (inserted) {
		ledger_mark_seen(m, inserted, e->time_ns);
		return;
	}
	n->untracked[c.state][ledger_family(&c)]++;
	if (flags & CONNECTION_MINI && c.state == TW_FIN_WAIT2)
		n->minis_untracked++;
}

/* The process that makes a transition has a descriptor, whoever had it before. Of its name the
 * event tells that of the thread: what is known of the same process is better. */
static void learn_owner(struct model *m, struct connection *c, const struct tw_event *e)
{
	const struct owner *known = owners_get(m->owners, c->owner);
	struct owner owner = {.cgroup = e->cgroup, .uid = e->uid};

	if (e->flags & TW_EVENT_DEAD) {
		ledger_disown(m, c);
		return;
	}
	if (!(e->flags & TW_EVENT_PROCESS))
		return;
	owner_set_process(m, &owner, e);
	if (known->pid == e->pid && known->kind == OWNER_KIND_PROCESS) {
		owner_set_comm(&owner, known->comm);
		owner.executable = known->executable;
	}
	if (!owner_equal(&owner, known))
		ledger_set_owner(m, c, &owner);
}

static void observe_duration(struct model *m, const struct connection *c, const struct tw_event *e)
{
	if (c->flags & CONNECTION_EXACT && c->state == e->old_state && e->time_ns >= c->entered_ns)
		stats_duration(&m->stats, c->state, e->time_ns - c->entered_ns);
}

static void complete_addresses(struct model *m, struct connection *c, const struct tw_event *e)
{
	struct connection told = *c;

	addresses_of_event(e, &told);
	ledger_set_addresses(m, c, &told);
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
	ledger_move(m, c, e->new_state, e->time_ns);
	ledger_mark_seen(m, c, e->time_ns);
	if (e->old_state == TW_SYN_SENT || e->old_state == TW_SYN_RECV) {
		/* the local port and address are chosen after the first event: inet_hash_connect()
		 */
		complete_addresses(m, c, e);
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

unsigned model_state_after(const struct tw_event *event)
{
	unsigned mini = event->new_state == TW_CLOSE ? minisocket_state(event) : 0;

	return mini ? mini : event->new_state;
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
		complete_addresses(m, c, e);
	replace_shadow(m, c);
	ledger_disown(m, c);
	ledger_make_mini(m, c);
	if (c->state != state)
		ledger_move(m, c, state, e->time_ns);
	ledger_mark_seen(m, c, e->time_ns);
}

static void event_close(struct model *m, int netns, struct connection *c, const struct tw_event *e)
{
	unsigned mini = minisocket_state(e);

	if (mini != TW_FIN_WAIT2) {
		stats_transition(&m->stats, e->old_state, mini ? mini : TW_CLOSE);
		if (c)
			observe_duration(m, c, e);
	}
	if (e->old_state == TW_SYN_SENT) {
		m->stats.connect_failures[connect_failure_of(e)]++;
		if (c)
			tallies_failed(m->tallies, c, connect_failure_of(e), e->time_ns);
	} else if (e->old_state != TW_LISTEN) {
		m->stats.closed[close_reason_of(e, mini)]++;
	}

	if (mini)
		become_mini(m, netns, c, e, mini);
	else if (c)
		ledger_end(m, c);
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
	ledger_time(m, e->time_ns);
	if (e->old_state == e->new_state)
		return false; /* close() after shutdown(): tcp_close_state() */
	c = table_find(m->table, e->cookie);
	if (e->flags & TW_EVENT_MISSED && repeats(c, e))
		return false;
	m->stats.events++;
	recent_add(&m->recent, e);
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

static void forget_netns(struct model *m, int index)
{
	struct table_cursor cursor;
	struct connection *c;

	table_cursor_open(m->table, TW_STATES_ALL, &cursor);
	while ((c = table_cursor_next(&cursor))) {
		if (c->netns != index)
			continue;
		if (c->flags & CONNECTION_GONE)
			table_remove(m->table, c);
		else
			ledger_drop(m, c);
	}
	table_cursor_close(&cursor);
	netns_forget(m->netns, index);
}

/* A process elsewhere may hold sockets of a namespace that cannot be looked into: transitions will
 * tell of their end. */
void model_netns_gone(struct model *m, const struct tw_dump *netns)
{
	int index = netns_find(m->netns, netns->netns);

	ledger_time(m, netns->time_ns);
	if (index < 0)
		return;
	if (netns->complete || !netns_full_sockets(netns_at(m->netns, (size_t)index)))
		forget_netns(m, index);
	else
		netns_at(m->netns, (size_t)index)->left = true;
}

/* lost: an end may have been among what was lost, and nobody can look. */
static void forget_left(struct model *m, bool lost)
{
	for (size_t i = 0; i < netns_count(m->netns); i++) {
		const struct netns *n = netns_at(m->netns, i);

		if (n->left && (lost || !netns_full_sockets(n)))
			forget_netns(m, (int)i);
	}
}

static void add_half_open(struct netns *n, const struct tw_listener *row)
{
	n->half_open_next[row->family == AF_INET6 ? NETNS_IPV6 : NETNS_IPV4] += row->syn_queue;
}

void model_listener(struct model *m, const struct tw_listener *row)
{
	/* what is left of a closed listener does not bring back a namespace that has gone */
	int index = row->closed ? netns_find(m->netns, row->netns)
				: netns_index(m->netns, row->netns);

	if (index < 0 || !valid_family(row->family))
		return;
	if (!m->looked) {
		/* the first one: what a dump has collected gives way */
		m->looked = true;
		listeners_done(m->listeners);
	}
	m->listener = *row;
	if (listeners_add(m->listeners, row))
		add_half_open(netns_at(m->netns, (size_t)index), row);
}

/*
 * The kernel reads on in its list of listeners by counting from the head, where others have come or
 * from where they have gone meanwhile, so that it tells some twice and skips some
 * (bpf_sk_storage_map_seq_find_next()). One whose end no transition has told is still there.
 */
static void keep_skipped(struct model *m)
{
	size_t count;
	const struct tw_listener *rows = listeners_rows(m->listeners, &count);

	for (size_t i = 0; i < count; i++) {
		const struct connection *c = NULL;

		if (listeners_skipped(m->listeners, i))
			c = table_find(m->table, rows[i].cookie);
		if (!c || c->state != TW_LISTEN)
			continue;
		add_half_open(ledger_netns(m, c), &rows[i]);
		listeners_keep(m->listeners, i);
	}
}

void model_queued(struct model *m, const struct tw_queued *queued)
{
	struct connection *c = table_find(m->table, queued->cookie);
	struct owner owner;

	/* one that is not known yet is there at the next look */
	if (!c || c->flags & CONNECTION_GONE || c->queued ||
	    !queued_add(&m->queued_next, queued->cookie))
		return;
	c->queued = true;
	owner = listeners_owner(m->listeners, &m->listener);
	owner.kind = OWNER_KIND_UNACCEPTED;
	ledger_set_owner(m, c, &owner);
}

/* Its accept queue was not told by this look. */
static bool waits_at_skipped(const struct model *m, const struct connection *c)
{
	const struct listener_port *port = listeners_port(m->listeners, ledger_netns(m, c)->inum,
							  c->sport);

	return port && port->skipped;
}

/* What was in an accept queue at the last look and is not any more has been accepted, by whoever
 * listens as far as anybody knows; or it has ended. */
static void take_accepted(struct model *m)
{
	struct queued before = m->queued;

	for (size_t i = 0; i < before.count; i++) {
		struct connection *c = table_find(m->table, before.cookies[i]);
		struct owner owner;

		if (!c || c->queued)
			continue;
		owner = *owners_get(m->owners, c->owner);
		if (owner.kind != OWNER_KIND_UNACCEPTED)
			continue;
		if (waits_at_skipped(m, c)) {
			c->queued = queued_add(&m->queued_next, c->cookie);
			continue;
		}
		owner.kind = owner.pid || *owner.comm ? OWNER_KIND_PROCESS : OWNER_KIND_UNKNOWN;
		ledger_set_owner(m, c, &owner);
	}
	m->queued = m->queued_next;
	m->queued_next = before;
	m->queued_next.count = 0;
	for (size_t i = 0; i < m->queued.count; i++) {
		struct connection *c = table_find(m->table, m->queued.cookies[i]);

		if (c)
			c->queued = false;
	}
}

static void drop_requests(struct model *m, int index)
{
	struct table_cursor cursor;
	struct connection *c;

	table_cursor_open(m->table, TW_STATE_BIT(TW_SYN_RECV), &cursor);
	while ((c = table_cursor_next(&cursor)))
		if (c->netns == index && c->flags & CONNECTION_REQUEST)
			ledger_drop(m, c);
	table_cursor_close(&cursor);
}

/* In a queue that it has not told there is nobody. */
static void end_look(struct model *m)
{
	take_accepted(m);
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

void model_listeners_done(struct model *m, const struct tw_tick *tick)
{
	ledger_time(m, tick->time_ns);
	m->looked = true;
	keep_skipped(m);
	listeners_done(m->listeners);
	end_look(m);
}

void model_listeners_changed(struct model *m, const struct tw_tick *tick)
{
	ledger_time(m, tick->time_ns);
	listeners_changed(m->listeners);
	end_look(m);
}

bool model_wants_port(const struct model *m, const struct tw_port *port)
{
	return port->port ? listeners_port(m->listeners, port->netns, port->port) != NULL
			  : netns_find(m->netns, port->netns) >= 0;
}

/* Whatever SYNs are told next came after this, or before the counts were told last; 0: not known.
 * While none come the counts are told seldom, but the windows end all the same. */
static uint64_t quiet_ns(const struct model *m)
{
	return m->sources.syns ? 0 : m->sources.time_ns;
}

void model_port(struct model *m, const struct tw_port_record *record)
{
	int netns = netns_find(m->netns, record->port.netns);

	if (!record->port.port && netns >= 0)
		netns_at(m->netns, (size_t)netns)->rest_counted = true;
	segments_count(m->segments, record, model_wants_port(m, &record->port));
	listeners_count(m->listeners, record, quiet_ns(m), m->now_ns);
}

void model_port_gone(struct model *m, const struct tw_port *port)
{
	segments_gone(m->segments, port);
}

void model_sources(struct model *m, const struct tw_source_summary *summary)
{
	ledger_time(m, summary->time_ns);
	m->sources = *summary;
}

void model_netstat(struct model *m, const struct tw_netstat *netstat)
{
	int index = netns_find(m->netns, netstat->netns);
	struct netns *n;

	ledger_time(m, netstat->time_ns);
	if (index < 0)
		return;
	n = netns_at(m->netns, (size_t)index);
	netstat_add(&m->netstat_sums, &n->netstat, netstat);
	if (!n->netstat_first.time_ns)
		n->netstat_first = *netstat;
	if (netstat->time_ns - n->netstat.time_ns >= SECOND_NS || !n->netstat_before.time_ns)
		n->netstat_before = n->netstat;
	n->netstat = *netstat;
}

void model_limits(struct model *m, const struct tw_limits *limits)
{
	/* they may come before the first dump, and then not again for a while */
	int index = netns_index(m->netns, limits->netns);

	ledger_time(m, limits->time_ns);
	if (index >= 0)
		netns_at(m->netns, (size_t)index)->limits = *limits;
}

void model_lost(struct model *m, const struct tw_lost *lost)
{
	ledger_time(m, lost->time_ns);
	m->stats.events_lost[EVENT_LOSS_RING_FULL] += lost->ring_full;
	m->stats.events_lost[EVENT_LOSS_NOT_RUN] += lost->not_run;
	forget_left(m, true);
}

void model_age(struct model *m, const struct tw_age *age)
{
	struct connection *c = table_find(m->table, age->cookie);

	if (!c || c->flags & (CONNECTION_GONE | CONNECTION_EXACT) || c->state != age->state ||
	    c->entered_ns <= age->entered_ns)
		return;
	table_move(m->table, c, c->state, age->entered_ns);
}

void model_ages_done(struct model *m, const struct tw_tick *tick)
{
	ledger_time(m, tick->time_ns);
	TW_FOR_EACH_STATE(state)
		if (MODEL_DATED_STATES & TW_STATE_BIT(state))
			table_settle(m->table, state);
}

void model_cgroup(struct model *m, const struct tw_cgroup *cgroup)
{
	if (memchr(cgroup->path, '\0', sizeof(cgroup->path)))
		cgroups_name(m->cgroups, cgroup->id, cgroup->path);
}

void model_cgroups_done(struct model *m, const struct tw_tick *tick)
{
	ledger_time(m, tick->time_ns);
	cgroups_named(m->cgroups, tick->time_ns);
}

void model_tick(struct model *m, const struct tw_tick *tick)
{
	ledger_time(m, tick->time_ns);
	ledger_expire(m, 0);
	forget_left(m, false);
	table_advance(m->table, m->now_ns);
	tallies_advance(m->tallies, m->now_ns);
	cgroups_follow(m->cgroups, m->owners, m->now_ns);
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

int64_t model_unowned(const struct model *m, unsigned state)
{
	uint64_t connections = model_connections(m, state, NETNS_IPV4) +
			       model_connections(m, state, NETNS_IPV6);
	/* what is at CLOSE in the table has gone */
	uint32_t tracked = state == TW_CLOSE ? 0 : table_length(m->table, state);

	return (int64_t)(connections - tracked);
}

uint64_t model_untracked(const struct model *m)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < netns_count(m->netns); i++)
		TW_FOR_EACH_STATE(state)
			for (unsigned family = 0; family < NETNS_FAMILIES; family++) {
				int32_t untracked = netns_at(m->netns, i)->untracked[state][family];

				sum += untracked > 0 ? (uint64_t)untracked : 0;
			}
	return sum;
}

uint64_t model_undated(const struct model *m)
{
	return m->undated;
}

const struct stats *model_stats(const struct model *m)
{
	return &m->stats;
}

const struct recent *model_recent(const struct model *m)
{
	return &m->recent;
}

const struct ages *model_ages(const struct model *m)
{
	return &m->ages;
}

const struct netns_table *model_netns(const struct model *m)
{
	return m->netns;
}

struct tallies *model_tallies(struct model *m)
{
	return m->tallies;
}

const struct owners *model_owners(const struct model *m)
{
	return m->owners;
}

const struct cgroups *model_cgroups(const struct model *m)
{
	return m->cgroups;
}

const struct executables *model_executables(const struct model *m)
{
	return m->executables;
}

uint32_t model_pass_changes(const struct model *m)
{
	return m->pass_changes;
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

struct table *model_table(const struct model *m)
{
	return m->table;
}

bool model_known(const struct model *m)
{
	return m->known;
}
