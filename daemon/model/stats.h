/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What has happened since the start, as counters that only grow: transitions, times spent in each
 * state, how connections ended and why others never began. How many there are now is for the table
 * and netns.h.
 */
#ifndef MODEL_STATS_H
#define MODEL_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include <tcpwatch/event.h>
#include <tcpwatch/tcp_state.h>

/* Why connect() failed. X(NAME, label) */
#define CONNECT_FAILURES(X)                                                                        \
	X(REFUSED, "refused")         /* ECONNREFUSED: a reset answered the SYN */                 \
	X(TIMED_OUT, "timed_out")     /* ETIMEDOUT: nothing answered */                            \
	X(UNREACHABLE, "unreachable") /* EHOSTUNREACH, ENETUNREACH: a router or the ARP said so */ \
	X(NO_PORT, "no_port")         /* EADDRNOTAVAIL: no ephemeral port was left */              \
	X(OTHER, "other")             /* the caller gave up, or another error */

/* How a connection that was once open ended. X(NAME, label) */
#define CLOSE_REASONS(X)                                                                          \
	X(NORMAL, "normal")       /* both FINs went their way, or TIME_WAIT keeps what is left */ \
	X(RESET, "reset")         /* the peer sent RST */                                         \
	X(TIMED_OUT, "timed_out") /* the peer fell silent */                                      \
	X(ABORTED, "aborted")     /* this host sent RST: unread data, SO_LINGER 0, or killed */   \
	X(OTHER, "other")

enum connect_failure {
#define X(name, label) CONNECT_FAILURE_##name,
	CONNECT_FAILURES(X)
#undef X
		CONNECT_FAILURE_COUNT
};

enum close_reason {
#define X(name, label) CLOSE_REASON_##name,
	CLOSE_REASONS(X)
#undef X
		CLOSE_REASON_COUNT
};

extern const char *const connect_failure_labels[CONNECT_FAILURE_COUNT];
extern const char *const close_reason_labels[CLOSE_REASON_COUNT];

/* Upper bounds of the histogram's buckets, in seconds; one more bucket takes all above. */
#define DURATION_BOUNDS 11
extern const double duration_bounds[DURATION_BOUNDS];

struct histogram {
	uint64_t buckets[DURATION_BOUNDS + 1]; /* not cumulative */
	double sum;                            /* seconds */
};

#define RATE_SECONDS 10 /* rates are means over this time */

/* Why a transition was lost. X(NAME, label) */
#define EVENT_LOSS_REASONS(X)     \
	X(RING_FULL, "ring_full") \
	X(NOT_RUN, "not_run")

enum event_loss {
#define X(name, label) EVENT_LOSS_##name,
	EVENT_LOSS_REASONS(X)
#undef X
		EVENT_LOSSES
};

extern const char *const event_loss_labels[EVENT_LOSSES];

struct stats {
	uint64_t events;
	uint64_t events_malformed; /* passed over: a state or a family that does not exist */
	uint64_t events_lost[EVENT_LOSSES];
	uint64_t transitions[TW_STATE_SLOTS][TW_STATE_SLOTS]; /* [from][to] */
	uint64_t entered[TW_STATE_SLOTS];                     /* transitions into the state */
	uint64_t connect_failures[CONNECT_FAILURE_COUNT];
	uint64_t closed[CLOSE_REASON_COUNT];
	struct histogram durations[TW_STATE_SLOTS]; /* at leaving, where the entry was seen */

	/* entered[] at the last RATE_SECONDS + 1 full seconds, in a ring */
	uint64_t samples[RATE_SECONDS + 1][TW_STATE_SLOTS];
	uint64_t sample_times_ns[RATE_SECONDS + 1]; /* when each was taken */
	uint64_t sample_due_ns;                     /* when the next is to be */
	unsigned sample_count, sample_newest;
};

uint64_t stats_lost(const struct stats *s);
void stats_transition(struct stats *s, unsigned from, unsigned to);
void stats_duration(struct stats *s, unsigned state, uint64_t duration_ns);
/* Takes a sample once a second has passed since the last. */
void stats_sample(struct stats *s, uint64_t now_ns);
/* Transitions into the state per second, over the last RATE_SECONDS or since the start. */
double stats_rate(const struct stats *s, unsigned state);

/* For a transition SYN_SENT to CLOSE. */
enum connect_failure connect_failure_of(const struct tw_event *event);
/* For a transition of a connection to CLOSE; mini: a minisocket goes on in its place. */
enum close_reason close_reason_of(const struct tw_event *event, bool mini);

#endif
