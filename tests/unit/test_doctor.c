/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the doctor says, situation by situation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "model_fixture.h"
#include "serve/doctor.h"

#define ROWS 128
#define OWN 6 /* rows on the daemon and on what is gone */

#define FIN_TIMEOUT "net.ipv4.tcp_fin_timeout"
#define MAX_SYN_BACKLOG "net.ipv4.tcp_max_syn_backlog"
#define CORE_SOMAXCONN "net.core.somaxconn"
#define SYNCOOKIES "net.ipv4.tcp_syncookies"
#define SYNACK_RETRIES "net.ipv4.tcp_synack_retries"
#define ABORT "net.ipv4.tcp_abort_on_overflow"
#define TW_REUSE "net.ipv4.tcp_tw_reuse"
#define TW_BUCKETS "net.ipv4.tcp_max_tw_buckets"
#define ORPHANS "net.ipv4.tcp_max_orphans"
#define RANGE "net.ipv4.ip_local_port_range"
#define RESERVED "net.ipv4.ip_local_reserved_ports"

struct clinic {
	struct fixture f;
	struct tw_limits limits; /* of the host */
	struct serve_status status;
	struct doctor_row rows[ROWS];
	size_t count;
};

/* As Linux has them on a machine of some gigabytes. */
static const uint32_t usual[TW_SYSCTL_COUNT] = {
	[TW_SYSCTL_TCP_FIN_TIMEOUT] = 60,        [TW_SYSCTL_TCP_KEEPALIVE_TIME] = 7200,
	[TW_SYSCTL_TCP_KEEPALIVE_INTVL] = 75,    [TW_SYSCTL_TCP_KEEPALIVE_PROBES] = 9,
	[TW_SYSCTL_TCP_MAX_SYN_BACKLOG] = 1024,  [TW_SYSCTL_SOMAXCONN] = 4096,
	[TW_SYSCTL_TCP_SYNCOOKIES] = 1,          [TW_SYSCTL_TCP_SYNACK_RETRIES] = 5,
	[TW_SYSCTL_TCP_SYN_RETRIES] = 6,         [TW_SYSCTL_TCP_TW_REUSE] = 2,
	[TW_SYSCTL_TCP_MAX_TW_BUCKETS] = 100,    [TW_SYSCTL_TCP_MAX_ORPHANS] = 1000,
	[TW_SYSCTL_IP_LOCAL_PORT_RANGE] = 28232,
};

static struct tw_limits limits_of(uint32_t netns)
{
	struct tw_limits l = {
		.netns = netns,
		.known = (1U << TW_SYSCTL_COUNT) - 1,
		.port_low = 32768,
		.port_high = 60999,
	};

	memcpy(l.values, usual, sizeof(usual));
	return l;
}

static int open_clinic(void **state)
{
	struct clinic *c = calloc(1, sizeof(*c));

	if (!c)
		return -1;
	c->f.now_ns = 100000 * NSEC_PER_SEC;
	c->limits = limits_of(HOST);
	c->status = (struct serve_status){
		.mode = "ebpf", .syn_accounting = true, .netns = HOST, .namespaces = 1};
	*state = c;
	if (model_new(CAPACITY, &c->f.m) < 0)
		return -1;
	dump_nothing(&c->f);
	return 0;
}

static int close_clinic(void **state)
{
	struct clinic *c = *state;

	model_free(c->f.m);
	free(c);
	return 0;
}

static void keep(const struct doctor_row *row, void *userdata)
{
	struct clinic *c = userdata;

	assert_true(c->count < ROWS);
	c->rows[c->count++] = *row;
}

static void examine(struct clinic *c)
{
	c->count = 0;
	c->limits.time_ns = later(&c->f);
	model_limits(c->f.m, &c->limits);
	assert_int_equal(doctor_examine(c->f.m, &c->status, c->f.now_ns, keep, c), 0);
}

static const struct doctor_row *advice_in(struct clinic *c, uint32_t netns, const char *name)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->rows[i].netns == netns && !strcmp(c->rows[i].name, name))
			return &c->rows[i];
	return NULL;
}

static const struct doctor_row *advice_of(struct clinic *c, const char *name)
{
	const struct doctor_row *row = advice_in(c, HOST, name);

	if (!row)
		row = advice_in(c, 0, name);
	assert_non_null(row);
	return row;
}

