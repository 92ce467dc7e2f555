/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "serve/metrics.h"

#define SECOND NSEC_PER_SEC
#define NETNS 4026531833
#define OTHER_NETNS 4026532000

struct fixture {
	struct model *model;
	struct serve_status status;
	uint64_t top;
	struct holders holders;
	bool compat_node_exporter;
	struct text page;
	uint64_t cookie;
};

static void event(struct fixture *f, uint64_t time_ns, uint64_t cookie, int family, int from,
		  int to, uint16_t error)
{
	struct tw_event e = {
		.time_ns = time_ns,
		.cookie = cookie,
		.netns = cookie % 2 ? NETNS : OTHER_NETNS,
		.sport = 8080,
		.dport = (uint16_t)cookie,
		.error = error,
		.family = (uint8_t)family,
		.old_state = (uint8_t)from,
		.new_state = (uint8_t)to,
	};

	model_event(f->model, &e);
}

static void established(struct fixture *f, uint64_t time_ns, int family)
{
	f->cookie++;
	event(f, time_ns, f->cookie, family, TW_CLOSE, TW_SYN_SENT, 0);
	event(f, time_ns + SECOND / 2, f->cookie, family, TW_SYN_SENT, TW_ESTABLISHED, 0);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || model_new(100, &f->model))
		return -1;
	f->status.mode = "ebpf";
	f->status.last_cause = RESYNC_CAUSE_COUNT;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	model_free(f->model);
	text_clear(&f->page);
	free(f);
	return 0;
}

static const char *make_page(struct fixture *f, enum exposition_format format)
{
	struct metrics_input input = {
		.model = f->model,
		.holders = &f->holders,
		.status = &f->status,
		.now_ns = 100 * SECOND,
		.top = f->top,
		.compat_node_exporter = f->compat_node_exporter,
	};

	text_clear(&f->page);
	metrics_page(&input, format, &f->page);
	text_append(&f->page, "", 1);
	assert_int_equal(f->page.error, 0);
	return f->page.data;
}

/* The line stands in the page, whole. */
static void has(const char *page, const char *line)
{
	const char *at = strstr(page, line);

	while (at && !((at == page || at[-1] == '\n') && at[strlen(line)] == '\n'))
		at = strstr(at + 1, line);
	if (!at)
		fail_msg("not in the page: %s", line);
}

static unsigned count(const char *page, const char *part)
{
	unsigned n = 0;

	for (const char *at = page; (at = strstr(at, part)); at += strlen(part))
		n++;
	return n;
}

static void tick(struct fixture *f, uint64_t time_ns)
{
	const struct tw_tick t = {time_ns};

	model_tick(f->model, &t);
}

/* Of the page's moment, 100 s: one is 5 s in the state, one 50.5, one 90.5. */
static void owned(struct fixture *f, const char *comm, unsigned connections)
{
	while (connections--) {
		struct tw_event e = {
			.time_ns = SECOND + f->cookie,
			.cookie = ++f->cookie,
			.netns = NETNS,
			.pid = 77,
			.dport = (uint16_t)f->cookie,
			.family = AF_INET,
			.old_state = TW_CLOSE,
			.new_state = TW_CLOSE_WAIT,
			.flags = TW_EVENT_PROCESS,
		};

		memcpy(e.comm, comm, strlen(comm));
		model_event(f->model, &e);
	}
}

/* What names itself so is text all the same; together the series are the state's count. */
static void test_owners(void **state)
{
	struct fixture *f = *state;
	const char *page;

	f->top = 2;
	owned(f, "a\"b\\c\nd", 3);
	owned(f, "nginx", 2);
	owned(f, "sshd", 1);
	page = make_page(f, EXPOSITION_TEXT);
	has(page, "tcpwatch_owner_connections{state=\"close_wait\",owner=\"a\\\"b\\\\c\\nd\","
		  "owner_kind=\"process\"} 3");
	has(page, "tcpwatch_owner_connections{state=\"close_wait\",owner=\"nginx\",owner_kind="
		  "\"process\"} 2");
	has(page, "tcpwatch_owner_connections{state=\"established\",owner=\"nginx\",owner_kind="
		  "\"process\"} 0");
	has(page, "tcpwatch_owner_connections{state=\"close_wait\",owner=\"other\",owner_kind="
		  "\"other\"} 1");
	assert_null(strstr(page, "sshd"));
}

