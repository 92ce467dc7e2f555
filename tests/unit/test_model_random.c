/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small kernel that lives at random: connections, requests and minisockets over several
 * namespaces and both families. The model hears its transitions, some of which are lost, and sees
 * its dumps, whose rows are made at one moment and read at a later one. After each round the model
 * must know what the kernel knows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "base/util.h"
#include "model/model.h"
#include "random.h"
#include "records.h"

#define SEEDS 3000
#define STEPS 800
#define NAMESPACES 3
#define LISTENERS 2 /* places of listeners in each namespace, which dumps show first */
#define PLACES 24   /* and of others, of which every other is IPv6 */
#define QUEUE 16
#define FIRST_INUM 4026531833U

#define FULL_STATES                                                                 \
	(TW_STATES_ALL & ~(TW_STATE_BIT(TW_SYN_RECV) | TW_STATE_BIT(TW_FIN_WAIT2) | \
			   TW_STATE_BIT(TW_TIME_WAIT))) /* whose sockets all send events */

#define ALL_KINDS UINT32_MAX

static const struct tallies_spec tally_specs[] = {
	{TALLIES_BY_HOST, TW_STATE_BIT(TW_CLOSE_WAIT), ALL_KINDS, 0, 0},
	{TALLIES_BY_NETNS, TW_STATE_BIT(TW_ESTABLISHED) | TW_STATE_BIT(TW_CLOSE_WAIT),
	 1U << OWNER_KIND_PROCESS | 1U << OWNER_KIND_UNKNOWN, 0, 0},
	{TALLIES_BY_LISTENER, TW_STATE_BIT(TW_SYN_SENT) | TW_STATE_BIT(TW_ESTABLISHED), ALL_KINDS,
	 0, 0},
	{TALLIES_BY_PORT, TW_STATES_ALL, ALL_KINDS, 0, 0},
	{TALLIES_BY_REMOTE, TW_STATE_BIT(TW_FIN_WAIT2), ALL_KINDS, 5 * NSEC_PER_MSEC, 0},
	{TALLIES_BY_NETNS, TW_STATE_BIT(TW_ESTABLISHED), ALL_KINDS, 20 * NSEC_PER_MSEC, 0},
	{TALLIES_BY_PROCESS, TW_STATES_ALL, ALL_KINDS, 0, 0},
	{TALLIES_BY_UNIT, TW_STATES_ALL, ALL_KINDS, 0, 0},
	{TALLIES_BY_DESTINATION, TW_STATES_ALL, ALL_KINDS, 0, 0},
};

/* A pair of addresses, at which the kernel has one socket at most. */
struct place {
	struct socket s; /* whose cookie stays when the socket may connect again */
	uint8_t kind;    /* enum tw_socket_kind */
	uint8_t state;   /* 0: there is none */
	uint8_t flags;   /* of its events */
	uint64_t entered_ns;
};

struct world {
	uint64_t seed, random, now_ns, cookie;
	struct model *m;
	struct tally *tallies[ARRAY_SIZE(tally_specs)];
	uint64_t tallied;
	struct place places[NAMESPACES][LISTENERS + PLACES];

	/* what is odd in this one */
	bool loses;    /* transitions, except during rounds */
	bool lags;     /* a transition is told after a row that was made after it */
	bool bounded;  /* the table has no room for all; nothing happens during rounds */
	bool old;      /* before Linux 6.14: no peer at the birth of a child */
	bool deaf;     /* the daemon does not run yet */
	bool known;    /* a full round was complete */
	bool unhealed; /* transitions were lost since */

	struct tw_event events[QUEUE]; /* told later */
	unsigned event_count;

	uint32_t states;      /* of the round that goes on; 0: none does */
	bool broken;          /* a dump in it failed */
	bool silent;          /* without an event, what it has dumped already changed */
	unsigned netns, next; /* the dump that goes on, and the place that it comes to */
	bool dumping;
	uint64_t dump_ns;
	struct tw_socket rows[QUEUE]; /* made, not read yet */
	unsigned row_count;
};

