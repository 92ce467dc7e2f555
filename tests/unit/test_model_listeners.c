/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the looks at the listeners, and at the kernel's counters of SYNs, make of the model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model_fixture.h"

static void listener_of(struct fixture *f, uint32_t netns, uint8_t family, uint16_t port,
			uint32_t syn_queue)
{
	const struct tw_listener row = {
		.netns = netns,
		.family = family,
		.port = port,
		.syn_queue = syn_queue,
		.backlog = 128,
	};

	model_listener(f->m, &row);
}

static void listener_row(struct fixture *f, const struct socket *s, uint32_t syn_queue, bool closed)
{
	const struct tw_listener row = {
		.cookie = s->cookie,
		.netns = s->netns,
		.family = AF_INET,
		.port = closed ? 0 : s->sport,
		.syn_queue = syn_queue,
		.accept_queue = 2,
		.backlog = 128,
		.closed = closed,
	};

	model_listener(f->m, &row);
}

static void look(struct fixture *f)
{
	model_listeners_done(f->m, &(struct tw_tick){.time_ns = later(f)});
}

static void look_at_changes(struct fixture *f)
{
	model_listeners_changed(f->m, &(struct tw_tick){.time_ns = later(f)});
}

static void segments(struct fixture *f, uint32_t netns, uint16_t port, uint64_t syns)
{
	model_port(f->m, &(struct tw_port_record){.port = {.netns = netns, .port = port},
						  .count = {.syns = syns}});
}

static void port_gone(struct fixture *f, uint32_t netns, uint16_t port)
{
	model_port_gone(f->m, &(struct tw_port){.netns = netns, .port = port});
}

static void sources_at(struct fixture *f, uint64_t time_ns, uint64_t syns)
{
	f->now_ns = time_ns;
	model_sources(f->m, &(struct tw_source_summary){
				    .time_ns = time_ns, .duration_ns = NSEC_PER_SEC, .syns = syns});
}

static void netstat(struct fixture *f, uint32_t netns, uint64_t cookies)
{
	f->now_ns += NSEC_PER_SEC;
	model_netstat(f->m, &(struct tw_netstat){.time_ns = f->now_ns,
						 .netns = netns,
						 .syncookies_sent = cookies});
}

static void gone(struct fixture *f, uint32_t inum)
{
	model_netns_gone(f->m,
			 &(struct tw_dump){.time_ns = later(f), .netns = inum, .complete = 1});
}

static void test_syn_recv_is_the_queues(void **state)
{
	struct fixture *f = *state;

	listener_of(f, HOST, AF_INET, 80, 5);
	listener_of(f, HOST, AF_INET, 80, 7); /* SO_REUSEPORT */
	listener_of(f, HOST, AF_INET6, 80, 11);
	listener_of(f, OTHER, AF_INET, 80, 13);
	assert_int_equal(connections(f, TW_SYN_RECV), 0);
	look(f);
	assert_int_equal(model_connections(f->m, TW_SYN_RECV, NETNS_IPV4), 25);
	assert_int_equal(model_connections(f->m, TW_SYN_RECV, NETNS_IPV6), 11);
	assert_int_equal(netns_connections(netns(f, OTHER), TW_SYN_RECV), 13);
	listener_of(f, HOST, AF_INET, 80, 1);
	look(f);
	assert_int_equal(connections(f, TW_SYN_RECV), 1);
}

/* A dump tells who they are; how many there are is still the queues' to say. */
static void test_requests_are_among_them(void **state)
{
	struct fixture *f = *state;

	open_round(f, TW_STATE_BIT(TW_SYN_RECV));
	row(f, &child, TW_SYN_RECV, TW_SOCKET_REQUEST);
	close_round(f, TW_STATE_BIT(TW_SYN_RECV));
	assert_int_equal(connections(f, TW_SYN_RECV), 1);
	listener_of(f, HOST, AF_INET, 80, 3);
	look(f);
	assert_int_equal(connections(f, TW_SYN_RECV), 3);
	listener_of(f, HOST, AF_INET, 80, 0);
	look(f);
	assert_int_equal(connections(f, TW_SYN_RECV), 0);
	assert_int_equal(table_length(model_table(f->m), TW_SYN_RECV), 0);
}

