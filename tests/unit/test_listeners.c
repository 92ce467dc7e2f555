/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>

#include "base/util.h"
#include "model/listeners.h"

#define HOST 4026531833U
#define OTHER 4026532200U

static struct executables *executables;

static int set_up(void **state)
{
	return executables_new(&executables) | listeners_new(executables, (void *)state);
}

static int tear_down(void **state)
{
	listeners_free(*state);
	executables_free(executables);
	return 0;
}

static void listen_on(struct listeners *l, uint32_t netns, uint16_t port, uint32_t syn_queue,
		      uint32_t accept_queue, uint32_t backlog)
{
	const struct tw_listener row = {
		.netns = netns,
		.port = port,
		.family = AF_INET,
		.syn_queue = syn_queue,
		.accept_queue = accept_queue,
		.backlog = backlog,
	};

	listeners_add(l, &row);
}

static void count_syns_after(struct listeners *l, uint16_t port, uint64_t syns, uint64_t quiet_ms,
			     uint64_t now_ms)
{
	const struct tw_port_record record = {.port = {.netns = HOST, .port = port},
					      .count = {.syns = syns, .resets = 1}};

	listeners_count(l, &record, quiet_ms * NSEC_PER_MSEC, now_ms * NSEC_PER_MSEC);
}

static void count_syns(struct listeners *l, uint16_t port, uint64_t syns, uint64_t now_ms)
{
	count_syns_after(l, port, syns, 0, now_ms);
}

static size_t row_count(const struct listeners *l)
{
	size_t count;

	listeners_rows(l, &count);
	return count;
}

static void test_a_look_is_shown_when_it_is_complete(void **state)
{
	struct listeners *l = *state;

	assert_int_equal(row_count(l), 0);
	listen_on(l, HOST, 80, 0, 0, 128);
	assert_int_equal(row_count(l), 0);
	assert_null(listeners_port(l, HOST, 80));
	listeners_done(l);
	assert_int_equal(row_count(l), 1);
	assert_non_null(listeners_port(l, HOST, 80));
	assert_null(listeners_port(l, OTHER, 80));
	assert_null(listeners_port(l, HOST, 81));
	listeners_done(l);
	assert_int_equal(row_count(l), 0);
	assert_null(listeners_port(l, HOST, 80));
	assert_int_equal(listeners_missed(l), 0);
}

static void test_listeners_of_a_port_are_summed(void **state)
{
	const struct listener_port *p;
	struct listeners *l = *state;

	for (unsigned look = 0; look < 3; look++) {
		listen_on(l, HOST, 80, 3, 1, 128);
		listen_on(l, HOST, 80, 4, 2, 64);
		listen_on(l, OTHER, 80, 50, 50, 50);
		listeners_done(l);
	}
	p = listeners_port(l, HOST, 80);
	assert_int_equal(p->count, 2);
	assert_int_equal(p->syn_queue, 7);
	assert_int_equal(p->accept_queue, 3);
	assert_int_equal(p->backlog, 192);
	assert_int_equal(row_count(l), 3);
	assert_int_equal(listeners_port_count(l), 2);
}

static void test_ports_go(void **state)
{
	struct listeners *l = *state;

	for (uint16_t port = 1; port <= 3000; port++)
		listen_on(l, HOST, port, port, 0, 128);
	listeners_done(l);
	assert_int_equal(listeners_port_count(l), 3000);
	for (uint16_t port = 1; port <= 3000; port += 3)
		listen_on(l, HOST, port, port, 0, 128);
	listeners_done(l);
	assert_int_equal(listeners_port_count(l), 1000);
	for (uint16_t port = 1; port <= 3000; port++) {
		const struct listener_port *p = listeners_port(l, HOST, port);

		assert_int_equal(p != NULL, port % 3 == 1);
		if (p)
			assert_int_equal(p->syn_queue, port);
	}
}

static void test_a_name_is_cut(void **state)
{
	struct listeners *l = *state;
	struct tw_listener row = {.netns = HOST, .port = 80};
	size_t count;

	memset(row.comm, 'x', sizeof(row.comm));
	listeners_add(l, &row);
	listeners_done(l);
	assert_int_equal(strlen(listeners_rows(l, &count)->comm), TW_COMM_SIZE - 1);
}

