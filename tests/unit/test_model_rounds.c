/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "model_fixture.h"

static void test_first_dump_is_no_drift(void **state)
{
	struct fixture *f = *state;

	assert_false(model_known(f->m));
	assert_int_equal(dump(f, (const struct socket *[]){&server, &client},
			      (unsigned[]){TW_LISTEN, TW_ESTABLISHED}, 2)
				 .total,
			 0);
	assert_counts(f, [TW_LISTEN] = 1, [TW_ESTABLISHED] = 1);
	assert_true(model_known(f->m));
	assert_false(find(f, &client)->flags & CONNECTION_EXACT);
}

/* By the state that was wrong. */
static void test_drift(void **state)
{
	const struct socket missed = {.cookie = 50, .netns = HOST, .sport = 43000, .dport = 80};
	struct model_drift drift;
	struct fixture *f = *state;

	change(f, &server, TW_CLOSE, TW_LISTEN);
	establish(f, &client);
	establish(f, &on_ipv6);
	dump(f, (const struct socket *[]){&server, &client, &on_ipv6},
	     (unsigned[]){TW_LISTEN, TW_ESTABLISHED, TW_ESTABLISHED}, 3);
	drift = dump(f, (const struct socket *[]){&server, &client, &missed},
		     (unsigned[]){TW_LISTEN, TW_CLOSE_WAIT, TW_SYN_SENT}, 3);
	assert_int_equal(drift.total, 3);
	assert_int_equal(drift.by_state[TW_ESTABLISHED], 2);
	assert_int_equal(drift.by_state[TW_SYN_SENT], 1);
	assert_counts(f, [TW_LISTEN] = 1, [TW_CLOSE_WAIT] = 1, [TW_SYN_SENT] = 1);
	drift = dump(f, (const struct socket *[]){&server, &client, &missed},
		     (unsigned[]){TW_LISTEN, TW_CLOSE_WAIT, TW_SYN_SENT}, 3);
	assert_int_equal(drift.total, 0);
	drift = dump_nothing(f);
	assert_int_equal(drift.total, 3);
	assert_int_equal(drift.by_state[TW_LISTEN], 1);
	assert_counts(f);
}

/* Its row was made before the event and is read after it. */
static void test_event_newer_wins(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	dump(f, (const struct socket *[]){&client}, (unsigned[]){TW_ESTABLISHED}, 1);
	open_round(f, TW_STATES_ALL);
	change(f, &client, TW_ESTABLISHED, TW_CLOSE_WAIT);
	row(f, &client, TW_ESTABLISHED, TW_SOCKET_FULL);
	assert_int_equal(close_round(f, TW_STATES_ALL).total, 0);
	assert_counts(f, [TW_CLOSE_WAIT] = 1);
}

/* Born after the dump passed its place. */
static void test_newborn_is_not_swept(void **state)
{
	struct fixture *f = *state;

	dump_nothing(f);
	open_round(f, TW_STATES_ALL);
	establish(f, &client);
	dump_end(f, HOST, true);
	establish(f, &child);
	assert_int_equal(round_end(f, TW_STATES_ALL).total, 0);
	assert_counts(f, [TW_ESTABLISHED] = 2);
}

static void test_late_row_revives_nothing(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	dump(f, (const struct socket *[]){&client}, (unsigned[]){TW_ESTABLISHED}, 1);
	open_round(f, TW_STATES_ALL);
	change_with(f, &client, TW_ESTABLISHED, TW_CLOSE, 0, ECONNRESET);
	assert_counts(f);
	row(f, &client, TW_ESTABLISHED, TW_SOCKET_FULL);
	assert_counts(f);
	assert_int_equal(close_round(f, TW_STATES_ALL).total, 0);
	assert_counts(f);
	assert_int_equal(table_size(model_table(f->m)), 0);
}

/* In the round's states or not: the minisocket that the late row's socket became says so. */
static void test_late_row_of_a_minisocket(void **state)
{
	static const uint32_t masks[] = {TW_STATES_ALL, SHADOWS};
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(masks); i++) {
		establish(f, &client);
		close_actively(f, &client);
		dump(f, (const struct socket *[]){&client}, (unsigned[]){TW_FIN_WAIT2}, 1);
		open_round(f, masks[i]);
		change_with(f, &client, TW_FIN_WAIT2, TW_CLOSE, IN_ORDER, 0);
		row(f, &client, TW_FIN_WAIT2, TW_SOCKET_FULL);
		assert_int_equal(close_round(f, masks[i]).total, 0);
		assert_counts(f, [TW_TIME_WAIT] = 1);
		dump_nothing(f);
	}
}

