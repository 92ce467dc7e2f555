/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "model/stats.h"

#define SAMPLES (RATE_SECONDS + 1)
#define SECOND_NS UINT64_C(1000000000)

const char *const connect_failure_labels[CONNECT_FAILURE_COUNT] = {
#define X(name, label) [CONNECT_FAILURE_##name] = label,
	CONNECT_FAILURES(X)
#undef X
};

const char *const event_loss_labels[EVENT_LOSSES] = {
#define X(name, label) [EVENT_LOSS_##name] = label,
	EVENT_LOSS_REASONS(X)
#undef X
};

const char *const close_reason_labels[CLOSE_REASON_COUNT] = {
#define X(name, label) [CLOSE_REASON_##name] = label,
	CLOSE_REASONS(X)
#undef X
};

/* From a loopback round trip to the day of a forgotten connection; 60 is TIME_WAIT, 7,200 the
 * keepalive. */
const double duration_bounds[DURATION_BOUNDS] = {0.001, 0.01, 0.1,  1,    5,    30,
						 60,    300,  1800, 7200, 86400};

uint64_t stats_lost(const struct stats *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < EVENT_LOSSES; i++)
		sum += s->events_lost[i];
	return sum;
}

void stats_transition(struct stats *s, unsigned from, unsigned to)
{
	s->transitions[from][to]++;
	s->entered[to]++;
}

void stats_duration(struct stats *s, unsigned state, uint64_t duration_ns)
{
	double seconds = (double)duration_ns / (double)SECOND_NS;
	unsigned i = 0;

	while (i < DURATION_BOUNDS && seconds > duration_bounds[i])
		i++;
	s->durations[state].buckets[i]++;
	s->durations[state].sum += seconds;
}

void stats_sample(struct stats *s, uint64_t now_ns)
{
	if (s->sample_count && now_ns < s->sample_due_ns)
		return;
	s->sample_newest = (s->sample_newest + 1) % SAMPLES;
	memcpy(s->samples[s->sample_newest], s->entered, sizeof(s->entered));
	s->sample_times_ns[s->sample_newest] = now_ns;
	/* keep to the second's beat, unless ticks were missing */
	if (!s->sample_count || now_ns >= s->sample_due_ns + SECOND_NS)
		s->sample_due_ns = now_ns;
	s->sample_due_ns += SECOND_NS;
	if (s->sample_count < SAMPLES)
		s->sample_count++;
}

double stats_rate(const struct stats *s, unsigned state)
{
	unsigned newest = s->sample_newest, oldest;

	if (s->sample_count < 2)
		return 0;
	oldest = (newest + SAMPLES + 1 - s->sample_count) % SAMPLES;
	return (double)(s->samples[newest][state] - s->samples[oldest][state]) * (double)SECOND_NS /
	       (double)(s->sample_times_ns[newest] - s->sample_times_ns[oldest]);
}

enum connect_failure connect_failure_of(const struct tw_event *event)
{
	/* connect() found no port: nothing was chosen, and no error comes with it
	 * (inet_hash_connect()) */
	if (!event->sport && event->flags & TW_EVENT_PROCESS)
		return CONNECT_FAILURE_NO_PORT;
	switch (event->error) {
	case ECONNREFUSED:
		return CONNECT_FAILURE_REFUSED;
	case ETIMEDOUT:
		return CONNECT_FAILURE_TIMED_OUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
		return CONNECT_FAILURE_UNREACHABLE;
	default:
		return CONNECT_FAILURE_OTHER;
	}
}

enum close_reason close_reason_of(const struct tw_event *event, bool mini)
{
	switch (event->error) {
	case 0:
		/* LAST_ACK and its like end in order; what is cut off before has no error of its
		 * own */
		return mini || event->old_state == TW_LAST_ACK ? CLOSE_REASON_NORMAL
							       : CLOSE_REASON_ABORTED;
	case ECONNRESET:
	case EPIPE: /* a reset in CLOSE_WAIT: tcp_reset() */
		return CLOSE_REASON_RESET;
	case ETIMEDOUT:
		return CLOSE_REASON_TIMED_OUT;
	default:
		return CLOSE_REASON_OTHER;
	}
}