/* One with a series keeps it until another has twice as many, and with nothing left has zeros. */
static void test_owners_keep_their_series(void **state)
{
	struct fixture *f = *state;

	f->top = 1;
	owned(f, "nginx", 2);
	make_page(f, EXPOSITION_TEXT);
	owned(f, "sshd", 4);
	has(make_page(f, EXPOSITION_TEXT), "tcpwatch_owner_connections{state=\"close_wait\",owner="
					   "\"nginx\",owner_kind=\"process\"} 2");
	owned(f, "sshd", 1);
	has(make_page(f, EXPOSITION_TEXT), "tcpwatch_owner_connections{state=\"close_wait\",owner="
					   "\"sshd\",owner_kind=\"process\"} 5");
	for (uint64_t cookie = 1; cookie <= f->cookie; cookie++) {
		struct tw_event e = {.time_ns = 2 * SECOND,
				     .cookie = cookie,
				     .netns = NETNS,
				     .family = AF_INET,
				     .old_state = TW_CLOSE_WAIT,
				     .new_state = TW_CLOSE};

		model_event(f->model, &e);
	}
	has(make_page(f, EXPOSITION_TEXT), "tcpwatch_owner_connections{state=\"close_wait\",owner="
					   "\"sshd\",owner_kind=\"process\"} 0");
}

static void test_ages_are_of_the_present(void **state)
{
	struct fixture *f = *state;
	const char *page;

	established(f, 9 * SECOND, AF_INET);
	established(f, 49 * SECOND, AF_INET6);
	established(f, 94 * SECOND + SECOND / 2, AF_INET);
	tick(f, 100 * SECOND);
	page = make_page(f, EXPOSITION_TEXT);
	has(page, "# TYPE tcpwatch_state_age_seconds histogram");
	has(page, "tcpwatch_state_age_seconds_bucket{state=\"established\",le=\"1\"} 0");
	has(page, "tcpwatch_state_age_seconds_bucket{state=\"established\",le=\"10\"} 1");
	has(page, "tcpwatch_state_age_seconds_bucket{state=\"established\",le=\"60\"} 2");
	has(page, "tcpwatch_state_age_seconds_bucket{state=\"established\",le=\"300\"} 3");
	has(page, "tcpwatch_state_age_seconds_bucket{state=\"established\",le=\"+Inf\"} 3");
	has(page, "tcpwatch_state_age_seconds_sum{state=\"established\"} 146");
	has(page, "tcpwatch_state_age_seconds_count{state=\"established\"} 3");
	has(page, "tcpwatch_state_age_seconds_bucket{state=\"syn_sent\",le=\"1\"} 0");
	has(page, "tcpwatch_state_age_seconds_sum{state=\"syn_sent\"} 0");
	page = make_page(f, EXPOSITION_OPENMETRICS);
	has(page, "# TYPE tcpwatch_state_age_seconds gaugehistogram");
	has(page, "tcpwatch_state_age_seconds_gsum{state=\"established\"} 146");
	has(page, "tcpwatch_state_age_seconds_gcount{state=\"established\"} 3");
	/* one leaves; what the buckets hold goes down */
	event(f, 100 * SECOND, 1, AF_INET, TW_ESTABLISHED, TW_CLOSE_WAIT, 0);
	page = make_page(f, EXPOSITION_TEXT);
	has(page, "tcpwatch_state_age_seconds_bucket{state=\"established\",le=\"300\"} 2");
	has(page, "tcpwatch_state_age_seconds_bucket{state=\"close_wait\",le=\"1\"} 1");
}

/* Those that the table has no room for count, and their age is not known. */
static void test_ages_of_the_untracked(void **state)
{
	struct fixture *f = *state;
	const char *page;

	for (unsigned i = 0; i < 105; i++)
		established(f, 50 * SECOND, AF_INET);
	tick(f, 100 * SECOND);
	page = make_page(f, EXPOSITION_TEXT);
	has(page, "tcpwatch_state_age_seconds_bucket{state=\"established\",le=\"86400\"} 100");
	has(page, "tcpwatch_state_age_seconds_bucket{state=\"established\",le=\"+Inf\"} 105");
}

