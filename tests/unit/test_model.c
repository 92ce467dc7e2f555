/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "model_fixture.h"

/* The life of connections. */

/* KERNEL.md: one loopback connection, client first to close, gives ten records. */
static void test_loopback(void **state)
{
	struct fixture *f = *state;

	change(f, &server, TW_CLOSE, TW_LISTEN);
	change(f, &client, TW_CLOSE, TW_SYN_SENT);
	assert_counts(f, [TW_LISTEN] = 1, [TW_SYN_SENT] = 1);
	change(f, &client, TW_SYN_SENT, TW_ESTABLISHED);
	change(f, &child, TW_LISTEN, TW_SYN_RECV);
	assert_counts(f, [TW_LISTEN] = 1, [TW_ESTABLISHED] = 1, [TW_SYN_RECV] = 1);
	change(f, &child, TW_SYN_RECV, TW_ESTABLISHED);
	assert_counts(f, [TW_LISTEN] = 1, [TW_ESTABLISHED] = 2);
	change_with(f, &client, TW_ESTABLISHED, TW_FIN_WAIT1, ORPHAN, 0);
	change_with(f, &child, TW_ESTABLISHED, TW_CLOSE_WAIT, TW_EVENT_DONE, 0);
	assert_counts(f, [TW_LISTEN] = 1, [TW_FIN_WAIT1] = 1, [TW_CLOSE_WAIT] = 1);
	change_with(f, &client, TW_FIN_WAIT1, TW_FIN_WAIT2, ORPHAN, 0);
	change_with(f, &child, TW_CLOSE_WAIT, TW_LAST_ACK, IN_ORDER, 0);
	assert_counts(f, [TW_LISTEN] = 1, [TW_FIN_WAIT2] = 1, [TW_LAST_ACK] = 1);
	change_with(f, &client, TW_FIN_WAIT2, TW_CLOSE, IN_ORDER, 0);
	change_with(f, &child, TW_LAST_ACK, TW_CLOSE, IN_ORDER, 0);
	assert_counts(f, [TW_LISTEN] = 1, [TW_TIME_WAIT] = 1);
	change(f, &server, TW_LISTEN, TW_CLOSE);
	assert_counts(f, [TW_TIME_WAIT] = 1);

	assert_int_equal(model_stats(f->m)->events, 12);
	assert_int_equal(transitions(f, TW_FIN_WAIT2, TW_TIME_WAIT), 1);
	assert_int_equal(transitions(f, TW_FIN_WAIT2, TW_CLOSE), 0);
	assert_int_equal(transitions(f, TW_LAST_ACK, TW_CLOSE), 1);
	assert_int_equal(transitions(f, TW_LISTEN, TW_SYN_RECV), 1);
	assert_int_equal(model_stats(f->m)->closed[CLOSE_REASON_NORMAL], 2);
	assert_int_equal(model_untracked(f->m), 0);
	assert_true(model_consistent(f->m));
}

static void test_durations(void **state)
{
	struct fixture *f = *state;
	const struct histogram *h = model_stats(f->m)->durations;

	establish(f, &client);
	f->now_ns += 2 * NSEC_PER_SEC - STEP_NS;
	become_time_wait(f, &client);
	assert_int_equal(h[TW_ESTABLISHED].buckets[4], 1);
	assert_true(h[TW_ESTABLISHED].sum > 1.999 && h[TW_ESTABLISHED].sum < 2.001);
	assert_int_equal(h[TW_SYN_SENT].buckets[0], 1);
	assert_int_equal(durations(f, TW_FIN_WAIT1), 1);
	assert_int_equal(durations(f, TW_FIN_WAIT2), 1);
	assert_int_equal(durations(f, TW_TIME_WAIT), 0);
	/* of one whose entry was not seen, nothing is said */
	change(f, &other, TW_CLOSE_WAIT, TW_LAST_ACK);
	assert_int_equal(durations(f, TW_CLOSE_WAIT), 0);
	change(f, &other, TW_LAST_ACK, TW_CLOSE);
	assert_int_equal(durations(f, TW_LAST_ACK), 1);
}