#define assert_world(w, condition) assert_seeded((w)->seed, condition)

static bool chance(struct world *w, uint32_t percent)
{
	return random_percent(&w->random, percent);
}

static uint32_t below(struct world *w, uint32_t limit)
{
	return random_below(&w->random, limit);
}

/* What the kernel tells. */

static void tell_waiting(struct world *w, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		model_event(w->m, &w->events[i]);
	w->event_count -= count;
	memmove(w->events, w->events + count, w->event_count * sizeof(w->events[0]));
}

static void tell(struct world *w, const struct tw_event *e)
{
	if (w->deaf)
		return;
	if (w->loses && !w->states && chance(w, 5)) {
		w->unhealed = true;
		return;
	}
	if (w->event_count == QUEUE)
		tell_waiting(w, QUEUE / 2);
	w->events[w->event_count++] = *e;
	if (!w->lags)
		tell_waiting(w, w->event_count);
}

static void change(struct world *w, struct place *p, unsigned state, uint16_t error)
{
	struct tw_event e = event_of(&p->s, p->state ? p->state : TW_CLOSE, state, w->now_ns);

	e.flags = p->flags;
	e.cgroup = 7 + p->s.sport % 3;
	if (chance(w, 50) && !(e.flags & TW_EVENT_DEAD)) {
		e.flags |= TW_EVENT_PROCESS;
		e.pid = 1 + below(w, 4);
	}
	e.error = error;
	p->state = state == TW_CLOSE ? 0 : (uint8_t)state;
	p->entered_ns = w->now_ns;
	tell(w, &e);
}

/* Whether something may happen there of which no event tells: the round's dump has yet to come. */
static bool unseen(const struct world *w, unsigned netns, const struct place *p)
{
	return !w->states || w->silent || netns > w->netns ||
	       (netns == w->netns && p >= &w->places[netns][w->next]);
}

static void vanish(struct place *p)
{
	p->state = 0;
	p->kind = TW_SOCKET_FULL;
	p->s.cookie = 0;
}

/* The life of sockets. */

/* The port may be chosen only after the event. */
static void start_connect(struct world *w, struct place *p, bool bound)
{
	uint16_t port = p->s.sport;

	if (p->kind != TW_SOCKET_FULL)
		vanish(p);
	if (!p->s.cookie || !chance(w, 30))
		p->s.cookie = ++w->cookie;
	if (!bound)
		p->s.sport = 0;
	p->flags = 0;
	change(w, p, TW_SYN_SENT, 0);
	p->s.sport = port;
}

static void start_child(struct world *w, struct place *p)
{
	const struct socket whole = p->s;

	p->kind = TW_SOCKET_FULL;
	p->flags = 0;
	p->state = TW_LISTEN; /* a clone of it */
	if (w->old) {
		p->s.dport = 0;
		p->s.cookie = ++w->cookie;
	}
	change(w, p, TW_SYN_RECV, 0);
	p->s = whole;
	if (w->old || chance(w, 80))
		change(w, p, TW_ESTABLISHED, 0);
}

static void start_request(struct world *w, struct place *p)
{
	p->s.cookie = ++w->cookie;
	p->kind = TW_SOCKET_REQUEST;
	p->state = TW_SYN_RECV;
	p->entered_ns = w->now_ns;
}

static void start(struct world *w, unsigned netns, struct place *p)
{
	if (p < &w->places[netns][LISTENERS]) {
		p->s.cookie = ++w->cookie;
		change(w, p, TW_LISTEN, 0);
	} else if (chance(w, 50)) {
		start_connect(w, p, chance(w, 30));
	} else if (chance(w, 20)) { /* after a SYN cookie */
		p->s.cookie = ++w->cookie;
		start_child(w, p);
	} else if (unseen(w, netns, p)) {
		start_request(w, p);
	}
}

static void live_request(struct world *w, unsigned netns, struct place *p)
{
	if (chance(w, 70))
		start_child(w, p);
	else if (unseen(w, netns, p))
		vanish(p);
}

/* The addresses are used again only after a second (tcp_tw_reuse): no row and no event waits so
 * long.
 */
