/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "serve/dimension.h"
#include "serve/text.h"
#include "serve/top.h"

#define SECOND NSEC_PER_SEC
#define NOW (1000 * SECOND)
#define NETNS 4026531833U
#define CAPACITY 60000

struct fixture {
	struct model *model;
	uint64_t cookie, time_ns;
	struct json_object *rows; /* an array */
	unsigned rests;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || model_new(CAPACITY, &f->model))
		return -1;
	f->time_ns = SECOND;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	json_object_put(f->rows);
	model_free(f->model);
	free(f);
	return 0;
}

struct what {
	const char *remote, *comm;
	uint64_t cgroup;
	uint32_t pid, uid, netns;
	uint16_t port;
	uint8_t state, flags;
};

/* A connection a second. */
static void add(struct fixture *f, const struct what *what)
{
	bool ipv6 = strchr(what->remote, ':');
	struct tw_event e = {
		.time_ns = f->time_ns += SECOND,
		.cookie = ++f->cookie,
		.netns = what->netns ? what->netns : NETNS,
		.cgroup = what->cgroup,
		.uid = what->uid,
		.pid = what->pid,
		.sport = what->port ? what->port : 8080,
		.dport = (uint16_t)f->cookie,
		.family = ipv6 ? AF_INET6 : AF_INET,
		.old_state = TW_CLOSE,
		.new_state = what->state ? what->state : TW_ESTABLISHED,
		.flags = what->pid ? TW_EVENT_PROCESS : 0,
	};

	assert_int_equal(inet_pton(e.family, what->remote, e.daddr), 1);
	memcpy(e.comm, what->comm ? what->comm : "", what->comm ? strlen(what->comm) : 0);
	model_event(f->model, &e);
}

#define ADD(f, ...) add((f), &(const struct what){.remote = __VA_ARGS__})

static void ask(struct fixture *f, enum dimension by, uint32_t states, uint64_t limit)
{
	struct filter filter = FILTER_INIT;
	_cleanup_text_ struct text text = {0};
	char buffer[4096], *rest, *line;
	struct top *top;
	ssize_t n;

	filter.by = by;
	filter.states = states;
	filter.limit = limit;
	assert_int_equal(top_new(f->model, &filter, NOW, &top), 0);
	while ((n = top_source.next(buffer, sizeof(buffer), top)) != HTTP_STREAM_END) {
		f->rests += n == HTTP_STREAM_AGAIN;
		if (n > 0)
			text_append(&text, buffer, (size_t)n);
	}
	top_source.free(top);
	text_append(&text, "", 1);
	json_object_put(f->rows);
	f->rows = json_object_new_array();
	for (rest = text.data; (line = strsep(&rest, "\n")) && *line;)
		json_object_array_add(f->rows, json_tokener_parse(line));
}

static struct json_object *get(struct json_object *row, const char *key)
{
	struct json_object *value = NULL;

	assert_true(json_object_object_get_ex(row, key, &value));
	return value;
}

static void expect_row(struct fixture *f, size_t index, const char *key, const char *kind,
		       int connections)
{
	struct json_object *row = json_object_array_get_idx(f->rows, index);

	assert_non_null(row);
	assert_string_equal(json_object_get_string(get(row, "key")), key);
	if (kind)
		assert_string_equal(json_object_get_string(get(row, "kind")), kind);
	else
		assert_null(get(row, "kind"));
	assert_int_equal(json_object_get_int(get(row, "connections")), connections);
}

static int sum(struct fixture *f, const char *state)
{
	int all = 0;

	for (size_t i = 0; i < json_object_array_length(f->rows); i++)
		all += json_object_get_int(
			get(get(json_object_array_get_idx(f->rows, i), "states"), state));
	return all;
}

