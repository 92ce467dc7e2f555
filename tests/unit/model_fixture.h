/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A model, a clock that goes on by a millisecond with each record, and short words for what a test
 * tells the model and what it expects to be there.
 */
#ifndef TESTS_MODEL_FIXTURE_H
#define TESTS_MODEL_FIXTURE_H

#include <stdlib.h>

#include "base/util.h"
#include "model/model.h"
#include "records.h"

#define HOST 4026531833U
#define OTHER 4026532200U
#define STEP_NS NSEC_PER_MSEC /* from one record to the next */
#define CAPACITY 1000

#define ORPHAN TW_EVENT_DEAD
#define IN_ORDER (TW_EVENT_DEAD | TW_EVENT_DONE)
#define SHADOWS (TW_STATE_BIT(TW_SYN_RECV) | TW_STATE_BIT(TW_FIN_WAIT2))

static const struct socket server = {.cookie = 1, .netns = HOST, .sport = 80};
static const struct socket client = {.cookie = 2, .netns = HOST, .sport = 40000, .dport = 80};
static const struct socket child = {.cookie = 3, .netns = HOST, .sport = 80, .dport = 40000};
static const struct socket other = {.cookie = 4, .netns = OTHER, .sport = 41000, .dport = 80};
static const struct socket on_ipv6 = {
	.cookie = 5, .netns = HOST, .sport = 42000, .dport = 80, .family = AF_INET6};

struct fixture {
	struct model *m;
	uint64_t now_ns;
};

static inline int set_up_for(void **state, uint32_t capacity)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->now_ns = 1000 * NSEC_PER_SEC;
	*state = f;
	return model_new(capacity, &f->m);
}

static inline int set_up(void **state)
{
	return set_up_for(state, CAPACITY);
}

static inline int set_up_full(void **state)
{
	return set_up_for(state, 1);
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;

	model_free(f->m);
	free(f);
	return 0;
}

/* Records. */

static inline uint64_t later(struct fixture *f)
{
	return f->now_ns += STEP_NS;
}

static inline void change_with(struct fixture *f, const struct socket *s, unsigned old_state,
			       unsigned new_state, uint8_t flags, uint16_t error)
{
	struct tw_event e = event_of(s, old_state, new_state, later(f));

	e.flags = flags;
	e.error = error;
	model_event(f->m, &e);
}

static inline void change(struct fixture *f, const struct socket *s, unsigned old_state,
			  unsigned new_state)
{
	change_with(f, s, old_state, new_state, 0, 0);
}

static inline void establish(struct fixture *f, const struct socket *s)
{
	change(f, s, TW_CLOSE, TW_SYN_SENT);
	change(f, s, TW_SYN_SENT, TW_ESTABLISHED);
}

/* Up to FIN_WAIT2, with the application's descriptor closed. */
static inline void close_actively(struct fixture *f, const struct socket *s)
{
	change_with(f, s, TW_ESTABLISHED, TW_FIN_WAIT1, ORPHAN, 0);
	change_with(f, s, TW_FIN_WAIT1, TW_FIN_WAIT2, ORPHAN, 0);
}

static inline void become_time_wait(struct fixture *f, const struct socket *s)
{
	close_actively(f, s);
	change_with(f, s, TW_FIN_WAIT2, TW_CLOSE, IN_ORDER, 0);
}

static inline void become_orphan(struct fixture *f, const struct socket *s)
{
	close_actively(f, s);
	change_with(f, s, TW_FIN_WAIT2, TW_CLOSE, ORPHAN, 0);
}

static inline void round_begin(struct fixture *f, uint32_t states)
{
	model_round_begin(f->m, &(struct tw_round){.time_ns = later(f), .states = states});
}

static inline void dump_begin(struct fixture *f, uint32_t netns)
{
	model_dump_begin(f->m, &(struct tw_dump){.time_ns = later(f), .netns = netns});
}

static inline void row_expiring(struct fixture *f, const struct socket *s, unsigned state,
				enum tw_socket_kind kind, uint32_t expires_ms)
{
	struct tw_socket row = row_of(s, state, kind);

	later(f);
	row.expires_ms = expires_ms;
	model_socket(f->m, &row);
}