static void reuse(struct world *w, unsigned netns, struct place *p)
{
	bool free = unseen(w, netns, p);

	if (w->row_count || w->event_count)
		return;
	if (free && chance(w, 50))
		start_request(w, p);
	else
		start_connect(w, p, !free || chance(w, 30));
}

/* A minisocket lasts longer than a dump, and a millisecond. */
static bool newborn(const struct world *w, unsigned netns, const struct place *p)
{
	uint64_t now_ns = w->dumping && netns == w->netns ? w->dump_ns : w->now_ns;

	return p->entered_ns + NSEC_PER_MSEC >= now_ns;
}

static void live_mini(struct world *w, unsigned netns, struct place *p)
{
	if (newborn(w, netns, p))
		return;
	if (p->state == TW_TIME_WAIT && chance(w, 30))
		reuse(w, netns, p);
	else if (!unseen(w, netns, p))
		return;
	else if (p->state == TW_TIME_WAIT || chance(w, 20))
		vanish(p);
	else {
		p->state = TW_TIME_WAIT;
		p->entered_ns = w->now_ns;
	}
}

/* What may follow a full socket's state. */
static const struct move {
	uint8_t from, to;
	uint8_t flags; /* that come with it */
	uint8_t mini;  /* the state of the minisocket that stays */
	uint16_t error;
} moves[] = {
	{TW_LISTEN, TW_CLOSE, 0, 0, 0},
	{TW_SYN_SENT, TW_ESTABLISHED, 0, 0, 0},
	{TW_SYN_SENT, TW_SYN_RECV, 0, 0, 0},
	{TW_SYN_SENT, TW_CLOSE, 0, 0, ECONNREFUSED},
	{TW_SYN_RECV, TW_ESTABLISHED, 0, 0, 0},
	{TW_SYN_RECV, TW_FIN_WAIT1, TW_EVENT_DEAD, 0, 0},
	{TW_SYN_RECV, TW_CLOSE, 0, 0, ECONNRESET},
	{TW_ESTABLISHED, TW_FIN_WAIT1, TW_EVENT_DEAD, 0, 0},
	{TW_ESTABLISHED, TW_FIN_WAIT1, 0, 0, 0},
	{TW_ESTABLISHED, TW_CLOSE_WAIT, TW_EVENT_DONE, 0, 0},
	{TW_ESTABLISHED, TW_CLOSE, 0, 0, ECONNRESET},
	{TW_ESTABLISHED, TW_CLOSE, TW_EVENT_DEAD, 0, 0},
	{TW_FIN_WAIT1, TW_FIN_WAIT2, 0, 0, 0},
	{TW_FIN_WAIT1, TW_FIN_WAIT2, TW_EVENT_DEAD, 0, 0},
	{TW_FIN_WAIT1, TW_CLOSING, TW_EVENT_DONE, 0, 0},
	{TW_FIN_WAIT1, TW_CLOSE, 0, 0, ETIMEDOUT},
	{TW_FIN_WAIT2, TW_CLOSE, TW_EVENT_DONE, TW_TIME_WAIT, 0},
	{TW_FIN_WAIT2, TW_CLOSE, TW_EVENT_DEAD, TW_FIN_WAIT2, 0},
	{TW_FIN_WAIT2, TW_CLOSE, 0, 0, ECONNRESET},
	{TW_CLOSING, TW_CLOSE, TW_EVENT_DONE, TW_TIME_WAIT, 0},
	{TW_CLOSING, TW_CLOSE, 0, 0, ECONNRESET},
	{TW_CLOSE_WAIT, TW_LAST_ACK, TW_EVENT_DEAD, 0, 0},
	{TW_CLOSE_WAIT, TW_CLOSE, 0, 0, EPIPE},
	{TW_LAST_ACK, TW_CLOSE, 0, 0, 0},
};

