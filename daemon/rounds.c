/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "base/util.h"
#include "rounds.h"
#include "schedule.h"
#include "source/counters.h"
#include "source/sync.h"

/* Of which no transition tells. */
#define STATES_UNTOLD \
	(TW_STATE_BIT(TW_SYN_RECV) | TW_STATE_BIT(TW_FIN_WAIT2) | TW_STATE_BIT(TW_TIME_WAIT))

struct rounds {
	struct sources *sources;
	const struct model *model;
	struct serve_status *status;
	struct rounds_calls calls;
	struct sync *sync;
	struct schedule schedule;
	enum resync_cause cause; /* of the full round that goes on */
	bool full;               /* the round that goes on is a full one of all namespaces */
	bool listeners;          /* or one of polling's between full ones */
	uint64_t started_ns;     /* when it began */
	bool requested;
	bool was_fresh;           /* the round before was of fresh namespaces */
	struct model_drift drift; /* of the last full round */
};

static void spend(struct rounds *r, uint64_t cost_ns)
{
	/* the start, a loss and a request cost what they cost; only the rest has a budget */
	if (!r->full || r->cause == RESYNC_CAUSE_INTERVAL || r->cause == RESYNC_CAUSE_DRIFT)
		schedule_spent(&r->schedule, cost_ns);
}

static void on_done(uint64_t cost_ns, void *userdata)
{
	struct rounds *r = userdata;
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	spend(r, cost_ns);
	if (TAKE(r->listeners, false))
		schedule_listeners_done(&r->schedule, now, cost_ns);
	if (!r->full)
		return;
	r->full = false;
	r->status->resyncs[r->cause]++;
	r->status->last_cause = r->cause;
	r->status->last_resync_ns = now - r->started_ns;
	r->status->last_drift = r->drift;
	schedule_full_done(&r->schedule, now, r->drift.total);
	if (r->cause == RESYNC_CAUSE_LOSS)
		schedule_healed(&r->schedule, now, cost_ns);
	r->calls.full_done(r->calls.userdata);
}

static void on_drain(void *userdata)
{
	const struct rounds *r = userdata;

	sources_drain(r->sources);
}

static void on_record(enum tw_record_type type, const void *body, void *userdata)
{
	const struct rounds *r = userdata;

	r->calls.record(type, body, r->calls.userdata);
}

int rounds_new(sd_event *loop, struct sources *sources, const struct model *model, double budget,
	       struct serve_status *status, const struct rounds_calls *calls, struct rounds **ret)
{
	struct rounds *r = calloc(1, sizeof(*r));
	const struct sync_calls sync_calls = {
		.record = on_record, .done = on_done, .drain = on_drain, .userdata = r};
	int error;

	if (!r)
		return -ENOMEM;
	r->sources = sources;
	r->model = model;
	r->status = status;
	r->calls = *calls;
	schedule_init(&r->schedule, budget, !sources_following(sources), now_ns(CLOCK_MONOTONIC));
	error = sync_new(loop, sources_namespaces(sources), &sync_calls, &r->sync);
	if (error < 0) {
		free(r);
		return error;
	}
	*ret = r;
	return 0;
}

struct rounds *rounds_free(struct rounds *r)
{
	if (r)
		sync_free(r->sync);
	free(r);
	return NULL;
}

bool rounds_affordable(struct rounds *r)
{
	return schedule_affordable(&r->schedule, now_ns(CLOCK_MONOTONIC));
}

uint64_t rounds_saves_in(const struct rounds *r, uint64_t cost_ns)
{
	return schedule_saves_in(&r->schedule, cost_ns);
}

void rounds_spend(struct rounds *r, uint64_t cost_ns)
{
	schedule_spent(&r->schedule, cost_ns);
}

bool rounds_active(const struct rounds *r)
{
	return sync_active(r->sync);
}

void rounds_set_budget(struct rounds *r, double budget)
{
	schedule_set_share(&r->schedule, budget);
}

/* The states that are due for a namespace, in a round of the kind asked for. */
typedef uint32_t states_due_fn(const struct rounds *r, struct namespace *n);

