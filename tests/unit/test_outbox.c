/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "alert/outbox.h"
#include "base/util.h"

static int set_up(void **state)
{
	return outbox_new((struct outbox **)state);
}

static int tear_down(void **state)
{
	outbox_free(*state);
	return 0;
}

static bool put(struct outbox *o, unsigned number)
{
	char *text;

	assert_true(asprintf(&text, "%u", number) > 0);
	return outbox_put(o, text);
}

static void takes(struct outbox *o, uint64_t now_ns, const char *text)
{
	const char *found = outbox_take(o, now_ns);

	assert_non_null(found);
	assert_string_equal(found, text);
}

static void test_in_order(void **state)
{
	struct outbox *o = *state;

	assert_true(outbox_due_ns(o) == OUTBOX_NEVER);
	assert_null(outbox_take(o, 1));
	assert_true(put(o, 1));
	assert_true(put(o, 2));
	assert_true(outbox_due_ns(o) == 0);
	takes(o, 1, "1");
	assert_true(outbox_due_ns(o) == OUTBOX_NEVER);
	assert_null(outbox_take(o, 1));
	outbox_arrived(o);
	takes(o, 1, "2");
	outbox_arrived(o);
	assert_int_equal(outbox_count(o), 0);
}

static void test_a_failed_one_holds_up_the_others(void **state)
{
	struct outbox *o = *state;

	put(o, 1);
	put(o, 2);
	takes(o, 10, "1");
	assert_true(outbox_failed(o, false, 10, UINT32_MAX));
	assert_true(outbox_due_ns(o) == 10 + OUTBOX_PAUSE_NS);
	assert_null(outbox_take(o, 10 + OUTBOX_PAUSE_NS - 1));
	takes(o, 10 + OUTBOX_PAUSE_NS, "1");
	outbox_arrived(o);
	/* the next one starts afresh */
	takes(o, 10 + OUTBOX_PAUSE_NS, "2");
	outbox_failed(o, false, 0, UINT32_MAX);
	assert_true(outbox_due_ns(o) == OUTBOX_PAUSE_NS);
}

static void test_given_up(void **state)
{
	struct outbox *o = *state;
	uint64_t now = 0;

	put(o, 1);
	put(o, 2);
	for (unsigned i = 1; i < OUTBOX_TRIES; i++) {
		takes(o, now, "1");
		assert_true(outbox_failed(o, false, now, 0));
		now = outbox_due_ns(o);
	}
	takes(o, now, "1");
	assert_false(outbox_failed(o, false, now, 0));
	takes(o, now, "2");
	assert_false(outbox_failed(o, true, now, 0));
	assert_int_equal(outbox_count(o), 0);
}

static void test_pauses(void **state)
{
	static const unsigned seconds[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(seconds); i++) {
		uint64_t longest = seconds[i] * NSEC_PER_SEC;

		assert_true(outbox_pause_ns(i + 1, UINT32_MAX) == longest);
		assert_true(outbox_pause_ns(i + 1, 0) == longest / 2);
	}
	assert_true(outbox_pause_ns(1000, UINT32_MAX) == OUTBOX_PAUSE_MAX_NS);
}

static void test_the_oldest_gives_way(void **state)
{
	struct outbox *o = *state;

	for (unsigned i = 0; i < OUTBOX_MESSAGES; i++)
		assert_true(put(o, i));
	assert_false(put(o, OUTBOX_MESSAGES));
	takes(o, 0, "1");
	/* but not the one that is being tried */
	assert_false(put(o, OUTBOX_MESSAGES + 1));
	assert_int_equal(outbox_count(o), OUTBOX_MESSAGES);
	outbox_arrived(o);
	takes(o, 0, "3");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_in_order),
		TEST(test_a_failed_one_holds_up_the_others),
		TEST(test_given_up),
		TEST(test_pauses),
		TEST(test_the_oldest_gives_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