static void live_full(struct world *w, struct place *p)
{
	const struct move *move;

	do
		move = &moves[below(w, ARRAY_SIZE(moves))];
	while (move->from != p->state);
	p->flags |= move->flags;
	change(w, p, move->to, move->error);
	if (move->mini) {
		p->kind = TW_SOCKET_MINI;
		p->state = move->mini;
		p->s.cookie = ++w->cookie;
	} else if (move->from != TW_SYN_SENT && move->to == TW_CLOSE) {
		p->s.cookie = 0;
	}
}

static void live(struct world *w)
{
	unsigned netns = below(w, NAMESPACES);
	struct place *p = &w->places[netns][below(w, LISTENERS + PLACES)];

	w->now_ns += below(w, 100) * NSEC_PER_USEC;
	if (!p->state)
		start(w, netns, p);
	else if (p->kind == TW_SOCKET_REQUEST)
		live_request(w, netns, p);
	else if (p->kind == TW_SOCKET_MINI)
		live_mini(w, netns, p);
	else
		live_full(w, p);
}

/* Some 30 seconds: the oldest TIME_WAITs end. */
static void time_passes(struct world *w)
{
	w->now_ns += (20 + below(w, 20)) * NSEC_PER_SEC;
	for (unsigned netns = 0; netns < NAMESPACES; netns++)
		for (unsigned i = 0; i < LISTENERS + PLACES; i++) {
			struct place *p = &w->places[netns][i];

			if (p->state == TW_TIME_WAIT &&
			    w->now_ns - p->entered_ns > 60 * NSEC_PER_SEC)
				vanish(p);
		}
	model_tick(w->m, &(struct tw_tick){.time_ns = w->now_ns});
}

static void netns_ends(struct world *w)
{
	unsigned netns = below(w, NAMESPACES);

	tell_waiting(w, w->event_count);
	for (unsigned i = 0; i < LISTENERS + PLACES; i++)
		vanish(&w->places[netns][i]);
	model_netns_gone(w->m, &(struct tw_dump){.time_ns = w->now_ns,
						 .netns = FIRST_INUM + netns,
						 .complete = 1});
}

/* What is so. */

static enum netns_family family_of(const struct place *p)
{
	return socket_family(&p->s) == AF_INET6 ? NETNS_IPV6 : NETNS_IPV4;
}

static uint64_t truth(const struct world *w, unsigned netns, unsigned state,
		      enum netns_family family)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < LISTENERS + PLACES; i++) {
		const struct place *p = &w->places[netns][i];

		count += p->state == state && family_of(p) == family;
	}
	return count;
}

static void check_states(struct world *w, uint32_t states)
{
	for (unsigned netns = 0; netns < NAMESPACES; netns++)
		TW_FOR_EACH_STATE(state)
			for (unsigned family = 0; family < NETNS_FAMILIES; family++) {
				uint64_t known = netns_count_of(w->m, FIRST_INUM + netns, state,
								family),
					 true_count = truth(w, netns, state, family);

				if (states & TW_STATE_BIT(state) && known != true_count)
					fail_msg(SEED_FORMAT "netns %u, state %u, %s: %" PRIu64
							     " connections, not %" PRIu64,
						 w->seed, netns, state, family ? "IPv6" : "IPv4",
						 known, true_count);
			}
}

/* The kernel's own sums, and what they make of TIME_WAIT. */
static void check_counters(struct world *w, unsigned netns, bool whole)
{
	struct tw_counters c = {.time_ns = w->now_ns, .netns = FIRST_INUM + netns};
	uint64_t time_wait = truth(w, netns, TW_TIME_WAIT, NETNS_IPV4) +
			     truth(w, netns, TW_TIME_WAIT, NETNS_IPV6);
	int index = netns_find(model_netns(w->m), c.netns);
	const struct netns *n;

	if (index < 0)
		return;
	for (unsigned i = 0; i < LISTENERS + PLACES; i++) {
		const struct place *p = &w->places[netns][i];

		c.in_use += p->state && p->kind == TW_SOCKET_FULL;
		c.time_wait += p->state && p->kind == TW_SOCKET_MINI;
		c.established += p->state == TW_ESTABLISHED ||
				 (p->state == TW_CLOSE_WAIT && w->seed % 2);
	}
	n = netns_at(model_netns(w->m), (size_t)index);
	for (int twice = 0; twice < 2; twice++)
		model_counters(w->m, &c);
	assert_world(w, netns_connections(n, TW_TIME_WAIT) == time_wait);
	assert_world(w, !whole || w->bounded || (!n->suspect && !n->in_use_accepted));
}

