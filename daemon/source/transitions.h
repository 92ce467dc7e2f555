/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads and attaches the tracepoint program, and hands over its records. The only includer of
 * libbpf.
 */
#ifndef SOURCE_TRANSITIONS_H
#define SOURCE_TRANSITIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tcpwatch/event.h>

struct transitions;

typedef void transitions_event_fn(const struct tw_event *event, void *userdata);

#define TRANSITIONS_REASON_SIZE 256

/*
 * ring_size: bytes of all rings, a power of two of at least a page; 0: chosen by the number of
 * processors.
 * only_netns: the one namespace to tell of, by its inode number; 0: all. 0, or a negative errno,
 * and then reason says in a sentence what is missing and how to mend it.
 */
int transitions_new(uint64_t ring_size, uint32_t only_netns, transitions_event_fn *on_event,
		    void *userdata, char reason[TRANSITIONS_REASON_SIZE], struct transitions **ret);
struct transitions *transitions_free(struct transitions *t);

/* Becomes readable (edge-triggered) when a ring fills past a quarter. The transitions' own. */
int transitions_fd(const struct transitions *t);
/* The listener map, for the iterators. The transitions' own. */
int transitions_listeners_fd(const struct transitions *t);
/* Hands over up to limit events; how many. */
size_t transitions_drain(struct transitions *t, size_t limit);
/* Whether the last drain left events that had come before it: beyond the limit, or because of one
 * that was still being written. */
bool transitions_behind(const struct transitions *t);
/* Transitions that found their ring full, since the start. */
uint64_t transitions_lost(const struct transitions *t);
/* Transitions for which the first program was not run, as it was running on the same processor; the
 * second tells most of them. */
uint64_t transitions_not_run(const struct transitions *t);

/* What the programs have cost, while kernel.bpf_stats_enabled is 1. */
struct transitions_cost {
	const char *program;
	uint64_t run_ns, runs;
};

#define TRANSITIONS_PROGRAMS 2

/* 0, or a negative errno. */
int transitions_costs(const struct transitions *t,
		      struct transitions_cost ret[TRANSITIONS_PROGRAMS]);

#endif