static void assert_advice(struct clinic *c, const char *name, enum doctor_level level,
			  const char *recommended, const char *word)
{
	const struct doctor_row *row;

	examine(c);
	row = advice_of(c, name);
	if (row->level != level || !strstr(row->finding, word))
		fail_msg("%s: level %d, \"%s\"", name, row->level, row->finding);
	if (recommended)
		assert_string_equal(row->recommended, recommended);
	else
		assert_null(row->recommended);
}

static void listener(struct clinic *c, uint32_t netns, uint16_t port, uint32_t syns,
		     uint32_t accept, uint32_t backlog)
{
	model_listener(c->f.m, &(struct tw_listener){.netns = netns,
						     .family = AF_INET,
						     .port = port,
						     .syn_queue = syns,
						     .accept_queue = accept,
						     .backlog = backlog});
	model_listeners_done(c->f.m, &(struct tw_tick){.time_ns = later(&c->f)});
}

/* Of two at one address, of which only the sum is known. */
static void group(struct clinic *c, uint16_t port, uint32_t syns, uint32_t backlog)
{
	for (unsigned i = 0; i < 2; i++)
		model_listener(c->f.m, &(struct tw_listener){.netns = HOST,
							     .family = AF_INET,
							     .port = port,
							     .syn_queue = i ? 0 : syns,
							     .backlog = backlog,
							     .shared = 1});
	model_listeners_done(c->f.m, &(struct tw_tick){.time_ns = later(&c->f)});
}

static void netstat_of(struct clinic *c, struct tw_netstat netstat)
{
	c->f.now_ns += NSEC_PER_SEC;
	netstat.time_ns = c->f.now_ns;
	netstat.netns = HOST;
	model_netstat(c->f.m, &netstat);
}

static void set(struct clinic *c, enum tw_sysctl sysctl, uint32_t value)
{
	c->limits.values[sysctl] = value;
}

static void time_waits(struct clinic *c, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const struct socket s = {.cookie = 1000 + i,
					 .netns = HOST,
					 .sport = (uint16_t)(33000 + i),
					 .dport = 80};

		establish(&c->f, &s);
		become_time_wait(&c->f, &s);
	}
}

static void test_health(void **state)
{
	struct clinic *c = *state;

	listener(c, HOST, 80, 1, 0, 511);
	time_waits(c, 3);
	examine(c);
	assert_int_equal(c->count, TW_SYSCTL_COUNT + OWN);
	for (size_t i = 0; i < c->count; i++) {
		if (c->rows[i].level != DOCTOR_OK || c->rows[i].recommended)
			fail_msg("%s: %s", c->rows[i].name, c->rows[i].finding);
		assert_true(*c->rows[i].value && *c->rows[i].what);
	}
	assert_string_equal(advice_of(c, RANGE)->value, "32768 60999");
	assert_string_equal(advice_of(c, FIN_TIMEOUT)->value, "60");
	assert_string_equal(advice_of(c, "tcpwatch table")->value, "3 of 1000");
}

static void test_what_cannot_be_read(void **state)
{
	struct clinic *c = *state;

	c->limits.known = 0;
	memset(c->limits.values, 0, sizeof(c->limits.values));
	examine(c);
	assert_int_equal(c->count, TW_SYSCTL_COUNT + OWN);
	for (size_t i = 0; i < TW_SYSCTL_COUNT; i++) {
		assert_string_equal(c->rows[i].value, "");
		assert_string_equal(c->rows[i].finding, "");
	}
}

static void test_fin_wait2(void **state)
{
	struct clinic *c = *state;

	establish(&c->f, &client);
	change(&c->f, &client, TW_ESTABLISHED, TW_FIN_WAIT1);
	change(&c->f, &client, TW_FIN_WAIT1, TW_FIN_WAIT2);
	assert_advice(c, FIN_TIMEOUT, DOCTOR_OK, NULL, "1 in fin_wait2, none older");
	c->f.now_ns += 61 * NSEC_PER_SEC;
	assert_advice(c, FIN_TIMEOUT, DOCTOR_NOTE, NULL, "1 connections in fin_wait2 are older");
	set(c, TW_SYSCTL_TCP_FIN_TIMEOUT, 3600);
	assert_advice(c, FIN_TIMEOUT, DOCTOR_NOTE, "60", "for 60 minutes");
}