static void test_a_real_syn_recv_socket_counts_as_well(void **state)
{
	struct fixture *f = *state;

	change(f, &client, TW_CLOSE, TW_SYN_SENT);
	change(f, &client, TW_SYN_SENT, TW_SYN_RECV); /* both opened at once */
	listener_of(f, HOST, AF_INET, 80, 3);
	look(f);
	assert_int_equal(connections(f, TW_SYN_RECV), 4);
}

static void test_malformed_listener(void **state)
{
	struct fixture *f = *state;
	size_t count;

	listener_of(f, HOST, 0, 80, 5);
	listener_of(f, 0, AF_INET, 80, 5);
	look(f);
	listeners_rows(model_listeners(f->m), &count);
	assert_int_equal(count, 0);
	assert_int_equal(connections(f, TW_SYN_RECV), 0);
}

static void test_told_twice(void **state)
{
	static const struct socket closed = {.cookie = 90, .netns = HOST};
	struct fixture *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		listener_row(f, &server, 5, false);
		listener_row(f, &closed, 7, true);
	}
	look(f);
	assert_int_equal(connections(f, TW_SYN_RECV), 12);
	assert_int_equal(listeners_port(model_listeners(f->m), HOST, 80)->count, 1);
	assert_int_equal(listeners_port(model_listeners(f->m), HOST, 80)->syn_queue, 5);
}

/* Of those that are not told, none has anything half-open or waiting. */
static void test_only_changes(void **state)
{
	static const struct socket elsewhere = {.cookie = 90, .netns = OTHER, .sport = 81};
	static const struct socket closed = {.cookie = 91, .netns = HOST};
	struct fixture *f = *state;

	establish(f, &child);
	listener_row(f, &server, 5, false);
	listener_row(f, &elsewhere, 0, false);
	look(f);
	listener_row(f, &server, 3, false);
	listener_row(f, &closed, 7, true);
	model_queued(f->m, &(struct tw_queued){.cookie = child.cookie});
	look_at_changes(f);
	assert_int_equal(netns_connections(netns(f, HOST), TW_SYN_RECV), 10);
	assert_int_equal(owner(f, &child)->kind, OWNER_KIND_UNACCEPTED);
	assert_non_null(listeners_port(model_listeners(f->m), OTHER, 81));
	listener_row(f, &server, 0, false);
	look_at_changes(f);
	assert_int_equal(connections(f, TW_SYN_RECV), 0);
	assert_int_not_equal(owner(f, &child)->kind, OWNER_KIND_UNACCEPTED);
	look_at_changes(f);
	assert_int_equal(listeners_port(model_listeners(f->m), HOST, 80)->count, 1);
	assert_non_null(listeners_port(model_listeners(f->m), OTHER, 81));
}

static void assert_shown(const struct fixture *f, bool shown)
{
	const struct listener_port *port = listeners_port(model_listeners(f->m), HOST, 80);

	assert_int_equal(port != NULL, shown);
	assert_int_equal(connections(f, TW_SYN_RECV), shown ? 5 : 0);
	if (!shown)
		return;
	assert_int_equal(port->count, 1);
	assert_int_equal(port->syn_queue, 5);
	assert_int_equal(port->accept_queue, 2);
}

/* As it was, as long as it can be an oversight; with what waits to be accepted. */
static void test_skipped(void **state)
{
	struct fixture *f = *state;

	change(f, &server, TW_CLOSE, TW_LISTEN);
	establish(f, &child);
	for (unsigned turn = 0; turn < 3; turn++) {
		listener_row(f, &server, 5, false);
		model_queued(f->m, &(struct tw_queued){.cookie = child.cookie});
		look(f);
		look(f);
		assert_shown(f, true);
		assert_int_equal(owner(f, &child)->kind, OWNER_KIND_UNACCEPTED);
	}
	for (unsigned i = 0; i < 10; i++)
		look(f);
	assert_shown(f, false);
	assert_int_not_equal(owner(f, &child)->kind, OWNER_KIND_UNACCEPTED);
	listener_row(f, &server, 5, false);
	look(f);
	assert_shown(f, true);
}