/* The pid that is told of who accepts. */
static uint32_t accepts(const struct listeners *l, uint32_t pid, uint32_t holders, bool init)
{
	const struct tw_listener row = {.pid = pid, .holders = holders, .init = init};
	struct owner owner = listeners_owner(l, &row);

	assert_int_equal(owner.kind, OWNER_KIND_PROCESS);
	return owner.pid;
}

static void test_who_accepts(void **state)
{
	const struct listeners *l = *state;

	assert_int_equal(accepts(l, 7, 1, false), 7);
	assert_int_equal(accepts(l, 7, 2, false), 0);
	assert_int_equal(accepts(l, TW_INIT_PID, 1, true), TW_INIT_PID);
	assert_int_equal(accepts(l, 7, 2, true), 7);
	assert_int_equal(accepts(l, 7, 3, true), 0);
	assert_int_equal(accepts(l, 7, 0, true), 7); /* a damaged recording's */
}

static void listen_as(struct listeners *l, uint32_t pid)
{
	const struct tw_listener row = {
		.cookie = pid, .netns = HOST, .port = 80, .pid = pid, .comm = "worker"};

	listeners_add(l, &row);
}

/* Of a port it is what all that listen on it run. */
static void test_executable(void **state)
{
	struct tw_process process = {.pid = 7, .comm = "worker", .executable.path = "/a/worker"};
	struct listeners *l = *state;
	const struct owner *owner;

	executables_learn(executables, &process);
	listen_as(l, 7);
	listeners_done(l);
	owner = &listeners_port(l, HOST, 80)->owner;
	assert_string_equal(executables_path(executables, owner->executable), "/a/worker");
	process = (struct tw_process){.pid = 8, .comm = "worker", .executable.path = "/b/worker"};
	executables_learn(executables, &process);
	listen_as(l, 7);
	listen_as(l, 8);
	listeners_done(l);
	owner = &listeners_port(l, HOST, 80)->owner;
	assert_string_equal(owner->comm, "worker");
	assert_int_equal(owner->executable, EXECUTABLE_UNKNOWN);
}

static void test_rate(void **state)
{
	const struct listener_port *p;
	struct listeners *l = *state;

	count_syns(l, 80, 5, 0); /* nobody listens */
	listen_on(l, HOST, 80, 0, 0, 128);
	listeners_done(l);
	p = listeners_port(l, HOST, 80);
	assert_false(p->counted);
	count_syns(l, 80, 100, 1000);
	assert_true(p->counted);
	assert_int_equal(p->syns, 100);
	assert_int_equal(p->resets, 1);
	assert_true(p->syn_rate == 0); /* of all that came before nobody knows when */
	count_syns(l, 80, 150, 1500);
	assert_int_equal(p->syns, 150);
	assert_true(p->syn_rate == 0);
	count_syns(l, 80, 300, 2000);
	assert_true(p->syn_rate == 200);
	count_syns(l, 80, 300, 2500);
	assert_true(p->syn_rate == 200);
	count_syns(l, 80, 300, 4000);
	assert_true(p->syn_rate == 0);
	count_syns(l, 80, 10, 5000); /* counted anew */
	count_syns(l, 80, 40, 6000);
	assert_true(p->syn_rate == 30);
}

/* The counts are read at least 0.9 s apart, and not at all while nothing comes: the one read that
 * comes after a flood ends its rate. */
static void test_rate_ends_with_the_flood(void **state)
{
	struct listeners *l = *state;

	listen_on(l, HOST, 80, 0, 0, 128);
	listeners_done(l);
	count_syns(l, 80, 0, 1000);
	count_syns(l, 80, 900, 1900);
	assert_true(listeners_port(l, HOST, 80)->syn_rate == 1000);
	count_syns(l, 80, 900, 2810);
	assert_true(listeners_port(l, HOST, 80)->syn_rate == 0);
}

/* Ten seconds after the last read: that nothing came until the last of them is known. */
static void test_first_rate_after_quiet(void **state)
{
	struct listeners *l = *state;

	listen_on(l, HOST, 80, 0, 0, 128);
	listeners_done(l);
	count_syns(l, 80, 100, 1000);
	count_syns_after(l, 80, 600, 10000, 11000);
	assert_true(listeners_port(l, HOST, 80)->syn_rate == 500);
	count_syns_after(l, 80, 1600, 10000, 12000);
	assert_true(listeners_port(l, HOST, 80)->syn_rate == 1000);
}

