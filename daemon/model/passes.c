/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "model/ledger.h"

/* States in which a connection that nobody has a descriptor of has been closed. */
#define STATES_CLOSED                                                                          \
	(TW_STATE_BIT(TW_FIN_WAIT1) | TW_STATE_BIT(TW_FIN_WAIT2) | TW_STATE_BIT(TW_LAST_ACK) | \
	 TW_STATE_BIT(TW_CLOSING))

/* Those of owners and of ports are in use. */
static void sweep_executables(struct model *m)
{
	bool used[EXECUTABLES_MAX] = {0};

	for (uint32_t i = 0; i < owners_end(m->owners); i++)
		if (owners_used(m->owners, i))
			used[owners_get(m->owners, i)->executable] = true;
	for (size_t i = 0; i < listeners_port_count(m->listeners); i++)
		used[listeners_port_at(m->listeners, i)->owner.executable] = true;
	executables_sweep(m->executables, used);
}

void model_pass_begin(struct model *m, const struct tw_pass *pass)
{
	ledger_time(m, pass->time_ns);
	m->pass_ns = pass->time_ns;
	m->pass_changes = 0;
	m->holder_count = 0;
	m->process = 0;
	if (executables_crowded(m->executables))
		sweep_executables(m);
}

/* Past the bounds of owners.h it may be kept as it was, which is no news. */
static void change_owner(struct model *m, struct connection *c, const struct owner *owner)
{
	uint32_t before = c->owner;

	if (owner_equal(owner, owners_get(m->owners, before)))
		return;
	ledger_set_owner(m, c, owner);
	m->pass_changes += c->owner != before;
}

/* As most are, since the last pass. */
static bool is_holder(const struct owner *owner, const struct holder_waiting *h)
{
	const struct tw_holder *row = &h->row;

	return owner->kind == OWNER_KIND_PROCESS && owner->pid == row->pid &&
	       owner->uid == row->uid && owner->executable == h->executable &&
	       (!row->cgroup || owner->cgroup == row->cgroup) &&
	       !strncmp(owner->comm, row->comm, sizeof(owner->comm));
}

static void hold(struct model *m, struct connection *c, const struct holder_waiting *h)
{
	const struct owner *owner = owners_get(m->owners, c->owner);
	const struct tw_holder *row = &h->row;

	c->flags |= CONNECTION_MET;
	c->missed = false;
	if (!is_holder(owner, h)) {
		struct owner holder = {.kind = OWNER_KIND_PROCESS,
				       .pid = row->pid,
				       .uid = row->uid,
				       .executable = h->executable};

		holder.cgroup = row->cgroup ? row->cgroup : owner->cgroup;
		owner_set_comm(&holder, row->comm);
		change_owner(m, c, &holder);
	}
	owners_set_nofile(m->owners, c->owner, row->nofile);
}

/* Of several processes the first has it, the one with the lowest pid; init only what the pass, when
 * it ends, has met with no other. */
static void meet(struct model *m, const struct holder_waiting *h)
{
	struct connection *c = table_find(m->table, h->row.cookie);

	if (!c || c->flags & (CONNECTION_GONE | CONNECTION_MET))
		return;
	if (h->row.pid != TW_INIT_PID) {
		hold(m, c, h);
		return;
	}
	m->init = *h;
	c->by_init = true;
}

void model_process(struct model *m, const struct tw_process *process)
{
	m->process = process->pid;
	m->executable = executables_learn(m->executables, process);
}

static struct holder_waiting *waiting(struct model *m, uint64_t number)
{
	return &m->holders[number % HOLDERS_WAITING];
}

/* Rows come by the hundred thousand, and each finds its connection in memory, not in a cache: it
 * waits while that is fetched. */
void model_holder(struct model *m, const struct tw_holder *row)
{
	uint64_t number = m->holder_count;

	if (!m->pass_ns)
		return;
	if (number >= HOLDERS_WAITING)
		meet(m, waiting(m, number));
	waiting(m, number)->row = *row;
	waiting(m, number)->executable = row->pid == m->process ? m->executable
								: EXECUTABLE_UNKNOWN;
	table_prefetch(m->table, row->cookie);
	if (number >= HOLDERS_WAITING / 2)
		table_prefetch_entry(m->table,
				     waiting(m, number - HOLDERS_WAITING / 2)->row.cookie);
	m->holder_count++;
}

static void take_waiting(struct model *m)
{
	uint64_t number = m->holder_count;

	for (number -= number < HOLDERS_WAITING ? number : HOLDERS_WAITING;
	     number < m->holder_count; number++)
		meet(m, waiting(m, number));
}

/* In an accept queue that is longer than what looks tell of it. */
static bool in_long_queue(const struct model *m, const struct connection *c)
{
	const struct listener_port *p =
		c->outgoing ? NULL
			    : listeners_port(m->listeners, ledger_netns(m, c)->inum, c->sport);

	return p && p->accept_queue > TW_QUEUE_TOLD && c->state != TW_LISTEN;
}

/*
 * Of which no process has a descriptor. It was there before the pass began, but may have been
 * passed from a process that the pass had yet to meet to one that it had met; so only what two
 * passes do not meet is said to be nobody's: it is on its way through a Unix socket, or the
 * kernel's own.
 */
static void miss(struct model *m, struct connection *c)
{
	struct owner owner = *owners_get(m->owners, c->owner);

	if (STATES_CLOSED & TW_STATE_BIT(c->state)) {
		owner.kind = OWNER_KIND_KERNEL;
	} else if (owner.kind == OWNER_KIND_PROCESS && in_long_queue(m, c)) {
		owner.kind = OWNER_KIND_UNACCEPTED;
	} else if (owner.kind == OWNER_KIND_PROCESS && c->missed) {
		owner.kind = OWNER_KIND_UNKNOWN;
		owner.pid = 0;
		owner.executable = EXECUTABLE_UNKNOWN;
		memset(owner.comm, 0, sizeof(owner.comm));
	}
	c->missed = true;
	change_owner(m, c, &owner);
}

/* A complete pass has met it nowhere, but for init. */
static void conclude(struct model *m, struct connection *c)
{
	if (c->flags & (CONNECTION_MET | CONNECTION_GONE | CONNECTION_SHADOW))
		return;
	if (c->by_init)
		hold(m, c, &m->init);
	else if (c->entered_ns < m->pass_ns)
		miss(m, c);
}

void model_pass_end(struct model *m, const struct tw_pass *pass)
{
	uint32_t count = table_slots(m->table);

	ledger_time(m, pass->time_ns);
	if (pass->unlisted)
		m->looked = false;
	if (m->pass_ns)
		take_waiting(m);
	for (uint32_t i = 0; i < count && m->pass_ns; i++) {
		struct connection *c = table_slot(m->table, i);

		if (!c)
			continue;
		if (pass->complete)
			conclude(m, c);
		c->flags &= (uint8_t)~CONNECTION_MET;
		c->by_init = false;
	}
	m->pass_ns = 0;
}
