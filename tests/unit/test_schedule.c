/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "model/model.h"
#include "schedule.h"

#include <tcpwatch/tcp_state.h>

#define SHARE 0.005 /* the default: 0.5 % of a core */
#define START (1000 * NSEC_PER_SEC)
#define MINUTE (60 * NSEC_PER_SEC)

static struct schedule schedule(bool polling)
{
	struct schedule s;

	schedule_init(&s, SHARE, polling, START - MINUTE);
	/* an idle minute has saved its share */
	schedule_affordable(&s, START);
	s.full_ns = START;
	return s;
}

/* There is a little to begin with, as a daemon that has just started is asked for right counts too.
 */
static void test_starts_with_little(void **state)
{
	struct schedule s;

	(void)state;
	schedule_init(&s, SHARE, false, START);
	assert_true(schedule_affordable(&s, START));
	schedule_spent(&s, 6 * NSEC_PER_MSEC);
	assert_false(schedule_affordable(&s, START));
}

static void test_saves(void **state)
{
	struct schedule s = schedule(false);

	(void)state;
	assert_true(schedule_affordable(&s, START));
	schedule_spent(&s, 299 * NSEC_PER_MSEC);
	assert_true(schedule_affordable(&s, START));
	schedule_spent(&s, 2 * NSEC_PER_MSEC);
	assert_false(schedule_affordable(&s, START));
	/* 1 ms in the red, and 5 ms come in a second */
	assert_false(schedule_affordable(&s, START + 199 * NSEC_PER_MSEC));
	assert_true(schedule_affordable(&s, START + 201 * NSEC_PER_MSEC));
}

static void test_time_to_save(void **state)
{
	struct schedule s = schedule(false);

	(void)state;
	assert_int_equal(schedule_saves_in(&s, 0), 0);
	assert_int_equal(schedule_saves_in(&s, 300 * NSEC_PER_MSEC), MINUTE);
	schedule_set_share(&s, 2 * SHARE);
	assert_int_equal(schedule_saves_in(&s, 300 * NSEC_PER_MSEC), MINUTE / 2);
	/* an hour at the most, whatever it costs, and though nothing is ever saved */
	assert_int_equal(schedule_saves_in(&s, 3600 * NSEC_PER_SEC), 60 * MINUTE);
	schedule_set_share(&s, 0);
	assert_int_equal(schedule_saves_in(&s, 1), 60 * MINUTE);
}

static void test_savings_are_bounded(void **state)
{
	struct schedule s = schedule(false);

	(void)state;
	assert_true(schedule_affordable(&s, START + 100000 * NSEC_PER_SEC));
	schedule_spent(&s, 301 * NSEC_PER_MSEC);
	assert_false(schedule_affordable(&s, START + 100000 * NSEC_PER_SEC));
}

static void test_share_may_change(void **state)
{
	struct schedule s = schedule(false);

	(void)state;
	schedule_set_share(&s, SHARE / 5);
	assert_true(schedule_affordable(&s, START));
	schedule_spent(&s, 61 * NSEC_PER_MSEC);
	assert_false(schedule_affordable(&s, START));
	assert_false(schedule_affordable(&s, START + 900 * NSEC_PER_MSEC));
	assert_true(schedule_affordable(&s, START + 1100 * NSEC_PER_MSEC));
}

/* Time that stands still or goes back changes nothing. */
static void test_time_goes_back(void **state)
{
	struct schedule s = schedule(false);

	(void)state;
	schedule_spent(&s, 301 * NSEC_PER_MSEC);
	assert_false(schedule_affordable(&s, START - 500 * NSEC_PER_SEC));
	assert_false(schedule_affordable(&s, START));
}

/* In the long run no dump, dear or cheap, takes more than the share. */
static void test_share_in_the_long_run(void **state)
{
	static const uint64_t costs_ns[] = {NSEC_PER_MSEC / 10, 5 * NSEC_PER_MSEC,
					    400 * NSEC_PER_MSEC};
	const uint64_t hour = 3600 * NSEC_PER_SEC;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(costs_ns); i++) {
		struct schedule s = schedule(true);
		uint64_t spent_ns = 0;

		for (uint64_t t = START; t < START + hour; t += NSEC_PER_SEC / 2)
			if (schedule_full_due(&s, t)) {
				schedule_spent(&s, costs_ns[i]);
				schedule_full_done(&s, t, 0);
				spent_ns += costs_ns[i];
			}
		assert_true((double)spent_ns <=
			    SHARE * (double)(hour + 60 * NSEC_PER_SEC) + (double)costs_ns[i]);
		/* and what is affordable is used: up to one each second */
		assert_true(spent_ns == 3599 * costs_ns[i] || spent_ns == 3600 * costs_ns[i] ||
			    (double)spent_ns >= 0.95 * SHARE * (double)hour);
	}
}