/* And of a request whose child has already lived a whole life. */
static void test_late_row_of_a_request(void **state)
{
	static const uint8_t ends[] = {ORPHAN, IN_ORDER};
	static const unsigned states[] = {TW_FIN_WAIT2, TW_TIME_WAIT};
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++) {
		open_round(f, TW_STATES_ALL);
		change(f, &child, TW_LISTEN, TW_SYN_RECV);
		change(f, &child, TW_SYN_RECV, TW_ESTABLISHED);
		close_actively(f, &child);
		change_with(f, &child, TW_FIN_WAIT2, TW_CLOSE, ends[i], 0);
		row(f, &child, TW_SYN_RECV, TW_SOCKET_REQUEST);
		assert_int_equal(close_round(f, TW_STATES_ALL).total, 0);
		assert_int_equal(connections(f, states[i]), 1);
		assert_int_equal(connections(f, TW_SYN_RECV), 0);
		dump_nothing(f);
	}
}

static void test_late_row_of_a_request_with_a_child(void **state)
{
	struct fixture *f = *state;

	open_round(f, TW_STATES_ALL);
	change(f, &child, TW_LISTEN, TW_SYN_RECV);
	change(f, &child, TW_SYN_RECV, TW_ESTABLISHED);
	row(f, &child, TW_SYN_RECV, TW_SOCKET_REQUEST);
	close_round(f, TW_STATES_ALL);
	assert_counts(f, [TW_ESTABLISHED] = 1);
}

static void test_incomplete_dump_sweeps_nothing(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	open_round(f, TW_STATES_ALL);
	dump_end(f, HOST, false);
	assert_int_equal(round_end(f, TW_STATES_ALL).total, 0);
	assert_counts(f, [TW_ESTABLISHED] = 1);
	assert_false(model_known(f->m));
	/* nor does a round without a dump of the namespace, though one before was complete */
	dump(f, (const struct socket *[]){&client}, (unsigned[]){TW_ESTABLISHED}, 1);
	round_begin(f, TW_STATES_ALL);
	assert_int_equal(round_end(f, TW_STATES_ALL).total, 0);
	assert_counts(f, [TW_ESTABLISHED] = 1);
}

static void test_dumps_are_per_namespace(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	establish(f, &other);
	dump_nothing(f);
	assert_counts(f, [TW_ESTABLISHED] = 1);
	assert_int_equal(netns_count_of(f->m, OTHER, TW_ESTABLISHED, NETNS_IPV4), 1);
}

static void test_partial_round(void **state)
{
	const struct socket half_open = {.cookie = 60, .netns = HOST, .sport = 80, .dport = 1};
	const struct socket unknown = {.cookie = 61, .netns = HOST, .sport = 80, .dport = 2};
	struct fixture *f = *state;

	establish(f, &client);
	open_round(f, TW_STATE_BIT(TW_SYN_RECV));
	row(f, &half_open, TW_SYN_RECV, TW_SOCKET_REQUEST);
	row(f, &unknown, TW_CLOSE_WAIT, TW_SOCKET_FULL); /* not asked for */
	assert_int_equal(close_round(f, TW_STATE_BIT(TW_SYN_RECV)).total, 0);
	assert_counts(f, [TW_ESTABLISHED] = 1, [TW_SYN_RECV] = 1);
	assert_false(model_known(f->m));
	open_round(f, TW_STATE_BIT(TW_SYN_RECV));
	close_round(f, TW_STATE_BIT(TW_SYN_RECV));
	assert_counts(f, [TW_ESTABLISHED] = 1);
}

static void test_peer_closes_an_orphan(void **state)
{
	struct fixture *f = *state;
	uint64_t dumped;

	establish(f, &client);
	become_orphan(f, &client);
	f->now_ns += 5 * NSEC_PER_SEC;
	open_round(f, TW_STATES_ALL);
	dumped = f->now_ns;
	row_expiring(f, &client, TW_TIME_WAIT, TW_SOCKET_MINI, 59000);
	close_round(f, TW_STATES_ALL);
	assert_counts(f, [TW_TIME_WAIT] = 1);
	assert_int_equal(transitions(f, TW_FIN_WAIT2, TW_TIME_WAIT), 1);
	assert_int_equal(table_oldest(model_table(f->m), TW_TIME_WAIT)->entered_ns,
			 dumped - NSEC_PER_SEC);
}

