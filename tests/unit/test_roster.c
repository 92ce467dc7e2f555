/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of /v1/listeners, and what /v1/status says of SYNs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>

#include "serve/json.h"
#include "serve/roster.h"
#include "serve/status_json.h"
#include "serve/text.h"

#define NETNS 4026531833U
#define OTHER_NETNS 4026532200U

struct fixture {
	struct model *model;
	struct text text; /* what the roster has written */
	uint64_t now_ns;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || model_new(100, &f->model) < 0)
		return -1;
	f->now_ns = 100 * NSEC_PER_SEC;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	model_free(f->model);
	text_clear(&f->text);
	free(f);
	return 0;
}

static void look(struct fixture *f)
{
	f->now_ns += NSEC_PER_SEC;
	model_listeners_done(f->model, &(struct tw_tick){.time_ns = f->now_ns});
}

static const struct tw_listener nginx = {
	.netns = NETNS,
	.uid = 33,
	.pid = 77,
	.holders = 5,
	.syn_queue = 129,
	.accept_queue = 2,
	.backlog = 128,
	.port = 80,
	.family = AF_INET,
	.saddr = {192, 0, 2, 1},
	.comm = "nginx",
};

/* Writes what a request would get, in pieces of so many bytes. */
static const char *write_all(struct fixture *f, const struct filter *filter, size_t size)
{
	struct roster *roster;
	char buffer[512];
	ssize_t n;

	text_clear(&f->text);
	assert_int_equal(roster_new(f->model, filter, &roster), 0);
	while ((n = roster_source.next(buffer, size, roster)) > 0)
		text_append(&f->text, buffer, (size_t)n);
	assert_int_equal(n, HTTP_STREAM_END);
	roster_source.free(roster);
	text_append(&f->text, "", 1);
	return f->text.data;
}

static void test_no_listener(void **state)
{
	assert_string_equal(write_all(*state, &FILTER_INIT, 512), "");
}

static void test_row_without_counting(void **state)
{
	struct tw_listener unknown = {
		.netns = OTHER_NETNS, .port = 8080, .family = AF_INET6, .uid = 1000};
	struct fixture *f = *state;

	model_listener(f->model, &nginx);
	model_listener(f->model, &unknown);
	look(f);
	assert_string_equal(
		write_all(f, &FILTER_INIT, 512),
		"{\"netns\":4026531833,\"local\":\"192.0.2.1\",\"local_port\":80,\"family\":"
		"\"ipv4\",\"syn_queue\":129,\"accept_queue\":2,\"backlog\":128,"
		"\"syn_received_total\":null,\"syn_rate\":null,\"cookies_sent_rate\":0.000,"
		"\"holders\":5,\"owner\":{\"kind\":\"process\",\"pid\":77,\"comm\":\"nginx\","
		"\"executable\":null,"
		"\"uid\":33,\"unit\":null,\"slice\":null,\"container\":null,\"cgroup\":null}}\n"
		"{\"netns\":4026532200,\"local\":\"::\",\"local_port\":8080,\"family\":\"ipv6\","
		"\"syn_queue\":0,\"accept_queue\":0,\"backlog\":0,\"syn_received_total\":null,"
		"\"syn_rate\":null,\"cookies_sent_rate\":0.000,\"holders\":null,\"owner\":{"
		"\"kind\":\"unknown\",\"pid\":null,\"comm\":null,\"executable\":null,\"uid\":1000,"
		"\"unit\":null,"
		"\"slice\":null,\"container\":null,"
		"\"cgroup\":null}}\n");
}

static void test_shared_syn_queue(void **state)
{
	struct tw_listener shared = nginx;
	struct fixture *f = *state;

	shared.shared = 1;
	model_listener(f->model, &shared);
	look(f);
	assert_non_null(
		strstr(write_all(f, &FILTER_INIT, 512), "\"syn_queue\":null,\"accept_queue\":2,"));
}

static void count(struct fixture *f, uint64_t syns, uint64_t cookies)
{
	const struct tw_port_record port = {.port = {.netns = NETNS, .port = 80},
					    .count = {.syns = syns}};
	const struct tw_netstat netstat = {
		.netns = NETNS, .time_ns = f->now_ns, .syncookies_sent = cookies};

	model_port(f->model, &port);
	model_netstat(f->model, &netstat);
}