static void test_zeros_are_there(void **state)
{
	const char *page = make_page(*state, EXPOSITION_TEXT);

	has(page, "tcpwatch_connections{state=\"closing\",family=\"ipv6\"} 0");
	has(page, "tcpwatch_connections_untracked 0");
	has(page, "tcpwatch_transitions_total{from=\"close\",to=\"listen\"} 0");
	has(page, "tcpwatch_transitions_total{from=\"other\",to=\"other\"} 0");
	has(page, "tcpwatch_state_duration_seconds_bucket{state=\"close_wait\",le=\"+Inf\"} 0");
	has(page, "tcpwatch_state_duration_seconds_sum{state=\"close_wait\"} 0");
	has(page, "tcpwatch_state_duration_seconds_count{state=\"close_wait\"} 0");
	has(page, "tcpwatch_state_oldest_age_seconds{state=\"established\"} 0");
	has(page, "tcpwatch_connect_failures_total{reason=\"no_port\"} 0");
	has(page, "tcpwatch_closed_total{reason=\"aborted\"} 0");
	has(page, "tcpwatch_events_total 0");
	has(page, "tcpwatch_events_malformed_total 0");
	has(page, "tcpwatch_events_lost_total{reason=\"ring_full\"} 0");
	has(page, "tcpwatch_events_lost_total{reason=\"not_run\"} 0");
	has(page, "tcpwatch_resyncs_total{cause=\"loss\"} 0");
	has(page, "tcpwatch_resync_drift{state=\"time_wait\"} 0");
	has(page, "tcpwatch_resync_duration_seconds 0");
	has(page, "tcpwatch_table_entries 0");
	has(page, "tcpwatch_table_capacity 100");
	has(page, "tcpwatch_namespaces 0");
	has(page, "tcpwatch_listener_syn_queue{netns=\"other\",port=\"other\"} 0");
	has(page, "tcpwatch_listener_accept_queue{netns=\"other\",port=\"other\"} 0");
	has(page, "tcpwatch_listener_accept_queue_limit{netns=\"other\",port=\"other\"} 0");
	has(page, "tcpwatch_syn_accounting 0");
	has(page, "tcpwatch_syn_received_total{port=\"other\"} 0");
	has(page, "tcpwatch_rst_received_total{port=\"other\"} 0");
	has(page, "tcpwatch_syncookies_sent_total 0");
	has(page, "tcpwatch_request_queue_full_total{action=\"drop\"} 0");
	has(page, "tcpwatch_mode{mode=\"ebpf\"} 1");
	has(page, "tcpwatch_mode{mode=\"diag\"} 0");
	has(page, "tcpwatch_build_info{version=\"0.1.0\"} 1");
	assert_int_equal(count(page, "\ntcpwatch_connections{"), 2 * 11);
	assert_int_equal(count(page, "tcpwatch_bpf_run"), 0);
	assert_int_equal(count(page, "node_tcp"), 0);
}

static void test_counts(void **state)
{
	struct fixture *f = *state;
	const char *page;

	established(f, 10 * SECOND, AF_INET);
	established(f, 20 * SECOND, AF_INET);
	established(f, 30 * SECOND, AF_INET6);
	event(f, 40 * SECOND, 1, AF_INET, TW_ESTABLISHED, TW_CLOSE_WAIT, 0);
	page = make_page(f, EXPOSITION_TEXT);
	has(page, "tcpwatch_connections{state=\"established\",family=\"ipv4\"} 1");
	has(page, "tcpwatch_connections{state=\"established\",family=\"ipv6\"} 1");
	has(page, "tcpwatch_connections{state=\"close_wait\",family=\"ipv4\"} 1");
	has(page, "tcpwatch_transitions_total{from=\"close\",to=\"syn_sent\"} 3");
	has(page, "tcpwatch_transitions_total{from=\"syn_sent\",to=\"established\"} 3");
	has(page, "tcpwatch_transitions_total{from=\"established\",to=\"close_wait\"} 1");
	has(page, "tcpwatch_transitions_total{from=\"other\",to=\"other\"} 0");
	has(page, "tcpwatch_state_oldest_age_seconds{state=\"established\"} 79.5");
	has(page, "tcpwatch_state_oldest_age_seconds{state=\"close_wait\"} 60");
	has(page, "tcpwatch_events_total 7");
	has(page, "tcpwatch_table_entries 3");
	has(page, "tcpwatch_namespaces 2");
}

