/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When to look through all descriptors for who holds what (source/pass.h): at the start, when an
 * alert fires, when somebody asks, when a listener has come or the process that held one has ended,
 * and else the more seldom the less was new, within the budget that the dumps have too (rounds.h).
 */
#ifndef PASSES_H
#define PASSES_H

#include <systemd/sd-event.h>

#include "model/model.h"
#include "rounds.h"
#include "serve/status.h"
#include "source/sources.h"

struct passes;

/* All but record and userdata are the caller's, and outlive the result; status is kept up to date.
 * Where transitions are not followed no pass is ever made. 0, or a negative errno. */
int passes_new(sd_event *loop, struct sources *sources, const struct model *model,
	       struct rounds *rounds, struct serve_status *status, sources_record_fn *record,
	       void *userdata, struct passes **ret);
struct passes *passes_free(struct passes *p);

/* Somebody asks, or wants to know who it was: a pass is made soon, whatever it costs, but they
 * never take more than a quarter of the time. */
void passes_request(struct passes *p);
/* A process begins to listen. */
void passes_listener_came(struct passes *p);
/* After each tick: starts one that is due. */
void passes_tick(struct passes *p);

#endif
