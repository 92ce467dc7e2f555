/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/cookies.h"
#include "model/listeners.h"
#include "model/port_index.h"

#define ROWS_STEP 64U
/* Looks in a row that may lack a listener that is there: two seconds. Where others come and go all
 * the time one is skipped twice in a row now and then. */
#define LACKED_MAX 4U
/* A rate is over at least this: less than the time between any two reads of the counts, so that the
 * one that finds nothing new ends the rate. */
#define RATE_NS UINT64_C(800000000)

struct rows {
	struct tw_listener *entries;
	uint8_t *lacked; /* by so many looks until now, each */
	size_t count, allocated;
};

struct listeners {
	const struct executables *executables;
	struct rows now;  /* of the last complete look */
	struct rows next; /* of the one that goes on */
	/* It tells what the last one did, in the same order so far: most looks do from begin to
	 * end, and so none can be told twice. */
	bool in_order;
	struct cookies met; /* by one that is not in order */
	size_t missed, missed_next;
	bool settled, unsettled_next; /* see listeners_settled() */
	bool begun;                   /* some have, since the last look */
	uint64_t look;

	struct port_index index;
	struct listener_port *ports; /* in the order of the index */
	size_t port_allocated;
};

int listeners_new(const struct executables *executables, struct listeners **ret)
{
	struct listeners *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->executables = executables;
	l->in_order = true;
	*ret = l;
	return 0;
}

static void rows_free(struct rows *rows)
{
	free(rows->entries);
	free(rows->lacked);
}

struct listeners *listeners_free(struct listeners *l)
{
	if (!l)
		return NULL;
	rows_free(&l->now);
	rows_free(&l->next);
	cookies_free(&l->met);
	free(l->ports);
	port_index_clear(&l->index);
	free(l);
	return NULL;
}

static int rows_grow(struct rows *rows)
{
	size_t allocated = rows->allocated * 2 + ROWS_STEP;
	struct tw_listener *entries = realloc(rows->entries, allocated * sizeof(*entries));
	uint8_t *lacked;

	if (!entries)
		return -ENOMEM;
	rows->entries = entries;
	lacked = realloc(rows->lacked, allocated * sizeof(*lacked));
	if (!lacked)
		return -ENOMEM;
	rows->lacked = lacked;
	rows->allocated = allocated;
	return 0;
}

static void put(struct listeners *l, struct rows *rows, const struct tw_listener *row,
		unsigned lacked)
{
	if (rows->count == rows->allocated && rows_grow(rows) < 0) {
		l->missed_next++;
		return;
	}
	rows->entries[rows->count] = *row;
	rows->entries[rows->count].comm[TW_COMM_SIZE - 1] = '\0';
	rows->lacked[rows->count++] = (uint8_t)lacked;
}

static bool continues(const struct listeners *l, const struct tw_listener *row)
{
	size_t place = l->next.count;

	return l->in_order && !row->closed && place < l->now.count &&
	       l->now.entries[place].cookie == row->cookie;
}

static void leave_order(struct listeners *l)
{
	for (size_t i = 0; i < l->next.count; i++)
		cookies_add(&l->met, l->next.entries[i].cookie);
	l->in_order = false;
}

bool listeners_add(struct listeners *l, const struct tw_listener *row)
{
	if (continues(l, row)) {
		put(l, &l->next, row, 0);
		return true;
	}
	if (l->in_order)
		leave_order(l);
	/* without memory to tell, it is taken for a new one */
	if (cookies_add(&l->met, row->cookie) == -EEXIST)
		return false;
	if (!row->closed)
		put(l, &l->next, row, 0);
	return true;
}

bool listeners_skipped(const struct listeners *l, size_t row)
{
	bool met = l->in_order ? row < l->next.count
			       : cookies_have(&l->met, l->now.entries[row].cookie);

	return l->now.lacked[row] < LACKED_MAX && !met;
}

void listeners_keep(struct listeners *l, size_t row)
{
	put(l, &l->next, &l->now.entries[row], l->now.lacked[row] + 1U);
	l->unsettled_next = true;
}

static struct listener_port *find_or_add(struct listeners *l, uint32_t netns, uint16_t port)
{
	uint32_t place = port_index_find(&l->index, netns, port);

	if (place != PORT_INDEX_NONE)
		return &l->ports[place];
	if (l->index.count == l->port_allocated) {
		size_t allocated = l->port_allocated * 2 + ROWS_STEP;
		struct listener_port *ports = realloc(l->ports, allocated * sizeof(*ports));

		if (!ports)
			return NULL;
		l->ports = ports;
		l->port_allocated = allocated;
	}
	place = l->index.count;
	if (port_index_add(&l->index, netns, port) < 0)
		return NULL;
	l->ports[place] = (struct listener_port){.netns = netns, .port = port};
	return &l->ports[place];
}

static void remove_port(struct listeners *l, uint32_t place)
{
	port_index_remove(&l->index, place);
	l->ports[place] = l->ports[l->index.count];
}

