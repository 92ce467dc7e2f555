/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/util.h"
#include "model/segments.h"
#include "random.h"

#define HOST 4026531833U
#define OTHER 4026532200U
#define TICK_NS (500 * NSEC_PER_MSEC)

struct fixture {
	struct segments *s;
	uint64_t now_ns;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || segments_new(&f->s) < 0)
		return -1;
	f->now_ns = 1000 * NSEC_PER_SEC;
	segments_set_slots(f->s, 2);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	segments_free(f->s);
	free(f);
	return 0;
}

static void look(struct fixture *f)
{
	f->now_ns += TICK_NS;
	segments_look(f->s, f->now_ns);
}

static void tell_all(struct fixture *f, uint32_t netns, uint16_t port, uint64_t syns,
		     uint64_t resets, bool wanted)
{
	const struct tw_port_record record = {
		.port = {.netns = netns, .port = port},
		.count = {.syns = syns, .resets = resets},
	};

	segments_count(f->s, &record, wanted);
}

static void tell(struct fixture *f, uint32_t netns, uint16_t port, uint64_t syns)
{
	tell_all(f, netns, port, syns, 0, true);
}

static void gone(struct fixture *f, uint32_t netns, uint16_t port)
{
	segments_gone(f->s, &(struct tw_port){.netns = netns, .port = port});
}

#define NO_SLOT UINT64_MAX

static uint64_t syns(const struct fixture *f, uint16_t port)
{
	size_t count;
	const struct segments_slot *slots = segments_slots(f->s, &count);

	for (size_t i = 0; i < count; i++)
		if (slots[i].port == port)
			return slots[i].count.syns;
	return NO_SLOT;
}

static uint64_t rest(const struct fixture *f)
{
	return segments_rest(f->s).syns;
}

static uint64_t total(const struct fixture *f)
{
	uint64_t sum = rest(f);
	size_t count;
	const struct segments_slot *slots = segments_slots(f->s, &count);

	for (size_t i = 0; i < count; i++)
		sum += slots[i].count.syns;
	return sum;
}

static void test_sums_over_namespaces(void **state)
{
	struct fixture *f = *state;

	tell_all(f, HOST, 80, 5, 1, true);
	tell_all(f, OTHER, 80, 7, 2, true);
	tell(f, HOST, 443, 0);
	assert_int_equal(syns(f, 80), 12);
	assert_int_equal(syns(f, 443), 0); /* has a series from the first look on */
	assert_int_equal(segments_slots(f->s, &(size_t){0})->count.resets, 3);
	look(f);
	tell_all(f, HOST, 80, 6, 1, true);
	tell_all(f, OTHER, 80, 7, 2, true);
	assert_int_equal(syns(f, 80), 13);
	assert_int_equal(rest(f), 0);
}

static void test_port_0_is_the_rest(void **state)
{
	struct fixture *f = *state;

	tell_all(f, HOST, 0, 9, 4, true);
	assert_int_equal(syns(f, 0), NO_SLOT);
	assert_int_equal(rest(f), 9);
	assert_int_equal(segments_rest(f->s).resets, 4);
}

static void test_no_slot_left(void **state)
{
	struct fixture *f = *state;

	tell(f, HOST, 1, 1);
	tell(f, HOST, 2, 1);
	tell(f, HOST, 3, 50);
	assert_int_equal(syns(f, 3), NO_SLOT);
	assert_int_equal(rest(f), 50);
	look(f);
	assert_int_equal(syns(f, 1), 1); /* 50 is not clearly more */
}

static void test_a_slot_never_used_is_no_loss(void **state)
{
	struct fixture *f = *state;

	tell(f, HOST, 1, 0);
	tell(f, HOST, 2, 1);
	tell(f, HOST, 3, 0);
	assert_int_equal(syns(f, 3), NO_SLOT);
	tell(f, HOST, 3, 4);
	assert_int_equal(syns(f, 3), 4);
	assert_int_equal(syns(f, 1), NO_SLOT);
	assert_int_equal(rest(f), 0);
}

