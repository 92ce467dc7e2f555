/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options that choose connections, listeners or transitions, and what their values may be, so
 * that a wrong one is refused before the daemon is asked.
 */
#ifndef CTL_FILTERS_H
#define CTL_FILTERS_H

#include "ctl/options.h"

/* The labels of the eleven states, in the kernel's order, up to a NULL. */
extern const char *const filter_states[];

/* As option_row's check: one or more of them, with commas between. */
int filter_check_states(const char *value, char *ret);

/* Each up to a row without name. */
extern const struct option_row filter_list_options[];
extern const struct option_row filter_listeners_options[];
extern const struct option_row filter_top_options[];
extern const struct option_row filter_watch_options[];

#endif