/* Rounds of dumps. */

static void round_begin(struct world *w)
{
	static const uint32_t masks[] = {
		TW_STATES_ALL,
		TW_STATES_ALL,
		TW_STATE_BIT(TW_SYN_RECV),
		TW_STATE_BIT(TW_FIN_WAIT2),
		TW_STATE_BIT(TW_SYN_RECV) | TW_STATE_BIT(TW_FIN_WAIT2),
		TW_STATE_BIT(TW_FIN_WAIT2) | TW_STATE_BIT(TW_TIME_WAIT),
	};

	w->states = masks[below(w, ARRAY_SIZE(masks))];
	w->netns = w->next = 0;
	w->broken = w->dumping = false;
	w->silent = !w->bounded && chance(w, 30);
	w->now_ns += NSEC_PER_MSEC; /* after a loss the daemon waits for longer */
	model_round_begin(w->m, &(struct tw_round){.time_ns = w->now_ns, .states = w->states});
}

/* At the bound a request may be taken for a full socket that had found no room. */
static uint32_t drift_of(const struct world *w, const struct model_drift *drift)
{
	return drift->total - (w->bounded ? drift->by_state[TW_SYN_RECV] : 0);
}

/* What a tally has counted as connections came and went is what one finds that begins now. */
static void check_tally(struct world *w, size_t i)
{
	struct tally *anew;
	struct tally_key key;
	uint32_t count;
	uint64_t sum = 0, sum_anew = 0;

	assert_world(w, tallies_add(model_tallies(w->m), &tally_specs[i], &anew) == 0);
	table_advance(model_table(w->m), w->now_ns);
	tally_change_all(anew);
	while (tally_next_changed(anew, &key, &count)) {
		assert_world(w, tally_get(w->tallies[i], &key) == count);
		sum_anew += count;
	}
	tally_change_all(w->tallies[i]);
	while (tally_next_changed(w->tallies[i], &key, &count))
		sum += count;
	assert_world(w, sum == sum_anew && !tally_other(w->tallies[i]));
	w->tallied += sum;
	tallies_remove(model_tallies(w->m), anew);
}

static void check_round(struct world *w, const struct model_drift *drift)
{
	bool full = w->states == TW_STATES_ALL && !w->broken;
	uint32_t exact = w->broken ? 0 : w->states;

	assert_world(w, model_consistent(w->m));
	for (size_t i = 0; i < ARRAY_SIZE(tally_specs); i++)
		check_tally(w, i);
	assert_world(w, w->unhealed || w->lags || !drift_of(w, drift));
	if (full) {
		w->known = true;
		w->unhealed = false;
	}
	if (w->known && !w->unhealed)
		exact |= FULL_STATES;
	if (w->silent)
		exact &= FULL_STATES;
	check_states(w, exact);
	if (exact & TW_STATE_BIT(TW_FIN_WAIT2))
		for (unsigned netns = 0; netns < NAMESPACES; netns++)
			check_counters(w, netns, full);
}

static void round_end(struct world *w)
{
	struct tw_round round = {.time_ns = w->now_ns, .states = w->states};
	struct model_drift drift;

	tell_waiting(w, w->event_count);
	model_round_end(w->m, &round, &drift);
	check_round(w, &drift);
	w->states = 0;
	w->silent = false;
}

static void dump_begin(struct world *w)
{
	w->dumping = true;
	w->dump_ns = w->now_ns;
	w->next = 0;
	model_dump_begin(w->m,
			 &(struct tw_dump){.time_ns = w->now_ns, .netns = FIRST_INUM + w->netns});
}