/* 1 minute, doubled while events alone tell the truth, up to an hour. */
static void test_interval(void **state)
{
	static const unsigned minutes[] = {1, 2, 4, 8, 16, 32, 60, 60};
	struct schedule s = schedule(false);
	uint64_t now_ns = START;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(minutes); i++) {
		assert_false(schedule_full_due(&s, now_ns + minutes[i] * 60 * NSEC_PER_SEC - 1));
		now_ns += minutes[i] * 60 * NSEC_PER_SEC;
		assert_true(schedule_full_due(&s, now_ns));
		schedule_full_done(&s, now_ns, 0);
		assert_false(schedule_full_due(&s, now_ns));
	}
	schedule_full_done(&s, now_ns, 1);
	assert_false(schedule_full_due(&s, now_ns + 60 * NSEC_PER_SEC - 1));
	assert_true(schedule_full_due(&s, now_ns + 60 * NSEC_PER_SEC));
}

static void test_interval_waits_for_the_budget(void **state)
{
	struct schedule s = schedule(false);

	(void)state;
	schedule_spent(&s, 900 * NSEC_PER_MSEC);
	assert_false(schedule_full_due(&s, START + 61 * NSEC_PER_SEC));
	assert_true(schedule_full_due(&s, START + 121 * NSEC_PER_SEC));
}

/* Drift says nothing where no events are heard. */
static void test_interval_of_polling(void **state)
{
	struct schedule s = schedule(true);

	(void)state;
	for (uint64_t t = START + NSEC_PER_SEC; t < START + 60 * NSEC_PER_SEC; t += NSEC_PER_SEC) {
		assert_false(schedule_full_due(&s, t - 1));
		assert_true(schedule_full_due(&s, t));
		schedule_full_done(&s, t, t % 2 ? 0 : 5);
	}
}

/* A second after the full round, and while the next one is another second away. */
static void test_listeners_between_full_rounds(void **state)
{
	struct schedule s = schedule(true), saved = schedule(true);

	(void)state;
	assert_false(schedule_listeners_due(&saved, START + NSEC_PER_SEC));
	/* 40 ms in the red: 8 s, and in the last one the full round is what is waited for */
	schedule_spent(&s, 340 * NSEC_PER_MSEC);
	assert_false(schedule_listeners_due(&s, START + NSEC_PER_SEC - 1));
	assert_true(schedule_listeners_due(&s, START + NSEC_PER_SEC));
	assert_true(schedule_listeners_due(&s, START + 6900 * NSEC_PER_MSEC));
	assert_false(schedule_listeners_due(&s, START + 7100 * NSEC_PER_MSEC));
}

/* Each waits until a quarter of the share has saved what the last one cost, a second at least. */
static void test_rest_of_listeners(void **state)
{
	struct schedule s = schedule(true);
	const uint64_t now_ns = START + NSEC_PER_SEC;

	(void)state;
	schedule_spent(&s, 900 * NSEC_PER_MSEC);
	schedule_listeners_done(&s, now_ns, 5 * NSEC_PER_MSEC);
	assert_false(schedule_listeners_due(&s, now_ns + 4 * NSEC_PER_SEC - 1));
	assert_true(schedule_listeners_due(&s, now_ns + 4 * NSEC_PER_SEC));
	schedule_listeners_done(&s, now_ns, NSEC_PER_MSEC / 10);
	assert_false(schedule_listeners_due(&s, now_ns + NSEC_PER_SEC - 1));
	assert_true(schedule_listeners_due(&s, now_ns + NSEC_PER_SEC));
}

/* Both kinds together keep to the share, and full rounds to three quarters of it at least. */
static void test_listeners_in_the_long_run(void **state)
{
	const uint64_t hour = 3600 * NSEC_PER_SEC, full_ns = 25 * NSEC_PER_MSEC;
	struct schedule s = schedule(true);
	uint64_t spent_full_ns = 0, spent_ns = 0;

	(void)state;
	for (uint64_t t = START; t < START + hour; t += NSEC_PER_SEC / 2) {
		uint64_t cost_ns = 0;

		if (schedule_full_due(&s, t)) {
			cost_ns = full_ns;
			schedule_full_done(&s, t, 0);
			spent_full_ns += cost_ns;
		} else if (schedule_listeners_due(&s, t)) {
			cost_ns = full_ns / 10;
			schedule_listeners_done(&s, t, cost_ns);
		}
		schedule_spent(&s, cost_ns);
		spent_ns += cost_ns;
	}
	assert_true((double)spent_ns <=
		    SHARE * (double)(hour + 60 * NSEC_PER_SEC) + (double)full_ns);
	assert_true((double)spent_full_ns >= 0.74 * SHARE * (double)hour);
	/* in most of the time between two full ones, each two seconds */
	assert_true(spent_ns - spent_full_ns >= 1000 * full_ns / 10);
}