static void test_closed_is_not_skipped(void **state)
{
	struct fixture *f = *state;

	change(f, &server, TW_CLOSE, TW_LISTEN);
	listener_row(f, &server, 5, false);
	look(f);
	look(f);
	assert_shown(f, true);
	change(f, &server, TW_LISTEN, TW_CLOSE);
	look(f);
	assert_shown(f, false);

	/* and while a round of dumps goes on, when what has ended is still remembered */
	change(f, &server, TW_CLOSE, TW_LISTEN);
	listener_row(f, &server, 5, false);
	look(f);
	open_round(f, TW_STATES_ALL);
	change(f, &server, TW_LISTEN, TW_CLOSE);
	look(f);
	assert_shown(f, false);
	close_round(f, TW_STATES_ALL);
}

static void test_skipped_in_a_namespace_that_went(void **state)
{
	struct fixture *f = *state;

	change(f, &server, TW_CLOSE, TW_LISTEN);
	listener_row(f, &server, 5, false);
	look(f);
	gone(f, HOST);
	look(f);
	assert_shown(f, false);
}

/* Where no iterator tells: the listeners and their queues are those of a full dump. */
static void test_by_dump(void **state)
{
	const struct tw_listener *rows;
	struct fixture *f = *state;
	struct tw_socket listener = row_of(&server, TW_LISTEN, TW_SOCKET_FULL);
	size_t count;

	listener.send_queue = 128;
	listener.receive_queue = 9;
	open_round(f, TW_STATES_ALL);
	model_socket(f->m, &listener);
	row(f, &child, TW_SYN_RECV, TW_SOCKET_REQUEST);
	close_round(f, TW_STATES_ALL);
	rows = listeners_rows(model_listeners(f->m), &count);
	assert_int_equal(count, 1);
	assert_int_equal(rows->port, 80);
	assert_int_equal(rows->syn_queue, 1);
	assert_int_equal(rows->accept_queue, 9);
	assert_int_equal(rows->backlog, 128);
}

static void dump_of_listener(struct fixture *f, uint32_t netns, uint16_t port)
{
	const struct socket listener = {.cookie = netns + port, .netns = netns, .sport = port};

	round_begin(f, TW_STATES_ALL);
	dump_begin(f, netns);
	row(f, &listener, TW_LISTEN, TW_SOCKET_FULL);
	dump_end(f, netns, true);
	round_end(f, TW_STATES_ALL);
}

/* A namespace that has just come is dumped alone. */
static void test_by_dump_of_one_namespace(void **state)
{
	const struct listeners *listeners;
	struct fixture *f = *state;

	listeners = model_listeners(f->m);
	dump_of_listener(f, HOST, 80);
	dump_of_listener(f, OTHER, 443);
	assert_int_equal(listeners_port_count(listeners), 2);
	dump_of_listener(f, OTHER, 444);
	assert_int_equal(listeners_port_count(listeners), 2);
	assert_non_null(listeners_port(listeners, HOST, 80));
	assert_non_null(listeners_port(listeners, OTHER, 444));
	gone(f, OTHER);
	dump_of_listener(f, HOST, 80);
	assert_int_equal(listeners_port_count(listeners), 1);
}

static void begin_to_listen(struct fixture *f)
{
	struct tw_event event = event_of(&server, TW_CLOSE, TW_LISTEN, later(f));

	event.flags = TW_EVENT_PROCESS;
	event.pid = 77;
	model_event(f->m, &event);
}