static void test_a_flood_gets_a_slot(void **state)
{
	struct fixture *f = *state;

	tell(f, HOST, 1, 500);
	tell(f, HOST, 2, 30);
	tell(f, HOST, 3, 1000);
	look(f);
	assert_int_equal(syns(f, 1), 500);
	assert_int_equal(syns(f, 2), NO_SLOT);
	assert_int_equal(syns(f, 3), 0); /* what it had stays with the rest */
	assert_int_equal(rest(f), 1030);
	tell(f, HOST, 3, 1200);
	assert_int_equal(syns(f, 3), 200);
	assert_int_equal(rest(f), 1030);
}

/* Twice as busy is no reason, and last minute's traffic is none. */
static void test_slots_are_sticky(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 1; i <= 1000; i++) {
		tell(f, HOST, 1, 10 * i);
		tell(f, HOST, 2, 10 * i);
		tell(f, HOST, 3, 20 * i);
		look(f);
	}
	assert_int_equal(syns(f, 1), 10000);
	assert_int_equal(syns(f, 2), 10000);
	assert_int_equal(rest(f), 20000);
}

static void test_port_goes(void **state)
{
	struct fixture *f = *state;

	tell(f, HOST, 1, 5);
	tell(f, OTHER, 1, 6);
	tell_all(f, HOST, 1, 7, 0, false); /* nobody listens there any more */
	gone(f, HOST, 1);
	assert_int_equal(syns(f, 1), 13);
	tell_all(f, OTHER, 1, 6, 0, false);
	assert_int_equal(syns(f, 1), 13);
	gone(f, OTHER, 1);
	gone(f, OTHER, 1);
	assert_int_equal(syns(f, 1), NO_SLOT);
	assert_int_equal(rest(f), 13);
	tell(f, HOST, 1, 9); /* anew, from 0 */
	assert_int_equal(syns(f, 1), 9);
	assert_int_equal(rest(f), 13);
}

/* Not to the first that is told: its series would begin anew although nothing wants it. */
static void test_a_free_slot_goes_to_the_busiest(void **state)
{
	struct fixture *f = *state;

	look(f); /* the window begins */
	tell(f, HOST, 1, 3);
	tell(f, HOST, 2, 500);
	tell(f, HOST, 3, 400);
	tell(f, HOST, 4, 300);
	look(f); /* 3 takes the slot of 1 */
	assert_int_equal(syns(f, 1), NO_SLOT);
	tell(f, HOST, 1, 4);
	tell(f, HOST, 4, 301);
	tell_all(f, HOST, 3, 400, 0, false);
	tell(f, HOST, 2, 501);
	gone(f, HOST, 3);
	look(f);
	tell(f, HOST, 1, 5);
	tell(f, HOST, 4, 302);
	assert_int_equal(syns(f, 1), NO_SLOT);
	assert_int_equal(syns(f, 4), 1);
}

/* Those that nobody wants any more are still in the kernel until it is asked to remove them,
 * however many looks go by, and are told again if that was not done or if they are wanted again. */
static void test_told_more_seldom_than_looked_at(void **state)
{
	struct fixture *f = *state;

	tell(f, HOST, 1, 5);
	tell(f, HOST, 2, 10);
	tell(f, HOST, 3, 70);
	for (unsigned read = 0; read < 5; read++) {
		for (unsigned i = 0; i < 2 + read; i++)
			look(f);
		tell_all(f, HOST, 1, 5, 0, false);
		tell_all(f, HOST, 2, 10, 0, read % 2);
		tell_all(f, HOST, 3, 70, 0, false);
		assert_int_equal(total(f), 85);
	}
}

/* A read that failed is no sign that a counter is gone. */
static void test_not_told_once(void **state)
{
	struct fixture *f = *state;

	tell(f, HOST, 1, 5);
	for (unsigned i = 0; i < 10; i++)
		look(f);
	tell(f, HOST, 1, 6);
	assert_int_equal(syns(f, 1), 6);
}