static uint32_t due_all(const struct rounds *r, struct namespace *n)
{
	(void)r;
	n->fresh = false;
	return TW_STATES_ALL;
}

static uint32_t due_fresh(const struct rounds *r, struct namespace *n)
{
	return n->fresh ? due_all(r, n) : 0;
}

static uint32_t due_untold(const struct rounds *r, struct namespace *n)
{
	(void)r, (void)n;
	return STATES_UNTOLD;
}

/*
 * For this, too, the kernel walks over all sockets that it has, but describes few: with 20,000
 * established ones it takes a tenth of the time of a full round, 2 ms of 20. With some 2,000 it is
 * a third, but then full rounds are so cheap that this is not asked for. States whose sockets may
 * be many are left out: TIME_WAIT and FIN_WAIT2 would cost by the row; how many minisockets there
 * are the kernel's sums tell.
 */
static uint32_t due_listeners(const struct rounds *r, struct namespace *n)
{
	(void)r, (void)n;
	return schedule_states(&(struct schedule_untold){.listeners = true});
}

/* Where looks tell of no listeners: their accept queues, as dumps have shown them last. */
static void note_accept_queues(struct rounds *r)
{
	struct namespaces *namespaces = sources_namespaces(r->sources);
	const struct tw_listener *rows;
	size_t count;

	for (size_t i = 0; i < namespaces_count(namespaces); i++) {
		struct namespace *n = namespaces_at(namespaces, i);

		n->queued_before = TAKE(n->queued, false);
	}
	rows = listeners_rows(model_listeners(r->model), &count);
	for (size_t i = 0; i < count; i++) {
		struct namespace *n = rows[i].accept_queue
					      ? namespaces_find(namespaces, rows[i].netns)
					      : NULL;

		if (n)
			n->queued = true;
	}
}

/* What may have changed since it was last dumped, and no transition told. */
static uint32_t due_changed(const struct rounds *r, struct namespace *n)
{
	int index = netns_find(model_netns(r->model), n->inum);
	struct schedule_untold untold = {0};
	const struct netns *known;
	uint64_t segments = n->segments;

	if (index < 0)
		return 0;
	known = netns_at(model_netns(r->model), (size_t)index);
	untold.minisockets = known->minis + known->minis_untracked;
	untold.time_wait_ticks = known->time_wait_ticks;
	if (untold.minisockets)
		counters_segments(&n->files, &segments);
	untold.segments = segments != n->segments;
	n->segments = segments;
	untold.listeners = !sources_listing(r->sources);
	untold.accept_queues = untold.listeners && (n->queued || n->queued_before);
	return schedule_states(&untold);
}

/* Starts a round of the namespaces for which something is due, if there are any. */
static bool start(struct rounds *r, states_due_fn *due)
{
	struct namespaces *namespaces = sources_namespaces(r->sources);
	size_t count = namespaces_count(namespaces), chosen = 0;
	uint32_t *inums = calloc(count, sizeof(*inums)), states = 0;

	if (!inums)
		return false; /* it stays due */
	for (size_t i = 0; i < count; i++) {
		struct namespace *n = namespaces_at(namespaces, i);
		uint32_t wanted = n->error ? 0 : due(r, n);

		if (wanted)
			inums[chosen++] = n->inum;
		states |= wanted;
	}
	r->started_ns = now_ns(CLOCK_MONOTONIC);
	if (chosen && sync_start(r->sync, states, inums, chosen) < 0)
		chosen = 0;
	free(inums);
	return chosen;
}

static bool start_changed(struct rounds *r)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	if (!sources_following(r->sources)) {
		r->listeners = schedule_listeners_due(&r->schedule, now) && start(r, due_listeners);
		return r->listeners;
	}
	if (!schedule_affordable(&r->schedule, now))
		return false;
	if (!sources_listing(r->sources))
		note_accept_queues(r);
	return start(r, due_changed);
}