static void test_row_with_rates(void **state)
{
	struct fixture *f = *state;
	const char *text;

	for (unsigned i = 0; i < 3; i++) {
		model_listener(f->model, &nginx);
		look(f);
		count(f, i * 1500, 10000 + i * 700);
	}
	text = write_all(f, &FILTER_INIT, 512);
	assert_non_null(strstr(text, "\"syn_received_total\":3000,\"syn_rate\":1500.000,"
				     "\"cookies_sent_rate\":700.000,"));
}

static void add(struct fixture *f, uint32_t netns, uint16_t port, uint8_t last_byte,
		uint64_t cookie)
{
	struct tw_listener row = nginx;

	row.netns = netns;
	row.port = port;
	row.saddr[3] = last_byte;
	row.syn_queue = (uint32_t)cookie;
	row.cookie = cookie;
	model_listener(f->model, &row);
}

/* By namespace, port, address, and age of the socket: the SYN queues tell which came. */
static void test_order(void **state)
{
	struct fixture *f = *state;
	char *rest, *line;
	unsigned i = 0;

	add(f, OTHER_NETNS, 80, 1, 6);
	add(f, NETNS, 443, 1, 5);
	add(f, NETNS, 80, 200, 4);
	add(f, NETNS, 80, 2, 3);
	add(f, NETNS, 80, 1, 2);
	add(f, NETNS, 80, 1, 1);
	look(f);
	write_all(f, &FILTER_INIT, 512);
	rest = f->text.data;
	while ((line = strsep(&rest, "\n")) && *line) {
		char expected[32];

		snprintf(expected, sizeof(expected), "\"syn_queue\":%u,", ++i);
		assert_non_null(strstr(line, expected));
	}
	assert_int_equal(i, 6);
}

static unsigned rows_with(struct fixture *f, const char *name, const char *value)
{
	struct filter filter = FILTER_INIT;
	char error[FILTER_ERROR_SIZE];
	unsigned rows = 0;

	assert_int_equal(filter_parse(&filter, FILTER_LISTENERS, name, value, error), 0);
	for (const char *at = write_all(f, &filter, 512); (at = strchr(at, '\n')); at++)
		rows++;
	return rows;
}

static void test_filters(void **state)
{
	struct fixture *f = *state;

	add(f, NETNS, 80, 1, 1);
	add(f, NETNS, 80, 1, 2);
	add(f, NETNS, 443, 1, 3);
	add(f, OTHER_NETNS, 80, 1, 4);
	look(f);
	assert_int_equal(rows_with(f, "port", "80"), 3);
	assert_int_equal(rows_with(f, "port", "81"), 0);
	assert_int_equal(rows_with(f, "netns", "4026532200"), 1);
	assert_int_equal(rows_with(f, "owner", "nginx"), 4);
	assert_int_equal(rows_with(f, "owner", "77"), 4);
	assert_int_equal(rows_with(f, "owner", "uid:33"), 4);
	assert_int_equal(rows_with(f, "owner", "uid:0"), 0);
}

static void test_byte_by_byte_is_the_same(void **state)
{
	struct fixture *f = *state;
	char *whole;

	for (uint16_t port = 1; port < 50; port++)
		add(f, NETNS, port, 1, port);
	look(f);
	whole = strdup(write_all(f, &FILTER_INIT, 512));
	assert_string_equal(write_all(f, &FILTER_INIT, 1), whole);
	free(whole);
}

/* The rows are those of one look, though the listeners go on changing. */
static void test_a_look_between_two_pieces(void **state)
{
	struct fixture *f = *state;
	struct roster *roster;
	char buffer[512];
	ssize_t n, length = 0;

	for (uint16_t port = 1; port <= 3; port++)
		add(f, NETNS, port, 1, port);
	look(f);
	assert_int_equal(roster_new(f->model, &FILTER_INIT, &roster), 0);
	while ((n = roster_source.next(buffer, sizeof(buffer), roster)) > 0) {
		length += n;
		look(f); /* nobody listens any more */
	}
	roster_source.free(roster);
	assert_true(length > 3 * 200);
}