/* Those that may accept: init does, if at all, for what it alone holds. */
static uint32_t accepting(const struct tw_listener *row)
{
	bool beside_init = row->init && row->pid != TW_INIT_PID;

	return row->holders - (beside_init && row->holders);
}

struct owner listeners_owner(const struct listeners *l, const struct tw_listener *row)
{
	struct owner owner = {.cgroup = row->cgroup, .uid = row->uid};

	if (row->pid) {
		owner.kind = OWNER_KIND_PROCESS;
		owner.pid = accepting(row) > 1 ? 0 : row->pid;
		owner_set_comm(&owner, row->comm);
		owner.executable = executables_of(l->executables, row->pid, owner.comm);
	}
	return owner;
}

/* Keeps of the port's owner what another listener has as well. */
static void join(struct owner *port, const struct owner *other)
{
	if (port->cgroup != other->cgroup)
		port->cgroup = 0;
	if (port->uid != other->uid)
		port->uid = UID_UNKNOWN;
	if (port->pid != other->pid)
		port->pid = 0;
	if (memcmp(port->comm, other->comm, sizeof(port->comm)))
		memset(port->comm, 0, sizeof(port->comm));
	if (port->executable != other->executable)
		port->executable = EXECUTABLE_UNKNOWN;
}

static void sum_up(struct listeners *l, const struct tw_listener *row, const struct owner *owner,
		   bool skipped)
{
	struct listener_port *p = find_or_add(l, row->netns, row->port);

	if (!p) {
		l->missed++;
		return;
	}
	if (p->look != l->look || !p->count) {
		p->look = l->look;
		p->count = 0;
		p->skipped = false;
		p->syn_queue = p->accept_queue = p->backlog = 0;
		p->owner = *owner;
	} else {
		join(&p->owner, owner);
	}
	p->count++;
	p->skipped |= skipped;
	p->syn_queue += row->syn_queue;
	p->accept_queue += row->accept_queue;
	p->backlog += row->backlog;
}

/* In a request's row nothing leads to its listener but the address, and the interface where it is
 * bound to one: inet_req_diag_fill(). */
static bool give_half_open(struct listeners *l, const struct tw_socket *request,
			   const uint8_t address[sizeof(request->saddr)])
{
	struct tw_listener *first = NULL;

	for (size_t i = 0; i < l->next.count; i++) {
		struct tw_listener *row = &l->next.entries[i];

		/* a request has its listener's family, also where a dual one meets IPv4 */
		if (row->netns != request->netns || row->port != request->sport ||
		    row->family != request->family ||
		    memcmp(row->saddr, address, sizeof(row->saddr)) != 0)
			continue;
		if (first)
			first->shared = row->shared = 1;
		else
			first = row;
	}
	if (first)
		first->syn_queue++;
	return first;
}

void listeners_add_half_open(struct listeners *l, const struct tw_socket *request)
{
	static const uint8_t any[sizeof(request->saddr)];

	if (!give_half_open(l, request, request->saddr))
		give_half_open(l, request, any);
}

/* Whether both have the same owner, whoever it is. */
static bool same_owner(const struct tw_listener *a, const struct tw_listener *b)
{
	return a->pid == b->pid && a->uid == b->uid && a->cgroup == b->cgroup &&
	       a->holders == b->holders && a->init == b->init &&
	       !memcmp(a->comm, b->comm, sizeof(a->comm));
}

static void sum_up_all(struct listeners *l)
{
	const struct tw_listener *rows = l->now.entries;
	struct owner owner = OWNER_INIT; /* of the row before, as most have several in a row */

	l->look++;
	for (size_t i = 0; i < l->now.count; i++) {
		if (!i || !same_owner(&rows[i], &rows[i - 1]))
			owner = listeners_owner(l, &rows[i]);
		sum_up(l, &rows[i], &owner, l->now.lacked[i]);
	}
	l->begun = false;
	for (uint32_t i = l->index.count; i-- > 0;) {
		if (l->ports[i].look != l->look)
			remove_port(l, i);
		else
			l->begun |= !l->ports[i].count;
	}
}

/* What the look that goes on has told has been taken. */
static void begin_next(struct listeners *l)
{
	l->next.count = 0;
	cookies_clear(&l->met);
	l->in_order = true;
	l->missed = l->missed_next;
	l->missed_next = 0;
	l->settled = !l->unsettled_next;
	l->unsettled_next = false;
}

void listeners_done(struct listeners *l)
{
	struct rows before = l->now;

	l->now = l->next;
	l->next = before;
	begin_next(l);
	sum_up_all(l);
}

/* Its place from there on, and round. SIZE_MAX: it is not known. */
static size_t find_row(const struct listeners *l, uint64_t cookie, size_t from)
{
	size_t count = l->now.count;

	for (size_t i = from; i < from + count; i++)
		if (l->now.entries[i % count].cookie == cookie)
			return i % count;
	return SIZE_MAX;
}