static void test_histogram_is_cumulative(void **state)
{
	struct fixture *f = *state;
	const char *page;

	established(f, 10 * SECOND, AF_INET);
	established(f, 11 * SECOND, AF_INET);
	event(f, 15 * SECOND, 1, AF_INET, TW_ESTABLISHED, TW_CLOSE_WAIT, 0);
	page = make_page(f, EXPOSITION_TEXT);
	has(page, "tcpwatch_state_duration_seconds_bucket{state=\"syn_sent\",le=\"0.1\"} 0");
	has(page, "tcpwatch_state_duration_seconds_bucket{state=\"syn_sent\",le=\"1\"} 2");
	has(page, "tcpwatch_state_duration_seconds_bucket{state=\"syn_sent\",le=\"+Inf\"} 2");
	has(page, "tcpwatch_state_duration_seconds_sum{state=\"syn_sent\"} 1");
	has(page, "tcpwatch_state_duration_seconds_count{state=\"syn_sent\"} 2");
	has(page, "tcpwatch_state_duration_seconds_bucket{state=\"established\",le=\"1\"} 0");
	has(page, "tcpwatch_state_duration_seconds_bucket{state=\"established\",le=\"5\"} 1");
	has(page, "tcpwatch_state_duration_seconds_sum{state=\"established\"} 4.5");
}

static void test_unheard_of_transitions_are_summed(void **state)
{
	struct fixture *f = *state;
	const char *page;

	event(f, SECOND, 1, AF_INET, TW_LAST_ACK, TW_ESTABLISHED, 0);
	event(f, SECOND, 3, AF_INET, TW_CLOSING, TW_SYN_SENT, 0);
	page = make_page(f, EXPOSITION_TEXT);
	has(page, "tcpwatch_transitions_total{from=\"other\",to=\"other\"} 2");
	assert_int_equal(count(page, "from=\"last_ack\",to=\"established\""), 0);
}

static void test_status(void **state)
{
	struct fixture *f = *state;
	const char *page;

	f->status.mode = "diag";
	f->status.resyncs[RESYNC_CAUSE_DRIFT] = 4;
	f->status.last_drift.by_state[TW_TIME_WAIT] = 5;
	f->status.last_resync_ns = SECOND / 4;
	f->status.start_unix_ns = UINT64_C(1790000000250000000);
	f->status.programs[0] = (struct serve_program){"transitions", SECOND / 2, 12};
	f->status.program_count = 1;
	f->status.sinks[0] = (struct serve_sink){"journal", {.sent = 3}};
	f->status.sinks[1] = (struct serve_sink){"on-call", {.failures = 4, .dropped = 5}};
	f->status.sink_count = 2;
	page = make_page(f, EXPOSITION_TEXT);
	has(page, "tcpwatch_sink_sent_total{sink=\"journal\"} 3");
	has(page, "tcpwatch_sink_sent_total{sink=\"on-call\"} 0");
	has(page, "tcpwatch_sink_failures_total{sink=\"on-call\"} 4");
	has(page, "tcpwatch_sink_dropped_total{sink=\"on-call\"} 5");
	has(page, "tcpwatch_mode{mode=\"ebpf\"} 0");
	has(page, "tcpwatch_mode{mode=\"diag\"} 1");
	has(page, "tcpwatch_resyncs_total{cause=\"drift\"} 4");
	has(page, "tcpwatch_resync_drift{state=\"time_wait\"} 5");
	has(page, "tcpwatch_resync_duration_seconds 0.25");
	has(page, "tcpwatch_bpf_run_seconds_total{program=\"transitions\"} 0.5");
	has(page, "tcpwatch_bpf_runs_total{program=\"transitions\"} 12");
	has(page, "process_start_time_seconds 1790000000.25");
}

static void listeners(struct fixture *f)
{
	static const struct tw_listener rows[] = {
		{.netns = NETNS, .port = 80, .syn_queue = 129, .backlog = 128},
		{.netns = NETNS, .port = 80, .syn_queue = 127, .backlog = 128},
		{.netns = OTHER_NETNS, .port = 80, .accept_queue = 40, .backlog = 50},
		{.netns = NETNS, .port = 443, .syn_queue = 3, .accept_queue = 2, .backlog = 4096},
		{.netns = NETNS, .port = 22, .accept_queue = 1, .backlog = 128},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tw_listener row = rows[i];

		row.family = AF_INET;
		model_listener(f->model, &row);
	}
	model_listeners_done(f->model, &(struct tw_tick){.time_ns = SECOND});
}

