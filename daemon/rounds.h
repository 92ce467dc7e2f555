/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which sockets to dump, and when: holds what the model lacks against what the budget allows
 * (schedule.h), and has it carried out (source/sync.h).
 */
#ifndef ROUNDS_H
#define ROUNDS_H

#include <stdbool.h>

#include <systemd/sd-event.h>

#include "model/model.h"
#include "serve/status.h"
#include "source/sources.h"

struct rounds;

struct rounds_calls {
	sources_record_fn *record; /* what the dumps tell */
	/* A full round, of all namespaces, has ended; the records of its end have been told before.
	 */
	void (*full_done)(void *userdata);
	void *userdata;
};

/* model and sources: the caller's, and outlive the result. status: kept up to date. 0, or a
 * negative errno. */
int rounds_new(sd_event *loop, struct sources *sources, const struct model *model, double budget,
	       struct serve_status *status, const struct rounds_calls *calls, struct rounds **ret);
struct rounds *rounds_free(struct rounds *r);
void rounds_set_budget(struct rounds *r, double budget);

/* The budget, for what else is paid from it: whether there is any, in what time it saves so much,
 * and what was spent. */
bool rounds_affordable(struct rounds *r);
uint64_t rounds_saves_in(const struct rounds *r, uint64_t cost_ns);
void rounds_spend(struct rounds *r, uint64_t cost_ns);
/* Whether a round goes on. */
bool rounds_active(const struct rounds *r);

/* The first round. */
void rounds_begin(struct rounds *r);
/* Someone asks for a full round. */
void rounds_request(struct rounds *r);
/* Someone wants to see connections in these states, of which no transition tells. Whether a round
 * for them goes on. */
bool rounds_want(struct rounds *r, uint32_t states);
/* Transitions were lost. */
void rounds_lost(struct rounds *r);
/* What the model's round found. */
void rounds_drift(struct rounds *r, const struct model_drift *drift);
/* Heals losses, when it is time to. */
void rounds_heal(struct rounds *r);
/*
 * After each look at the listeners. Where dumps show some that no look tells of, though a pass has
 * met those that somebody holds, the iterator over the namespace's sockets adds them to the
 * listener map, once. Whether there were any: the next look tells of them.
 */
bool rounds_list_older(const struct rounds *r);
/* After each look at the kernel's sums: starts what is due. */
void rounds_tick(struct rounds *r);

#endif
