/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "model_fixture.h"

/* The kernel's own sums. */

static void test_more_time_waits_than_known(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	become_time_wait(f, &client);
	counters(f, 0, 4);
	assert_counts(f, [TW_TIME_WAIT] = 4);
	assert_int_equal(netns(f, HOST)->time_wait_ticks, 1);
	counters(f, 0, 3);
	assert_counts(f, [TW_TIME_WAIT] = 3);
	assert_int_equal(netns(f, HOST)->time_wait_ticks, 2);
	/* a dump finds which they are, and the difference goes */
	open_round(f, TW_STATE_BIT(TW_TIME_WAIT));
	row(f, &client, TW_TIME_WAIT, TW_SOCKET_MINI);
	row(f, &child, TW_TIME_WAIT, TW_SOCKET_MINI);
	row(f, &on_ipv6, TW_TIME_WAIT, TW_SOCKET_MINI);
	assert_counts(f, [TW_TIME_WAIT] = 4); /* of the lesser family the difference is not */
	close_round(f, TW_STATE_BIT(TW_TIME_WAIT));
	assert_counts(f, [TW_TIME_WAIT] = 3);
	counters(f, 0, 3);
	assert_int_equal(netns(f, HOST)->time_wait_ticks, 0);
	assert_int_equal(model_untracked(f->m), 0);
}

static void test_fewer_time_waits_than_known(void **state)
{
	struct socket s = client;
	struct fixture *f = *state;

	for (s.cookie = 100; s.cookie < 105; s.cookie++, s.sport++) {
		establish(f, &s);
		become_time_wait(f, &s);
	}
	counters(f, 0, 2);
	assert_counts(f, [TW_TIME_WAIT] = 2);
	assert_int_equal(netns(f, HOST)->untracked[TW_TIME_WAIT][NETNS_IPV4], -3);
	assert_int_equal(model_untracked(f->m), 0);
	open_round(f, TW_STATE_BIT(TW_TIME_WAIT));
	close_round(f, TW_STATE_BIT(TW_TIME_WAIT));
	assert_counts(f);
}

/* While dumps go on, and show others than the table has, there are as many as the kernel says. */
static void test_other_time_waits_than_known(void **state)
{
	struct socket s = client;
	struct fixture *f = *state;

	dump_nothing(f);
	for (s.cookie = 100; s.cookie < 105; s.cookie++, s.sport++) {
		establish(f, &s);
		become_time_wait(f, &s);
	}
	counters(f, 0, 2);
	assert_counts(f, [TW_TIME_WAIT] = 2);
	open_round(f, TW_STATE_BIT(TW_TIME_WAIT));
	for (s.cookie = 200; s.cookie < 202; s.cookie++, s.sport++) {
		row(f, &s, TW_TIME_WAIT, TW_SOCKET_MINI);
		assert_counts(f, [TW_TIME_WAIT] = 2);
	}
	close_round(f, TW_STATE_BIT(TW_TIME_WAIT));
	assert_counts(f, [TW_TIME_WAIT] = 2);
	assert_int_equal(table_size(model_table(f->m)), 2);
}

/* More are gone than one family has; and one namespace's difference is not another's. */
static void test_fewer_time_waits_of_both_families(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	become_time_wait(f, &client);
	establish(f, &on_ipv6);
	become_time_wait(f, &on_ipv6);
	establish(f, &other);
	become_time_wait(f, &other);
	counters(f, 0, 0);
	assert_int_equal(netns_connections(netns(f, HOST), TW_TIME_WAIT), 0);
	assert_int_equal(netns_connections(netns(f, OTHER), TW_TIME_WAIT), 1);
	assert_int_equal(model_unowned(f->m, TW_TIME_WAIT), -2); /* of three in the table */
	assert_counts(f, [TW_TIME_WAIT] = 1);
	f->now_ns += 68 * NSEC_PER_SEC; /* they expire here too, before the next look */
	tick(f);
	establish(f, &other);
	become_time_wait(f, &other);
	assert_counts(f, [TW_TIME_WAIT] = 1);
}

/* The counter has the minisockets of both substates. */
static void test_orphans_are_no_time_waits(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	become_orphan(f, &client);
	counters(f, 0, 1);
	assert_counts(f, [TW_FIN_WAIT2] = 1);
	establish(f, &on_ipv6);
	become_time_wait(f, &on_ipv6);
	counters(f, 0, 3);
	assert_counts(f, [TW_FIN_WAIT2] = 1, [TW_TIME_WAIT] = 2);
	assert_int_equal(model_connections(f->m, TW_TIME_WAIT, NETNS_IPV6), 2);
}

