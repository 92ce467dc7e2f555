/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "schedule.h"

#include "base/util.h"
#include "model/model.h"

#define SAVED_SEC 60 /* of share that an idle host may save up for one dear dump */
#define START_SEC 1  /* of it to begin with */
#define INTERVAL_MIN_NS (60 * NSEC_PER_SEC)
#define INTERVAL_MAX_NS (3600 * NSEC_PER_SEC)
#define INTERVAL_POLLING_NS NSEC_PER_SEC
#define LISTENERS_REST 4 /* times as long as it takes to save the cost of a round of listeners */
#define LOSS_CALM_NS (100 * NSEC_PER_MSEC)
#define LOSS_LONGEST_NS (500 * NSEC_PER_MSEC)
#define HEAL_REST 3 /* times the cost of a healing round, for which the next one waits */

/* Expired TIME_WAITs leave the kernel up to half a second late; what differs for longer was ended
 * early. */
#define TIME_WAIT_TICKS 6

static double balance_max(const struct schedule *s)
{
	return s->share * SAVED_SEC * (double)NSEC_PER_SEC;
}

void schedule_init(struct schedule *s, double share, bool polling, uint64_t now_ns)
{
	*s = (struct schedule){
		.share = share,
		.updated_ns = now_ns,
		.full_ns = now_ns,
		.interval_min_ns = polling ? INTERVAL_POLLING_NS : INTERVAL_MIN_NS,
	};
	s->interval_ns = s->interval_min_ns;
	s->balance_ns = s->share * START_SEC * (double)NSEC_PER_SEC;
}

void schedule_set_share(struct schedule *s, double share)
{
	s->share = share;
}

bool schedule_affordable(struct schedule *s, uint64_t now_ns)
{
	if (now_ns > s->updated_ns) {
		s->balance_ns += s->share * (double)(now_ns - s->updated_ns);
		s->updated_ns = now_ns;
	}
	if (s->balance_ns > balance_max(s))
		s->balance_ns = balance_max(s);
	return s->balance_ns > 0;
}

void schedule_spent(struct schedule *s, uint64_t cost_ns)
{
	s->balance_ns -= (double)cost_ns;
}

uint64_t schedule_saves_in(const struct schedule *s, uint64_t cost_ns)
{
	double time_ns = (double)cost_ns / s->share;

	return time_ns < (double)INTERVAL_MAX_NS ? (uint64_t)time_ns : INTERVAL_MAX_NS;
}

bool schedule_full_due(struct schedule *s, uint64_t now_ns)
{
	return now_ns >= s->full_ns + s->interval_ns && schedule_affordable(s, now_ns);
}

void schedule_full_done(struct schedule *s, uint64_t now_ns, uint32_t drift)
{
	s->full_ns = now_ns;
	if (s->interval_min_ns == INTERVAL_POLLING_NS)
		return;
	/* the better events alone have told the truth, the more they are trusted */
	s->interval_ns = drift ? s->interval_min_ns : s->interval_ns * 2;
	if (s->interval_ns > INTERVAL_MAX_NS)
		s->interval_ns = INTERVAL_MAX_NS;
}

bool schedule_listeners_due(struct schedule *s, uint64_t now_ns)
{
	if (now_ns < s->listeners_pause_ns || now_ns < s->full_ns + INTERVAL_POLLING_NS)
		return false;
	schedule_affordable(s, now_ns); /* as of now */
	return s->balance_ns + s->share * (double)INTERVAL_POLLING_NS <= 0;
}

void schedule_listeners_done(struct schedule *s, uint64_t now_ns, uint64_t cost_ns)
{
	uint64_t rest_ns = LISTENERS_REST * schedule_saves_in(s, cost_ns);

	s->listeners_pause_ns = now_ns +
				(rest_ns > INTERVAL_POLLING_NS ? rest_ns : INTERVAL_POLLING_NS);
}

uint32_t schedule_states(const struct schedule_untold *u)
{
	uint32_t states = 0;

	if (u->minisockets && (u->segments || u->time_wait_ticks))
		states |= TW_STATE_BIT(TW_FIN_WAIT2);
	if (u->time_wait_ticks >= TIME_WAIT_TICKS)
		states |= TW_STATE_BIT(TW_FIN_WAIT2) | TW_STATE_BIT(TW_TIME_WAIT);
	if (u->listeners)
		states |= MODEL_LISTENER_STATES;
	if (u->listeners && u->accept_queues)
		states |= MODEL_QUEUED_STATES;
	return states;
}

void schedule_lost(struct schedule *s, uint64_t now_ns)
{
	if (!s->loss_first_ns)
		s->loss_first_ns = now_ns;
	s->loss_newest_ns = now_ns;
}

bool schedule_heal_due(const struct schedule *s, uint64_t now_ns)
{
	if (!s->loss_first_ns || now_ns < s->loss_pause_ns)
		return false;
	return now_ns >= s->loss_newest_ns + LOSS_CALM_NS ||
	       now_ns >= s->loss_first_ns + LOSS_LONGEST_NS;
}

void schedule_heal_started(struct schedule *s)
{
	s->loss_first_ns = 0;
}

void schedule_healed(struct schedule *s, uint64_t now_ns, uint64_t cost_ns)
{
	s->loss_pause_ns = now_ns + HEAL_REST * cost_ns;
}