static inline void row(struct fixture *f, const struct socket *s, unsigned state,
		       enum tw_socket_kind kind)
{
	row_expiring(f, s, state, kind, 0);
}

static inline void dump_end(struct fixture *f, uint32_t netns, bool complete)
{
	model_dump_end(
		f->m, &(struct tw_dump){.time_ns = later(f), .netns = netns, .complete = complete});
}

static inline void open_round(struct fixture *f, uint32_t states)
{
	round_begin(f, states);
	dump_begin(f, HOST);
}

static inline struct model_drift round_end(struct fixture *f, uint32_t states)
{
	struct tw_round round = {.time_ns = later(f), .states = states};
	struct model_drift drift;

	model_round_end(f->m, &round, &drift);
	assert_true(model_consistent(f->m));
	return drift;
}

static inline struct model_drift close_round(struct fixture *f, uint32_t states)
{
	dump_end(f, HOST, true);
	return round_end(f, states);
}

/* A round of the host's sockets in which nothing happens; rows: s[i] as a full socket in states[i].
 */
static inline struct model_drift dump(struct fixture *f, const struct socket *const s[],
				      const unsigned states[], unsigned count)
{
	open_round(f, TW_STATES_ALL);
	for (unsigned i = 0; i < count; i++)
		row(f, s[i], states[i], TW_SOCKET_FULL);
	return close_round(f, TW_STATES_ALL);
}

static inline struct model_drift dump_nothing(struct fixture *f)
{
	return dump(f, NULL, NULL, 0);
}

static inline void counters(struct fixture *f, uint32_t in_use, uint32_t time_wait)
{
	model_counters(f->m, &(struct tw_counters){.time_ns = later(f),
						   .netns = HOST,
						   .in_use = in_use,
						   .time_wait = time_wait,
						   .established = TW_NOT_READ});
}

static inline void counters_with(struct fixture *f, uint32_t in_use, uint32_t established)
{
	model_counters(f->m, &(struct tw_counters){.time_ns = later(f),
						   .netns = HOST,
						   .in_use = in_use,
						   .established = established});
}

static inline void tick(struct fixture *f)
{
	model_tick(f->m, &(struct tw_tick){.time_ns = later(f)});
}

/* What is there. */

static inline uint64_t connections(const struct fixture *f, unsigned state)
{
	return model_connections(f->m, state, NETNS_IPV4) +
	       model_connections(f->m, state, NETNS_IPV6);
}

/* All eleven states, those not named being 0: assert_counts(f, [TW_LISTEN] = 1). */
#define assert_counts(f, ...) \
	assert_all_counts(f, (const unsigned[TW_STATE_SLOTS]){__VA_ARGS__}, __LINE__)
static inline void assert_all_counts(struct fixture *f, const unsigned expected[TW_STATE_SLOTS],
				     int line)
{
	TW_FOR_EACH_STATE(state)
		if (connections(f, state) != expected[state])
			fail_msg("line %d: state %u: %u connections, not %u", line, state,
				 (unsigned)connections(f, state), expected[state]);
}

static inline const struct netns *netns(const struct fixture *f, uint32_t inum)
{
	const struct netns_table *t = model_netns(f->m);
	int index = netns_find(t, inum);

	assert_true(index >= 0);
	return netns_at(t, (size_t)index);
}

static inline const struct connection *find(const struct fixture *f, const struct socket *s)
{
	return table_find(model_table(f->m), s->cookie);
}

static inline const struct owner *owner(const struct fixture *f, const struct socket *s)
{
	return owners_get(model_owners(f->m), find(f, s)->owner);
}

static inline uint64_t transitions(const struct fixture *f, unsigned from, unsigned to)
{
	return model_stats(f->m)->transitions[from][to];
}

static inline uint64_t durations(const struct fixture *f, unsigned state)
{
	const struct histogram *h = &model_stats(f->m)->durations[state];
	uint64_t sum = 0;

	for (unsigned i = 0; i <= DURATION_BOUNDS; i++)
		sum += h->buckets[i];
	return sum;
}

#define test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
#define test_at_the_bound(function) \
	cmocka_unit_test_setup_teardown(function, set_up_full, tear_down)

#endif
