/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>

#include "base/util.h"
#include "model/stats.h"

static bool about(double a, double b)
{
	return fabs(a - b) < 1e-6;
}

static void test_transition(void **state)
{
	struct stats s = {0};

	(void)state;
	stats_transition(&s, TW_CLOSE, TW_SYN_SENT);
	stats_transition(&s, TW_CLOSE, TW_SYN_SENT);
	stats_transition(&s, TW_LISTEN, TW_SYN_SENT);
	assert_int_equal(s.transitions[TW_CLOSE][TW_SYN_SENT], 2);
	assert_int_equal(s.transitions[TW_LISTEN][TW_SYN_SENT], 1);
	assert_int_equal(s.transitions[TW_SYN_SENT][TW_CLOSE], 0);
	assert_int_equal(s.entered[TW_SYN_SENT], 3);
}

/* A bound belongs to the bucket that it closes, as Prometheus's "le" has it. */
static void test_buckets(void **state)
{
	struct stats s = {0};
	const struct histogram *h = &s.durations[TW_TIME_WAIT];

	(void)state;
	for (unsigned i = 0; i < DURATION_BOUNDS; i++) {
		uint64_t bound_ns = (uint64_t)(duration_bounds[i] * 1e9 + 0.5);

		stats_duration(&s, TW_TIME_WAIT, bound_ns);
		assert_int_equal(h->buckets[i], i ? 2 : 1);
		stats_duration(&s, TW_TIME_WAIT, bound_ns + 1000);
		assert_int_equal(h->buckets[i + 1], 1);
	}
	stats_duration(&s, TW_TIME_WAIT, 0);
	assert_int_equal(h->buckets[0], 2);
	stats_duration(&s, TW_TIME_WAIT, UINT64_C(1000) * 86400 * NSEC_PER_SEC);
	assert_int_equal(h->buckets[DURATION_BOUNDS], 2);
	assert_int_equal(s.durations[TW_LISTEN].buckets[0], 0);
}

static void test_duration_sum(void **state)
{
	struct stats s = {0};

	(void)state;
	stats_duration(&s, TW_LAST_ACK, 1500 * NSEC_PER_MSEC);
	stats_duration(&s, TW_LAST_ACK, 250 * NSEC_PER_MSEC);
	assert_true(about(s.durations[TW_LAST_ACK].sum, 1.75));
}

static void enter(struct stats *s, unsigned count)
{
	while (count--)
		stats_transition(s, TW_SYN_SENT, TW_ESTABLISHED);
}

/* Ticks of half a second and a little, as a loop makes them. */
static uint64_t ticks(struct stats *s, uint64_t now_ns, unsigned count, unsigned entered)
{
	while (count--) {
		enter(s, entered);
		stats_sample(s, now_ns);
		now_ns += 501 * NSEC_PER_MSEC;
	}
	return now_ns;
}

static void test_rate(void **state)
{
	struct stats s = {0};
	uint64_t now_ns;

	(void)state;
	assert_true(about(stats_rate(&s, TW_ESTABLISHED), 0));
	now_ns = ticks(&s, 5 * NSEC_PER_SEC, 1, 10);
	assert_true(about(stats_rate(&s, TW_ESTABLISHED), 0));
	now_ns = ticks(&s, now_ns, 6, 10);
	assert_true(fabs(stats_rate(&s, TW_ESTABLISHED) - 20) < 0.1);
	now_ns = ticks(&s, now_ns, 100, 10);
	assert_true(fabs(stats_rate(&s, TW_ESTABLISHED) - 20) < 0.1);
	assert_true(about(stats_rate(&s, TW_SYN_SENT), 0));
	/* a second after the window has left the load behind */
	ticks(&s, now_ns, 23, 0);
	assert_true(about(stats_rate(&s, TW_ESTABLISHED), 0));
}

/* The window is ten seconds. */
static void test_rate_window(void **state)
{
	struct stats s = {0};

	(void)state;
	for (uint64_t second = 1; second <= 30; second++) {
		enter(&s, second == 15 ? 100 : 0);
		stats_sample(&s, second * NSEC_PER_SEC);
		assert_true(about(stats_rate(&s, TW_ESTABLISHED),
				  second >= 15 && second < 25 ? 10 : 0));
	}
}