static void assert_syn(struct fixture *f, bool counted, const char *expected)
{
	const struct serve_status status = {
		.mode = "ebpf", .last_cause = RESYNC_CAUSE_COUNT, .syn_accounting = counted};
	struct json_object *document = status_json(f->model, &status, f->now_ns), *syn;
	bool ok = json_object_object_get_ex(document, "syn", &syn);

	assert_true(ok);
	assert_string_equal(json_object_to_json_string_ext(syn, JSON_TEXT), expected);
	assert_true(json_object_object_get_ex(document, "syn_accounting", &syn));
	assert_int_equal(json_object_get_boolean(syn), counted);
	json_object_put(document);
}

static void test_status(void **state)
{
	struct tw_source_summary summary = {
		.duration_ns = NSEC_PER_SEC / 2,
		.syns = 1000,
		.prefixes = 3,
		.top_syns = 980,
		.top_prefix = {203, 0, 113},
		.top_family = AF_INET,
	};
	struct fixture *f = *state;

	assert_syn(f, false,
		   "{\"rate\":null,\"prefixes\":0,\"top_prefix\":null,\"top_share\":null}");
	assert_syn(f, true,
		   "{\"rate\":0.000,\"prefixes\":0,\"top_prefix\":null,\"top_share\":null}");
	model_sources(f->model, &summary);
	assert_syn(f, true,
		   "{\"rate\":2000.000,\"prefixes\":3,\"top_prefix\":\"203.0.113.0/24\","
		   "\"top_share\":0.980}");
	summary.top_family = AF_INET6;
	memcpy(summary.top_prefix, (const uint8_t[]){0x20, 1, 0xd, 0xb8, 0, 0, 0, 7}, 8);
	model_sources(f->model, &summary);
	assert_syn(f, true,
		   "{\"rate\":2000.000,\"prefixes\":3,\"top_prefix\":\"2001:db8:0:7::/64\","
		   "\"top_share\":0.980}");
	model_sources(f->model, &(struct tw_source_summary){.duration_ns = NSEC_PER_SEC / 2});
	assert_syn(f, true,
		   "{\"rate\":0.000,\"prefixes\":0,\"top_prefix\":null,\"top_share\":null}");
}

/* The text is the test's to free; NULL: no such namespace. */
static char *netstat_of(struct fixture *f, uint32_t netns)
{
	const struct serve_status status = {.mode = "ebpf", .last_cause = RESYNC_CAUSE_COUNT};
	struct json_object *document = status_json(f->model, &status, f->now_ns);
	struct json_object *rows, *row, *member;
	char *text = NULL;

	assert_true(json_object_object_get_ex(document, "namespaces", &rows));
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		row = json_object_array_get_idx(rows, i);
		assert_true(json_object_object_get_ex(row, "netns", &member));
		if (json_object_get_uint64(member) != netns)
			continue;
		assert_true(json_object_object_get_ex(row, "netstat", &member));
		text = strdup(json_object_to_json_string_ext(member, JSON_TEXT));
	}
	json_object_put(document);
	return text;
}

static void assert_netstat(struct fixture *f, uint32_t netns, const char *expected)
{
	char *text = netstat_of(f, netns);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

/* The kernel's own, of each namespace alone, also what it counted before the first look. */
static void test_netstat_of_each_namespace(void **state)
{
	struct fixture *f = *state;

	add(f, NETNS, 80, 1, 0);
	add(f, OTHER_NETNS, 80, 1, 0);
	look(f);
	model_netstat(f->model, &(struct tw_netstat){.time_ns = f->now_ns,
						     .netns = NETNS,
						     .syncookies_sent = 1,
						     .syncookies_received = 2,
						     .syncookies_failed = 3,
						     .listen_drops = 4,
						     .listen_overflows = 5,
						     .request_queue_full_cookies = 6,
						     .request_queue_full_drops = 7,
						     .aborts_on_overflow = UINT64_MAX});
	assert_netstat(f, NETNS,
		       "{\"syncookies_sent\":1,\"syncookies_received\":2,\"syncookies_failed\":3,"
		       "\"listen_drops\":4,\"listen_overflows\":5,"
		       "\"request_queue_full_cookies\":6,\"request_queue_full_drops\":7,"
		       "\"aborts_on_overflow\":18446744073709551615}");
	assert_netstat(f, OTHER_NETNS, "null");
}

#define test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_no_listener),
		test(test_row_without_counting),
		test(test_shared_syn_queue),
		test(test_row_with_rates),
		test(test_order),
		test(test_filters),
		test(test_byte_by_byte_is_the_same),
		test(test_a_look_between_two_pieces),
		test(test_status),
		test(test_netstat_of_each_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