static void test_entry_times(void **state)
{
	struct fixture *f = *state;
	uint64_t entered;

	change(f, &client, TW_CLOSE, TW_SYN_SENT);
	entered = f->now_ns;
	assert_int_equal(find(f, &client)->entered_ns, entered);
	assert_int_equal(table_oldest(model_table(f->m), TW_SYN_SENT)->cookie, client.cookie);
	change(f, &client, TW_SYN_SENT, TW_ESTABLISHED);
	assert_int_equal(find(f, &client)->entered_ns, entered + STEP_NS);
	assert_int_equal(model_now_ns(f->m), f->now_ns);
}

/* Before Linux 6.14: neither peer nor cookie at 10→3. */
static void test_birth_without_a_peer(void **state)
{
	static const struct socket unborn = {.cookie = 77, .netns = HOST, .sport = 80};
	struct fixture *f = *state;

	change(f, &server, TW_CLOSE, TW_LISTEN);
	change(f, &unborn, TW_LISTEN, TW_SYN_RECV);
	assert_counts(f, [TW_LISTEN] = 1);
	assert_int_equal(transitions(f, TW_LISTEN, TW_SYN_RECV), 1);
	change(f, &child, TW_SYN_RECV, TW_ESTABLISHED);
	assert_counts(f, [TW_LISTEN] = 1, [TW_ESTABLISHED] = 1);
}

static void test_port_is_learned(void **state)
{
	struct socket unbound = client;
	struct fixture *f = *state;

	unbound.sport = 0;
	change(f, &unbound, TW_CLOSE, TW_SYN_SENT);
	assert_int_equal(find(f, &client)->sport, 0);
	change(f, &client, TW_SYN_SENT, TW_ESTABLISHED);
	assert_int_equal(find(f, &client)->sport, client.sport);
}

static void test_port_is_learned_from_a_dump(void **state)
{
	struct socket unbound = client;
	struct fixture *f = *state;

	unbound.sport = 0;
	change(f, &unbound, TW_CLOSE, TW_SYN_SENT);
	dump(f, (const struct socket *[]){&client}, (unsigned[]){TW_SYN_SENT}, 1);
	assert_int_equal(find(f, &client)->sport, client.sport);
}

static void test_families_and_namespaces(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	establish(f, &other);
	establish(f, &on_ipv6);
	assert_int_equal(model_connections(f->m, TW_ESTABLISHED, NETNS_IPV4), 2);
	assert_int_equal(model_connections(f->m, TW_ESTABLISHED, NETNS_IPV6), 1);
	assert_int_equal(netns_count_of(f->m, HOST, TW_ESTABLISHED, NETNS_IPV4), 1);
	assert_int_equal(netns_count_of(f->m, HOST, TW_ESTABLISHED, NETNS_IPV6), 1);
	assert_int_equal(netns_count_of(f->m, OTHER, TW_ESTABLISHED, NETNS_IPV4), 1);
	assert_int_equal(netns_count_of(f->m, OTHER, TW_ESTABLISHED, NETNS_IPV6), 0);
	become_time_wait(f, &on_ipv6);
	assert_int_equal(model_connections(f->m, TW_TIME_WAIT, NETNS_IPV6), 1);
}

static void connect_by(struct fixture *f, const struct socket *s, uint8_t flags, const char *comm)
{
	struct tw_event e = event_of(s, TW_CLOSE, TW_SYN_SENT, later(f));

	e.uid = 33;
	e.cgroup = 9;
	e.pid = 4711;
	e.flags = flags;
	memcpy(e.comm, comm, strlen(comm));
	model_event(f->m, &e);
}

static void test_owner(void **state)
{
	struct fixture *f = *state;

	connect_by(f, &client, TW_EVENT_PROCESS, "curl");
	assert_int_equal(owner(f, &client)->pid, 4711);
	assert_int_equal(owner(f, &client)->uid, 33);
	assert_int_equal(owner(f, &client)->cgroup, 9);
	assert_string_equal(owner(f, &client)->comm, "curl");
	change(f, &client, TW_SYN_SENT, TW_ESTABLISHED);
	assert_int_equal(owner(f, &client)->pid, 4711);
	/* only then is the process the one whose socket it is */
	connect_by(f, &other, 0, "ksoftirqd");
	assert_int_equal(owner(f, &other)->pid, 0);
	assert_string_equal(owner(f, &other)->comm, "");
	assert_int_equal(owner(f, &other)->uid, 33);
}

/* A comm that fills its field is cut, not read on. */
static void test_owner_with_a_long_name(void **state)
{
	struct fixture *f = *state;

	connect_by(f, &client, TW_EVENT_PROCESS, "0123456789abcdef");
	assert_string_equal(owner(f, &client)->comm, "0123456789abcde");
}