static void end_of_pass(struct fixture *f, bool unlisted)
{
	model_pass_begin(f->m, &(struct tw_pass){.time_ns = later(f)});
	model_pass_end(f->m,
		       &(struct tw_pass){.time_ns = later(f), .complete = 1, .unlisted = unlisted});
}

/* The listener map had no room for all of them: dumps of their states take the place of looks, for
 * as long as that is so. */
static void test_unlisted(void **state)
{
	const struct tw_listener *rows;
	struct fixture *f = *state;
	size_t count;

	begin_to_listen(f);
	look(f);
	end_of_pass(f, true);
	open_round(f, MODEL_LISTENER_STATES);
	row(f, &server, TW_LISTEN, TW_SOCKET_FULL);
	row(f, &child, TW_SYN_RECV, TW_SOCKET_REQUEST);
	close_round(f, MODEL_LISTENER_STATES);
	rows = listeners_rows(model_listeners(f->m), &count);
	assert_int_equal(count, 1);
	assert_int_equal(rows->syn_queue, 1);
	assert_int_equal(rows->pid, 77);
	assert_int_equal(connections(f, TW_SYN_RECV), 1);
	open_round(f, TW_STATE_BIT(TW_SYN_RECV)); /* which does not show listeners */
	close_round(f, TW_STATE_BIT(TW_SYN_RECV));
	listeners_rows(model_listeners(f->m), &count);
	assert_int_equal(count, 1);
	assert_int_equal(connections(f, TW_SYN_RECV), 0);

	end_of_pass(f, false);
	listener_of(f, HOST, AF_INET, 80, 5);
	listener_of(f, HOST, AF_INET, 81, 6);
	look(f);
	open_round(f, MODEL_LISTENER_STATES);
	row(f, &server, TW_LISTEN, TW_SOCKET_FULL);
	close_round(f, MODEL_LISTENER_STATES);
	listeners_rows(model_listeners(f->m), &count);
	assert_int_equal(count, 2);
}

/* Nobody else tells then what waits for accept(), and what does not any more. */
static void test_unlisted_accept_queue(void **state)
{
	const uint32_t states = MODEL_LISTENER_STATES | MODEL_QUEUED_STATES;
	struct tw_socket waiting = row_of(&child, TW_ESTABLISHED, TW_SOCKET_FULL);
	struct fixture *f = *state;

	begin_to_listen(f);
	end_of_pass(f, true);
	change(f, &child, TW_LISTEN, TW_SYN_RECV);
	change(f, &child, TW_SYN_RECV, TW_ESTABLISHED);
	for (unsigned accepted = 0; accepted <= 1; accepted++) {
		waiting.inode = accepted ? 4711 : 0;
		open_round(f, states);
		row(f, &server, TW_LISTEN, TW_SOCKET_FULL);
		model_socket(f->m, &waiting);
		close_round(f, states);
		assert_int_equal(owner(f, &child)->pid, 77);
		assert_int_equal(owner(f, &child)->kind == OWNER_KIND_UNACCEPTED, !accepted);
	}
}

static void test_which_ports_are_wanted(void **state)
{
	const struct tw_port http = {.netns = HOST, .port = 80}, all = {.netns = HOST};
	struct fixture *f = *state;

	assert_false(model_wants_port(f->m, &all));
	listener_of(f, HOST, AF_INET, 80, 0);
	look(f);
	assert_true(model_wants_port(f->m, &http));
	assert_true(model_wants_port(f->m, &all));
	assert_false(netns(f, HOST)->rest_counted);
	segments(f, HOST, 0, 1);
	assert_true(netns(f, HOST)->rest_counted);
	look(f);
	assert_false(model_wants_port(f->m, &http));
	assert_true(model_wants_port(f->m, &all));
	gone(f, HOST);
	assert_false(model_wants_port(f->m, &all));
}

static uint64_t all_syns(const struct fixture *f)
{
	uint64_t sum = segments_rest(model_segments(f->m)).syns;
	size_t count;
	const struct segments_slot *slots = segments_slots(model_segments(f->m), &count);

	for (size_t i = 0; i < count; i++)
		sum += slots[i].count.syns;
	return sum;
}