static void test_repeated(void **state)
{
	const struct tw_listener row = {
		.cookie = 7, .netns = HOST, .port = 80, .syn_queue = 3, .backlog = 128};
	struct listeners *l = *state;
	struct tw_listener closed = {.cookie = 8, .netns = HOST, .syn_queue = 3, .closed = 1};

	for (unsigned look = 0; look < 3; look++) {
		assert_true(listeners_add(l, &row));
		assert_true(listeners_add(l, &closed));
		assert_false(listeners_add(l, &row));
		assert_false(listeners_add(l, &closed));
		listeners_done(l);
		assert_int_equal(row_count(l), 1);
		assert_int_equal(listeners_port(l, HOST, 80)->syn_queue, 3);
	}
}

/* In another order each time, and some of them twice. */
static void test_many_repeated(void **state)
{
	struct listeners *l = *state;

	for (unsigned look = 0; look < 5; look++) {
		for (uint32_t i = 0; i < 5000; i++) {
			struct tw_listener row = {.netns = HOST, .port = 80};

			row.cookie = 1 + (i * 7919 + look * 1000) % 3000;
			assert_int_equal(listeners_add(l, &row), i < 3000);
		}
		listeners_done(l);
		assert_int_equal(row_count(l), 3000);
		assert_int_equal(listeners_port(l, HOST, 80)->count, 3000);
	}
}

static bool add_cookie(struct listeners *l, uint64_t cookie)
{
	const struct tw_listener row = {.cookie = cookie, .netns = HOST, .port = 80};

	return listeners_add(l, &row);
}

static void add_cookies(struct listeners *l, uint64_t first, uint64_t last)
{
	for (uint64_t cookie = first; cookie <= last; cookie++)
		assert_true(add_cookie(l, cookie));
}

/* Cookies 1 to 100 are there; whether those lacked are these. */
static void assert_lacks(const struct listeners *l, uint64_t first, uint64_t last)
{
	for (uint64_t cookie = 1; cookie <= 100; cookie++)
		assert_int_equal(listeners_skipped(l, cookie - 1),
				 cookie >= first && cookie <= last);
}

/* Most looks tell what the last one did; then one is told twice, or some are left out, or one is
 * new. */
static void test_same_order(void **state)
{
	struct listeners *l = *state;

	for (unsigned look = 0; look < 3; look++) {
		add_cookies(l, 1, 100);
		for (uint64_t cookie = 1; look && cookie <= 100; cookie++)
			assert_false(add_cookie(l, cookie));
		assert_int_equal(row_count(l), look ? 100 : 0);
		listeners_done(l);
	}
	assert_lacks(l, 1, 100);
	add_cookies(l, 1, 60);
	assert_lacks(l, 61, 100);
	assert_false(add_cookie(l, 60));
	assert_lacks(l, 61, 100);
	add_cookies(l, 61, 100);
	listeners_done(l);
	add_cookies(l, 1, 50);
	add_cookies(l, 60, 100);
	assert_lacks(l, 51, 59);
	add_cookies(l, 51, 59);
	listeners_done(l);
	assert_int_equal(row_count(l), 100);
}

/* One of several, one on each port. */
static struct tw_listener numbered(uint16_t number, uint32_t syn_queue, uint32_t accept_queue)
{
	return (struct tw_listener){.cookie = number,
				    .netns = HOST,
				    .port = number,
				    .family = AF_INET,
				    .syn_queue = syn_queue,
				    .accept_queue = accept_queue,
				    .backlog = 128,
				    .pid = number,
				    .comm = "worker"};
}

static void tell_numbered(struct listeners *l, uint16_t number, uint32_t syn_queue)
{
	struct tw_listener row = numbered(number, syn_queue, 2 * syn_queue);

	assert_true(listeners_add(l, &row));
}

static void assert_queues(const struct listeners *l, uint16_t number, uint32_t syn_queue)
{
	const struct listener_port *p = listeners_port(l, HOST, number);
	size_t count, found = 0;
	const struct tw_listener *rows = listeners_rows(l, &count);

	assert_non_null(p);
	assert_int_equal(p->count, 1);
	assert_int_equal(p->syn_queue, syn_queue);
	assert_int_equal(p->accept_queue, 2 * syn_queue);
	for (size_t i = 0; i < count; i++) {
		if (rows[i].cookie != number)
			continue;
		found++;
		assert_int_equal(rows[i].syn_queue, syn_queue);
	}
	assert_int_equal(found, 1);
}

