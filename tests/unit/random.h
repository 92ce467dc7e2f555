/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random numbers for the tests that try many cases: a test names the seed with what fails, and the
 * seed gives the same case again. TEST_SEED=N in the environment starts at another seed.
 */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define SEED_FORMAT "TEST_SEED=%" PRIu64 ": "

/* Like assert_true(), with the seed. */
#define assert_seeded(seed, condition)                                            \
	do {                                                                      \
		if (!(condition))                                                 \
			fail_msg(SEED_FORMAT "%s", (uint64_t)(seed), #condition); \
	} while (0)

static inline uint64_t seed_first(void)
{
	const char *text = getenv("TEST_SEED");

	return text ? strtoull(text, NULL, 10) : 1;
}

/* splitmix64 */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* 0 to limit - 1 */
static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
	return (uint32_t)((random_next(state) >> 32) * limit >> 32);
}

static inline bool random_percent(uint64_t *state, uint32_t percent)
{
	return random_below(state, 100) < percent;
}

#endif