static void test_processes(void **state)
{
	struct fixture *f = *state;

	ADD(f, "10.0.0.1", .comm = "nginx", .pid = 7);
	ADD(f, "10.0.0.1", .comm = "nginx", .pid = 8);
	ADD(f, "10.0.0.1", .comm = "nginx", .pid = 8, .state = TW_CLOSE_WAIT);
	ADD(f, "10.0.0.1", .comm = "sshd", .pid = 9);
	ADD(f, "10.0.0.1", .comm = "a\xff", .pid = 10);
	ADD(f, "10.0.0.1", .comm = "a\xff", .pid = 10);
	ask(f, DIMENSION_PROCESS, TW_STATES_ALL, 2);
	assert_int_equal(json_object_array_length(f->rows), 3);
	expect_row(f, 0, "nginx", "process", 3);
	expect_row(f, 1, "a\xef\xbf\xbd", "process", 2);
	expect_row(f, 2, "other", NULL, 1);
	assert_int_equal(sum(f, "established"), 5);
	assert_int_equal(sum(f, "close_wait"), 1);
	assert_int_equal(
		json_object_get_int(get(json_object_array_get_idx(f->rows, 0), "processes")), 2);
	assert_int_equal(json_object_get_int(get(json_object_array_get_idx(f->rows, 2), "keys")),
			 1);
	ask(f, DIMENSION_PROCESS, TW_STATE_BIT(TW_CLOSE_WAIT), 0);
	assert_int_equal(json_object_array_length(f->rows), 1);
	expect_row(f, 0, "nginx", "process", 1);
	assert_int_equal(sum(f, "established"), 0);
	assert_int_equal(
		json_object_get_int(get(json_object_array_get_idx(f->rows, 0), "processes")), 1);
}

static void name_cgroup(struct fixture *f, uint64_t id, const char *path)
{
	struct tw_cgroup group = {.id = id};
	const struct tw_tick tick = {f->time_ns};

	snprintf(group.path, sizeof(group.path), "%s", path);
	model_tick(f->model, &tick);
	model_cgroup(f->model, &group);
	model_cgroups_done(f->model, &tick);
}

/* The groups below a unit are the unit's; who has no unit is under the process's name. */
static void test_units(void **state)
{
	struct fixture *f = *state;

	ADD(f, "10.0.0.1", .comm = "nginx", .pid = 7, .cgroup = 100);
	ADD(f, "10.0.0.1", .comm = "nginx", .pid = 8, .cgroup = 101);
	ADD(f, "10.0.0.1", .comm = "sshd", .pid = 9, .cgroup = 102);
	ADD(f, "10.0.0.1", .comm = "bash", .pid = 10);
	ADD(f, "10.0.0.1", .comm = "bash", .pid = 10);
	ADD(f, "10.0.0.1", .comm = "bash", .pid = 10);
	name_cgroup(f, 100, "/system.slice/nginx.service");
	name_cgroup(f, 101, "/system.slice/nginx.service/worker");
	name_cgroup(f, 102, "/system.slice/ssh.service");
	ask(f, DIMENSION_UNIT, TW_STATES_ALL, 2);
	expect_row(f, 0, "bash", "process", 3);
	expect_row(f, 1, "nginx.service", "process", 2);
	expect_row(f, 2, "other", NULL, 1);
}

/* No user's unit counts with the system's or with another's, nor does a process of that name. */
static void test_units_of_one_name(void **state)
{
	static const struct {
		const char *path, *comm, *key;
	} owners[] = {
		{"/system.slice/nginx.service", "a", "nginx.service"},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service", "a",
		 "user@1000/nginx.service"},
		{"/user.slice/user-1001.slice/user@1001.service/app.slice/nginx.service", "a",
		 "user@1001/nginx.service"},
		{"/lxc/nginx.service", "a", "container/nginx.service"},
		{"/lxc/nginx", "a", "container/nginx"},
		{"/", "nginx.service", "[nginx.service]"},
		{"/", "[nginx.service]", "[[nginx.service]]"},
		{"", "user@1/a.scope", "[user@1/a.scope]"},
		{"", "/lxc/nginx", "[/lxc/nginx]"},
		{"", "nginx", "nginx"},
	};
	struct fixture *f = *state;

	for (uint32_t i = 0; i < ARRAY_SIZE(owners); i++)
		for (uint32_t n = i; n < ARRAY_SIZE(owners); n++)
			ADD(f, "10.0.0.1", .comm = owners[i].comm, .pid = 7 + i, .cgroup = 100 + i);
	for (uint32_t i = 0; i < ARRAY_SIZE(owners); i++)
		if (*owners[i].path)
			name_cgroup(f, 100 + i, owners[i].path);
	ask(f, DIMENSION_UNIT, TW_STATES_ALL, 0);
	assert_int_equal(json_object_array_length(f->rows), ARRAY_SIZE(owners));
	for (size_t i = 0; i < ARRAY_SIZE(owners); i++)
		expect_row(f, i, owners[i].key, "process", (int)(ARRAY_SIZE(owners) - i));
}