/* An orphan is the kernel's to forget. */
static void test_fin_wait2_of_orphans(void **state)
{
	struct clinic *c = *state;

	establish(&c->f, &client);
	become_orphan(&c->f, &client);
	c->f.now_ns += 61 * NSEC_PER_SEC;
	assert_advice(c, FIN_TIMEOUT, DOCTOR_OK, NULL, "1 in fin_wait2, none older");
}

static void test_syn_queue(void **state)
{
	struct clinic *c = *state;

	listener(c, HOST, 80, 79, 0, 100);
	assert_advice(c, MAX_SYN_BACKLOG, DOCTOR_OK, NULL, "port 80, 79 of 100");
	listener(c, HOST, 443, 80, 0, 100);
	assert_advice(c, MAX_SYN_BACKLOG, DOCTOR_WARNING, NULL, "port 443 has 80 of 100");
	assert_advice(c, SYNACK_RETRIES, DOCTOR_NOTE, NULL, "free it sooner");
	set(c, TW_SYSCTL_TCP_SYNACK_RETRIES, 2);
	assert_advice(c, SYNACK_RETRIES, DOCTOR_OK, NULL, "kept for 7 seconds");
}

/* Each has half of them, as far as anybody can say. */
static void test_syn_queue_of_a_group(void **state)
{
	struct clinic *c = *state;

	group(c, 80, 157, 100);
	assert_advice(c, MAX_SYN_BACKLOG, DOCTOR_OK, NULL, "port 80, 79 of 100");
	group(c, 80, 159, 100);
	assert_advice(c, MAX_SYN_BACKLOG, DOCTOR_WARNING, NULL, "port 80 has 80 of 100");
}

static void test_without_cookies(void **state)
{
	struct clinic *c = *state;

	set(c, TW_SYSCTL_TCP_SYNCOOKIES, 0);
	set(c, TW_SYSCTL_TCP_MAX_SYN_BACKLOG, 16);
	listener(c, HOST, 80, 12, 0, 1000);
	assert_advice(c, MAX_SYN_BACKLOG, DOCTOR_OK, NULL, "12 of 1000");
	assert_advice(c, SYNCOOKIES, DOCTOR_WARNING, "1", "keeps everybody out");
	listener(c, HOST, 80, 13, 0, 1000);
	assert_advice(c, MAX_SYN_BACKLOG, DOCTOR_WARNING, NULL, "Port 80 has 13 half-open");
}

static void test_cookies(void **state)
{
	struct clinic *c = *state;

	set(c, TW_SYSCTL_TCP_SYNCOOKIES, 2);
	assert_advice(c, SYNCOOKIES, DOCTOR_NOTE, "1", "for tests");
	set(c, TW_SYSCTL_TCP_SYNCOOKIES, 1);
	netstat_of(c, (struct tw_netstat){.syncookies_sent = 500});
	assert_advice(c, SYNCOOKIES, DOCTOR_OK, NULL, "None was sent");
	netstat_of(c, (struct tw_netstat){.syncookies_sent = 520});
	assert_advice(c, SYNCOOKIES, DOCTOR_WARNING, NULL, "20 cookies a second");
	netstat_of(c, (struct tw_netstat){.syncookies_sent = 520});
	assert_advice(c, SYNCOOKIES, DOCTOR_NOTE, NULL, "20 cookies were sent");
}

static void test_backlogs(void **state)
{
	struct clinic *c = *state;

	set(c, TW_SYSCTL_SOMAXCONN, 128);
	listener(c, HOST, 80, 0, 0, 100);
	assert_advice(c, CORE_SOMAXCONN, DOCTOR_OK, NULL, "1 listeners, 0 of them");
	listener(c, HOST, 80, 0, 0, 128);
	assert_advice(c, CORE_SOMAXCONN, DOCTOR_NOTE, "4096", "1 of 1 listeners");
	netstat_of(c, (struct tw_netstat){.listen_overflows = 7});
	assert_advice(c, CORE_SOMAXCONN, DOCTOR_NOTE, "4096", "1 of 1 listeners");
	netstat_of(c, (struct tw_netstat){.listen_overflows = 10});
	assert_advice(c, CORE_SOMAXCONN, DOCTOR_WARNING, "4096", "overflowed 3 times");
	set(c, TW_SYSCTL_SOMAXCONN, 4096);
	assert_advice(c, CORE_SOMAXCONN, DOCTOR_WARNING, NULL, "overflowed 3 times");
	listener(c, HOST, 80, 0, 103, 128);
	assert_advice(c, CORE_SOMAXCONN, DOCTOR_WARNING, NULL, "port 80 has 103 of 128 now");
}

