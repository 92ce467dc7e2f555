/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When to dump, within a budget of processor time. Pure: takes the time, keeps the account.
 *
 * The account gains share * time and loses what each dump costs; a dump may start while it is above
 * zero, one of polling's listeners also below, see schedule_listeners_due(). So cheap dumps follow
 * each other quickly, dear ones seldom, and in the long run neither takes more than the share.
 */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
	double share;         /* of one core */
	double balance_ns;    /* processor time to spend */
	uint64_t updated_ns;  /* when the balance was */
	uint64_t full_ns;     /* when the last full round ended */
	uint64_t interval_ns; /* between full rounds that nothing but time asks for */
	uint64_t interval_min_ns;
	uint64_t listeners_pause_ns; /* no round of listeners before this, when polling */

	uint64_t loss_first_ns; /* of losses not yet healed; 0: none */
	uint64_t loss_newest_ns;
	uint64_t loss_pause_ns; /* not before this: the last healing round and a rest after it */
};

/* polling: no transition tells of anything. Full rounds come as often as the share allows, at most
 * once a second. */
void schedule_init(struct schedule *s, double share, bool polling, uint64_t now_ns);
void schedule_set_share(struct schedule *s, double share);

/* Whether a dump that only the budget forbids may start now. */
bool schedule_affordable(struct schedule *s, uint64_t now_ns);
void schedule_spent(struct schedule *s, uint64_t cost_ns);
/* How long it takes to save so much, in nanoseconds. */
uint64_t schedule_saves_in(const struct schedule *s, uint64_t cost_ns);

/* Whether it is time for a full round. */
bool schedule_full_due(struct schedule *s, uint64_t now_ns);
/* A full round has ended; drift: connections it had to correct. */
void schedule_full_done(struct schedule *s, uint64_t now_ns, uint32_t drift);

/*
 * When polling: whether to dump the listeners and what is half open between two full rounds,
 * because these are so dear that the next one is more than a second away. Such rounds take a
 * quarter of the share at most; they are spent, too, so that full ones come up to a third later.
 */
bool schedule_listeners_due(struct schedule *s, uint64_t now_ns);
/* cost_ns: of the round that has ended. */
void schedule_listeners_done(struct schedule *s, uint64_t now_ns, uint64_t cost_ns);

/* What no transition tells of a namespace whose transitions are followed. */
struct schedule_untold {
	bool minisockets;         /* there are some in FIN_WAIT2 */
	bool segments;            /* some have come since it was last dumped */
	unsigned time_wait_ticks; /* for which the TIME_WAITs have not been what the kernel says */
	bool listeners;           /* looks do not tell of all of them and their queues */
	bool accept_queues;       /* then: some have connections in them, or had some */
};

/* The states that are to be dumped for that, of enum tw_tcp_state; 0: none. */
uint32_t schedule_states(const struct schedule_untold *u);

/* Transitions were lost. */
void schedule_lost(struct schedule *s, uint64_t now_ns);
/* Whether to heal now: losses have stopped for a moment, or went on for long enough. */
bool schedule_heal_due(const struct schedule *s, uint64_t now_ns);
void schedule_heal_started(struct schedule *s);
/* cost_ns: of the round that healed. */
void schedule_healed(struct schedule *s, uint64_t now_ns, uint64_t cost_ns);

#endif
