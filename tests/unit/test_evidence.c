/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "alert/evidence.h"
#include "alert/leaders.h"
#include "model_fixture.h"

#define MANY 25000U
#define LENGTH_MAX 8192 /* bytes of JSON */
#define CGROUP 500
#define PID 4321

struct bench {
	struct fixture f;
	struct evidence_calls calls;
	size_t asked;
	uint64_t newest_ns; /* of those asked for */
	struct json_object *evidence;
};

static void queues(const struct connection *rows, size_t count, struct evidence_queue *ret,
		   void *userdata)
{
	struct bench *b = userdata;

	b->asked += count;
	assert_in_range(count, 1, EVIDENCE_QUEUES_MAX);
	for (size_t i = 0; i < count; i++) {
		assert_false(rows[i].flags & CONNECTION_SHADOW);
		if (rows[i].entered_ns > b->newest_ns)
			b->newest_ns = rows[i].entered_ns;
		ret[i] = (struct evidence_queue){.known = i != 0, .receive = (uint32_t)i % 3};
	}
}

static int open_bench(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	if (!b)
		return -1;
	b->f.now_ns = 1000 * NSEC_PER_SEC;
	b->calls = (struct evidence_calls){.queues = queues, .userdata = b};
	*state = b;
	return model_new(MANY, &b->f.m);
}

static int close_bench(void **state)
{
	struct bench *b = *state;

	json_object_put(b->evidence);
	model_free(b->f.m);
	free(b);
	return 0;
}

/* A connection to a peer, up to a state, made by a process of a cgroup. */
struct peer {
	uint64_t cookie, cgroup;
	uint32_t netns, pid;
	uint16_t sport;
	const char *comm;
	uint8_t family, address[16];
};