/* Who makes a transition has a descriptor, whoever had it before. */
static void test_owner_is_learned(void **state)
{
	struct tw_event closes;
	struct fixture *f = *state;

	change(f, &child, TW_LISTEN, TW_SYN_RECV);
	change(f, &child, TW_SYN_RECV, TW_ESTABLISHED);
	assert_int_equal(owner(f, &child)->pid, 0);
	for (uint32_t pid = 100; pid <= 101; pid++) {
		closes = event_of(&child, TW_ESTABLISHED, TW_FIN_WAIT1, later(f));
		closes.flags = TW_EVENT_PROCESS;
		closes.pid = pid;
		model_event(f->m, &closes);
		assert_int_equal(owner(f, &child)->pid, pid);
	}
}

static void test_failed_connects(void **state)
{
	static const struct {
		uint16_t port, error;
		uint8_t flags;
		enum connect_failure reason;
	} cases[] = {
		{40000, ECONNREFUSED, 0, CONNECT_FAILURE_REFUSED},
		{40000, ETIMEDOUT, 0, CONNECT_FAILURE_TIMED_OUT},
		{40000, EHOSTUNREACH, 0, CONNECT_FAILURE_UNREACHABLE},
		{0, 0, TW_EVENT_PROCESS, CONNECT_FAILURE_NO_PORT},
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct socket s = client;

		s.sport = cases[i].port;
		change(f, &s, TW_CLOSE, TW_SYN_SENT);
		change_with(f, &s, TW_SYN_SENT, TW_CLOSE, cases[i].flags, cases[i].error);
		assert_int_equal(model_stats(f->m)->connect_failures[cases[i].reason], 1);
	}
	assert_counts(f);
	assert_int_equal(model_stats(f->m)->closed[CLOSE_REASON_ABORTED], 0);
	assert_int_equal(table_size(model_table(f->m)), 0);
}

/* The same socket, and so the same cookie, at a time without a dump and while one goes on. */
static void test_connect_again(void **state)
{
	struct fixture *f = *state;

	for (int in_round = 0; in_round < 2; in_round++) {
		if (in_round)
			open_round(f, TW_STATES_ALL);
		change(f, &client, TW_CLOSE, TW_SYN_SENT);
		change_with(f, &client, TW_SYN_SENT, TW_CLOSE, 0, ECONNREFUSED);
		assert_counts(f);
		change(f, &client, TW_CLOSE, TW_SYN_SENT);
		assert_counts(f, [TW_SYN_SENT] = 1);
		change(f, &client, TW_SYN_SENT, TW_ESTABLISHED);
		if (in_round)
			assert_int_equal(close_round(f, TW_STATES_ALL).total, 0);
		assert_counts(f, [TW_ESTABLISHED] = 1);
		assert_int_equal(table_size(model_table(f->m)), 1);
		change_with(f, &client, TW_ESTABLISHED, TW_CLOSE, 0, ECONNRESET);
	}
}

static void test_listener_closes(void **state)
{
	struct fixture *f = *state;

	change(f, &server, TW_CLOSE, TW_LISTEN);
	change(f, &server, TW_LISTEN, TW_CLOSE);
	assert_counts(f);
	for (unsigned i = 0; i < CLOSE_REASON_COUNT; i++)
		assert_int_equal(model_stats(f->m)->closed[i], 0);
}

/* What follows FIN_WAIT2 and CLOSING. */

static void test_closing_leaves_a_time_wait(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	change_with(f, &client, TW_ESTABLISHED, TW_FIN_WAIT1, ORPHAN, 0);
	change_with(f, &client, TW_FIN_WAIT1, TW_CLOSING, IN_ORDER, 0);
	assert_counts(f, [TW_CLOSING] = 1);
	change_with(f, &client, TW_CLOSING, TW_CLOSE, IN_ORDER, 0);
	assert_counts(f, [TW_TIME_WAIT] = 1);
	assert_int_equal(transitions(f, TW_CLOSING, TW_TIME_WAIT), 1);
	assert_int_equal(model_stats(f->m)->closed[CLOSE_REASON_NORMAL], 1);
	assert_null(find(f, &client));
}

