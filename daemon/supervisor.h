/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the service manager is told with sd_notify(3): that the daemon is ready, alive, reloading or
 * stopping, and in one line how it is. Without a manager all of it does nothing. It knows what is
 * counted, and nothing of where that comes from.
 */
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include <stddef.h>
#include <stdint.h>

#include "model/model.h"

#define SUPERVISOR_LINE_SIZE 384 /* eleven states with counts of ten digits, and the rest */

struct supervisor {
	char line[SUPERVISOR_LINE_SIZE]; /* the last one told; "": none yet */
	uint64_t told_ns;
};

void supervisor_ready(void);
void supervisor_reloading(void);
void supervisor_reloaded(void);
void supervisor_stopping(void);

/*
 * After each drain of the ring: feeds the watchdog, and tells the line when it has changed, every
 * few seconds at most, once the counts are whole. now_ns: CLOCK_MONOTONIC. polling: transitions
 * are not followed. firing: alerts.
 */
void supervisor_alive(struct supervisor *s, const struct model *m, bool polling, size_t firing,
		      uint64_t now_ns);

/* The line: how many connections are in which state, in how many namespaces. */
void supervisor_describe(const struct model *m, bool polling, size_t firing,
			 char ret[SUPERVISOR_LINE_SIZE]);

#endif