static void reach(struct bench *b, const struct peer *p, unsigned state)
{
	const struct socket s = {.cookie = p->cookie,
				 .netns = p->netns ? p->netns : HOST,
				 .sport = p->sport ? p->sport : 80,
				 .dport = (uint16_t)(1024 + p->cookie % 60000),
				 .family = p->family};
	static const unsigned ways[][3] = {
		{TW_CLOSE, TW_SYN_SENT, TW_SYN_SENT},
		{TW_SYN_SENT, TW_ESTABLISHED, TW_ESTABLISHED},
		{TW_ESTABLISHED, TW_CLOSE_WAIT, TW_CLOSE_WAIT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct tw_event e = event_of(&s, ways[i][0], ways[i][1], later(&b->f));

		e.cgroup = p->cgroup;
		memcpy(e.daddr, p->address, sizeof(e.daddr));
		if (i == 0 && p->pid) {
			e.flags = TW_EVENT_PROCESS;
			e.pid = p->pid;
			snprintf(e.comm, sizeof(e.comm), "%s", p->comm ? p->comm : "web");
		}
		model_event(b->f.m, &e);
		if (ways[i][1] == state)
			return;
	}
}

static struct json_object *collect(struct bench *b, struct notice notice)
{
	json_object_put(b->evidence);
	if (!notice.source)
		notice.source = "close_wait";
	if (!notice.scope)
		notice.scope = "host";
	b->evidence = evidence_collect(b->f.m, &notice, &b->calls, b->f.now_ns);
	return b->evidence;
}

static struct json_object *member(struct json_object *object, const char *path)
{
	struct json_object *found = NULL;
	char key[64];
	size_t length;

	for (found = object; *path; path += length + (path[length] == '.')) {
		length = strcspn(path, ".");
		snprintf(key, sizeof(key), "%.*s", (int)length, path);
		if (json_object_is_type(found, json_type_array))
			found = json_object_array_get_idx(found, (size_t)(*key - '0'));
		else
			found = json_object_object_get(found, key);
	}
	return found;
}

static uint64_t number(struct bench *b, const char *path)
{
	struct json_object *found = member(b->evidence, path);

	assert_non_null(found);
	return json_object_get_uint64(found);
}

static const char *text(struct bench *b, const char *path)
{
	struct json_object *found = member(b->evidence, path);

	assert_true(json_object_is_type(found, json_type_string));
	return json_object_get_string(found);
}

static size_t length(struct bench *b, const char *path)
{
	return json_object_array_length(member(b->evidence, path));
}

static struct peer peer(uint64_t cookie, uint8_t last)
{
	return (struct peer){.cookie = cookie, .pid = 1, .address = {10, 0, 0, last}};
}

static void name_cgroup(struct bench *b, const char *path)
{
	struct tw_cgroup cgroup = {.id = CGROUP};

	snprintf(cgroup.path, sizeof(cgroup.path), "%s", path);
	tick(&b->f); /* the group is met */
	model_cgroup(b->f.m, &cgroup);
}

static void test_of_the_host(void **state)
{
	struct bench *b = *state;
	struct peer p;

	for (uint8_t i = 0; i < 6; i++) {
		p = peer(i + 1U, i < 4 ? 7 : i);
		p.pid = i < 5 ? PID : 99;
		p.cgroup = i < 5 ? CGROUP : 77;
		reach(b, &p, TW_CLOSE_WAIT);
	}
	p = peer(50, 1);
	reach(b, &p, TW_ESTABLISHED);
	name_cgroup(b, "/system.slice/web.service/\xff");
	b->f.now_ns += 100 * NSEC_PER_SEC;
	collect(b, (struct notice){.value = 6, .threshold = 5, .limit = 12});
	assert_int_equal(number(b, "count"), 6);
	assert_int_equal(number(b, "threshold"), 5);
	assert_int_equal(number(b, "limit"), 12);
	assert_int_equal(number(b, "looked_at"), 6);
	assert_int_equal(number(b, "found"), 6);
	assert_true(json_object_get_boolean(member(b->evidence, "whole")));

	assert_int_equal(length(b, "owners"), 2);
	assert_int_equal(number(b, "owners.0.connections"), 5);
	assert_int_equal(number(b, "owners.0.pid"), PID);
	assert_string_equal(text(b, "owners.0.comm"), "web");
	assert_string_equal(text(b, "owners.0.unit"), "web.service");
	assert_string_equal(text(b, "owners.0.cgroup"), "/system.slice/web.service/\ufffd");
	assert_string_equal(text(b, "owners.0.kind"), "process");
	assert_null(member(b->evidence, "owners.1.unit"));
	assert_int_equal(number(b, "owners_other"), 0);

	assert_int_equal(length(b, "remotes"), 3);
	assert_string_equal(text(b, "remotes.0.remote"), "10.0.0.7");
	assert_int_equal(number(b, "remotes.0.connections"), 4);
	assert_int_equal(length(b, "prefixes"), 1);
	assert_string_equal(text(b, "prefixes.0.prefix"), "10.0.0.0/24");
	assert_int_equal(number(b, "prefixes.0.connections"), 6);

	assert_int_equal(number(b, "ages.oldest_seconds"), 100);
	assert_int_equal(number(b, "ages.exact"), 6);
	assert_int_equal(b->asked, 6);
	assert_int_equal(number(b, "recv_queue.looked_at"), 5);
	/* 1 2 0 1 2, in which the peer's FIN counts as one */
	assert_int_equal(number(b, "recv_queue.unread"), 2);
	assert_int_equal(number(b, "recv_queue.end_unread"), 4);
	assert_int_equal(number(b, "recv_queue.bytes"), 2);
	collect(b, (struct notice){.source = "established"});
}

/* Of two connections each, that differ in one thing. */
static void test_targets(void **state)
{
	struct bench *b = *state;
	struct peer p = peer(1, 1);

	reach(b, &p, TW_CLOSE_WAIT);
	p = peer(2, 2);
	p.pid = PID;
	p.cgroup = CGROUP;
	reach(b, &p, TW_CLOSE_WAIT);
	p = peer(3, 2);
	p.sport = 443;
	p.netns = OTHER;
	reach(b, &p, TW_CLOSE_WAIT);

	collect(b, (struct notice){.scope = "process", .pid = PID});
	assert_int_equal(number(b, "found"), 1);
	assert_int_equal(number(b, "owners.0.pid"), PID);
	collect(b, (struct notice){.scope = "unit", .cgroup = CGROUP});
	assert_int_equal(number(b, "found"), 1);
	collect(b, (struct notice){.scope = "port", .port = 443});
	assert_int_equal(number(b, "found"), 1);
	collect(b, (struct notice){.scope = "netns", .netns = HOST});
	assert_int_equal(number(b, "found"), 2);
	collect(b, (struct notice){.scope = "remote", .target = "10.0.0.2"});
	assert_int_equal(number(b, "found"), 2);
	assert_int_equal(number(b, "looked_at"), 3);
	collect(b, (struct notice){.source = "fin_wait2"});
	assert_int_equal(number(b, "found"), 0);
	assert_null(member(b->evidence, "ages.oldest_seconds"));
}

/* The same address, whether the socket is IPv4's or IPv6's. */
static void test_mapped_addresses(void **state)
{
	struct bench *b = *state;
	struct peer p = peer(1, 1);

	reach(b, &p, TW_CLOSE_WAIT);
	p = (struct peer){.cookie = 2,
			  .family = AF_INET6,
			  .address = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1}};
	reach(b, &p, TW_CLOSE_WAIT);
	p = (struct peer){.cookie = 3,
			  .family = AF_INET6,
			  .address = {0x20, 1, 0xd, 0xb8, [8] = 5, [15] = 1}};
	reach(b, &p, TW_CLOSE_WAIT);
	collect(b, (struct notice){.scope = "remote", .target = "10.0.0.1 netns 7"});
	assert_int_equal(number(b, "found"), 2);
	assert_int_equal(number(b, "remotes.0.connections"), 2);
	collect(b, (struct notice){.scope = "remote", .target = "2001:db8::500:0:0:1"});
	assert_int_equal(number(b, "found"), 1);
	assert_string_equal(text(b, "remotes.0.remote"), "2001:db8::500:0:0:1");
	assert_string_equal(text(b, "prefixes.0.prefix"), "2001:db8::/64");
}