static void test_abort_on_overflow(void **state)
{
	struct clinic *c = *state;

	netstat_of(c, (struct tw_netstat){0});
	netstat_of(c, (struct tw_netstat){.listen_overflows = 2});
	assert_advice(c, ABORT, DOCTOR_OK, NULL, "Of 2 overflows");
	set(c, TW_SYSCTL_TCP_ABORT_ON_OVERFLOW, 1);
	assert_advice(c, ABORT, DOCTOR_NOTE, NULL, "0 so far");
	netstat_of(c, (struct tw_netstat){.aborts_on_overflow = 4});
	assert_advice(c, ABORT, DOCTOR_WARNING, NULL, "4 so far");
}

static void test_tw_buckets(void **state)
{
	struct clinic *c = *state;

	time_waits(c, 49);
	assert_advice(c, TW_BUCKETS, DOCTOR_OK, NULL, "49 in use, 49 %");
	establish(&c->f, &client);
	become_orphan(&c->f, &client); /* these count as well */
	assert_advice(c, TW_BUCKETS, DOCTOR_NOTE, NULL, "50 in use, 50 %");
	set(c, TW_SYSCTL_TCP_MAX_TW_BUCKETS, 60);
	assert_advice(c, TW_BUCKETS, DOCTOR_WARNING, NULL, "Raise it");
	set(c, TW_SYSCTL_TCP_MAX_TW_BUCKETS, 0);
	assert_advice(c, TW_BUCKETS, DOCTOR_WARNING, NULL, "50 in use");
}

static void test_orphans(void **state)
{
	struct clinic *c = *state;

	c->limits.orphans = 499;
	assert_advice(c, ORPHANS, DOCTOR_OK, NULL, "499 orphans");
	c->limits.orphans = 500;
	assert_advice(c, ORPHANS, DOCTOR_NOTE, NULL, "50 %");
	c->limits.orphans = 800;
	assert_advice(c, ORPHANS, DOCTOR_WARNING, NULL, "reset");
}

static void test_ports(void **state)
{
	struct clinic *c = *state;
	struct socket s = {.cookie = 9, .netns = HOST, .dport = 443};

	assert_advice(c, RANGE, DOCTOR_OK, NULL, "28232 ports");
	change(&c->f, &s, TW_CLOSE, TW_SYN_SENT);
	change_with(&c->f, &s, TW_SYN_SENT, TW_CLOSE, TW_EVENT_PROCESS, 0);
	assert_advice(c, RANGE, DOCTOR_WARNING, NULL, "1 connects have found none free");
	assert_advice(c, TW_REUSE, DOCTOR_NOTE, "1", "1 connects");
	set(c, TW_SYSCTL_TCP_TW_REUSE, 1);
	assert_advice(c, TW_REUSE, DOCTOR_OK, NULL, "0 in time_wait");
}

static void test_reserved_ports(void **state)
{
	struct clinic *c = *state;

	set(c, TW_SYSCTL_IP_LOCAL_RESERVED_PORTS, 28000);
	assert_advice(c, RESERVED, DOCTOR_WARNING, NULL, "28000 ports of the range are reserved");
	assert_advice(c, RANGE, DOCTOR_NOTE, NULL, "232 ports");
}

/* Of another namespace there is a row where something is to be said, and no other. */
static void test_other_namespaces(void **state)
{
	struct clinic *c = *state;
	struct tw_limits l = limits_of(OTHER);

	l.time_ns = later(&c->f);
	model_limits(c->f.m, &l);
	examine(c);
	assert_int_equal(c->count, TW_SYSCTL_COUNT + OWN);
	l.values[TW_SYSCTL_TCP_SYNCOOKIES] = 0;
	model_limits(c->f.m, &l);
	examine(c);
	assert_int_equal(c->count, TW_SYSCTL_COUNT + OWN + 1);
	assert_int_equal(advice_in(c, OTHER, SYNCOOKIES)->level, DOCTOR_WARNING);
	assert_int_equal(advice_in(c, HOST, SYNCOOKIES)->level, DOCTOR_OK);
	assert_ptr_equal(advice_in(c, OTHER, SYNCOOKIES), &c->rows[0]); /* the worst first */
}