/* In the order of the look before, and in any other. */
static void test_only_changes(void **state)
{
	struct listeners *l = *state;

	for (uint16_t number = 1; number <= 100; number++)
		tell_numbered(l, number, 0);
	listeners_done(l);
	assert_true(listeners_settled(l));
	for (unsigned look = 1; look <= 3; look++) {
		tell_numbered(l, 7, look);
		tell_numbered(l, 93, 10 * look);
		tell_numbered(l, look == 2 ? 1 : 50, look);
		assert_queues(l, 93, 10 * (look - 1)); /* not before it is complete */
		listeners_changed(l);
		assert_true(listeners_settled(l));
		assert_int_equal(row_count(l), 100);
		assert_int_equal(listeners_port_count(l), 100);
		assert_queues(l, 7, look);
		assert_queues(l, 93, 10 * look);
		assert_queues(l, 8, 0);
	}
	assert_queues(l, 1, 2);
	assert_queues(l, 50, 3);
	listeners_changed(l);
	assert_queues(l, 50, 3);
	tell_numbered(l, 50, 0);
	listeners_changed(l);
	assert_queues(l, 50, 0);
}

static void test_backlog_and_owner_change(void **state)
{
	struct tw_listener row = numbered(80, 0, 0);
	struct listeners *l = *state;

	tell_numbered(l, 79, 1);
	listeners_add(l, &row);
	listeners_done(l);
	row.backlog = 7;
	listeners_add(l, &row);
	listeners_changed(l);
	assert_int_equal(listeners_port(l, HOST, 80)->backlog, 7);
	row.pid = 4711;
	listeners_add(l, &row);
	listeners_changed(l);
	assert_int_equal(listeners_port(l, HOST, 80)->backlog, 7);
	assert_int_equal(listeners_port(l, HOST, 80)->owner.pid, 4711);
	assert_queues(l, 79, 1);
}

/* None of that is right, so the next look is to tell of all. */
static void test_unsettled(void **state)
{
	struct listeners *l = *state;

	tell_numbered(l, 1, 0);
	tell_numbered(l, 2, 0);
	listeners_done(l);
	assert_true(listeners_settled(l));
	tell_numbered(l, 2, 0);
	assert_true(listeners_skipped(l, 0));
	listeners_keep(l, 0);
	listeners_done(l);
	assert_false(listeners_settled(l));
	tell_numbered(l, 1, 0);
	tell_numbered(l, 2, 0);
	listeners_done(l);
	assert_true(listeners_settled(l));
	tell_numbered(l, 3, 5);
	listeners_changed(l);
	assert_false(listeners_settled(l));
	assert_queues(l, 3, 5);
	assert_int_equal(row_count(l), 3);
}

/* One that began to listen is found by the look to come, or forgotten. */
static void test_begun_and_gone(void **state)
{
	const struct owner owner = OWNER_INIT;
	struct listeners *l = *state;

	tell_numbered(l, 1, 0);
	listeners_done(l);
	listeners_begin(l, HOST, 80, &owner);
	assert_non_null(listeners_port(l, HOST, 80));
	listeners_changed(l);
	listeners_changed(l);
	assert_null(listeners_port(l, HOST, 80));
	assert_queues(l, 1, 0);
}

static void request_to(struct listeners *l, int family, const uint8_t address[4], uint16_t port)
{
	struct tw_socket request = {.netns = HOST, .sport = port, .family = (uint8_t)family};

	memcpy(request.saddr, address, 4);
	listeners_add_half_open(l, &request);
}

static void listen_at(struct listeners *l, int family, const uint8_t address[4], uint16_t port)
{
	struct tw_listener row = {
		.netns = HOST, .port = port, .family = (uint8_t)family, .backlog = 128};

	memcpy(row.saddr, address, 4);
	listeners_add(l, &row);
}

/* As the kernel chooses: the address itself before the one that stands for all. A request has its
 * listener's family, also when it came over IPv4. */
static void test_half_open_by_dump(void **state)
{
	static const uint8_t any[4], a[4] = {10, 0, 0, 1}, b[4] = {10, 0, 0, 2};
	const struct tw_listener *rows;
	struct listeners *l = *state;
	size_t count;

	listen_at(l, AF_INET, any, 80);
	listen_at(l, AF_INET, a, 80);
	listen_at(l, AF_INET6, any, 80);
	request_to(l, AF_INET, a, 80);
	request_to(l, AF_INET, a, 80);
	request_to(l, AF_INET, b, 80);
	request_to(l, AF_INET6, b, 80);
	request_to(l, AF_INET, b, 81); /* its listener closed meanwhile */
	listeners_done(l);
	rows = listeners_rows(l, &count);
	assert_int_equal(count, 3);
	assert_int_equal(rows[0].syn_queue, 1);
	assert_int_equal(rows[1].syn_queue, 2);
	assert_int_equal(rows[2].syn_queue, 1);
	for (size_t i = 0; i < count; i++)
		assert_false(rows[i].shared);
	assert_int_equal(listeners_port(l, HOST, 80)->syn_queue, 4);
}