/* One row for a service that has an instance for each connection, and no peer in its name. */
static void test_instances_of_connections(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 20; i++) {
		char path[128];

		ADD(f, "10.0.0.1", .comm = "sshd", .pid = 7 + i, .cgroup = 100 + i);
		snprintf(path, sizeof(path),
			 "/system.slice/system-sshd.slice/sshd@%u-10.0.0.5:22-192.0.2.7:%u.service",
			 i, 51234 + i);
		name_cgroup(f, 100 + i, path);
	}
	ask(f, DIMENSION_UNIT, TW_STATES_ALL, 0);
	assert_int_equal(json_object_array_length(f->rows), 1);
	expect_row(f, 0, "sshd@.service", "process", 20);
}

static void test_users_and_namespaces(void **state)
{
	struct fixture *f = *state;

	ADD(f, "10.0.0.1", .uid = 33);
	ADD(f, "10.0.0.1", .uid = 33, .netns = NETNS + 1);
	ADD(f, "10.0.0.1", .uid = 0, .netns = NETNS + 1);
	ask(f, DIMENSION_USER, TW_STATES_ALL, 0);
	expect_row(f, 0, "33", NULL, 2);
	expect_row(f, 1, "0", NULL, 1);
	ask(f, DIMENSION_NETNS, TW_STATES_ALL, 0);
	expect_row(f, 0, "4026531834", NULL, 2);
	expect_row(f, 1, "4026531833", NULL, 1);
	assert_int_equal(json_object_array_length(f->rows), 2);
}

static void expect_oldest(struct fixture *f, size_t index, const char *key, double seconds)
{
	struct json_object *row = json_object_array_get_idx(f->rows, index);

	assert_string_equal(json_object_get_string(get(row, "key")), key);
	assert_true(json_object_get_double(get(row, "oldest_seconds")) == seconds);
}

/* Of the states asked for; what is in a row is as old as the oldest of all its owners. */
static void test_oldest(void **state)
{
	const uint32_t close_wait = TW_STATE_BIT(TW_CLOSE_WAIT);
	struct fixture *f = *state;

	ADD(f, "10.0.0.1", .comm = "nginx", .pid = 7, .uid = 1);
	ADD(f, "10.0.0.1", .comm = "sshd", .pid = 9, .uid = 2, .state = TW_CLOSE_WAIT);
	ADD(f, "10.0.0.1", .comm = "nginx", .pid = 8, .uid = 2, .state = TW_CLOSE_WAIT,
	    .netns = NETNS + 1);
	ADD(f, "10.0.0.1", .comm = "nginx", .pid = 8, .uid = 2, .state = TW_CLOSE_WAIT,
	    .netns = NETNS + 1);
	ask(f, DIMENSION_PROCESS, TW_STATES_ALL, 0);
	expect_oldest(f, 0, "nginx", 998);
	expect_oldest(f, 1, "sshd", 997);
	ask(f, DIMENSION_UNIT, close_wait, 0);
	expect_oldest(f, 0, "nginx", 996);
	ask(f, DIMENSION_USER, close_wait, 0);
	expect_oldest(f, 0, "2", 997);
	ask(f, DIMENSION_NETNS, close_wait, 0);
	expect_oldest(f, 0, "4026531834", 996);
	expect_oldest(f, 1, "4026531833", 997);
	ask(f, DIMENSION_PROCESS, close_wait, 1);
	expect_oldest(f, 1, "other", 997);
}