/* Where TIME_WAIT is not asked for, an orphan that is not there any more most likely is in it. */
static void test_orphan_not_in_a_partial_round(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	become_orphan(f, &client);
	open_round(f, SHADOWS);
	row(f, &client, TW_FIN_WAIT2, TW_SOCKET_MINI);
	close_round(f, SHADOWS);
	assert_counts(f, [TW_FIN_WAIT2] = 1);
	open_round(f, SHADOWS);
	close_round(f, SHADOWS);
	assert_counts(f, [TW_TIME_WAIT] = 1);
	assert_int_equal(netns(f, HOST)->minis, 0);
}

/* The kernel's minisocket never goes back: it is another one, whose events were lost. */
static void test_orphan_where_a_time_wait_was(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	become_time_wait(f, &client);
	open_round(f, SHADOWS);
	row(f, &client, TW_FIN_WAIT2, TW_SOCKET_MINI);
	close_round(f, SHADOWS);
	assert_counts(f, [TW_FIN_WAIT2] = 1);
}

static void test_request_where_a_time_wait_was(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	become_time_wait(f, &client);
	open_round(f, SHADOWS);
	row(f, &client, TW_SYN_RECV, TW_SOCKET_REQUEST);
	close_round(f, SHADOWS);
	assert_counts(f, [TW_SYN_RECV] = 1);
	open_round(f, TW_STATES_ALL);
	row(f, &client, TW_TIME_WAIT, TW_SOCKET_MINI);
	close_round(f, TW_STATES_ALL);
	assert_counts(f, [TW_TIME_WAIT] = 1);
}

/* A sign that a round left behind would save a connection from the next one's sweep. */
static void test_signs_of_a_round_do_not_last(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	open_round(f, SHADOWS);
	close_actively(f, &client); /* seen in FIN_WAIT2 */
	change_with(f, &client, TW_FIN_WAIT2, TW_CLOSE, IN_ORDER, 0);
	establish(f, &on_ipv6);
	close_round(f, SHADOWS); /* asserts that no sign is left */
	assert_counts(f, [TW_TIME_WAIT] = 1, [TW_ESTABLISHED] = 1);
	assert_int_equal(dump_nothing(f).by_state[TW_ESTABLISHED], 0);
	assert_counts(f);
}

/* The kernel puts a row together after it has found the socket, which may close in between. */
static void test_row_of_a_closed_socket(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	establish(f, &other);
	dump(f, (const struct socket *[]){&client}, (unsigned[]){TW_ESTABLISHED}, 1);
	open_round(f, TW_STATES_ALL);
	row(f, &child, TW_CLOSE, TW_SOCKET_FULL);
	row(f, &client, TW_CLOSE, TW_SOCKET_FULL);
	change_with(f, &client, TW_ESTABLISHED, TW_CLOSE, 0, ECONNRESET);
	assert_int_equal(close_round(f, TW_STATES_ALL).total, 0);
	assert_counts(f, [TW_ESTABLISHED] = 1);
	/* without events, as when polling */
	open_round(f, TW_STATES_ALL);
	dump_begin(f, OTHER);
	row(f, &other, TW_CLOSE, TW_SOCKET_FULL);
	dump_end(f, OTHER, true);
	close_round(f, TW_STATES_ALL);
	assert_counts(f);
	assert_int_equal(table_size(model_table(f->m)), 0);
}

/* It was there before the daemon, and its end is all that is heard of it. */
static void test_late_row_of_a_socket_never_met(void **state)
{
	struct fixture *f = *state;

	open_round(f, TW_STATES_ALL);
	change(f, &child, TW_LAST_ACK, TW_CLOSE);
	row(f, &child, TW_LAST_ACK, TW_SOCKET_FULL);
	close_round(f, TW_STATES_ALL);
	assert_counts(f);
	change(f, &child, TW_LAST_ACK, TW_CLOSE); /* without a round nothing has to be kept */
	assert_int_equal(table_size(model_table(f->m)), 0);
}