static void test_transitions(void **state)
{
	struct bench *b = *state;
	struct peer p = peer(1, 1);
	const char *line;

	p.pid = PID;
	reach(b, &p, TW_CLOSE_WAIT);
	for (uint64_t i = 0; i < 20; i++) {
		p = peer(100 + i, 2);
		reach(b, &p, TW_ESTABLISHED);
	}
	b->calls.offset_ns = 500 * NSEC_PER_SEC;
	collect(b, (struct notice){.scope = "process", .pid = PID});
	assert_int_equal(length(b, "transitions"), 3);
	/* the peer's FIN has no process with it: the connection's owner tells */
	assert_string_equal(text(b, "transitions.0.to"), "close_wait");
	assert_string_equal(text(b, "transitions.0.from"), "established");
	assert_string_equal(text(b, "transitions.0.remote"), "10.0.0.1");
	line = json_object_to_json_string(member(b->evidence, "transitions.0.time"));
	assert_string_equal(line, "1500.003000");
	assert_string_equal(text(b, "transitions.2.to"), "syn_sent");

	collect(b, (struct notice){.source = "established"});
	assert_int_equal(length(b, "transitions"), EVIDENCE_TRANSITIONS);
	assert_string_equal(text(b, "transitions.0.to"), "established");
}

static void test_settings(void **state)
{
	struct bench *b = *state;
	struct tw_limits limits = {
		.time_ns = 1, .netns = OTHER, .known = (1U << TW_SYSCTL_COUNT) - 1};
	struct peer p = peer(1, 1);

	limits.values[TW_SYSCTL_TCP_FIN_TIMEOUT] = 33;
	model_limits(b->f.m, &limits);
	reach(b, &p, TW_CLOSE_WAIT);
	collect(b, (struct notice){.source = "fin_wait2", .scope = "netns", .netns = OTHER});
	assert_int_equal(length(b, "sysctls"), 2);
	assert_string_equal(text(b, "sysctls.0.name"), "net.ipv4.tcp_fin_timeout");
	assert_int_equal(number(b, "sysctls.0.value"), 33);
	collect(b, (struct notice){.source = "close_wait"});
	assert_int_equal(length(b, "sysctls"), 0); /* the host has told none */
}