/* Not of more connections than can be looked at in one go. */
static void test_oldest_of_many(void **state)
{
	struct fixture *f = *state;

	ADD(f, "10.0.0.1", .comm = "sshd", .pid = 9, .state = TW_CLOSE_WAIT);
	for (size_t i = 0; i < 32768; i++)
		ADD(f, "10.0.0.1", .comm = "nginx", .pid = 7);
	ask(f, DIMENSION_PROCESS, TW_STATE_BIT(TW_ESTABLISHED), 0);
	assert_non_null(get(json_object_array_get_idx(f->rows, 0), "oldest_seconds"));
	ask(f, DIMENSION_PROCESS, TW_STATES_ALL, 0);
	assert_null(get(json_object_array_get_idx(f->rows, 0), "oldest_seconds"));
}

/* A peer is the same over a socket of either family, and a listener has none. */
static void test_peers(void **state)
{
	struct fixture *f = *state;
	struct json_object *row;

	ADD(f, "10.0.0.1");
	ADD(f, "::ffff:10.0.0.1");
	ADD(f, "10.0.0.2");
	ADD(f, "2001:db8::1:0:0:1");
	ADD(f, "2001:db8::2:0:0:1");
	ADD(f, "2001:db8:0:1::1");
	ask(f, DIMENSION_REMOTE, TW_STATES_ALL, 1);
	expect_row(f, 0, "10.0.0.1", NULL, 2);
	expect_row(f, 1, "other", NULL, 4);
	row = json_object_array_get_idx(f->rows, 0);
	assert_true(json_object_get_double(get(row, "oldest_seconds")) == 998);
	assert_string_equal(json_object_get_string(get(row, "share")), "0.3333");
	assert_int_equal(json_object_get_int(get(json_object_array_get_idx(f->rows, 1), "keys")),
			 4);
	ask(f, DIMENSION_PREFIX, TW_STATES_ALL, 0);
	expect_row(f, 0, "10.0.0.0/24", NULL, 3);
	expect_row(f, 1, "2001:db8::/64", NULL, 2);
	expect_row(f, 2, "2001:db8:0:1::/64", NULL, 1);
	assert_int_equal(json_object_array_length(f->rows), 3);
}

static void test_ports(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 5; i++)
		ADD(f, "10.0.0.1", .port = 443);
	ADD(f, "10.0.0.1", .port = 22);
	ask(f, DIMENSION_PORT, TW_STATES_ALL, 0);
	expect_row(f, 0, "443", NULL, 5);
	expect_row(f, 1, "22", NULL, 1);
}

static void run_file(struct fixture *f, uint32_t pid, const char *comm, const char *path)
{
	struct tw_process process = {.pid = pid};

	memcpy(process.comm, comm, strlen(comm));
	memcpy(process.executable.path, path, strlen(path));
	model_process(f->model, &process);
}

static void expect_executable(struct fixture *f, size_t index, const char *path)
{
	struct json_object *row = json_object_array_get_idx(f->rows, index);
	struct json_object *executable = get(row, "executable");

	if (path)
		assert_string_equal(json_object_get_string(executable), path);
	else
		assert_null(executable);
}

