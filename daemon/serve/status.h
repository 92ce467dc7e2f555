/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is served and is not in the model: how the daemon reads the kernel, what its resyncs found,
 * what its programs cost. Plain values that the wiring keeps up to date; serve/ only reads them.
 */
#ifndef SERVE_STATUS_H
#define SERVE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert/alerts.h"
#include "alert/sink.h"
#include "model/model.h"
#include "settings.h"

/* Why a round of dumps was made. X(NAME, label) */
#define RESYNC_CAUSES(X)                                    \
	X(START, "start")       /* the first one */         \
	X(LOSS, "loss")         /* transitions were lost */ \
	X(REQUEST, "request")   /* someone asked */         \
	X(INTERVAL, "interval") /* it was time */           \
	X(DRIFT, "drift")       /* the kernel's own sums differ from ours */

#define X(name, label) RESYNC_CAUSE_##name,
enum resync_cause {
	RESYNC_CAUSES(X) RESYNC_CAUSE_COUNT, /* as last_cause: none yet */
};
#undef X

extern const char *const resync_cause_labels[RESYNC_CAUSE_COUNT];

#define SERVE_PROGRAMS 8 /* the tracepoint program, the iterators, and room */

/* One loaded BPF program, as bpf_prog_info tells it while kernel.bpf_stats_enabled is 1. */
struct serve_program {
	const char *name;
	uint64_t run_ns;
	uint64_t runs;
};

/* One [sink NAME], or the journal where there is none. */
struct serve_sink {
	char name[SINK_NAME_SIZE];
	struct sink_counts counts;
};

struct serve_status {
	const struct alerts *alerts; /* NULL: there are none */
	const char *mode;            /* "ebpf" or "diag" */
	char mode_reason[256]; /* why it is "diag" though "ebpf" was tried, one sentence; else "" */
	bool syn_accounting;   /* SYNs are counted, in one namespace at least */
	/* Transitions are followed, but the kernel had no memory for BPF to list the listeners:
	 * they and half-open connections come from dumps. */
	bool listeners_polled;
	uint32_t netns;             /* the daemon's own, by its inode number; 0: not known */
	size_t namespaces;          /* whose sockets are counted */
	size_t namespaces_shut;     /* that cannot be entered */
	int namespaces_error;       /* why not, a negative errno */
	size_t namespaces_unhooked; /* where SYNs should be counted, and cannot */
	int hook_error;             /* why not, a negative errno */
	char kernel[65];            /* release, of uname(2) */
	uint64_t start_ns;          /* CLOCK_MONOTONIC */
	uint64_t start_unix_ns;     /* CLOCK_REALTIME */

	uint64_t resyncs[RESYNC_CAUSE_COUNT];
	enum resync_cause last_cause;
	struct model_drift last_drift;
	uint64_t last_resync_ns; /* how long it took */

	uint64_t passes;            /* over all descriptors */
	uint64_t last_pass_ns;      /* how long the last one took */
	uint64_t last_pass_cost_ns; /* the processor time that it took */

	struct serve_program
		programs[SERVE_PROGRAMS]; /* up to program_count; 0: the kernel does not count */
	size_t program_count;

	struct serve_sink sinks[SETTINGS_SINKS_MAX]; /* up to sink_count */
	size_t sink_count;
};

#endif