static void test_many_namespaces(void **state)
{
	struct clinic *c = *state;

	for (uint32_t i = 1; i <= 500; i++) {
		struct tw_limits l = limits_of(i);

		l.time_ns = later(&c->f);
		l.values[TW_SYSCTL_TCP_SYNCOOKIES] = 0;
		model_limits(c->f.m, &l);
	}
	examine(c);
	assert_in_range(c->count, TW_SYSCTL_COUNT + OWN + 10, ROWS - 1);
	assert_int_equal(advice_of(c, SYNCOOKIES)->level, DOCTOR_OK);
	assert_string_equal(advice_of(c, "tcpwatch mode")->value, "ebpf");
}

static void test_the_daemon(void **state)
{
	struct clinic *c = *state;

	snprintf(c->status.mode_reason, sizeof(c->status.mode_reason), "want of BTF");
	c->status.mode = "diag";
	assert_advice(c, "tcpwatch mode", DOCTOR_WARNING, NULL, "for want of BTF");
	c->status.mode_reason[0] = '\0';
	assert_advice(c, "tcpwatch mode", DOCTOR_NOTE, NULL, "as it was told to");
	c->status.mode = "ebpf";
	c->status.listeners_polled = true;
	assert_advice(c, "tcpwatch mode", DOCTOR_NOTE, NULL, "no memory for BPF");
	c->status.syn_accounting = false;
	assert_advice(c, "tcpwatch SYN accounting", DOCTOR_NOTE, NULL, "not counted");
	c->status.namespaces_unhooked = 2;
	c->status.hook_error = -EMFILE;
	assert_advice(c, "tcpwatch SYN accounting", DOCTOR_WARNING, NULL,
		      "In 2 network namespaces");
	c->status.namespaces_shut = 3;
	c->status.namespaces_error = -EPERM;
	assert_advice(c, "tcpwatch namespaces", DOCTOR_WARNING, NULL, "3 cannot be entered");
	model_lost(c->f.m, &(struct tw_lost){.time_ns = later(&c->f), .ring_full = 5});
	assert_advice(c, "tcpwatch lost events", DOCTOR_NOTE, NULL, "5 found the ring full");
}

static void test_full_table(void **state)
{
	struct clinic *c = *state;

	time_waits(c, CAPACITY);
	assert_advice(c, "tcpwatch table", DOCTOR_WARNING, NULL, "0 more are in the counts");
	establish(&c->f, &client);
	assert_advice(c, "tcpwatch table", DOCTOR_WARNING, NULL, "1 more are in the counts");
}

static void test_more_than_the_table_has(void **state)
{
	struct clinic *c = *state;

	time_waits(c, 2);
	counters(&c->f, 0, 5);
	assert_advice(c, "tcpwatch table", DOCTOR_OK, NULL, "The kernel counts 3 more");
	counters(&c->f, 0, 2);
	assert_advice(c, "tcpwatch table", DOCTOR_OK, NULL, "");
	assert_null(strstr(advice_of(c, "tcpwatch table")->finding, "more"));
}

static void test_json(void **state)
{
	struct clinic *c = *state;
	struct json_object *object;

	c->limits.known = 0;
	examine(c);
	object = doctor_json(advice_of(c, FIN_TIMEOUT));
	assert_null(json_object_object_get(object, "value"));
	assert_null(json_object_object_get(object, "recommended"));
	assert_string_equal(json_object_get_string(json_object_object_get(object, "level")), "ok");
	assert_int_equal(json_object_get_uint64(json_object_object_get(object, "netns")), HOST);
	json_object_put(object);
}

#define in_clinic(function) cmocka_unit_test_setup_teardown(function, open_clinic, close_clinic)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_clinic(test_health),
		in_clinic(test_what_cannot_be_read),
		in_clinic(test_fin_wait2),
		in_clinic(test_fin_wait2_of_orphans),
		in_clinic(test_syn_queue),
		in_clinic(test_syn_queue_of_a_group),
		in_clinic(test_without_cookies),
		in_clinic(test_cookies),
		in_clinic(test_backlogs),
		in_clinic(test_abort_on_overflow),
		in_clinic(test_tw_buckets),
		in_clinic(test_orphans),
		in_clinic(test_ports),
		in_clinic(test_reserved_ports),
		in_clinic(test_other_namespaces),
		in_clinic(test_many_namespaces),
		in_clinic(test_the_daemon),
		in_clinic(test_full_table),
		in_clinic(test_more_than_the_table_has),
		in_clinic(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