/* The row's state is one of the round's, and the one that it has come to is not. */
static void test_late_row_leaves_no_sign(void **state)
{
	struct fixture *f = *state;

	open_round(f, SHADOWS);
	change(f, &child, TW_LISTEN, TW_SYN_RECV);
	change(f, &child, TW_SYN_RECV, TW_ESTABLISHED);
	row(f, &child, TW_SYN_RECV, TW_SOCKET_FULL);
	assert_int_equal(close_round(f, SHADOWS).total, 0);
	assert_counts(f, [TW_ESTABLISHED] = 1);
	dump_nothing(f);
	assert_counts(f);
}

/* connect() tells of SYN_SENT, then looks for a port, and only then can a dump find the socket. */
static void test_connect_that_a_dump_cannot_see_yet(void **state)
{
	struct socket unbound = client;
	struct fixture *f = *state;

	unbound.sport = 0;
	dump_nothing(f);
	change(f, &unbound, TW_CLOSE, TW_SYN_SENT);
	f->now_ns += 20 * NSEC_PER_USEC - 2 * STEP_NS; /* to the dump's begin */
	assert_int_equal(dump_nothing(f).total, 0);
	assert_counts(f, [TW_SYN_SENT] = 1);
}

/* What happened while other namespaces were dumped is older than its own dump. */
static void test_minisocket_gone_before_its_dump(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	close_actively(f, &client);
	round_begin(f, TW_STATES_ALL);
	change_with(f, &client, TW_FIN_WAIT2, TW_CLOSE, ORPHAN, 0);
	dump_begin(f, HOST);
	close_round(f, TW_STATES_ALL);
	assert_counts(f);
}

/* No more than is certain: the kernel's count has what the client's SYNs were answered with too. */
static void test_rows_tell_age_of_requests(void **state)
{
	static const struct {
		uint32_t expires_ms, age_ms;
		uint8_t retransmits;
	} cases[] = {
		{1000, 0, 0},       {392, 608, 0},
		{3500, 3500, 2}, /* after 3 s, again after 7 s */
		{1788, 1212, 2}, /* it and the client after 1 s */
		{1028, 3000, 6}, /* the client each second since */
		{500, 127500, 255}, {UINT32_MAX, 127000, 0},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tw_socket request = row_of(&child, TW_SYN_RECV, TW_SOCKET_REQUEST);
		uint64_t dumped;

		dump_nothing(f);
		open_round(f, TW_STATES_ALL);
		dumped = f->now_ns;
		request.retransmits = cases[i].retransmits;
		request.expires_ms = cases[i].expires_ms;
		model_socket(f->m, &request);
		close_round(f, TW_STATES_ALL);
		assert_int_equal(table_oldest(model_table(f->m), TW_SYN_RECV)->entered_ns,
				 dumped - cases[i].age_ms * NSEC_PER_MSEC);
	}
}

static void test_owner_of_a_row(void **state)
{
	struct tw_socket r = row_of(&client, TW_ESTABLISHED, TW_SOCKET_FULL);
	struct fixture *f = *state;

	r.uid = 33;
	r.inode = 12345;
	r.cgroup = 8;
	open_round(f, TW_STATES_ALL);
	model_socket(f->m, &r);
	r = row_of(&child, TW_ESTABLISHED, TW_SOCKET_FULL); /* not accepted yet: uid says nothing */
	model_socket(f->m, &r);
	close_round(f, TW_STATES_ALL);
	assert_int_equal(owner(f, &client)->uid, 33);
	assert_int_equal(owner(f, &client)->cgroup, 8);
	assert_int_equal(owner(f, &child)->uid, UID_UNKNOWN);
}

/* Rows that no kernel makes, and rows where none are due. */
static void test_malformed_rows(void **state)
{
	static const struct {
		unsigned state;
		unsigned kind;
	} cases[] = {
		{0, TW_SOCKET_FULL},
		{12, TW_SOCKET_FULL},
		{TW_ESTABLISHED, 3},
		{TW_TIME_WAIT, TW_SOCKET_FULL},
		{TW_ESTABLISHED, TW_SOCKET_REQUEST},
		{TW_TIME_WAIT, TW_SOCKET_REQUEST},
		{TW_SYN_RECV, TW_SOCKET_MINI},
		{TW_CLOSE, TW_SOCKET_MINI},
	};
	struct tw_socket r = row_of(&client, TW_ESTABLISHED, TW_SOCKET_FULL);
	struct fixture *f = *state;

	model_socket(f->m, &r); /* no round */
	round_begin(f, TW_STATES_ALL);
	model_socket(f->m, &r); /* no dump */
	dump_begin(f, OTHER);
	model_socket(f->m, &r); /* not of this namespace */
	dump_begin(f, HOST);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		row(f, &client, cases[i].state, cases[i].kind);
	r.family = AF_UNIX;
	model_socket(f->m, &r);
	close_round(f, TW_STATES_ALL);
	assert_counts(f);
	f->now_ns += 100 * NSEC_PER_SEC;
	tick(f);
}

