/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long the connections that are there now have been in their states: a histogram for each
 * state, kept by marks in the table, so that reading it costs the same for any number of
 * connections. Of the states that were left, see stats.h.
 */
#ifndef MODEL_AGES_H
#define MODEL_AGES_H

#include <stdint.h>

#include "model/table.h"

/* A second, ten, a minute, five, an hour, a day. */
#define AGE_BOUNDS 6
extern const uint64_t age_bounds_seconds[AGE_BOUNDS];

struct ages {
	struct table_mark marks[TW_STATE_SLOTS][AGE_BOUNDS];
};

/* a lives as long as the table, which has no other marks yet. */
void ages_init(struct ages *a, struct table *t);
/* Connections of the table that have been in the state for that bound or longer, as of its last
 * table_advance(). */
uint32_t ages_older(const struct ages *a, unsigned state, unsigned bound);

#endif