/* Whose they are nobody can say: the sum is right, and shown of none. */
static void test_half_open_of_a_group(void **state)
{
	static const uint8_t any[4], a[4] = {10, 0, 0, 1};
	const struct tw_listener *rows;
	struct listeners *l = *state;
	size_t count;

	for (unsigned requests = 0; requests <= 3; requests += 3) {
		for (unsigned i = 0; i < 3; i++)
			listen_at(l, AF_INET, any, 80);
		listen_at(l, AF_INET, a, 80);
		listen_at(l, AF_INET6, any, 80);
		listen_at(l, AF_INET, any, 81);
		for (unsigned i = 0; i < requests; i++)
			request_to(l, AF_INET, any, 80);
		request_to(l, AF_INET, a, 80);
		listeners_done(l);
		rows = listeners_rows(l, &count);
		assert_int_equal(count, 6);
		/* without any, each is known to have none */
		for (size_t i = 0; i < count; i++)
			assert_int_equal(rows[i].shared, requests && i < 3);
		assert_int_equal(rows[3].syn_queue, 1);
		assert_int_equal(listeners_port(l, HOST, 80)->syn_queue, requests + 1);
	}
}

static void assert_fullest(const struct listeners *l, size_t most, const uint16_t *ports,
			   size_t count)
{
	const struct listener_port *fullest[8];

	assert_int_equal(listeners_fullest(l, most, fullest), count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(fullest[i]->port, ports[i]);
}

#define FULLEST(l, most, ...)                                        \
	assert_fullest((l), (most), (const uint16_t[]){__VA_ARGS__}, \
		       ARRAY_SIZE(((const uint16_t[]){__VA_ARGS__})))

static void test_fullest(void **state)
{
	struct listeners *l = *state;

	assert_fullest(l, 8, NULL, 0);
	listen_on(l, HOST, 1, 0, 0, 128);
	listen_on(l, HOST, 2, 64, 0, 128);
	listen_on(l, HOST, 3, 64, 128, 128); /* the fuller queue counts */
	listen_on(l, HOST, 4, 100, 0, 1024); /* a share, not a number */
	listen_on(l, HOST, 5, 1, 0, 0);
	listeners_done(l);
	FULLEST(l, 8, 3, 5, 2, 4, 1);
	FULLEST(l, 5, 3, 5, 2, 4, 1);
	FULLEST(l, 3, 3, 5, 2);
	FULLEST(l, 1, 3);
	assert_fullest(l, 0, NULL, 0);
}

/* Of those as full as others it is always the same ones. */
static void test_fullest_of_equals(void **state)
{
	struct listeners *l = *state;

	listen_on(l, OTHER, 1, 0, 0, 128);
	for (uint16_t port = 9; port > 1; port--)
		listen_on(l, HOST, port, 0, 0, port);
	listeners_done(l);
	FULLEST(l, 3, 2, 3, 4);
	listen_on(l, HOST, 3, 0, 0, 1);
	listen_on(l, OTHER, 1, 0, 0, 128);
	listen_on(l, HOST, 8, 0, 0, 1);
	listeners_done(l);
	FULLEST(l, 3, 3, 8, 1);
}

#define test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_a_look_is_shown_when_it_is_complete),
		test(test_listeners_of_a_port_are_summed),
		test(test_ports_go),
		test(test_a_name_is_cut),
		test(test_who_accepts),
		test(test_executable),
		test(test_rate),
		test(test_rate_ends_with_the_flood),
		test(test_first_rate_after_quiet),
		test(test_repeated),
		test(test_many_repeated),
		test(test_same_order),
		test(test_only_changes),
		test(test_backlog_and_owner_change),
		test(test_unsettled),
		test(test_begun_and_gone),
		test(test_half_open_by_dump),
		test(test_half_open_of_a_group),
		test(test_fullest),
		test(test_fullest_of_equals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