static uint32_t states_of(struct schedule_untold untold)
{
	return schedule_states(&untold);
}

static void test_states_untold(void **state)
{
	const uint32_t fin_wait2 = TW_STATE_BIT(TW_FIN_WAIT2);

	(void)state;
	assert_int_equal(states_of((struct schedule_untold){.segments = true}), 0);
	assert_int_equal(states_of((struct schedule_untold){.minisockets = true}), 0);
	assert_int_equal(states_of((struct schedule_untold){.minisockets = true, .segments = true}),
			 fin_wait2);
	assert_int_equal(
		states_of((struct schedule_untold){.minisockets = true, .time_wait_ticks = 1}),
		fin_wait2);
	assert_int_equal(states_of((struct schedule_untold){.time_wait_ticks = 5}), 0);
	assert_int_equal(states_of((struct schedule_untold){.time_wait_ticks = 6}),
			 fin_wait2 | TW_STATE_BIT(TW_TIME_WAIT));
	assert_int_equal(states_of((struct schedule_untold){.listeners = true}),
			 MODEL_LISTENER_STATES);
	assert_int_equal(
		states_of((struct schedule_untold){.listeners = true, .accept_queues = true}),
		MODEL_LISTENER_STATES | MODEL_QUEUED_STATES);
	assert_int_equal(states_of((struct schedule_untold){.accept_queues = true}), 0);
}

/* Once losses have stopped for a moment. */
static void test_healing(void **state)
{
	struct schedule s = schedule(false);

	(void)state;
	assert_false(schedule_heal_due(&s, START));
	schedule_lost(&s, START);
	assert_false(schedule_heal_due(&s, START + 99 * NSEC_PER_MSEC));
	assert_true(schedule_heal_due(&s, START + 100 * NSEC_PER_MSEC));
	schedule_heal_started(&s);
	assert_false(schedule_heal_due(&s, START + NSEC_PER_SEC));
}

/* Or half a second after the first, if they go on. */
static void test_healing_of_lasting_losses(void **state)
{
	struct schedule s = schedule(false);

	(void)state;
	for (uint64_t t = START; t < START + 500 * NSEC_PER_MSEC; t += 20 * NSEC_PER_MSEC) {
		schedule_lost(&s, t);
		assert_false(schedule_heal_due(&s, t + NSEC_PER_MSEC));
	}
	assert_true(schedule_heal_due(&s, START + 500 * NSEC_PER_MSEC));
}

/* What is lost while a round heals is for the next one, which waits three times what this one cost.
 */
static void test_rest_after_healing(void **state)
{
	struct schedule s = schedule(false);
	const uint64_t done = START + 300 * NSEC_PER_MSEC;

	(void)state;
	schedule_lost(&s, START);
	schedule_heal_started(&s);
	schedule_lost(&s, START + 200 * NSEC_PER_MSEC);
	schedule_healed(&s, done, 100 * NSEC_PER_MSEC);
	assert_false(schedule_heal_due(&s, done + 299 * NSEC_PER_MSEC));
	assert_true(schedule_heal_due(&s, done + 300 * NSEC_PER_MSEC));
	schedule_heal_started(&s);
	assert_false(schedule_heal_due(&s, done + NSEC_PER_SEC));
	schedule_lost(&s, done + NSEC_PER_SEC);
	assert_true(schedule_heal_due(&s, done + 1100 * NSEC_PER_MSEC));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_with_little),
		cmocka_unit_test(test_saves),
		cmocka_unit_test(test_time_to_save),
		cmocka_unit_test(test_savings_are_bounded),
		cmocka_unit_test(test_share_may_change),
		cmocka_unit_test(test_time_goes_back),
		cmocka_unit_test(test_share_in_the_long_run),
		cmocka_unit_test(test_interval),
		cmocka_unit_test(test_interval_waits_for_the_budget),
		cmocka_unit_test(test_interval_of_polling),
		cmocka_unit_test(test_listeners_between_full_rounds),
		cmocka_unit_test(test_rest_of_listeners),
		cmocka_unit_test(test_listeners_in_the_long_run),
		cmocka_unit_test(test_states_untold),
		cmocka_unit_test(test_healing),
		cmocka_unit_test(test_healing_of_lasting_losses),
		cmocka_unit_test(test_rest_after_healing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
