/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a rule watches, as a number for each target: read from the model, which keeps a tally for it
 * where one is needed. It knows nothing of thresholds or of time.
 */
#ifndef ALERT_GAUGE_H
#define ALERT_GAUGE_H

#include "model/model.h"
#include "settings.h"

struct gauge;

/* What a target has, and what its limit is; 0: it has none, or it is not known. */
struct gauge_reading {
	double value, limit;
};

/* alert: read, not kept. model outlives the result. 0, -ENOMEM, -ENOSPC: no more such tallies. */
int gauge_new(struct model *model, const struct settings_alert *alert, struct gauge **ret);
struct gauge *gauge_free(struct gauge *g);

typedef void gauge_fn(const struct tally_key *key, const struct gauge_reading *reading,
		      void *userdata);

/* Those targets whose value has changed since the last call, for what changes with each transition;
 * O(changed). */
void gauge_changed(struct gauge *g, gauge_fn *fn, void *userdata);
/* On each tick: those of which only a tick tells. O(listeners) or O(namespaces). */
void gauge_tick(struct gauge *g, gauge_fn *fn, void *userdata);
/* Has gauge_changed() tell of all targets. O(targets). */
void gauge_change_all(struct gauge *g);
/* One target, whether it is there or not. */
struct gauge_reading gauge_read(const struct gauge *g, const struct tally_key *key);
/* Of a process: what it is called; else "". */
const char *gauge_comm(const struct gauge *g, const struct tally_key *key);
/* Of those with a limit and a tally: the greatest share of it that a target has. O(targets). */
double gauge_fullest(const struct gauge *g);
/* Things that found no room of their own, and are watched by nobody. */
uint32_t gauge_other(const struct gauge *g);

#endif