/* The descriptor is still open when the peer closes: no orphan. */
static void test_half_closed_leaves_a_time_wait(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	change(f, &client, TW_ESTABLISHED, TW_FIN_WAIT1);
	change(f, &client, TW_FIN_WAIT1, TW_FIN_WAIT2);
	change_with(f, &client, TW_FIN_WAIT2, TW_CLOSE, TW_EVENT_DONE, 0);
	assert_counts(f, [TW_TIME_WAIT] = 1);
}

/* An orphan goes on as a minisocket, still in FIN_WAIT2; in between no time passes. */
static void test_orphan(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	become_orphan(f, &client);
	assert_counts(f, [TW_FIN_WAIT2] = 1);
	assert_int_equal(netns(f, HOST)->minis, 1);
	assert_int_equal(durations(f, TW_FIN_WAIT2), 0);
	assert_int_equal(transitions(f, TW_FIN_WAIT2, TW_CLOSE), 0);
	assert_null(find(f, &client));
	assert_true(model_consistent(f->m));
}

static void test_no_minisocket(void **state)
{
	static const struct {
		unsigned state;
		uint16_t error;
		uint8_t flags;
		enum close_reason reason;
	} cases[] = {
		{TW_ESTABLISHED, ECONNRESET, TW_EVENT_DONE, CLOSE_REASON_RESET},
		{TW_ESTABLISHED, 0, ORPHAN, CLOSE_REASON_ABORTED},
		{TW_FIN_WAIT1, ETIMEDOUT, ORPHAN, CLOSE_REASON_TIMED_OUT},
		{TW_FIN_WAIT2, ECONNRESET, ORPHAN, CLOSE_REASON_RESET},
		{TW_FIN_WAIT2, ECONNRESET, IN_ORDER, CLOSE_REASON_RESET},
		{TW_FIN_WAIT2, 0, 0, CLOSE_REASON_ABORTED},
		{TW_CLOSING, ECONNRESET, IN_ORDER, CLOSE_REASON_RESET},
		{TW_CLOSING, 0, ORPHAN, CLOSE_REASON_ABORTED},
		{TW_CLOSE_WAIT, EPIPE, TW_EVENT_DONE, CLOSE_REASON_RESET},
		{TW_LAST_ACK, 0, IN_ORDER, CLOSE_REASON_NORMAL},
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t before = model_stats(f->m)->closed[cases[i].reason];

		establish(f, &client);
		change(f, &client, TW_ESTABLISHED, cases[i].state);
		change_with(f, &client, cases[i].state, TW_CLOSE, cases[i].flags, cases[i].error);
		assert_counts(f);
		assert_int_equal(model_stats(f->m)->closed[cases[i].reason], before + 1);
	}
}

static void test_time_wait_expires(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	become_time_wait(f, &client);
	f->now_ns += 59 * NSEC_PER_SEC;
	counters(f, 0, 0);
	assert_int_equal(table_size(model_table(f->m)), 1);
	f->now_ns += NSEC_PER_SEC;
	counters(f, 0, 0);
	assert_counts(f);
	assert_int_equal(transitions(f, TW_TIME_WAIT, TW_CLOSE), 1);
	assert_int_equal(durations(f, TW_TIME_WAIT), 1);
	assert_int_equal(table_size(model_table(f->m)), 0);
}

/* As long as the kernel counts it, whose timers may be late by an eighth. */
static void test_time_wait_is_late(void **state)
{
	struct fixture *f = *state;

	establish(f, &client);
	become_time_wait(f, &client);
	establish(f, &on_ipv6);
	become_time_wait(f, &on_ipv6);
	establish(f, &other);
	become_time_wait(f, &other);
	f->now_ns += 62 * NSEC_PER_SEC;
	counters(f, 0, 2);
	tick(f);
	assert_counts(f, [TW_TIME_WAIT] = 3);
	assert_int_equal(table_size(model_table(f->m)), 3);
	counters(f, 0, 1);
	assert_counts(f, [TW_TIME_WAIT] = 2);
	assert_int_equal(model_untracked(f->m), 0);
	assert_int_equal(table_size(model_table(f->m)), 2); /* the oldest is gone */
	assert_int_equal(netns(f, HOST)->tracked[TW_TIME_WAIT][NETNS_IPV6], 1);
	assert_int_equal(netns(f, OTHER)->tracked[TW_TIME_WAIT][NETNS_IPV4], 1);
	f->now_ns += 5400 * NSEC_PER_MSEC;
	tick(f);
	assert_int_equal(table_size(model_table(f->m)), 2);
	f->now_ns += 200 * NSEC_PER_MSEC;
	tick(f);
	assert_int_equal(table_size(model_table(f->m)), 0);
}