static void test_removed_and_added_between_two_looks(void **state)
{
	struct fixture *f = *state;

	tell_all(f, HOST, 1, 5, 5, true);
	look(f);
	tell_all(f, HOST, 1, 6, 1, true);
	assert_int_equal(syns(f, 1), 11);
}

static void test_fewer_and_more_slots(void **state)
{
	struct fixture *f = *state;
	size_t count;

	tell(f, HOST, 1, 5);
	tell(f, HOST, 2, 6);
	segments_set_slots(f->s, 1);
	assert_int_equal(syns(f, 1), 5);
	assert_int_equal(syns(f, 2), NO_SLOT);
	assert_int_equal(rest(f), 6);
	segments_set_slots(f->s, 2);
	tell(f, HOST, 2, 7);
	assert_int_equal(syns(f, 2), 1);
	assert_int_equal(rest(f), 6);
	segments_set_slots(f->s, SIZE_MAX);
	for (uint16_t port = 1; port <= 2 * SEGMENTS_SLOTS_MAX; port++)
		tell(f, HOST, port, 100);
	segments_slots(f->s, &count);
	assert_int_equal(count, SEGMENTS_SLOTS_MAX);
	segments_set_slots(f->s, 0);
	segments_slots(f->s, &count);
	assert_int_equal(count, 0);
	assert_int_equal(rest(f), 2 * SEGMENTS_SLOTS_MAX * 100);
	look(f);
}

#define PORTS 40U
#define NAMESPACES 3U
#define LOOKS 2000U

struct kernel_port {
	bool listened, counted;
	uint64_t syns; /* since it was counted */
};

/* Listeners come and go, slots become more and fewer: every SYN is in the sum, once. */
static void test_random(void **state)
{
	struct kernel_port ports[NAMESPACES * PORTS] = {0};
	uint64_t seed = seed_first(), random = seed, expected = 0, rest_before = 0;
	struct fixture *f = *state;

	for (unsigned i = 0; i < LOOKS; i++) {
		if (random_percent(&random, 2))
			segments_set_slots(f->s, random_below(&random, 20));
		for (unsigned j = 0; j < ARRAY_SIZE(ports); j++) {
			struct kernel_port *p = &ports[j];

			if (random_percent(&random, 3))
				p->listened = !p->listened;
			if (!p->counted)
				continue;
			p->syns += random_percent(&random, 20) ? random_below(&random, 300) : 0;
		}
		look(f);
		for (unsigned j = 0; j < ARRAY_SIZE(ports); j++) {
			struct kernel_port *p = &ports[j];
			bool wanted = p->listened || j % PORTS == 0;

			if (p->counted)
				tell_all(f, HOST + j / PORTS, (uint16_t)(j % PORTS), p->syns, 0,
					 wanted);
			if (p->counted && !wanted && random_percent(&random, 50)) {
				gone(f, HOST + j / PORTS, (uint16_t)(j % PORTS));
				expected += p->syns;
				p->syns = 0;
				p->counted = false;
			}
			p->counted |= wanted;
		}
		assert_seeded(seed, rest(f) >= rest_before);
		rest_before = rest(f);
	}
	for (unsigned j = 0; j < ARRAY_SIZE(ports); j++)
		expected += ports[j].syns;
	assert_seeded(seed, total(f) == expected);
}

#define test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_sums_over_namespaces),
		test(test_port_0_is_the_rest),
		test(test_no_slot_left),
		test(test_a_slot_never_used_is_no_loss),
		test(test_a_flood_gets_a_slot),
		test(test_slots_are_sticky),
		test(test_port_goes),
		test(test_a_free_slot_goes_to_the_busiest),
		test(test_told_more_seldom_than_looked_at),
		test(test_not_told_once),
		test(test_removed_and_added_between_two_looks),
		test(test_fewer_and_more_slots),
		test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
