/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "alert/rule.h"
#include "base/util.h"
#include "random.h"

#define S NSEC_PER_SEC
#define START (1000 * S)

/* One value at a time, and what becomes of the target. */
struct step {
	double seconds; /* since the start */
	double value, limit;
	enum rule_change change;
};

struct story {
	const char *name;
	struct rule rule;
	struct step steps[16]; /* up to one at 0 s, but for the first */
};

static const struct story stories[] = {
	{"at once",
	 {.above = 10},
	 {{0, 10, 0, RULE_NOTHING},
	  {1, 11, 0, RULE_FIRES},
	  {2, 12, 0, RULE_NOTHING},
	  {3, 10, 0, RULE_NOTHING},
	  {12, 10, 0, RULE_NOTHING},
	  {13, 10, 0, RULE_RESOLVES},
	  {14, 10, 0, RULE_NOTHING}}},
	{"for: it must hold",
	 {.above = 10, .hold_ns = 30 * S},
	 {{0, 11, 0, RULE_BEGINS},
	  {29, 11, 0, RULE_NOTHING},
	  {29.5, 10, 0, RULE_PASSES},
	  {30, 11, 0, RULE_BEGINS},
	  {59, 5000, 0, RULE_NOTHING},
	  {60, 11, 0, RULE_FIRES}}},
	{"hysteresis: low enough, and for long enough",
	 {.above = 100, .clear = 50},
	 {{0, 101, 0, RULE_FIRES},
	  {1, 99, 0, RULE_NOTHING},
	  {20, 50, 0, RULE_NOTHING},
	  {40, 50, 0, RULE_NOTHING},
	  {41, 49, 0, RULE_NOTHING},
	  {50, 49, 0, RULE_NOTHING},
	  {50.5, 50, 0, RULE_NOTHING}, /* and the calm begins anew */
	  {51, 49, 0, RULE_NOTHING},
	  {60, 0, 0, RULE_NOTHING},
	  {61, 0, 0, RULE_RESOLVES},
	  {62, 99, 0, RULE_NOTHING},
	  {63, 101, 0, RULE_FIRES}}},
	{"a share of a limit that may change",
	 {.above = 0.8, .clear = 0.5, .share = true},
	 {{0, 100, 0, RULE_NOTHING}, /* not known */
	  {1, 80, 100, RULE_NOTHING},
	  {2, 81, 100, RULE_FIRES},
	  {3, 81, 200, RULE_NOTHING},
	  {13, 81, 200, RULE_RESOLVES},
	  {14, 81, 100, RULE_FIRES},
	  {15, 0, 0, RULE_NOTHING}, /* the listener is gone */
	  {25, 0, 0, RULE_RESOLVES}}},
	{"growing: a fall begins it anew",
	 {.above = 10, .growing_ns = 60 * S},
	 {{0, 11, 0, RULE_BEGINS},
	  {30, 20, 0, RULE_NOTHING},
	  {59, 19, 0, RULE_NOTHING},
	  {61, 19, 0, RULE_NOTHING},
	  {118, 19, 0, RULE_NOTHING},
	  {119, 25, 0, RULE_FIRES},
	  {120, 24, 0, RULE_NOTHING},
	  {121, 10, 0, RULE_NOTHING},
	  {131, 10, 0, RULE_RESOLVES}}},
	{"a clock that stands still",
	 {.above = 10, .hold_ns = 1},
	 {{1, 11, 0, RULE_BEGINS},
	  {1, 12, 0, RULE_NOTHING},
	  {1, 13, 0, RULE_NOTHING},
	  {1, 9, 0, RULE_PASSES}}},
	{"a clock that goes back",
	 {.above = 10, .hold_ns = 10 * S},
	 {{100, 11, 0, RULE_BEGINS},
	  {50, 11, 0, RULE_NOTHING},
	  {109, 11, 0, RULE_NOTHING},
	  {110, 11, 0, RULE_FIRES}}},
	{"zero: any is too many",
	 {.above = 0},
	 {{0, 0, 0, RULE_NOTHING}, {1, 1, 0, RULE_FIRES}, {2, 0, 0, RULE_NOTHING}}},
};

static uint64_t time_of(double seconds)
{
	return START + (uint64_t)(seconds * (double)S);
}

