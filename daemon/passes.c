/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/util.h"
#include "passes.h"
#include "source/pass.h"

/* Between passes that nothing but time asks for; each that finds nothing new doubles it. */
#define INTERVAL_MIN_NS (5 * NSEC_PER_SEC)
#define INTERVAL_MAX_NS (600 * NSEC_PER_SEC)
#define REST 3 /* times what the last one cost, for which one that somebody asks for waits */
/* Listeners whose process is looked after in one tick: 0.1 ms. */
#define LOOKED_AFTER 256

struct passes {
	const struct model *model;
	struct rounds *rounds;
	struct serve_status *status;
	sources_record_fn *record;
	struct sources *sources;
	void *userdata;
	struct pass *pass; /* NULL: there are none */
	bool requested;    /* by somebody */
	bool wanted;       /* by what has happened to listeners */
	bool free;         /* the one that goes on is not paid from the budget */
	size_t next;       /* listener to look after */
	uint64_t started_ns, ended_ns, cost_ns, interval_ns;
};

static void on_done(uint64_t cost_ns, void *userdata)
{
	struct passes *p = userdata;

	p->cost_ns = cost_ns;
	p->ended_ns = now_ns(CLOCK_MONOTONIC);
	p->interval_ns = model_pass_changes(p->model) ? INTERVAL_MIN_NS : p->interval_ns * 2;
	if (p->interval_ns > INTERVAL_MAX_NS)
		p->interval_ns = INTERVAL_MAX_NS;
	if (!p->free)
		rounds_spend(p->rounds, cost_ns);
	p->status->passes++;
	p->status->last_pass_ns = p->ended_ns - p->started_ns;
	p->status->last_pass_cost_ns = cost_ns;
}

static void on_drain(void *userdata)
{
	const struct passes *p = userdata;

	sources_drain(p->sources);
}

static void on_record(enum tw_record_type type, const void *body, void *userdata)
{
	const struct passes *p = userdata;

	p->record(type, body, p->userdata);
}

int passes_new(sd_event *loop, struct sources *sources, const struct model *model,
	       struct rounds *rounds, struct serve_status *status, sources_record_fn *record,
	       void *userdata, struct passes **ret)
{
	struct passes *p = calloc(1, sizeof(*p));
	const struct pass_calls calls = {
		.record = on_record, .done = on_done, .drain = on_drain, .userdata = p};
	int error = 0;

	if (!p)
		return -ENOMEM;
	p->sources = sources;
	p->model = model;
	p->rounds = rounds;
	p->status = status;
	p->record = record;
	p->userdata = userdata;
	p->interval_ns = INTERVAL_MIN_NS;
	if (sources_inventory(sources))
		error = pass_new(loop, sources_inventory(sources), &calls, &p->pass);
	if (error < 0) {
		free(p);
		return error;
	}
	*ret = p;
	return 0;
}

struct passes *passes_free(struct passes *p)
{
	if (p)
		pass_free(p->pass);
	free(p);
	return NULL;
}

/* Whether one of the next few listeners is said to be held by a process that is no more. */
static bool holder_gone(struct passes *p)
{
	size_t count;
	const struct tw_listener *rows = listeners_rows(model_listeners(p->model), &count);
	size_t most = count < LOOKED_AFTER ? count : LOOKED_AFTER;
	uint32_t alive = 0; /* as most have several listeners, one after the other */

	for (size_t i = 0; i < most; i++) {
		const struct tw_listener *row = &rows[p->next++ % count];

		if (!row->pid || row->pid == alive)
			continue;
		if (kill((pid_t)row->pid, 0) < 0 && errno == ESRCH)
			return true;
		alive = row->pid;
	}
	return false;
}

static bool start(struct passes *p, bool free)
{
	if (pass_start(p->pass) < 0)
		return false;
	p->started_ns = now_ns(CLOCK_MONOTONIC);
	p->free = free;
	p->requested = false;
	p->wanted = false;
	return true;
}

void passes_request(struct passes *p)
{
	p->requested = true;
	passes_tick(p);
}

void passes_listener_came(struct passes *p)
{
	p->wanted = true;
}

/* By time alone: not before what the last one cost has been saved, or a dear one would come long
 * before the budget has it. */
static bool is_time(const struct passes *p, uint64_t now_ns)
{
	uint64_t saved_ns = rounds_saves_in(p->rounds, p->cost_ns);

	return now_ns >= p->ended_ns + (saved_ns > p->interval_ns ? saved_ns : p->interval_ns);
}

void passes_tick(struct passes *p)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	if (!p->pass || pass_active(p->pass) || rounds_active(p->rounds))
		return;
	if (p->requested && now >= p->ended_ns + REST * p->cost_ns) {
		start(p, true);
		return;
	}
	p->wanted = p->wanted || holder_gone(p);
	if ((p->wanted || is_time(p, now)) && rounds_affordable(p->rounds))
		start(p, false);
}