static void test_suspicion(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	counters(f, 1, 0);
	assert_false(netns(f, HOST)->suspect);
	counters(f, 2, 0);
	assert_true(netns(f, HOST)->suspect);
	counters(f, 1, 0);
	assert_false(netns(f, HOST)->suspect);
	/* while transitions come the two sums are of different moments */
	change(f, &client, TW_ESTABLISHED, TW_CLOSE_WAIT);
	counters(f, 2, 0);
	assert_false(netns(f, HOST)->suspect);
	counters(f, 2, 0);
	assert_true(netns(f, HOST)->suspect);
}

/* What a full dump left different is so, until it changes. */
static void test_acceptance(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	counters(f, 1, 0);
	counters(f, 2, 0);
	assert_true(netns(f, HOST)->suspect);
	dump(f, (const struct socket *[]){&client}, (unsigned[]){TW_ESTABLISHED}, 1);
	assert_false(netns(f, HOST)->suspect);
	counters(f, 2, 0);
	assert_false(netns(f, HOST)->suspect);
	change(f, &client, TW_ESTABLISHED, TW_CLOSE_WAIT);
	counters(f, 2, 0);
	counters(f, 2, 0);
	assert_false(netns(f, HOST)->suspect);
	counters(f, 3, 0);
	assert_true(netns(f, HOST)->suspect);
}

/* A dump that transitions went on beside proves nothing: at the bound it may have missed some. */
static void test_no_acceptance_after_a_busy_dump(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	dump(f, (const struct socket *[]){&client}, (unsigned[]){TW_ESTABLISHED}, 1);
	open_round(f, TW_STATES_ALL);
	change(f, &client, TW_ESTABLISHED, TW_CLOSE_WAIT);
	row(f, &client, TW_CLOSE_WAIT, TW_SOCKET_FULL);
	close_round(f, TW_STATES_ALL);
	counters(f, 2, 0);
	counters(f, 2, 0);
	assert_true(netns(f, HOST)->suspect);
}

/* As many sockets in use, but two transitions of which nobody told. */
static void test_established_differ(void **state)
{
	struct fixture *f = *state;

	dump_nothing(f);
	change(f, &client, TW_CLOSE, TW_SYN_SENT);
	counters(f, 1, 0);
	counters_with(f, 1, 1);
	assert_true(netns(f, HOST)->suspect);
	counters(f, 1, 0);
	assert_true(netns(f, HOST)->suspect);
	dump(f, (const struct socket *[]){&client}, (unsigned[]){TW_ESTABLISHED}, 1);
	assert_false(netns(f, HOST)->suspect);
	counters(f, 1, 0);
	assert_false(netns(f, HOST)->suspect);
	assert_counts(f, [TW_ESTABLISHED] = 1);
}

/* The kernel's sum has CLOSE_WAIT in it, or not. */
static void test_either_sum_of_established(void **state)
{
	struct fixture *f = *state;

	dump_nothing(f);
	establish(f, &client);
	establish(f, &server);
	change(f, &client, TW_ESTABLISHED, TW_CLOSE_WAIT);
	counters(f, 2, 0);
	counters_with(f, 2, 1);
	assert_false(netns(f, HOST)->suspect);
	counters_with(f, 2, 2);
	assert_false(netns(f, HOST)->suspect);
	counters_with(f, 2, 3);
	assert_true(netns(f, HOST)->suspect);
	counters_with(f, 2, 0);
	assert_true(netns(f, HOST)->suspect);
}

/* What was read before the last transition says nothing. */
static void test_established_of_another_moment(void **state)
{
	struct fixture *f = *state;

	dump_nothing(f);
	establish(f, &client);
	counters(f, 1, 0);
	counters_with(f, 1, 2);
	assert_true(netns(f, HOST)->suspect);
	change(f, &client, TW_ESTABLISHED, TW_CLOSE_WAIT);
	counters_with(f, 1, 2);
	assert_false(netns(f, HOST)->suspect);
	change(f, &client, TW_CLOSE_WAIT, TW_LAST_ACK);
	counters(f, 1, 0);
	counters(f, 1, 0);
	assert_false(netns(f, HOST)->suspect);
}