static void test_fullest_listeners(void **state)
{
	struct fixture *f = *state;
	const char *page;

	listeners(f);
	f->top = 2;
	page = make_page(f, EXPOSITION_TEXT);
	has(page, "tcpwatch_listener_syn_queue{netns=\"4026531833\",port=\"80\"} 256");
	has(page, "tcpwatch_listener_syn_queue{netns=\"4026532000\",port=\"80\"} 0");
	has(page, "tcpwatch_listener_syn_queue{netns=\"other\",port=\"other\"} 3");
	has(page, "tcpwatch_listener_accept_queue{netns=\"4026531833\",port=\"80\"} 0");
	has(page, "tcpwatch_listener_accept_queue{netns=\"4026532000\",port=\"80\"} 40");
	has(page, "tcpwatch_listener_accept_queue{netns=\"other\",port=\"other\"} 3");
	has(page, "tcpwatch_listener_accept_queue_limit{netns=\"4026531833\",port=\"80\"} 256");
	has(page, "tcpwatch_listener_accept_queue_limit{netns=\"4026532000\",port=\"80\"} 50");
	has(page, "tcpwatch_listener_accept_queue_limit{netns=\"other\",port=\"other\"} 4224");
	f->top = UINT64_MAX;
	page = make_page(f, EXPOSITION_TEXT);
	assert_int_equal(count(page, "\ntcpwatch_listener_syn_queue{"), 5);
	has(page, "tcpwatch_listener_syn_queue{netns=\"other\",port=\"other\"} 0");
}

static void segments(struct fixture *f, uint32_t netns, uint16_t port, uint64_t syns,
		     uint64_t resets)
{
	model_port(f->model, &(struct tw_port_record){.port = {.netns = netns, .port = port},
						      .count = {syns, resets}});
}

static void test_segments(void **state)
{
	struct fixture *f = *state;
	const char *page;

	model_set_slots(f->model, 2);
	f->status.syn_accounting = true;
	listeners(f);
	segments(f, NETNS, 80, 1000, 10);
	segments(f, OTHER_NETNS, 80, 100, 1);
	segments(f, NETNS, 443, 7, 0);
	segments(f, NETNS, 22, 5, 3);
	segments(f, NETNS, 0, 20, 30);
	page = make_page(f, EXPOSITION_TEXT);
	has(page, "tcpwatch_syn_accounting 1");
	has(page, "tcpwatch_syn_received_total{port=\"80\"} 1100");
	has(page, "tcpwatch_syn_received_total{port=\"443\"} 7");
	has(page, "tcpwatch_syn_received_total{port=\"other\"} 25");
	has(page, "tcpwatch_rst_received_total{port=\"80\"} 11");
	has(page, "tcpwatch_rst_received_total{port=\"443\"} 0");
	has(page, "tcpwatch_rst_received_total{port=\"other\"} 33");
}

static void test_netstat(void **state)
{
	struct tw_netstat netstat = {.time_ns = SECOND, .netns = NETNS};
	struct fixture *f = *state;
	const char *page;

	listeners(f);
	model_netstat(f->model, &netstat);
	netstat = (struct tw_netstat){
		.time_ns = 2 * SECOND,
		.netns = NETNS,
		.syncookies_sent = 1,
		.syncookies_received = 2,
		.syncookies_failed = 3,
		.listen_drops = 4,
		.listen_overflows = 5,
		.request_queue_full_cookies = 6,
		.request_queue_full_drops = 7,
		.aborts_on_overflow = 8,
	};
	model_netstat(f->model, &netstat);
	page = make_page(f, EXPOSITION_TEXT);
	has(page, "tcpwatch_syncookies_sent_total 1");
	has(page, "tcpwatch_syncookies_received_total 2");
	has(page, "tcpwatch_syncookies_failed_total 3");
	has(page, "tcpwatch_listen_drops_total 4");
	has(page, "tcpwatch_listen_overflows_total 5");
	has(page, "tcpwatch_request_queue_full_total{action=\"cookies\"} 6");
	has(page, "tcpwatch_request_queue_full_total{action=\"drop\"} 7");
	has(page, "tcpwatch_aborts_on_overflow_total 8");
}

static void test_node_exporter_words(void **state)
{
	struct fixture *f = *state;
	const char *page;

	established(f, SECOND, AF_INET);
	established(f, SECOND, AF_INET6);
	f->compat_node_exporter = true;
	page = make_page(f, EXPOSITION_TEXT);
	has(page, "# TYPE node_tcp_connection_states gauge");
	has(page, "node_tcp_connection_states{state=\"established\"} 2");
	has(page, "node_tcp_connection_states{state=\"listen\"} 0");
	assert_int_equal(count(page, "\nnode_tcp_connection_states{"), 11);
}