static void dump_end(struct world *w, bool complete)
{
	model_dump_end(w->m, &(struct tw_dump){.time_ns = w->now_ns,
					       .netns = FIRST_INUM + w->netns,
					       .complete = complete});
	w->broken |= !complete;
	w->dumping = false;
	w->netns++;
	w->next = 0;
}

static void make_rows(struct world *w, unsigned count)
{
	for (; count && w->next < LISTENERS + PLACES && w->row_count < QUEUE; count--) {
		const struct place *p = &w->places[w->netns][w->next++];
		struct tw_socket *row = &w->rows[w->row_count];

		if (!p->state || !(w->states & TW_STATE_BIT(p->state)))
			continue;
		*row = row_of(&p->s, p->state, p->kind);
		if (p->kind == TW_SOCKET_MINI)
			row->expires_ms = 60000 -
					  (uint32_t)((w->now_ns - p->entered_ns) / NSEC_PER_MSEC);
		w->row_count++;
	}
}

static void read_rows(struct world *w)
{
	for (unsigned i = 0; i < w->row_count; i++)
		model_socket(w->m, &w->rows[i]);
	w->row_count = 0;
}

static void dump_step(struct world *w)
{
	if (chance(w, 60)) {
		make_rows(w, 1 + below(w, 8));
	} else {
		read_rows(w);
		if (w->next == LISTENERS + PLACES)
			dump_end(w, true);
		else if (chance(w, 1))
			dump_end(w, false);
		else if (!w->bounded && chance(w, 1)) {
			/* again from the start: what was seen the first time may have gone since */
			w->silent = true;
			dump_begin(w);
		}
	}
}

static void round_step(struct world *w)
{
	if (w->netns == NAMESPACES) {
		if (chance(w, 30))
			round_end(w);
	} else if (!w->dumping) {
		dump_begin(w);
	} else {
		dump_step(w);
	}
}

/* All together. */

static void make_world(struct world *w, uint64_t seed)
{
	*w = (struct world){.seed = seed, .random = seed, .now_ns = 1000 * NSEC_PER_SEC};
	w->loses = chance(w, 30);
	w->bounded = chance(w, 25);
	w->lags = !w->bounded && chance(w, 30);
	/* at the bound, an old kernel's child is taken for one of the untracked in SYN_RECV */
	w->old = !w->bounded && chance(w, 30);
	assert_int_equal(model_new(w->bounded ? 1 + below(w, 50) : 1000, &w->m), 0);
	for (size_t i = 0; i < ARRAY_SIZE(tally_specs); i++)
		assert_int_equal(tallies_add(model_tallies(w->m), &tally_specs[i], &w->tallies[i]),
				 0);
	for (unsigned netns = 0; netns < NAMESPACES; netns++)
		for (unsigned i = 0; i < LISTENERS + PLACES; i++)
			w->places[netns][i].s = (struct socket){
				.netns = FIRST_INUM + netns,
				.sport = (uint16_t)(i < LISTENERS ? 80 + i : 40000 + i),
				.dport = i < LISTENERS ? 0 : 80,
				.family = i % 2 ? AF_INET6 : AF_INET,
			};
}

static void step(struct world *w)
{
	if (!w->states || !w->bounded)
		live(w);
	if (w->lags)
		tell_waiting(w, below(w, w->event_count + 1));
	if (w->states)
		round_step(w);
	else if (chance(w, 5))
		round_begin(w);
	else if (chance(w, 1))
		time_passes(w);
	else if (below(w, 300) == 0)
		netns_ends(w);
	/* by events alone, dump or not */
	if (w->known && !w->unhealed && !w->event_count && !(w->states && w->bounded))
		check_states(w, FULL_STATES);
}

static void run(uint64_t seed)
{
	struct world w;

	make_world(&w, seed);
	w.deaf = true;
	for (unsigned i = 0; i < 200; i++)
		live(&w);
	w.deaf = false;
	for (unsigned i = 0; i < STEPS; i++)
		step(&w);
	model_free(w.m);
}

static void test_rounds_find_the_truth(void **state)
{
	(void)state;
	for (uint64_t seed = seed_first(), end = seed + SEEDS; seed < end; seed++)
		run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds_find_the_truth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