/* Of a TIME_WAIT that a dump found, the time that is left counts. */
static void test_found_time_wait_expires(void **state)
{
	struct fixture *f = *state;

	open_round(f, TW_STATES_ALL);
	row_expiring(f, &client, TW_TIME_WAIT, TW_SOCKET_MINI, 20000);
	row_expiring(f, &child, TW_TIME_WAIT, TW_SOCKET_MINI, 40000);
	close_round(f, TW_STATES_ALL);
	f->now_ns += 21 * NSEC_PER_SEC;
	counters(f, 0, 1);
	assert_counts(f, [TW_TIME_WAIT] = 1);
	assert_int_equal(model_untracked(f->m), 0);
	f->now_ns += 20 * NSEC_PER_SEC;
	counters(f, 0, 0);
	assert_int_equal(table_length(model_table(f->m), TW_TIME_WAIT), 0);
	assert_int_equal(durations(f, TW_TIME_WAIT), 0);
}

/* Of an orphan, what is left of the namespace's tcp_fin_timeout; 60 s where nobody knows it. */
static void test_found_orphan_has_an_age(void **state)
{
	static const struct {
		uint32_t known, fin_timeout, left_ms, age_s;
	} cases[] = {{0, 0, 50000, 10},
		     {1, 60, 50000, 10},
		     {1, 15, 12000, 3},
		     {1, 90, 50000, 40},
		     {1, 15, 40000, 0}};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tw_limits limits = {.time_ns = later(f), .netns = HOST};
		uint64_t dump_ns;

		limits.known = cases[i].known << TW_SYSCTL_TCP_FIN_TIMEOUT;
		limits.values[TW_SYSCTL_TCP_FIN_TIMEOUT] = cases[i].fin_timeout;
		model_limits(f->m, &limits);
		open_round(f, TW_STATES_ALL);
		dump_ns = f->now_ns;
		row_expiring(f, &client, TW_FIN_WAIT2, TW_SOCKET_MINI, cases[i].left_ms);
		close_round(f, TW_STATES_ALL);
		assert_int_equal(table_oldest(model_table(f->m), TW_FIN_WAIT2)->entered_ns,
				 dump_ns - cases[i].age_s * NSEC_PER_SEC);
		open_round(f, TW_STATES_ALL);
		close_round(f, TW_STATES_ALL);
		assert_counts(f);
	}
}

/* One pair of addresses, one socket. */

static void test_reuse_replaces_a_time_wait(void **state)
{
	struct socket next = client, unbound;
	struct fixture *f = *state;

	establish(f, &client);
	become_time_wait(f, &client);
	next.cookie = 20;
	change(f, &next, TW_CLOSE, TW_SYN_SENT); /* bound */
	assert_counts(f, [TW_SYN_SENT] = 1);
	change(f, &next, TW_SYN_SENT, TW_ESTABLISHED);
	become_time_wait(f, &next);
	next.cookie = 21;
	unbound = next;
	unbound.sport = 0;
	change(f, &unbound, TW_CLOSE, TW_SYN_SENT);
	change(f, &next, TW_SYN_SENT, TW_ESTABLISHED);
	assert_counts(f, [TW_ESTABLISHED] = 1);
	/* another namespace's are other sockets */
	become_time_wait(f, &next);
	next.netns = OTHER;
	next.cookie = 22;
	establish(f, &next);
	assert_counts(f, [TW_ESTABLISHED] = 1, [TW_TIME_WAIT] = 1);
}

static void test_reuse_by_a_child(void **state)
{
	struct socket again = child;
	struct fixture *f = *state;

	change(f, &child, TW_LISTEN, TW_SYN_RECV);
	change(f, &child, TW_SYN_RECV, TW_ESTABLISHED);
	become_time_wait(f, &child);
	again.cookie = 30;
	change(f, &again, TW_LISTEN, TW_SYN_RECV);
	assert_counts(f, [TW_SYN_RECV] = 1);
}