/* Programs that are called the same, and are different files. */
static void test_executables(void **state)
{
	struct fixture *f = *state;

	run_file(f, 7, "worker", "/a/worker");
	run_file(f, 8, "worker", "/b/worker\xff\n");
	run_file(f, 9, "worker", "/a/worker");
	for (unsigned i = 0; i < 4; i++)
		ADD(f, "10.0.0.1", .comm = "worker", .pid = 7 + 2 * (i % 2));
	for (unsigned i = 0; i < 3; i++)
		ADD(f, "10.0.0.1", .comm = "worker", .pid = 8);
	ADD(f, "10.0.0.1", .comm = "worker", .pid = 10);
	ask(f, DIMENSION_PROCESS, TW_STATES_ALL, 0);
	assert_int_equal(json_object_array_length(f->rows), 3);
	expect_row(f, 0, "worker", "process", 4);
	expect_executable(f, 0, "/a/worker");
	expect_row(f, 1, "worker", "process", 3);
	expect_executable(f, 1, "/b/worker\xef\xbf\xbd\n");
	expect_row(f, 2, "worker", "process", 1);
	expect_executable(f, 2, NULL);
	ask(f, DIMENSION_PROCESS, TW_STATES_ALL, 1);
	expect_row(f, 1, "other", NULL, 4);
	expect_executable(f, 1, NULL);
	ask(f, DIMENSION_UNIT, TW_STATES_ALL, 0);
	expect_row(f, 0, "worker", "process", 8);
	expect_executable(f, 0, NULL);
}

/* What the table had no room for is counted; it is among the others. */
static void test_untracked(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < CAPACITY + 10; i++)
		ADD(f, "10.0.0.1", .comm = "nginx", .pid = 7);
	for (enum dimension by = 0; by < DIMENSION_COUNT; by++) {
		ask(f, by, TW_STATES_ALL, 0);
		assert_int_equal(sum(f, "established"), CAPACITY + 10);
		assert_int_equal(json_object_array_length(f->rows), by == DIMENSION_NETNS ? 1 : 2);
	}
	assert_true(f->rests >= 3 * (CAPACITY / 8192)); /* the loop had its turns */
}

/* Between its pieces the table changes: it is still what it was when the walk began. */
static void test_changes_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct filter filter = FILTER_INIT;
	char buffer[4096] = "";
	struct top *top;
	ssize_t n = 0;

	for (unsigned i = 0; i < 20000; i++)
		ADD(f, "10.0.0.1", .port = 443);
	filter.by = DIMENSION_PORT;
	assert_int_equal(top_new(f->model, &filter, NOW, &top), 0);
	assert_int_equal(top_source.next(buffer, sizeof(buffer), top), HTTP_STREAM_AGAIN);
	for (uint64_t cookie = 19001; cookie <= 20000; cookie++) {
		struct tw_event e = {.time_ns = f->time_ns,
				     .cookie = cookie,
				     .netns = NETNS,
				     .family = AF_INET,
				     .old_state = TW_ESTABLISHED,
				     .new_state = TW_CLOSE};

		model_event(f->model, &e);
	}
	for (unsigned i = 0; i < 500; i++)
		ADD(f, "10.0.0.1", .port = 80);
	while (n != HTTP_STREAM_END && (n = top_source.next(buffer, sizeof(buffer), top)) <= 0)
		assert_int_equal(n, HTTP_STREAM_AGAIN);
	assert_non_null(strstr(buffer, "\"key\":\"443\",\"kind\":null,\"connections\":19000,"));
	assert_non_null(strstr(buffer, "\"key\":\"other\",\"kind\":null,\"connections\":1000,"));
	assert_null(strstr(buffer, "\"key\":\"80\""));
	top_source.free(top);
}

static void test_nothing(void **state)
{
	struct fixture *f = *state;

	for (enum dimension by = 0; by < DIMENSION_COUNT; by++) {
		ask(f, by, TW_STATES_ALL, 0);
		assert_int_equal(json_object_array_length(f->rows), 0);
	}
}

#define TOP_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOP_TEST(test_units),
		TOP_TEST(test_units_of_one_name),
		TOP_TEST(test_instances_of_connections),
		TOP_TEST(test_processes),
		TOP_TEST(test_users_and_namespaces),
		TOP_TEST(test_oldest),
		TOP_TEST(test_oldest_of_many),
		TOP_TEST(test_peers),
		TOP_TEST(test_ports),
		TOP_TEST(test_executables),
		TOP_TEST(test_untracked),
		TOP_TEST(test_changes_meanwhile),
		TOP_TEST(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