static void test_netns_gone(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	establish(f, &other);
	model_netns_gone(f->m,
			 &(struct tw_dump){.time_ns = later(f), .netns = OTHER, .complete = 1});
	assert_counts(f, [TW_ESTABLISHED] = 1);
	assert_int_equal(netns_find(model_netns(f->m), OTHER), -ENOENT);
	assert_int_equal(table_size(model_table(f->m)), 1);
	model_netns_gone(f->m,
			 &(struct tw_dump){.time_ns = later(f), .netns = OTHER, .complete = 1});
	establish(f, &other);
	assert_counts(f, [TW_ESTABLISHED] = 2);
	assert_true(model_consistent(f->m));
}

/* Of a namespace that nobody can look into transitions are all there is. */
static void test_netns_left(void **state)
{
	struct fixture *f = *state;
	struct tw_dump gone = {.netns = OTHER};

	establish(f, &client);
	establish(f, &other);
	gone.time_ns = later(f);
	model_netns_gone(f->m, &gone);
	tick(f);
	assert_counts(f, [TW_ESTABLISHED] = 2);
	change_with(f, &other, TW_ESTABLISHED, TW_CLOSE, 0, ECONNRESET);
	tick(f);
	assert_counts(f, [TW_ESTABLISHED] = 1);
	assert_int_equal(netns_find(model_netns(f->m), OTHER), -ENOENT);
	assert_true(model_consistent(f->m));

	establish(f, &other);
	gone.time_ns = later(f);
	model_netns_gone(f->m, &gone);
	model_lost(f->m, &(struct tw_lost){.time_ns = later(f), .ring_full = 1});
	assert_counts(f, [TW_ESTABLISHED] = 1);
	assert_int_equal(netns_find(model_netns(f->m), OTHER), -ENOENT);
}

static void test_netns_gone_in_a_round(void **state)
{
	const struct socket late = {.cookie = 70, .netns = OTHER, .sport = 9, .dport = 80};
	struct fixture *f = *state;

	establish(f, &client);
	establish(f, &other);
	open_round(f, TW_STATES_ALL);
	dump_begin(f, OTHER);
	row(f, &late, TW_ESTABLISHED, TW_SOCKET_FULL);
	change_with(f, &other, TW_ESTABLISHED, TW_CLOSE, 0, ECONNRESET);
	model_netns_gone(f->m,
			 &(struct tw_dump){.time_ns = later(f), .netns = OTHER, .complete = 1});
	row(f, &other, TW_ESTABLISHED, TW_SOCKET_FULL);
	dump_end(f, OTHER, true);
	row(f, &client, TW_ESTABLISHED, TW_SOCKET_FULL);
	close_round(f, TW_STATES_ALL);
	assert_counts(f, [TW_ESTABLISHED] = 1);
	assert_int_equal(table_size(model_table(f->m)), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_first_dump_is_no_drift),
		test(test_drift),
		test(test_event_newer_wins),
		test(test_newborn_is_not_swept),
		test(test_late_row_revives_nothing),
		test(test_late_row_of_a_minisocket),
		test(test_late_row_of_a_request),
		test(test_late_row_of_a_request_with_a_child),
		test(test_incomplete_dump_sweeps_nothing),
		test(test_dumps_are_per_namespace),
		test(test_partial_round),
		test(test_peer_closes_an_orphan),
		test(test_orphan_not_in_a_partial_round),
		test(test_orphan_where_a_time_wait_was),
		test(test_request_where_a_time_wait_was),
		test(test_signs_of_a_round_do_not_last),
		test(test_row_of_a_closed_socket),
		test(test_late_row_of_a_socket_never_met),
		test(test_late_row_leaves_no_sign),
		test(test_connect_that_a_dump_cannot_see_yet),
		test(test_minisocket_gone_before_its_dump),
		test(test_rows_tell_age_of_requests),
		test(test_owner_of_a_row),
		test(test_netns_gone),
		test(test_netns_left),
		test(test_netns_gone_in_a_round),
		test(test_malformed_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