/* A kernel whose sum is off: a full dump has shown that it is, and it is not asked for again. */
static void test_acceptance_of_established(void **state)
{
	struct fixture *f = *state;

	dump_nothing(f);
	establish(f, &client);
	counters(f, 1, 0);
	counters_with(f, 1, 7);
	assert_true(netns(f, HOST)->suspect);
	dump(f, (const struct socket *[]){&client}, (unsigned[]){TW_ESTABLISHED}, 1);
	assert_false(netns(f, HOST)->suspect);
	establish(f, &server);
	counters(f, 2, 0);
	counters_with(f, 2, 8);
	assert_false(netns(f, HOST)->suspect);
	counters_with(f, 2, 2);
	assert_true(netns(f, HOST)->suspect);
}

static void test_requests_and_minis_are_not_in_use(void **state)
{
	struct fixture *f = *state;

	open_round(f, TW_STATES_ALL);
	row(f, &child, TW_SYN_RECV, TW_SOCKET_REQUEST);
	row(f, &client, TW_FIN_WAIT2, TW_SOCKET_MINI);
	row(f, &server, TW_LISTEN, TW_SOCKET_FULL);
	close_round(f, TW_STATES_ALL);
	change(f, &on_ipv6, TW_CLOSE, TW_SYN_SENT);
	counters(f, 2, 1);
	counters(f, 2, 1);
	assert_false(netns(f, HOST)->suspect);
}

/* At the bound: the fixture's table has room for one, which a listener takes. */

static void assert_untracked(struct fixture *f, unsigned state, unsigned count)
{
	unsigned expected[TW_STATE_SLOTS] = {[TW_LISTEN] = 1};

	if (state)
		expected[state] = count;
	assert_all_counts(f, expected, __LINE__);
	assert_int_equal(model_untracked(f->m), count);
	assert_int_equal(table_size(model_table(f->m)), 1);
}

static void test_full_table(void **state)
{
	static const unsigned client_states[] = {TW_SYN_SENT, TW_ESTABLISHED, TW_FIN_WAIT1,
						 TW_FIN_WAIT2};
	static const unsigned child_states[] = {TW_SYN_RECV, TW_ESTABLISHED, TW_CLOSE_WAIT,
						TW_LAST_ACK};
	struct fixture *f = *state;
	unsigned old;

	change(f, &server, TW_CLOSE, TW_LISTEN);
	old = TW_CLOSE;
	for (unsigned i = 0; i < ARRAY_SIZE(client_states); old = client_states[i++]) {
		change(f, &client, old, client_states[i]);
		assert_untracked(f, client_states[i], 1);
	}
	change_with(f, &client, old, TW_CLOSE, 0, ECONNRESET);
	assert_untracked(f, 0, 0);
	old = TW_LISTEN;
	for (unsigned i = 0; i < ARRAY_SIZE(child_states); old = child_states[i++]) {
		change(f, &child, old, child_states[i]);
		assert_untracked(f, child_states[i], 1);
	}
	change(f, &child, old, TW_CLOSE);
	assert_untracked(f, 0, 0);
}

static void test_full_table_and_minisockets(void **state)
{
	struct fixture *f = *state;

	change(f, &server, TW_CLOSE, TW_LISTEN);
	establish(f, &client);
	become_orphan(f, &client);
	assert_untracked(f, TW_FIN_WAIT2, 1);
	counters(f, 1, 1);
	assert_untracked(f, TW_FIN_WAIT2, 1);
	assert_false(netns(f, HOST)->suspect);
	/* the peer's FIN: a partial round does not find it any more, and the counter has it */
	open_round(f, SHADOWS);
	close_round(f, SHADOWS);
	assert_untracked(f, 0, 0);
	counters(f, 1, 1);
	assert_untracked(f, TW_TIME_WAIT, 1);
	counters(f, 1, 0);
	assert_untracked(f, 0, 0);
	establish(f, &child);
	become_time_wait(f, &child);
	assert_untracked(f, TW_TIME_WAIT, 1);
}

static void test_full_table_and_dumps(void **state)
{
	struct fixture *f = *state;
	struct model_drift drift;

	change(f, &server, TW_CLOSE, TW_LISTEN);
	dump(f, (const struct socket *[]){&server, &client, &child},
	     (unsigned[]){TW_LISTEN, TW_ESTABLISHED, TW_ESTABLISHED}, 3);
	assert_untracked(f, TW_ESTABLISHED, 2);
	drift = dump(f, (const struct socket *[]){&server, &client},
		     (unsigned[]){TW_LISTEN, TW_ESTABLISHED}, 2);
	assert_int_equal(drift.total, 0);
	assert_untracked(f, TW_ESTABLISHED, 1);
	/* room: the next dump tracks it */
	change(f, &server, TW_LISTEN, TW_CLOSE);
	drift = dump(f, (const struct socket *[]){&client}, (unsigned[]){TW_ESTABLISHED}, 1);
	assert_int_equal(drift.total, 0);
	assert_counts(f, [TW_ESTABLISHED] = 1);
	assert_int_equal(model_untracked(f->m), 0);
	assert_non_null(find(f, &client));
}