static void test_syns_outlive_their_namespace(void **state)
{
	struct fixture *f = *state;

	model_set_slots(f->m, 5);
	listener_of(f, OTHER, AF_INET, 80, 0);
	look(f);
	segments(f, OTHER, 80, 1000);
	segments(f, OTHER, 0, 10);
	assert_int_equal(all_syns(f), 1010);
	gone(f, OTHER);
	look(f);
	segments(f, OTHER, 80, 1001);
	segments(f, OTHER, 0, 11);
	assert_int_equal(all_syns(f), 1012);
	port_gone(f, OTHER, 80);
	port_gone(f, OTHER, 0);
	assert_int_equal(all_syns(f), 1012);
	assert_int_equal(segments_rest(model_segments(f->m)).syns, 1012);
}

/* A flood that begins after quiet, in which the counts were not told: the windows of sources say
 * until when it was quiet. */
static void test_first_rate(void **state)
{
	const uint64_t start = 2000 * NSEC_PER_SEC;
	const struct listener_port *port;
	struct fixture *f = *state;

	listener_of(f, HOST, AF_INET, 80, 0);
	look(f);
	sources_at(f, start, 0);
	segments(f, HOST, 80, 100);
	for (unsigned second = 1; second < 9; second++)
		sources_at(f, start + second * NSEC_PER_SEC, 0);
	listener_of(f, HOST, AF_INET, 80, 0);
	model_listeners_done(f->m, &(struct tw_tick){.time_ns = start + 9 * NSEC_PER_SEC});
	segments(f, HOST, 80, 800);
	port = listeners_port(model_listeners(f->m), HOST, 80);
	assert_true(port->syn_rate == 700);
	sources_at(f, start + 9 * NSEC_PER_SEC, 700);
	listener_of(f, HOST, AF_INET, 80, 0);
	model_listeners_done(f->m, &(struct tw_tick){.time_ns = start + 10 * NSEC_PER_SEC});
	segments(f, HOST, 80, 1800);
	port = listeners_port(model_listeners(f->m), HOST, 80);
	assert_true(port->syn_rate == 1000);
}

static void test_cookies_outlive_their_namespace(void **state)
{
	const struct tw_netstat *sums;
	struct fixture *f = *state;

	listener_of(f, HOST, AF_INET, 80, 0);
	listener_of(f, OTHER, AF_INET, 80, 0);
	sums = model_netstat_sums(f->m);
	netstat(f, HOST, 5000); /* before our time */
	netstat(f, OTHER, 0);
	assert_int_equal(sums->syncookies_sent, 0);
	netstat(f, HOST, 5003);
	netstat(f, OTHER, 20);
	assert_int_equal(sums->syncookies_sent, 23);
	gone(f, OTHER);
	netstat(f, OTHER, 70); /* of one that the model does not know */
	netstat(f, HOST, 5004);
	assert_int_equal(sums->syncookies_sent, 24);
	listener_of(f, OTHER, AF_INET, 80, 0); /* another one, with the number of the first */
	netstat(f, OTHER, 9);
	netstat(f, OTHER, 10);
	assert_int_equal(sums->syncookies_sent, 25);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_syn_recv_is_the_queues),
		test(test_requests_are_among_them),
		test(test_a_real_syn_recv_socket_counts_as_well),
		test(test_malformed_listener),
		test(test_told_twice),
		test(test_only_changes),
		test(test_skipped),
		test(test_closed_is_not_skipped),
		test(test_skipped_in_a_namespace_that_went),
		test(test_by_dump),
		test(test_by_dump_of_one_namespace),
		test(test_unlisted),
		test(test_unlisted_accept_queue),
		test(test_which_ports_are_wanted),
		test(test_syns_outlive_their_namespace),
		test(test_first_rate),
		test(test_cookies_outlive_their_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
