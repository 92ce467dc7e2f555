/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>

#include "serve/json.h"
#include "serve/text.h"
#include "serve/walk.h"

#define SECOND NSEC_PER_SEC
#define NOW (100 * SECOND)
#define NETNS 4026531833

struct fixture {
	struct model *model;
	struct walk *walk;
	struct serve_calls calls;
	struct text text; /* what the walk has written */
};

static struct tw_event event_of(uint64_t time_ns, uint64_t cookie, int from, int to)
{
	return (struct tw_event){
		.time_ns = time_ns,
		.cookie = cookie,
		.netns = NETNS,
		.sport = 8080,
		.dport = (uint16_t)cookie,
		.family = AF_INET,
		.old_state = (uint8_t)from,
		.new_state = (uint8_t)to,
		.saddr = {127, 0, 0, 1},
		.daddr = {10, 0, 0, (uint8_t)cookie},
	};
}

static void event(struct fixture *f, uint64_t time_ns, uint64_t cookie, int from, int to)
{
	struct tw_event e = event_of(time_ns, cookie, from, to);

	model_event(f->model, &e);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || model_new(100000, &f->model))
		return -1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (f->walk)
		walk_source.free(f->walk);
	model_free(f->model);
	text_clear(&f->text);
	free(f);
	return 0;
}

static void start(struct fixture *f, const struct filter *filter)
{
	assert_int_equal(walk_new(f->model, &f->calls, filter, NOW, &f->walk), 0);
}

/* One piece of at most size bytes. */
static ssize_t step(struct fixture *f, size_t size)
{
	char buffer[4096];
	ssize_t n = walk_source.next(buffer, size, f->walk);

	assert_true(size <= sizeof(buffer) && n <= (ssize_t)size);
	if (n > 0)
		text_append(&f->text, buffer, (size_t)n);
	return n;
}

static unsigned finish(struct fixture *f, size_t size)
{
	unsigned rests = 0;
	ssize_t n;

	while ((n = step(f, size)) != HTTP_STREAM_END) {
		assert_int_not_equal(n, HTTP_STREAM_WAIT);
		rests += n == HTTP_STREAM_AGAIN;
	}
	text_append(&f->text, "", 1);
	return rests;
}

/* The cookies of the rows, in order, each of which must be JSON. */
static void expect(struct fixture *f, const uint64_t *cookies, size_t count)
{
	char *rest = f->text.data, *line;
	size_t i = 0;

	while ((line = strsep(&rest, "\n")) && *line) {
		struct json_object *row = json_tokener_parse(line), *cookie;

		assert_non_null(row);
		assert_true(json_object_object_get_ex(row, "cookie", &cookie));
		assert_true(i < count);
		assert_int_equal(json_object_get_int64(cookie), cookies[i++]);
		json_object_put(row);
	}
	assert_int_equal(i, count);
}