static void test_stories(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
		const struct story *story = &stories[i];
		struct rule_state s = {0};

		for (size_t j = 0; j == 0 || (j < 16 && story->steps[j].seconds > 0); j++) {
			const struct step *step = &story->steps[j];
			enum rule_change change = rule_step(&story->rule, &s, step->value,
							    step->limit, time_of(step->seconds));

			if (change != step->change)
				print_error("%s: at %g s\n", story->name, step->seconds);
			assert_int_equal(change, step->change);
		}
	}
}

static void test_repeat(void **state)
{
	const struct rule rule = {.above = 10, .repeat_ns = 3600 * S};
	struct rule_state s = {0};
	unsigned repeats = 0;

	(void)state;
	assert_int_equal(rule_step(&rule, &s, 11, 0, START), RULE_FIRES);
	assert_int_equal(rule_step(&rule, &s, 11, 0, START + 4000 * S), RULE_NOTHING); /* untold */
	s.told_ns = START + 4000 * S;
	for (uint64_t i = 1; i <= 3 * 3600; i++) {
		uint64_t now_ns = START + (4000 + i) * S;

		if (rule_step(&rule, &s, 11, 0, now_ns) != RULE_REPEATS)
			continue;
		s.told_ns = now_ns;
		repeats++;
	}
	assert_int_equal(repeats, 3);
}

/*
 * Whatever the values do: it fires only when the value is above, resolves only when it has been low
 * for the whole calm time, and does neither twice in a row.
 */
static void check_random_story(uint64_t seed)
{
	const struct rule rule = {.above = 50, .clear = 30, .hold_ns = 3 * S};
	struct rule_state s = {0};
	uint64_t now_ns = START, last_over_ns = 0, last_not_calm_ns = START, over_since_ns = 0;
	bool firing = false;

	for (unsigned i = 0; i < 5000; i++) {
		double value = (double)(random_next(&seed) % 100);
		enum rule_change change;

		now_ns += random_next(&seed) % (4 * S);
		if (value >= 30)
			last_not_calm_ns = now_ns;
		if (value > 50 && !over_since_ns)
			over_since_ns = now_ns;
		if (value <= 50 && !firing)
			over_since_ns = 0;
		last_over_ns = value > 50 ? now_ns : last_over_ns;
		change = rule_step(&rule, &s, value, 0, now_ns);
		if (change == RULE_FIRES) {
			assert_false(firing);
			assert_true(value > 50);
			assert_true(now_ns - over_since_ns >= 3 * S);
			firing = true;
		} else if (change == RULE_RESOLVES) {
			assert_true(firing);
			assert_true(now_ns - last_not_calm_ns >= RULE_CALM_NS);
			firing = false;
			over_since_ns = 0;
		}
	}
	assert_true(last_over_ns > START);
}

static void test_random(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++)
		check_random_story(seed);
}

/* Up and down each second for an hour: one alert. */
static void test_flapping(void **state)
{
	const struct rule rule = {.above = 10};
	struct rule_state s = {0};
	unsigned changes = 0;

	(void)state;
	for (uint64_t i = 0; i < 3600; i++) {
		enum rule_change change = rule_step(&rule, &s, i % 2 ? 5 : 20, 0, START + i * S);

		changes += change != RULE_NOTHING;
	}
	assert_int_equal(changes, 1);
}

static void test_rate(void **state)
{
	struct rule_rate rate = {0};
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		taken += rule_rate_take(&rate, 10, 30 * S, START);
	assert_int_equal(taken, 10);
	assert_false(rule_rate_take(&rate, 10, 30 * S, START + 29 * S));
	assert_true(rule_rate_take(&rate, 10, 30 * S, START + 30 * S));
	assert_false(rule_rate_take(&rate, 10, 30 * S, START + 20 * S)); /* the clock went back */
	taken = 0;
	for (unsigned i = 0; i < 100; i++)
		taken += rule_rate_take(&rate, 10, 30 * S, START + 86400 * S);
	assert_int_equal(taken, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories), cmocka_unit_test(test_repeat),
		cmocka_unit_test(test_random),  cmocka_unit_test(test_flapping),
		cmocka_unit_test(test_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