/* One that a dump finds room for is not counted twice, even if the dump then fails. */
static void test_full_table_and_a_failed_dump(void **state)
{
	struct fixture *f = *state;

	change(f, &server, TW_CLOSE, TW_LISTEN);
	establish(f, &client);
	assert_untracked(f, TW_ESTABLISHED, 1);
	change(f, &server, TW_LISTEN, TW_CLOSE);
	open_round(f, TW_STATES_ALL);
	row(f, &client, TW_ESTABLISHED, TW_SOCKET_FULL);
	assert_counts(f, [TW_ESTABLISHED] = 1);
	dump_end(f, HOST, false);
	round_end(f, TW_STATES_ALL);
	assert_counts(f, [TW_ESTABLISHED] = 1);
	assert_int_equal(model_untracked(f->m), 0);
}

/* Those that only a late row could ask for give way. */
static void test_full_table_of_the_gone(void **state)
{
	struct fixture *f = *state;

	change(f, &server, TW_CLOSE, TW_LISTEN);
	open_round(f, TW_STATES_ALL);
	change(f, &server, TW_LISTEN, TW_CLOSE);
	assert_int_equal(table_size(model_table(f->m)), 1);
	establish(f, &client);
	assert_counts(f, [TW_ESTABLISHED] = 1);
	assert_int_equal(model_untracked(f->m), 0);
}

/* The owner of one that found no room is not held. */
static void test_full_table_and_owners(void **state)
{
	struct owner owner = {.uid = 1000};
	struct fixture *f = *state;
	struct owners *owners;
	uint32_t first;

	change(f, &server, TW_CLOSE, TW_LISTEN);
	for (owner.pid = 1; owner.pid <= 1000; owner.pid++) {
		struct tw_event e = event_of(&client, TW_CLOSE, TW_SYN_SENT, later(f));

		e.flags = TW_EVENT_PROCESS;
		e.pid = owner.pid;
		e.uid = owner.uid;
		model_event(f->m, &e);
	}
	owners = (struct owners *)model_owners(f->m);
	first = owners_take(owners, &owner);
	assert_in_range(first, 1, 3);
	owners_drop(owners, first);
}

/* What is told of a namespace goes with it, and does not wait for its first dump. */
static void test_limits(void **state)
{
	const enum tw_sysctl sysctl = TW_SYSCTL_TCP_MAX_TW_BUCKETS;
	struct fixture *f = *state;
	struct tw_limits limits = {.netns = HOST, .known = TW_SYSCTL_BIT(sysctl)};

	limits.time_ns = later(f);
	limits.values[sysctl] = 1000;
	model_limits(f->m, &limits);
	assert_int_equal(netns(f, HOST)->limits.values[sysctl], 1000);
	assert_int_equal(netns(f, HOST)->limits.known, TW_SYSCTL_BIT(sysctl));
	assert_int_equal(model_now_ns(f->m), limits.time_ns);
	establish(f, &other);
	assert_int_equal(netns(f, OTHER)->limits.known, 0);

	limits.values[sysctl] = 10;
	model_limits(f->m, &limits);
	assert_int_equal(netns(f, HOST)->limits.values[sysctl], 10);
	model_netns_gone(f->m,
			 &(struct tw_dump){.time_ns = later(f), .netns = HOST, .complete = 1});
	establish(f, &client);
	assert_int_equal(netns(f, HOST)->limits.known, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_more_time_waits_than_known),
		test(test_fewer_time_waits_than_known),
		test(test_other_time_waits_than_known),
		test(test_fewer_time_waits_of_both_families),
		test(test_orphans_are_no_time_waits),
		test(test_suspicion),
		test(test_acceptance),
		test(test_no_acceptance_after_a_busy_dump),
		test(test_established_differ),
		test(test_either_sum_of_established),
		test(test_established_of_another_moment),
		test(test_acceptance_of_established),
		test(test_requests_and_minis_are_not_in_use),
		test(test_limits),
		test_at_the_bound(test_full_table),
		test_at_the_bound(test_full_table_and_minisockets),
		test_at_the_bound(test_full_table_and_dumps),
		test_at_the_bound(test_full_table_and_a_failed_dump),
		test_at_the_bound(test_full_table_of_the_gone),
		test_at_the_bound(test_full_table_and_owners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