/* A loop that was held up: what came meanwhile came in all that time, not in one second. */
static void test_rate_with_missing_ticks(void **state)
{
	struct stats s = {0};

	(void)state;
	for (uint64_t second = 1; second <= 5; second++) {
		stats_sample(&s, second * NSEC_PER_SEC);
		enter(&s, 10);
	}
	enter(&s, 190);
	stats_sample(&s, 25 * NSEC_PER_SEC);
	assert_true(about(stats_rate(&s, TW_ESTABLISHED), 240.0 / 24));
	for (uint64_t second = 26; second <= 50; second++) {
		enter(&s, 10);
		stats_sample(&s, second * NSEC_PER_SEC);
		assert_true(about(stats_rate(&s, TW_ESTABLISHED), 10));
	}
}

static void test_connect_failure(void **state)
{
	static const struct {
		struct tw_event event;
		enum connect_failure reason;
	} cases[] = {
		{{.sport = 40000, .error = ECONNREFUSED}, CONNECT_FAILURE_REFUSED},
		{{.sport = 40000, .error = ETIMEDOUT}, CONNECT_FAILURE_TIMED_OUT},
		{{.sport = 40000, .error = EHOSTUNREACH}, CONNECT_FAILURE_UNREACHABLE},
		{{.sport = 40000, .error = ENETUNREACH}, CONNECT_FAILURE_UNREACHABLE},
		{{.sport = 40000, .error = ECONNABORTED}, CONNECT_FAILURE_OTHER},
		{{.sport = 40000}, CONNECT_FAILURE_OTHER},
		{{.sport = 40000, .flags = TW_EVENT_PROCESS}, CONNECT_FAILURE_OTHER},
		{{.sport = 0, .flags = TW_EVENT_PROCESS}, CONNECT_FAILURE_NO_PORT},
		{{.sport = 0, .error = ECONNREFUSED}, CONNECT_FAILURE_REFUSED},
		{{.sport = 0}, CONNECT_FAILURE_OTHER},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(connect_failure_of(&cases[i].event), cases[i].reason);
}

static void test_close_reason(void **state)
{
	static const struct {
		unsigned old;
		unsigned error;
		bool mini;
		enum close_reason reason;
	} cases[] = {
		{TW_LAST_ACK, 0, false, CLOSE_REASON_NORMAL},
		{TW_FIN_WAIT2, 0, true, CLOSE_REASON_NORMAL},
		{TW_CLOSING, 0, true, CLOSE_REASON_NORMAL},
		{TW_ESTABLISHED, 0, false, CLOSE_REASON_ABORTED},
		{TW_CLOSE_WAIT, 0, false, CLOSE_REASON_ABORTED},
		{TW_FIN_WAIT2, 0, false, CLOSE_REASON_ABORTED},
		{TW_ESTABLISHED, ECONNRESET, false, CLOSE_REASON_RESET},
		{TW_LAST_ACK, ECONNRESET, false, CLOSE_REASON_RESET},
		{TW_CLOSE_WAIT, EPIPE, false, CLOSE_REASON_RESET},
		{TW_ESTABLISHED, ETIMEDOUT, false, CLOSE_REASON_TIMED_OUT},
		{TW_FIN_WAIT1, ETIMEDOUT, false, CLOSE_REASON_TIMED_OUT},
		{TW_ESTABLISHED, ECONNABORTED, false, CLOSE_REASON_OTHER},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct tw_event e = {.old_state = (uint8_t)cases[i].old,
					   .new_state = TW_CLOSE,
					   .error = (uint16_t)cases[i].error};

		assert_int_equal(close_reason_of(&e, cases[i].mini), cases[i].reason);
	}
}

static void test_labels(void **state)
{
	(void)state;
	assert_string_equal(connect_failure_labels[CONNECT_FAILURE_NO_PORT], "no_port");
	assert_string_equal(close_reason_labels[CLOSE_REASON_TIMED_OUT], "timed_out");
	for (unsigned i = 0; i < CONNECT_FAILURE_COUNT; i++)
		assert_non_null(connect_failure_labels[i]);
	for (unsigned i = 0; i < CLOSE_REASON_COUNT; i++)
		assert_non_null(close_reason_labels[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_transition),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_duration_sum),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_rate_window),
		cmocka_unit_test(test_rate_with_missing_ticks),
		cmocka_unit_test(test_connect_failure),
		cmocka_unit_test(test_close_reason),
		cmocka_unit_test(test_labels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