#define EXPECT(f, ...)                               \
	expect((f), (const uint64_t[]){__VA_ARGS__}, \
	       sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

#define EXPECT_TEXT(f, part) assert_non_null(strstr((f)->text.data, part))

/* 1 and 3 in FIN_WAIT1, 2 and 4 in CLOSE_WAIT; the later number entered later. */
static void populate(struct fixture *f)
{
	for (uint64_t cookie = 1; cookie <= 4; cookie++)
		event(f, cookie * SECOND, cookie, TW_CLOSE, TW_ESTABLISHED);
	for (uint64_t cookie = 1; cookie <= 4; cookie++)
		event(f, (10 + cookie) * SECOND, cookie, TW_ESTABLISHED,
		      cookie % 2 ? TW_FIN_WAIT1 : TW_CLOSE_WAIT);
}

static void test_state_by_state(void **state)
{
	struct fixture *f = *state;

	populate(f);
	start(f, &FILTER_INIT);
	finish(f, 4096);
	EXPECT(f, 2, 4, 1, 3);
}

static void on_queues(const struct connection *rows, size_t count, struct serve_queues *ret,
		      void *userdata)
{
	(void)userdata;
	assert_in_range(count, 1, SERVE_QUEUES_MAX);
	for (size_t i = 0; i < count; i++)
		ret[i] = (struct serve_queues){rows[i].cookie != 3, (uint32_t)rows[i].cookie,
					       1000 + rows[i].dport};
}

/* Each row whole, as it is promised; what is not known is null. */
static void test_rows(void **state)
{
	struct filter filter = FILTER_INIT;
	struct fixture *f = *state;
	struct tw_event mapped = event_of(20 * SECOND, 5, TW_CLOSE, TW_CLOSE_WAIT);

	populate(f);
	mapped.family = AF_INET6;
	memset(mapped.saddr, 0, 16);
	memcpy(mapped.daddr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1", 16);
	mapped.flags = TW_EVENT_PROCESS;
	mapped.pid = 77;
	mapped.uid = 33;
	memcpy(mapped.comm, "a\"b", 4);
	model_event(f->model, &mapped);
	f->calls.queues = on_queues;
	filter.by_age = true;
	filter.older_than_ns = NOW - 20 * SECOND;
	start(f, &filter);
	finish(f, 4096);
	EXPECT_TEXT(f, "{\"cookie\":1,\"netns\":4026531833,\"state\":\"fin_wait1\",\"age_seconds\":"
		       "89.000,\"age_exact\":true,\"family\":\"ipv4\",\"local\":\"127.0.0.1\","
		       "\"local_port\":8080,\"remote\":\"10.0.0.1\",\"remote_port\":1,\"owner\":");
	EXPECT_TEXT(f, ",\"recv_queue\":1,\"send_queue\":1001}\n{\"cookie\":2,");
	EXPECT_TEXT(f, ",\"recv_queue\":null,\"send_queue\":null}\n{\"cookie\":4,");
	EXPECT_TEXT(f, "\"family\":\"ipv6\",\"local\":\"::\",\"local_port\":8080,\"remote\":"
		       "\"::ffff:10.0.0.1\",\"remote_port\":5,\"owner\":{\"kind\":\"process\","
		       "\"pid\":77,\"comm\":\"a\\\"b\",\"executable\":null,\"uid\":33,");
	EXPECT(f, 1, 2, 3, 4, 5);
}

/* More than are made at once, of more owners than are kept. */
static void test_many_rows(void **state)
{
	struct fixture *f = *state;
	uint64_t cookies[500];

	for (uint64_t cookie = 1; cookie <= ARRAY_SIZE(cookies); cookie++) {
		struct tw_event e = event_of(SECOND + cookie, cookie, TW_CLOSE, TW_CLOSE_WAIT);

		e.flags = TW_EVENT_PROCESS;
		e.pid = 1000 + (uint32_t)cookie * cookie % 77;
		model_event(f->model, &e);
		cookies[cookie - 1] = cookie;
	}
	f->calls.queues = on_queues;
	start(f, &FILTER_INIT);
	finish(f, 4096);
	for (char *line = f->text.data; *line; line = strchr(line, '\n') + 1) {
		uint64_t cookie, pid, queue;

		assert_int_equal(sscanf(line, "{\"cookie\":%" SCNu64, &cookie), 1);
		assert_int_equal(sscanf(strstr(line, "\"pid\":"), "\"pid\":%" SCNu64, &pid), 1);
		assert_int_equal(pid, 1000 + cookie * cookie % 77);
		if (cookie == 3)
			continue;
		assert_int_equal(
			sscanf(strstr(line, "\"recv_queue\":"), "\"recv_queue\":%" SCNu64, &queue),
			1);
		assert_int_equal(queue, cookie);
	}
	expect(f, cookies, ARRAY_SIZE(cookies));
}

static void test_by_age(void **state)
{
	struct filter filter = FILTER_INIT;
	struct fixture *f = *state;

	populate(f);
	filter.by_age = true;
	start(f, &filter);
	finish(f, 4096);
	EXPECT(f, 1, 2, 3, 4);
}

static void test_states_and_limit(void **state)
{
	struct filter filter = FILTER_INIT;
	struct fixture *f = *state;

	populate(f);
	filter.states = TW_STATE_BIT(TW_CLOSE_WAIT);
	filter.limit = 1;
	start(f, &filter);
	finish(f, 4096);
	EXPECT(f, 2);
}

static void test_older_than(void **state)
{
	struct filter filter = FILTER_INIT;
	struct fixture *f = *state;

	populate(f);
	filter.older_than_ns = 87 * SECOND; /* entered at 13 s or before */
	start(f, &filter);
	finish(f, 4096);
	EXPECT(f, 2, 1, 3);
}

static void test_port_of_the_peer(void **state)
{
	struct filter filter = FILTER_INIT;
	struct fixture *f = *state;

	populate(f);
	filter.port = 3;
	start(f, &filter);
	finish(f, 4096);
	EXPECT(f, 3);
}

static void test_empty_table(void **state)
{
	struct fixture *f = *state;

	start(f, &FILTER_INIT);
	assert_int_equal(step(f, 4096), HTTP_STREAM_END);
}

static void test_byte_by_byte_is_the_same(void **state)
{
	_cleanup_text_ struct text whole = {0};
	struct fixture *f = *state;

	populate(f);
	start(f, &FILTER_INIT);
	finish(f, 4096);
	whole = f->text;
	f->text = (struct text){0};
	walk_source.free(f->walk);
	start(f, &FILTER_INIT);
	finish(f, 1);
	assert_string_equal(f->text.data, whole.data);
}

/* 2 is met in CLOSE_WAIT, which comes before FIN_WAIT1; it must not come again from a later list.
 */
static void test_moved_meanwhile_comes_once(void **state)
{
	struct fixture *f = *state;

	populate(f);
	start(f, &FILTER_INIT);
	step(f, 1);
	event(f, 50 * SECOND, 2, TW_CLOSE_WAIT, TW_ESTABLISHED);
	finish(f, 4096);
	EXPECT(f, 2, 4, 1, 3);
}

static void orphan(struct fixture *f, uint64_t time_ns, uint64_t cookie)
{
	struct tw_event e = event_of(time_ns, cookie, TW_FIN_WAIT2, TW_CLOSE);

	event(f, time_ns, cookie, TW_CLOSE, TW_ESTABLISHED);
	event(f, time_ns, cookie, TW_ESTABLISHED, TW_FIN_WAIT2);
	e.flags = TW_EVENT_DEAD;
	model_event(f->model, &e);
}

/* A dump that finds the peers' FINs have come: the minisockets' time-outs started 30 s ago. */
static void dump_time_wait(struct fixture *f, uint64_t time_ns, uint64_t last_cookie)
{
	struct tw_round round = {
		.time_ns = time_ns,
		.states = TW_STATE_BIT(TW_FIN_WAIT2) | TW_STATE_BIT(TW_TIME_WAIT),
	};
	struct tw_dump dump = {.time_ns = time_ns, .netns = NETNS, .complete = 1};
	struct model_drift drift;

	model_round_begin(f->model, &round);
	model_dump_begin(f->model, &dump);
	for (uint64_t cookie = 1; cookie <= last_cookie; cookie++) {
		struct tw_event e = event_of(time_ns, cookie, TW_FIN_WAIT2, TW_CLOSE);
		struct tw_socket row = {
			.cookie = 100 + cookie,
			.netns = NETNS,
			.expires_ms = 30000,
			.sport = e.sport,
			.dport = e.dport,
			.family = AF_INET,
			.state = TW_TIME_WAIT,
			.kind = TW_SOCKET_MINI,
		};

		memcpy(row.saddr, e.saddr, sizeof(row.saddr));
		memcpy(row.daddr, e.daddr, sizeof(row.daddr));
		model_socket(f->model, &row);
	}
	model_dump_end(f->model, &dump);
	model_round_end(f->model, &round, &drift);
}

/* Into TIME_WAIT at a time before the walk began. */
static void test_moved_by_a_dump_comes_once(void **state)
{
	struct fixture *f = *state;

	orphan(f, 10 * SECOND, 1);
	orphan(f, 11 * SECOND, 2);
	event(f, 50 * SECOND, 9, TW_CLOSE, TW_SYN_SENT);
	start(f, &FILTER_INIT);
	step(f, 1);
	dump_time_wait(f, 60 * SECOND, 2);
	assert_int_equal(table_length(model_table(f->model), TW_TIME_WAIT), 2);
	finish(f, 4096);
	EXPECT(f, 1, 9);
}

static void test_gone_meanwhile_is_left_out(void **state)
{
	struct filter filter = FILTER_INIT;
	struct fixture *f = *state;

	populate(f);
	filter.by_age = true;
	start(f, &filter);
	step(f, 1); /* the first is being written, and 2 waits as a copy */
	event(f, 50 * SECOND, 2, TW_CLOSE_WAIT, TW_CLOSE);
	event(f, 50 * SECOND, 3, TW_FIN_WAIT1, TW_CLOSE);
	finish(f, 4096);
	EXPECT(f, 1, 4);
}

static void test_new_meanwhile_is_left_out(void **state)
{
	struct fixture *f = *state;

	populate(f);
	start(f, &FILTER_INIT);
	step(f, 1);
	event(f, 50 * SECOND, 9, TW_CLOSE, TW_SYN_SENT);
	event(f, 51 * SECOND, 9, TW_SYN_SENT, TW_CLOSE_WAIT);
	finish(f, 4096);
	EXPECT(f, 2, 4, 1, 3);
}

/* What matches nothing costs much looking and writes nothing: the loop has to get its turns. */
static void test_rests_while_nothing_passes(void **state)
{
	struct filter filter = FILTER_INIT;
	struct fixture *f = *state;

	for (uint64_t cookie = 1; cookie <= 50000; cookie++)
		event(f, SECOND + cookie, cookie, TW_CLOSE, TW_ESTABLISHED);
	filter.netns = 1;
	start(f, &filter);
	assert_in_range(finish(f, 4096), 3, 50);
	assert_string_equal(f->text.data, "");
}

/* What it costs is in proportion to the states asked for: the many of another are not looked at, or
 * the loop would have had its turns. */
static void test_other_states_cost_nothing(void **state)
{
	const uint64_t cookies[] = {50001, 50002, 50003, 50004, 50005,
				    50006, 50007, 50008, 50009, 50010};
	struct filter filter = FILTER_INIT;
	struct fixture *f = *state;

	for (uint64_t cookie = 1; cookie <= 50010; cookie++)
		event(f, SECOND + cookie, cookie, TW_CLOSE, TW_ESTABLISHED);
	for (uint64_t cookie = 50001; cookie <= 50010; cookie++)
		event(f, 2 * SECOND + cookie, cookie, TW_ESTABLISHED, TW_CLOSE_WAIT);
	filter.states = TW_STATE_BIT(TW_CLOSE_WAIT);
	for (int by_age = 0; by_age <= 1; by_age++) {
		filter.by_age = by_age;
		f->text.length = 0;
		start(f, &filter);
		assert_int_equal(finish(f, 4096), 0);
		expect(f, cookies, ARRAY_SIZE(cookies));
		walk_source.free(TAKE_PTR(f->walk));
	}
}

static void test_abandoned_walk_lets_the_table_go_on(void **state)
{
	struct filter filter = FILTER_INIT;
	struct fixture *f = *state;

	populate(f);
	filter.by_age = true;
	start(f, &filter);
	step(f, 1);
	walk_source.free(TAKE_PTR(f->walk));
	for (uint64_t cookie = 1; cookie <= 4; cookie++)
		event(f, 60 * SECOND, cookie, cookie % 2 ? TW_FIN_WAIT1 : TW_CLOSE_WAIT, TW_CLOSE);
	assert_int_equal(table_size(model_table(f->model)), 0);
}

#define WALK_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WALK_TEST(test_state_by_state),
		WALK_TEST(test_rows),
		WALK_TEST(test_many_rows),
		WALK_TEST(test_by_age),
		WALK_TEST(test_states_and_limit),
		WALK_TEST(test_older_than),
		WALK_TEST(test_port_of_the_peer),
		WALK_TEST(test_empty_table),
		WALK_TEST(test_byte_by_byte_is_the_same),
		WALK_TEST(test_moved_meanwhile_comes_once),
		WALK_TEST(test_moved_by_a_dump_comes_once),
		WALK_TEST(test_gone_meanwhile_is_left_out),
		WALK_TEST(test_new_meanwhile_is_left_out),
		WALK_TEST(test_rests_while_nothing_passes),
		WALK_TEST(test_other_states_cost_nothing),
		WALK_TEST(test_abandoned_walk_lets_the_table_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