static void test_text_names_the_samples(void **state)
{
	const char *page = make_page(*state, EXPOSITION_TEXT);

	has(page, "# TYPE tcpwatch_transitions_total counter");
	has(page, "# TYPE tcpwatch_state_duration_seconds histogram");
	has(page, "# TYPE process_cpu_seconds_total counter");
	assert_int_equal(count(page, "# UNIT"), 0);
	assert_int_equal(count(page, "# EOF"), 0);
	assert_int_equal(count(page, "# HELP"), count(page, "# TYPE"));
}

static void test_openmetrics_names_the_families(void **state)
{
	const char *page = make_page(*state, EXPOSITION_OPENMETRICS);

	has(page, "# TYPE tcpwatch_transitions counter");
	has(page, "tcpwatch_transitions_total{from=\"close\",to=\"listen\"} 0");
	has(page, "# TYPE process_cpu_seconds counter");
	has(page, "# UNIT process_cpu_seconds seconds");
	has(page, "# UNIT process_resident_memory_bytes bytes");
	has(page, "tcpwatch_state_duration_seconds_bucket{state=\"listen\",le=\"1.0\"} 0");
	has(page, "tcpwatch_state_duration_seconds_bucket{state=\"listen\",le=\"0.001\"} 0");
	assert_int_equal(count(page, "# EOF\n"), 1);
	assert_string_equal(page + strlen(page) - strlen("# EOF\n"), "# EOF\n");
}

static void accepts(const char *accept, enum exposition_format format)
{
	if (exposition_format_of(accept) != format)
		fail_msg("Accept: %s", accept ? accept : "(none)");
}

static void test_accept(void **state)
{
	(void)state;
	accepts(NULL, EXPOSITION_TEXT);
	accepts("", EXPOSITION_TEXT);
	accepts("*/*", EXPOSITION_TEXT);
	accepts("text/html,application/xhtml+xml,*/*;q=0.8", EXPOSITION_TEXT);
	accepts("text/plain;version=0.0.4", EXPOSITION_TEXT);
	accepts("application/openmetrics-text", EXPOSITION_OPENMETRICS);
	accepts("Application/OpenMetrics-Text ; Version=1.0.0 ; charset=utf-8",
		EXPOSITION_OPENMETRICS);
	/* Prometheus 2.45 and 3.0 */
	accepts("application/openmetrics-text;version=1.0.0,application/"
		"openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		EXPOSITION_OPENMETRICS);
	accepts("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/"
		"plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.1",
		EXPOSITION_OPENMETRICS);
	accepts("application/openmetrics-text;q=0.2,text/plain;q=0.3", EXPOSITION_TEXT);
	accepts("text/plain;q=0.3,application/openmetrics-text;q=0.301", EXPOSITION_OPENMETRICS);
	accepts("application/openmetrics-text;q=0", EXPOSITION_TEXT);
	accepts("application/openmetrics-text;q=0.5,*/*", EXPOSITION_TEXT);
	accepts("application/openmetrics-text;version=2.0.0", EXPOSITION_TEXT);
}

static void test_accept_nonsense(void **state)
{
	(void)state;
	accepts(",", EXPOSITION_TEXT);
	accepts(";", EXPOSITION_TEXT);
	accepts(",,;;,;=;,", EXPOSITION_TEXT);
	accepts("application/openmetrics-text;q=", EXPOSITION_TEXT);
	accepts("application/openmetrics-text;q=2", EXPOSITION_TEXT);
	accepts("application/openmetrics-text;q=0.9x", EXPOSITION_TEXT);
	accepts("application/openmetrics-text;q=1.001", EXPOSITION_TEXT);
	accepts("application/openmetrics-text;q=0.1234", EXPOSITION_TEXT);
	accepts("application/openmetrics-texts", EXPOSITION_TEXT);
	accepts("application/openmetrics-text;q", EXPOSITION_OPENMETRICS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_zeros_are_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_owners, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_owners_keep_their_series, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ages_are_of_the_present, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ages_of_the_untracked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_histogram_is_cumulative, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unheard_of_transitions_are_summed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_status, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_fullest_listeners, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_segments, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_netstat, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_node_exporter_words, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_text_names_the_samples, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_openmetrics_names_the_families, set_up,
						tear_down),
		cmocka_unit_test(test_accept),
		cmocka_unit_test(test_accept_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