/* A request has its child's cookie, and is gone when the child comes. */
static void test_child_replaces_its_request(void **state)
{
	struct fixture *f = *state;

	open_round(f, TW_STATES_ALL);
	row(f, &child, TW_SYN_RECV, TW_SOCKET_REQUEST);
	close_round(f, TW_STATES_ALL);
	assert_counts(f, [TW_SYN_RECV] = 1);
	assert_int_equal(netns(f, HOST)->requests[NETNS_IPV4], 1);
	assert_null(find(f, &child));
	change(f, &child, TW_LISTEN, TW_SYN_RECV);
	assert_counts(f, [TW_SYN_RECV] = 1);
	assert_int_equal(netns(f, HOST)->requests[NETNS_IPV4], 0);
	assert_non_null(find(f, &child));
	change(f, &child, TW_SYN_RECV, TW_ESTABLISHED);
	assert_counts(f, [TW_ESTABLISHED] = 1);
}

/* Before Linux 6.14. */
static void test_child_replaces_its_request_later(void **state)
{
	struct fixture *f = *state;

	open_round(f, TW_STATES_ALL);
	row(f, &child, TW_SYN_RECV, TW_SOCKET_REQUEST);
	close_round(f, TW_STATES_ALL);
	change(f, &child, TW_SYN_RECV, TW_ESTABLISHED);
	assert_counts(f, [TW_ESTABLISHED] = 1);
}

/* What cannot be, and what is just counted. */

static void test_malformed_events(void **state)
{
	static const struct {
		uint8_t old_state, new_state, family;
		uint32_t netns;
	} cases[] = {
		{0, TW_ESTABLISHED, AF_INET, HOST},
		{12, TW_ESTABLISHED, AF_INET, HOST},
		{TW_CLOSE, 0, AF_INET, HOST},
		{TW_CLOSE, 13, AF_INET6, HOST},
		{TW_CLOSE, 255, AF_INET6, HOST},
		{TW_CLOSE, TW_SYN_SENT, 0, HOST},
		{TW_CLOSE, TW_SYN_SENT, AF_UNIX, HOST},
		{TW_CLOSE, TW_SYN_SENT, AF_INET, 0},
		/* a minisocket's state, which tcp_set_state() never sets */
		{TW_FIN_WAIT2, TW_TIME_WAIT, AF_INET, HOST},
		{TW_TIME_WAIT, TW_CLOSE, AF_INET, HOST},
	};
	struct fixture *f = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tw_event e = event_of(&client, cases[i].old_state, cases[i].new_state,
					     later(f));

		e.family = cases[i].family;
		e.netns = cases[i].netns;
		model_event(f->m, &e);
		assert_int_equal(model_stats(f->m)->events_malformed, i + 1);
		assert_counts(f);
	}
	assert_int_equal(model_stats(f->m)->events, 0);
	f->now_ns += 100 * NSEC_PER_SEC;
	tick(f);
}

static void test_lost(void **state)
{
	struct fixture *f = *state;

	model_lost(f->m, &(struct tw_lost){.time_ns = later(f), .ring_full = 3});
	model_lost(f->m, &(struct tw_lost){.time_ns = later(f), .not_run = 4});
	assert_int_equal(model_stats(f->m)->events_lost[EVENT_LOSS_RING_FULL], 3);
	assert_int_equal(stats_lost(model_stats(f->m)), 7);
}

/* Time never goes back, whatever the records say. */
static void test_time(void **state)
{
	struct fixture *f = *state;
	uint64_t newest;

	establish(f, &client);
	newest = f->now_ns;
	f->now_ns -= 2 * STEP_NS;
	tick(f);
	assert_int_equal(model_now_ns(f->m), newest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_loopback),
		test(test_durations),
		test(test_entry_times),
		test(test_birth_without_a_peer),
		test(test_port_is_learned),
		test(test_port_is_learned_from_a_dump),
		test(test_families_and_namespaces),
		test(test_owner),
		test(test_owner_with_a_long_name),
		test(test_owner_is_learned),
		test(test_failed_connects),
		test(test_connect_again),
		test(test_listener_closes),
		test(test_closing_leaves_a_time_wait),
		test(test_half_closed_leaves_a_time_wait),
		test(test_orphan),
		test(test_no_minisocket),
		test(test_time_wait_expires),
		test(test_time_wait_is_late),
		test(test_found_time_wait_expires),
		test(test_found_orphan_has_an_age),
		test(test_reuse_replaces_a_time_wait),
		test(test_reuse_by_a_child),
		test(test_child_replaces_its_request),
		test(test_child_replaces_its_request_later),
		test(test_malformed_events),
		test(test_lost),
		test(test_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