/* In turns: whoever makes namespaces all the time does not keep the others from being looked at. */
static void start_partial(struct rounds *r)
{
	if (r->was_fresh && start_changed(r)) {
		r->was_fresh = false;
		return;
	}
	r->was_fresh = start(r, due_fresh);
	if (!r->was_fresh)
		start_changed(r);
}

static void start_full(struct rounds *r, enum resync_cause cause)
{
	r->cause = cause;
	r->full = start(r, due_all);
	if (!r->full)
		return;
	r->requested = false;
	schedule_heal_started(&r->schedule);
}

/* Of the namespace's listeners, those that the looks tell of. */
static size_t told_listeners(const struct rounds *r, uint32_t inum)
{
	size_t count, told = 0;
	const struct tw_listener *rows = listeners_rows(model_listeners(r->model), &count);

	for (size_t i = 0; i < count; i++) {
		const struct connection *c = rows[i].netns == inum
						     ? table_find(model_table(r->model),
								  rows[i].cookie)
						     : NULL;

		told += c && c->state == TW_LISTEN;
	}
	return told;
}

/* Once it has been dumped. */
static bool list_older(const struct rounds *r, struct namespace *n)
{
	int index = n->files.older < 0 ? -1 : netns_find(model_netns(r->model), n->inum);
	const struct netns *known = index < 0 ? NULL
					      : netns_at(model_netns(r->model), (size_t)index);
	bool list;

	if (!known || !known->known)
		return false;
	list = sources_listing(r->sources) &&
	       netns_connections(known, TW_LISTEN) > told_listeners(r, n->inum);
	namespaces_older(sources_namespaces(r->sources), n, list);
	return list;
}

bool rounds_list_older(const struct rounds *r)
{
	struct namespaces *namespaces = sources_namespaces(r->sources);
	bool listed = false;

	if (!sources_passed(r->sources))
		return false;
	for (size_t i = 0; i < namespaces_count(namespaces); i++)
		listed |= list_older(r, namespaces_at(namespaces, i));
	return listed;
}

static bool any_suspect(const struct rounds *r)
{
	const struct netns_table *netns = model_netns(r->model);

	for (size_t i = 0; i < netns_count(netns); i++)
		if (netns_at(netns, i)->suspect &&
		    netns_at(netns, i)->events == netns_at(netns, i)->counters_events)
			return true;
	return false;
}

/* What came while the sums were read may be all that they differ by. */
static bool still_suspect(const struct rounds *r)
{
	if (!any_suspect(r))
		return false;
	sources_drain(r->sources);
	return any_suspect(r);
}

void rounds_begin(struct rounds *r)
{
	start_full(r, RESYNC_CAUSE_START);
}

void rounds_request(struct rounds *r)
{
	r->requested = true;
	rounds_tick(r);
}

bool rounds_want(struct rounds *r, uint32_t states)
{
	if (!(states & STATES_UNTOLD) || !sources_following(r->sources))
		return false;
	return sync_active(r->sync) || start(r, due_untold);
}

void rounds_lost(struct rounds *r)
{
	schedule_lost(&r->schedule, now_ns(CLOCK_MONOTONIC));
}

void rounds_drift(struct rounds *r, const struct model_drift *drift)
{
	/* polling corrects by its nature: that is no drift */
	if (r->full && sources_following(r->sources))
		r->drift = *drift;
}

void rounds_heal(struct rounds *r)
{
	if (!sync_active(r->sync) && schedule_heal_due(&r->schedule, now_ns(CLOCK_MONOTONIC)))
		start_full(r, RESYNC_CAUSE_LOSS);
}

void rounds_tick(struct rounds *r)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	if (sync_active(r->sync))
		return;
	rounds_heal(r);
	if (sync_active(r->sync))
		return;
	if (r->requested)
		start_full(r, RESYNC_CAUSE_REQUEST);
	else if (schedule_affordable(&r->schedule, now) && still_suspect(r))
		start_full(r, RESYNC_CAUSE_DRIFT);
	else if (schedule_full_due(&r->schedule, now))
		start_full(r, RESYNC_CAUSE_INTERVAL);
	else
		start_partial(r);
}