/* Whether it has changed in nothing but its queues, which then are the port's to sum up. */
static bool change_queues(struct listeners *l, struct tw_listener *row,
			  const struct tw_listener *told)
{
	uint32_t place = port_index_find(&l->index, row->netns, row->port);
	struct tw_listener as_told = *row;
	struct listener_port *p;

	as_told.syn_queue = told->syn_queue;
	as_told.accept_queue = told->accept_queue;
	as_told.backlog = told->backlog;
	if (place == PORT_INDEX_NONE || memcmp(&as_told, told, sizeof(as_told)) != 0)
		return false;
	p = &l->ports[place];
	p->syn_queue += (uint64_t)told->syn_queue - row->syn_queue;
	p->accept_queue += (uint64_t)told->accept_queue - row->accept_queue;
	p->backlog += (uint64_t)told->backlog - row->backlog;
	*row = *told;
	return true;
}

/* They come in the order in which they were last told, so that each is soon found. */
void listeners_changed(struct listeners *l)
{
	bool sums_hold = !l->begun;
	size_t place = 0;

	for (size_t i = 0; i < l->next.count; i++) {
		const struct tw_listener *told = &l->next.entries[i];
		size_t found = find_row(l, told->cookie, place);

		if (found == SIZE_MAX) {
			put(l, &l->now, told, 0);
			l->unsettled_next = true;
			sums_hold = false;
			continue;
		}
		place = found;
		if (!change_queues(l, &l->now.entries[place], told)) {
			l->now.entries[place] = *told;
			sums_hold = false;
		}
	}
	begin_next(l);
	if (!sums_hold)
		sum_up_all(l);
}

bool listeners_settled(const struct listeners *l)
{
	return l->settled && !l->missed;
}

void listeners_begin(struct listeners *l, uint32_t netns, uint16_t port, const struct owner *owner)
{
	struct listener_port *p = find_or_add(l, netns, port);

	if (!p)
		return;
	l->begun = true;
	if (!p->count && p->look != l->look + 1) {
		p->look = l->look + 1; /* the look to come finds it, or forgets it */
		p->owner = *owner;
	}
	join(&p->owner, owner);
}

void listeners_count(struct listeners *l, const struct tw_port_record *record, uint64_t quiet_ns,
		     uint64_t now_ns)
{
	uint32_t place = port_index_find(&l->index, record->port.netns, record->port.port);
	struct listener_port *p;
	uint64_t since_ns;

	if (place == PORT_INDEX_NONE)
		return;
	p = &l->ports[place];
	since_ns = p->rate_ns > quiet_ns ? p->rate_ns : quiet_ns;
	p->syns = record->count.syns;
	p->resets = record->count.resets;
	if (!p->counted || p->syns < p->rate_syns) {
		p->counted = true;
		p->rate_syns = p->syns;
		p->rate_ns = now_ns;
		p->rated = false;
	} else if (now_ns - since_ns >= RATE_NS) {
		p->syn_rate = (double)(p->syns - p->rate_syns) * 1e9 / (double)(now_ns - since_ns);
		p->rate_syns = p->syns;
		p->rate_ns = now_ns;
		p->rated = true;
	}
}

double listeners_recent_syns(const struct listener_port *port, uint64_t duration_ns)
{
	double rated = port->syn_rate * (double)duration_ns / 1e9;
	double fresh = (double)(port->syns - (port->rated ? port->rate_syns : 0));

	return rated > fresh ? rated : fresh;
}

const struct tw_listener *listeners_rows(const struct listeners *l, size_t *ret_count)
{
	*ret_count = l->now.count;
	return l->now.entries;
}

size_t listeners_port_count(const struct listeners *l)
{
	return l->index.count;
}

const struct listener_port *listeners_port_at(const struct listeners *l, size_t index)
{
	return &l->ports[index];
}

const struct listener_port *listeners_port(const struct listeners *l, uint32_t netns, uint16_t port)
{
	uint32_t place = port_index_find(&l->index, netns, port);

	return place == PORT_INDEX_NONE ? NULL : &l->ports[place];
}

/* Of the fuller of its queues, as a share of the backlog. */
static double occupancy(const struct listener_port *p)
{
	uint64_t queue = p->syn_queue > p->accept_queue ? p->syn_queue : p->accept_queue;

	return (double)queue / (double)(p->backlog ? p->backlog : 1);
}

/* Of two that are as full, the one with the lower number: so that an idle host has always the same.
 */
static bool before(const struct listener_port *a, const struct listener_port *b)
{
	double of_a = occupancy(a), of_b = occupancy(b);

	if (of_a != of_b)
		return of_a > of_b;
	return a->netns != b->netns ? a->netns < b->netns : a->port < b->port;
}

size_t listeners_fullest(const struct listeners *l, size_t most, const struct listener_port **ret)
{
	size_t count = 0;

	for (size_t i = 0; i < l->index.count && most; i++) {
		const struct listener_port *p = &l->ports[i];
		size_t at;

		if (count == most && !before(p, ret[count - 1]))
			continue;
		count += count < most;
		for (at = count - 1; at > 0 && before(p, ret[at - 1]); at--)
			ret[at] = ret[at - 1];
		ret[at] = p;
	}
	return count;
}

size_t listeners_missed(const struct listeners *l)
{
	return l->missed;
}