/* Those that wait, and not those that somebody has. */
static void test_accept_queue(void **state)
{
	struct bench *b = *state;
	struct peer p = peer(1, 1);

	open_round(&b->f, TW_STATES_ALL);
	reach(b, &p, TW_CLOSE_WAIT);
	row(&b->f, &child, TW_CLOSE_WAIT, TW_SOCKET_FULL); /* without a descriptor */
	close_round(&b->f, TW_STATES_ALL);
	collect(b, (struct notice){.source = "accept_queue"});
	assert_int_equal(number(b, "found"), 1);
	assert_string_equal(text(b, "owners.0.kind"), "unaccepted");
	assert_string_equal(text(b, "remotes.0.remote"), "127.0.0.1");
}

static void test_bounds(void **state)
{
	struct bench *b = *state;
	char path[1000];
	struct peer p;

	for (uint32_t i = 0; i < MANY; i++) {
		p = (struct peer){.cookie = i + 1,
				  .pid = i % 300 + 1,
				  .cgroup = i % 2 ? CGROUP : i % 300 + 1000,
				  .comm = "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"",
				  .family = AF_INET6,
				  .address = {0x20, 1, 0xd, 0xb8, 0xff, 0xff, (uint8_t)(i >> 8),
					      (uint8_t)i, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					      0xff}};
		reach(b, &p, TW_CLOSE_WAIT);
	}
	memset(path, 0xff, sizeof(path));
	path[sizeof(path) - 1] = '\0';
	name_cgroup(b, path);
	collect(b, (struct notice){.value = MANY});
	assert_int_equal(number(b, "found"), LEADERS_MAX);
	assert_false(json_object_get_boolean(member(b->evidence, "whole")));
	assert_int_equal(length(b, "owners"), EVIDENCE_LEADERS);
	assert_int_equal(length(b, "remotes"), EVIDENCE_LEADERS);
	assert_int_equal(length(b, "prefixes"), EVIDENCE_LEADERS);
	assert_int_equal(number(b, "remotes_other"), LEADERS_MAX - EVIDENCE_LEADERS);
	assert_int_equal(length(b, "transitions"), EVIDENCE_TRANSITIONS);
	/* of all ages; three records for each connection */
	assert_int_equal(b->asked, EVIDENCE_QUEUES_MAX);
	assert_true(b->newest_ns > 1000 * NSEC_PER_SEC + 3 * STEP_NS * (LEADERS_MAX - 200));
	assert_true(strlen(json_object_to_json_string(b->evidence)) < LENGTH_MAX);

	/* few of many: it gives up looking for more */
	collect(b, (struct notice){.scope = "process", .pid = 7});
	assert_int_equal(number(b, "looked_at"), 20000);
	assert_in_range(number(b, "found"), 60, 70);
}

static void test_nothing_to_say(void **state)
{
	struct bench *b = *state;

	assert_null(collect(b, (struct notice){.source = "the weather"}));
	b->calls = (struct evidence_calls){0};
	assert_non_null(collect(b, (struct notice){.source = "syn_rate"}));
	assert_null(member(b->evidence, "recv_queue"));
	assert_int_equal(length(b, "owners"), 0);
	assert_int_equal(length(b, "sysctls"), 0);
}

#define on_bench(function) cmocka_unit_test_setup_teardown(function, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_bench(test_of_the_host),      on_bench(test_targets),
		on_bench(test_mapped_addresses), on_bench(test_transitions),
		on_bench(test_settings),         on_bench(test_accept_queue),
		on_bench(test_bounds),           on_bench(test_nothing_to_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
