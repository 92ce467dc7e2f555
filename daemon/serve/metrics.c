/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/labels.h"
#include "base/util.h"
#include "serve/exposition.h"
#include "serve/metrics.h"
#include "serve/process.h"

#include <tcpwatch/control.h>

struct page {
	const struct metrics_input *input;
	struct exposition out;
	const struct family *family; /* the one being written */
	struct process process;
	const struct listener_port *fullest[METRICS_TOP_MAX];
	size_t fullest_count;
};

struct family {
	const char *name; /* the following four: as exposition_begin() has them */
	enum exposition_type type;
	const char *unit, *help;
	void (*emit)(struct page *p);
	bool (*wanted)(const struct metrics_input *input); /* NULL: always */
	size_t field; /* offset of a uint64_t in what emit() looks at, where it serves several */
};

static const char *const family_labels[NETNS_FAMILIES] = {
	[NETNS_IPV4] = "ipv4",
	[NETNS_IPV6] = "ipv6",
};

/*
 * What the kernel can do, and what the model adds for minisockets, of which the kernel says
 * nothing: RFC 9293 section 3.3.2, tcp_set_state() and inet_csk_clone_lock().
 */
static const struct transition {
	uint8_t from, to;
} transitions[] = {
	{TW_CLOSE, TW_SYN_SENT},         {TW_CLOSE, TW_LISTEN},
	{TW_LISTEN, TW_SYN_RECV}, /* the child of a listener */
	{TW_LISTEN, TW_CLOSE},           {TW_SYN_SENT, TW_ESTABLISHED},
	{TW_SYN_SENT, TW_SYN_RECV}, /* both opened at once */
	{TW_SYN_SENT, TW_CLOSE},         {TW_SYN_RECV, TW_ESTABLISHED},
	{TW_SYN_RECV, TW_FIN_WAIT1},     {TW_SYN_RECV, TW_CLOSE_WAIT},
	{TW_SYN_RECV, TW_CLOSE},         {TW_ESTABLISHED, TW_FIN_WAIT1},
	{TW_ESTABLISHED, TW_CLOSE_WAIT}, {TW_ESTABLISHED, TW_CLOSE},
	{TW_FIN_WAIT1, TW_FIN_WAIT2},    {TW_FIN_WAIT1, TW_CLOSING},
	{TW_FIN_WAIT1, TW_TIME_WAIT},    {TW_FIN_WAIT1, TW_CLOSE},
	{TW_FIN_WAIT2, TW_TIME_WAIT},    {TW_FIN_WAIT2, TW_CLOSE},
	{TW_CLOSING, TW_TIME_WAIT},      {TW_CLOSING, TW_CLOSE},
	{TW_TIME_WAIT, TW_CLOSE},        {TW_CLOSE_WAIT, TW_LAST_ACK},
	{TW_CLOSE_WAIT, TW_CLOSE},       {TW_LAST_ACK, TW_CLOSE},
};

static double seconds_of(uint64_t ns)
{
	return (double)ns / (double)NSEC_PER_SEC;
}

static void emit_connections(struct page *p)
{
	TW_FOR_EACH_STATE(state) {
		for (unsigned family = 0; family < NETNS_FAMILIES; family++)
			exposition_integer(&p->out,
					   model_connections(p->input->model, state, family),
					   "state=\"%s\",family=\"%s\"", labels_state[state],
					   family_labels[family]);
	}
}

static void emit_node_exporter(struct page *p)
{
	TW_FOR_EACH_STATE(state)
		exposition_integer(&p->out,
				   model_connections(p->input->model, state, NETNS_IPV4) +
					   model_connections(p->input->model, state, NETNS_IPV6),
				   "state=\"%s\"", labels_state[state]);
}

static void emit_untracked(struct page *p)
{
	exposition_integer(&p->out, model_untracked(p->input->model), NULL);
}

static uint64_t all_transitions(const struct stats *stats)
{
	uint64_t sum = 0;

	TW_FOR_EACH_STATE(from) {
		TW_FOR_EACH_STATE(to)
			sum += stats->transitions[from][to];
	}
	return sum;
}

static void emit_transitions(struct page *p)
{
	const struct stats *stats = model_stats(p->input->model);
	uint64_t other = all_transitions(stats);

	for (size_t i = 0; i < ARRAY_SIZE(transitions); i++) {
		const struct transition *t = &transitions[i];
		uint64_t count = stats->transitions[t->from][t->to];

		exposition_integer(&p->out, count, "from=\"%s\",to=\"%s\"", labels_state[t->from],
				   labels_state[t->to]);
		other -= count;
	}
	exposition_integer(&p->out, other, "from=\"other\",to=\"other\"");
}

static void emit_durations(struct page *p)
{
	TW_FOR_EACH_STATE(state) {
		const struct histogram *h = &model_stats(p->input->model)->durations[state];
		uint64_t count = 0;

		for (size_t i = 0; i < DURATION_BOUNDS; i++) {
			count += h->buckets[i];
			exposition_bucket(&p->out, "state", labels_state[state], duration_bounds[i],
					  count);
		}
		exposition_bucket_end(&p->out, "state", labels_state[state], h->sum,
				      count + h->buckets[DURATION_BOUNDS]);
	}
}

/* Of those that are not tracked nothing is known: they are in the bucket of all alone. */
static void emit_ages(struct page *p)
{
	const struct model *m = p->input->model;

	TW_FOR_EACH_STATE(state) {
		uint64_t count = model_connections(m, state, NETNS_IPV4) +
				 model_connections(m, state, NETNS_IPV6);
		uint64_t tracked = table_length(model_table(p->input->model), state);
		uint64_t usec = table_age_sum_usec(model_table(p->input->model), state,
						   p->input->now_ns);

		for (unsigned i = 0; i < AGE_BOUNDS; i++) {
			uint64_t younger = tracked - ages_older(model_ages(m), state, i);

			exposition_bucket(&p->out, "state", labels_state[state],
					  (double)age_bounds_seconds[i],
					  younger < count ? younger : count);
		}
		exposition_bucket_end(&p->out, "state", labels_state[state],
				      count ? (double)usec / 1e6 : 0, count);
	}
}

static void emit_oldest(struct page *p)
{
	const struct table *table = model_table(p->input->model);

	TW_FOR_EACH_STATE(state) {
		const struct connection *c = table_oldest(table, state);
		uint64_t now = p->input->now_ns;
		bool present = c && !(c->flags & CONNECTION_GONE) && c->entered_ns < now;

		exposition_number(&p->out, present ? seconds_of(now - c->entered_ns) : 0,
				  "state=\"%s\"", labels_state[state]);
	}
}

static void emit_owner(struct page *p, const char *name, const char *kind,
		       const uint64_t states[TW_STATE_SLOTS])
{
	char escaped[2 * DIMENSION_NAME_SIZE];

	exposition_escape(name, escaped, sizeof(escaped));
	TW_FOR_EACH_STATE(state)
		text_printf(p->out.text,
			    "%s{state=\"%s\",owner=\"%s\",owner_kind=\"%s\"} %" PRIu64 "\n",
			    p->family->name, labels_state[state], escaped, kind, states[state]);
}

static void emit_owners(struct page *p)
{
	_cleanup_free_ struct holders *mine = NULL;
	struct holders *holders = p->input->holders;

	if (!holders)
		holders = mine = calloc(1, sizeof(*mine));
	if (!holders || holders_update(holders, p->input->model, p->input->top) < 0)
		return;
	for (size_t i = 0; i < holders->count; i++)
		emit_owner(p, holders->rows[i].name, owner_kind_labels[holders->rows[i].kind],
			   holders->rows[i].states);
	emit_owner(p, "other", "other", holders->others);
}

static void emit_connect_failures(struct page *p)
{
	for (size_t i = 0; i < CONNECT_FAILURE_COUNT; i++)
		exposition_integer(&p->out, model_stats(p->input->model)->connect_failures[i],
				   "reason=\"%s\"", connect_failure_labels[i]);
}

static void emit_closed(struct page *p)
{
	for (size_t i = 0; i < CLOSE_REASON_COUNT; i++)
		exposition_integer(&p->out, model_stats(p->input->model)->closed[i],
				   "reason=\"%s\"", close_reason_labels[i]);
}

static void emit_events(struct page *p)
{
	exposition_integer(&p->out, model_stats(p->input->model)->events, NULL);
}

static void emit_events_malformed(struct page *p)
{
	exposition_integer(&p->out, model_stats(p->input->model)->events_malformed, NULL);
}

static void emit_events_lost(struct page *p)
{
	for (unsigned i = 0; i < EVENT_LOSSES; i++)
		exposition_integer(&p->out, model_stats(p->input->model)->events_lost[i],
				   "reason=\"%s\"", event_loss_labels[i]);
}

static void emit_resyncs(struct page *p)
{
	for (size_t i = 0; i < RESYNC_CAUSE_COUNT; i++)
		exposition_integer(&p->out, p->input->status->resyncs[i], "cause=\"%s\"",
				   resync_cause_labels[i]);
}

static void emit_resync_drift(struct page *p)
{
	TW_FOR_EACH_STATE(state)
		exposition_integer(&p->out, p->input->status->last_drift.by_state[state],
				   "state=\"%s\"", labels_state[state]);
}

static void emit_resync_duration(struct page *p)
{
	exposition_number(&p->out, seconds_of(p->input->status->last_resync_ns), NULL);
}

static void emit_table_entries(struct page *p)
{
	exposition_integer(&p->out, table_size(model_table(p->input->model)), NULL);
}

static void emit_table_capacity(struct page *p)
{
	exposition_integer(&p->out, table_capacity(model_table(p->input->model)), NULL);
}

static void emit_namespaces(struct page *p)
{
	const struct netns_table *namespaces = model_netns(p->input->model);
	uint64_t count = 0;

	for (size_t i = 0; i < netns_count(namespaces); i++)
		count += netns_at(namespaces, i)->inum != 0;
	exposition_integer(&p->out, count, NULL);
}

static uint64_t field_of(const struct page *p, const void *values)
{
	uint64_t value;

	memcpy(&value, (const char *)values + p->family->field, sizeof(value));
	return value;
}

/* Of struct listener_port. */
static void emit_listeners(struct page *p)
{
	const struct listeners *listeners = model_listeners(p->input->model);
	uint64_t other = 0;

	for (size_t i = 0; i < listeners_port_count(listeners); i++)
		other += field_of(p, listeners_port_at(listeners, i));
	for (size_t i = 0; i < p->fullest_count; i++) {
		uint64_t value = field_of(p, p->fullest[i]);

		exposition_integer(&p->out, value, "netns=\"%u\",port=\"%u\"", p->fullest[i]->netns,
				   p->fullest[i]->port);
		other -= value;
	}
	exposition_integer(&p->out, other, "netns=\"other\",port=\"other\"");
}

/* Of struct tw_port_count. */
static void emit_segments(struct page *p)
{
	const struct segments *segments = model_segments(p->input->model);
	struct tw_port_count rest = segments_rest(segments);
	size_t count;
	const struct segments_slot *slots = segments_slots(segments, &count);

	for (size_t i = 0; i < count; i++)
		exposition_integer(&p->out, field_of(p, &slots[i].count), "port=\"%u\"",
				   slots[i].port);
	exposition_integer(&p->out, field_of(p, &rest), "port=\"other\"");
}

static void emit_syn_accounting(struct page *p)
{
	exposition_integer(&p->out, p->input->status->syn_accounting, NULL);
}

/* Of struct tw_netstat. */
static void emit_netstat(struct page *p)
{
	exposition_integer(&p->out, field_of(p, model_netstat_sums(p->input->model)), NULL);
}

static void emit_request_queue_full(struct page *p)
{
	const struct tw_netstat *sums = model_netstat_sums(p->input->model);

	exposition_integer(&p->out, sums->request_queue_full_cookies, "action=\"cookies\"");
	exposition_integer(&p->out, sums->request_queue_full_drops, "action=\"drop\"");
}

static const struct rules *rules_of(const struct metrics_input *input)
{
	return input->status->alerts ? alerts_rules(input->status->alerts) : NULL;
}

static bool has_rules(const struct metrics_input *input)
{
	return rules_of(input) && rules_count(rules_of(input)) > 0;
}

/* Targets that fire by name, up to the limit; the rest, which is mostly 0, in one. */
static void emit_active_of(struct page *p, const struct rules_rule *rule)
{
	const char *severity = notice_severity_labels[rule->alert.severity];
	char target[NOTICE_TARGET_SIZE], escaped[2 * NOTICE_TARGET_SIZE];
	size_t named = 0, rest = 0;

	for (size_t i = 0; i < rule->count; i++) {
		if (rule->targets[i].state.status != RULE_FIRING)
			continue;
		if (named == p->input->top) {
			rest++;
			continue;
		}
		named++;
		alerts_target(p->input->status->alerts, rule, &rule->targets[i], target);
		exposition_escape(target, escaped, sizeof(escaped));
		exposition_integer(&p->out, 1, "alert=\"%s\",severity=\"%s\",target=\"%s\"",
				   rule->alert.member.name, severity, escaped);
	}
	exposition_integer(&p->out, rest, "alert=\"%s\",severity=\"%s\",target=\"other\"",
			   rule->alert.member.name, severity);
}

static void emit_active(struct page *p)
{
	const struct rules *rules = rules_of(p->input);

	for (size_t i = 0; i < rules_count(rules); i++)
		emit_active_of(p, rules_at(rules, i));
}

/* Of struct rules_rule. */
static void emit_rules(struct page *p)
{
	const struct rules *rules = rules_of(p->input);

	for (size_t i = 0; i < rules_count(rules); i++)
		exposition_integer(&p->out, field_of(p, rules_at(rules, i)), "alert=\"%s\"",
				   rules_at(rules, i)->alert.member.name);
}

static void emit_unfollowed(struct page *p)
{
	const struct rules *rules = rules_of(p->input);

	for (size_t i = 0; i < rules_count(rules); i++) {
		const struct rules_rule *rule = rules_at(rules, i);

		exposition_integer(&p->out,
				   rule->unfollowed + (rule->gauge ? gauge_other(rule->gauge) : 0),
				   "alert=\"%s\"", rule->alert.member.name);
	}
}

static const struct gauge *ports_gauge(const struct metrics_input *input)
{
	const struct rules *rules = rules_of(input);

	return rules ? rules_gauge(rules, SETTINGS_SOURCE_EPHEMERAL_PORTS) : NULL;
}

static bool watches_ports(const struct metrics_input *input)
{
	return ports_gauge(input) != NULL;
}

static void emit_ports(struct page *p)
{
	exposition_number(&p->out, gauge_fullest(ports_gauge(p->input)), NULL);
}

static bool kernel_counts_programs(const struct metrics_input *input)
{
	return input->status->program_count > 0;
}

static void emit_program_seconds(struct page *p)
{
	const struct serve_status *status = p->input->status;

	for (size_t i = 0; i < status->program_count; i++)
		exposition_number(&p->out, seconds_of(status->programs[i].run_ns), "program=\"%s\"",
				  status->programs[i].name);
}

static void emit_program_runs(struct page *p)
{
	const struct serve_status *status = p->input->status;

	for (size_t i = 0; i < status->program_count; i++)
		exposition_integer(&p->out, status->programs[i].runs, "program=\"%s\"",
				   status->programs[i].name);
}

/* Of struct sink_counts. */
static void emit_sinks(struct page *p)
{
	const struct serve_status *status = p->input->status;

	for (size_t i = 0; i < status->sink_count; i++)
		exposition_integer(&p->out, field_of(p, &status->sinks[i].counts), "sink=\"%s\"",
				   status->sinks[i].name);
}

static void emit_mode(struct page *p)
{
	static const char *const modes[] = {"ebpf", "diag"};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		exposition_integer(&p->out, !strcmp(p->input->status->mode, modes[i]),
				   "mode=\"%s\"", modes[i]);
}

static void emit_build_info(struct page *p)
{
	exposition_integer(&p->out, 1, "version=\"" TW_VERSION "\"");
}

static void emit_cpu_seconds(struct page *p)
{
	exposition_number(&p->out, p->process.cpu_seconds, NULL);
}

static void emit_resident_memory(struct page *p)
{
	exposition_integer(&p->out, p->process.resident_bytes, NULL);
}

static void emit_virtual_memory(struct page *p)
{
	exposition_integer(&p->out, p->process.virtual_bytes, NULL);
}

static void emit_open_fds(struct page *p)
{
	exposition_integer(&p->out, p->process.open_fds, NULL);
}

static void emit_max_fds(struct page *p)
{
	exposition_integer(&p->out, p->process.max_fds, NULL);
}

static void emit_start_time(struct page *p)
{
	exposition_number(&p->out, seconds_of(p->input->status->start_unix_ns), NULL);
}

static bool wants_node_exporter(const struct metrics_input *input)
{
	return input->compat_node_exporter;
}

static const struct family families[] = {
	{"tcpwatch_connections", EXPOSITION_GAUGE, "",
	 "TCP connections in all network namespaces, by state and by family of the socket.",
	 emit_connections, NULL, 0},
	{"tcpwatch_connections_untracked", EXPOSITION_GAUGE, "",
	 "Connections that are counted, but not tracked one by one.", emit_untracked, NULL, 0},
	{"tcpwatch_transitions", EXPOSITION_COUNTER, "",
	 "Transitions from one TCP state to another.", emit_transitions, NULL, 0},
	{"tcpwatch_state_duration_seconds", EXPOSITION_HISTOGRAM, "seconds",
	 "Time that connections spent in a state, observed when they left it.", emit_durations,
	 NULL, 0},
	{"tcpwatch_state_age_seconds", EXPOSITION_GAUGE_HISTOGRAM, "seconds",
	 "How long the connections that are there now have been in their state; the buckets go "
	 "down too, so no rate() of them.",
	 emit_ages, NULL, 0},
	{"tcpwatch_state_oldest_age_seconds", EXPOSITION_GAUGE, "seconds",
	 "How long the connection longest in the state has been in it; 0 when there is none.",
	 emit_oldest, NULL, 0},
	{"tcpwatch_owner_connections", EXPOSITION_GAUGE, "",
	 "Connections by state and by owner: the unit, or else the process's name; of those with "
	 "most connections, and of all others.",
	 emit_owners, NULL, 0},
	{"tcpwatch_connect_failures", EXPOSITION_COUNTER, "",
	 "Calls of connect() that failed, by reason.", emit_connect_failures, NULL, 0},
	{"tcpwatch_closed", EXPOSITION_COUNTER, "",
	 "Connections that ended, by the way they ended.", emit_closed, NULL, 0},
	{"tcpwatch_events", EXPOSITION_COUNTER, "", "Transitions received from the kernel.",
	 emit_events, NULL, 0},
	{"tcpwatch_events_malformed", EXPOSITION_COUNTER, "",
	 "Records from the kernel that were passed over, as they made no sense.",
	 emit_events_malformed, NULL, 0},
	{"tcpwatch_events_lost", EXPOSITION_COUNTER, "",
	 "Transitions that were lost on their way, by reason.", emit_events_lost, NULL, 0},
	{"tcpwatch_resyncs", EXPOSITION_COUNTER, "",
	 "Rounds in which the table was compared with the kernel's sockets, by cause.",
	 emit_resyncs, NULL, 0},
	{"tcpwatch_resync_drift", EXPOSITION_GAUGE, "",
	 "Connections that the last round found to be in another state than the table said.",
	 emit_resync_drift, NULL, 0},
	{"tcpwatch_resync_duration_seconds", EXPOSITION_GAUGE, "seconds",
	 "How long the last round took.", emit_resync_duration, NULL, 0},
	{"tcpwatch_table_entries", EXPOSITION_GAUGE, "", "Connections in the table.",
	 emit_table_entries, NULL, 0},
	{"tcpwatch_table_capacity", EXPOSITION_GAUGE, "",
	 "The most connections that the table can hold.", emit_table_capacity, NULL, 0},
	{"tcpwatch_namespaces", EXPOSITION_GAUGE, "", "Network namespaces that are watched.",
	 emit_namespaces, NULL, 0},
	{"tcpwatch_listener_syn_queue", EXPOSITION_GAUGE, "",
	 "Half-open connections of the listeners on a port; of the fullest ports, and of all "
	 "others.",
	 emit_listeners, NULL, offsetof(struct listener_port, syn_queue)},
	{"tcpwatch_listener_accept_queue", EXPOSITION_GAUGE, "",
	 "Connections that wait for accept(), likewise.", emit_listeners, NULL,
	 offsetof(struct listener_port, accept_queue)},
	{"tcpwatch_listener_accept_queue_limit", EXPOSITION_GAUGE, "",
	 "The backlog, which is the limit of either queue, likewise.", emit_listeners, NULL,
	 offsetof(struct listener_port, backlog)},
	{"tcpwatch_syn_accounting", EXPOSITION_GAUGE, "",
	 "1 when SYNs and RSTs are counted, 0 when the kernel cannot, or shall not, or takes no "
	 "hook.",
	 emit_syn_accounting, NULL, 0},
	{"tcpwatch_syn_received", EXPOSITION_COUNTER, "",
	 "SYNs that arrived for a port, in all network namespaces.", emit_segments, NULL,
	 offsetof(struct tw_port_count, syns)},
	{"tcpwatch_rst_received", EXPOSITION_COUNTER, "",
	 "RSTs that arrived for a port, in all network namespaces.", emit_segments, NULL,
	 offsetof(struct tw_port_count, resets)},
	{"tcpwatch_syncookies_sent", EXPOSITION_COUNTER, "", "SYN cookies sent.", emit_netstat,
	 NULL, offsetof(struct tw_netstat, syncookies_sent)},
	{"tcpwatch_syncookies_received", EXPOSITION_COUNTER, "",
	 "SYN cookies that came back, and were right.", emit_netstat, NULL,
	 offsetof(struct tw_netstat, syncookies_received)},
	{"tcpwatch_syncookies_failed", EXPOSITION_COUNTER, "",
	 "SYN cookies that came back, and were wrong.", emit_netstat, NULL,
	 offsetof(struct tw_netstat, syncookies_failed)},
	{"tcpwatch_listen_drops", EXPOSITION_COUNTER, "",
	 "SYNs and final ACKs that listeners dropped, for any reason.", emit_netstat, NULL,
	 offsetof(struct tw_netstat, listen_drops)},
	{"tcpwatch_listen_overflows", EXPOSITION_COUNTER, "",
	 "SYNs and final ACKs that found the accept queue full.", emit_netstat, NULL,
	 offsetof(struct tw_netstat, listen_overflows)},
	{"tcpwatch_request_queue_full", EXPOSITION_COUNTER, "",
	 "SYNs that found the SYN queue full, by what became of them.", emit_request_queue_full,
	 NULL, 0},
	{"tcpwatch_aborts_on_overflow", EXPOSITION_COUNTER, "",
	 "Connections reset for a full accept queue, as net.ipv4.tcp_abort_on_overflow wants it.",
	 emit_netstat, NULL, offsetof(struct tw_netstat, aborts_on_overflow)},
	{"tcpwatch_bpf_run_seconds", EXPOSITION_COUNTER, "seconds",
	 "Time spent in the BPF programs, counted while kernel.bpf_stats_enabled is 1.",
	 emit_program_seconds, kernel_counts_programs, 0},
	{"tcpwatch_bpf_runs", EXPOSITION_COUNTER, "",
	 "Runs of the BPF programs, counted while kernel.bpf_stats_enabled is 1.",
	 emit_program_runs, kernel_counts_programs, 0},
	{"tcpwatch_alert_active", EXPOSITION_GAUGE, "",
	 "1 for each target of a rule that fires, up to the limit of series; how many more do.",
	 emit_active, has_rules, 0},
	{"tcpwatch_alerts", EXPOSITION_COUNTER, "",
	 "Times that a target of the rule began to fire.", emit_rules, has_rules,
	 offsetof(struct rules_rule, fired)},
	{"tcpwatch_alerts_held_back", EXPOSITION_COUNTER, "",
	 "Notices of the rule that were not sent, as there were too many at a time.", emit_rules,
	 has_rules, offsetof(struct rules_rule, held_back_total)},
	{"tcpwatch_alert_unfollowed", EXPOSITION_GAUGE, "",
	 "Targets above the rule's threshold, and connections of targets, that found no room.",
	 emit_unfollowed, has_rules, 0},
	{"tcpwatch_ephemeral_ports_used_ratio", EXPOSITION_GAUGE, "",
	 "The greatest share of the local ports that connections to one destination use; while a "
	 "rule watches them.",
	 emit_ports, watches_ports, 0},
	{"tcpwatch_sink_sent", EXPOSITION_COUNTER, "",
	 "Notices of alerts that arrived where a sink of the configuration sends them.", emit_sinks,
	 NULL, offsetof(struct sink_counts, sent)},
	{"tcpwatch_sink_failures", EXPOSITION_COUNTER, "",
	 "Tries of a sink that failed; an HTTP request is tried again, a command is not.",
	 emit_sinks, NULL, offsetof(struct sink_counts, failures)},
	{"tcpwatch_sink_dropped", EXPOSITION_COUNTER, "",
	 "Notices that a sink gave up, or had no room for.", emit_sinks, NULL,
	 offsetof(struct sink_counts, dropped)},
	{"tcpwatch_mode", EXPOSITION_GAUGE, "",
	 "1 for the way in which the kernel is watched: ebpf by events, diag by polling.",
	 emit_mode, NULL, 0},
	{"tcpwatch_build_info", EXPOSITION_GAUGE, "", "1; the labels tell of the program.",
	 emit_build_info, NULL, 0},
	{"process_cpu_seconds", EXPOSITION_COUNTER, "seconds",
	 "Time that the daemon spent on processors, in user and system mode.", emit_cpu_seconds,
	 NULL, 0},
	{"process_resident_memory_bytes", EXPOSITION_GAUGE, "bytes",
	 "The daemon's resident memory.", emit_resident_memory, NULL, 0},
	{"process_virtual_memory_bytes", EXPOSITION_GAUGE, "bytes", "The daemon's virtual memory.",
	 emit_virtual_memory, NULL, 0},
	{"process_open_fds", EXPOSITION_GAUGE, "", "Open file descriptors.", emit_open_fds, NULL,
	 0},
	{"process_max_fds", EXPOSITION_GAUGE, "", "The most file descriptors that may be open.",
	 emit_max_fds, NULL, 0},
	{"process_start_time_seconds", EXPOSITION_GAUGE, "seconds",
	 "When the daemon started, in seconds since 1970.", emit_start_time, NULL, 0},
	{"node_tcp_connection_states", EXPOSITION_GAUGE, "",
	 "Number of connection states, under the name that node_exporter has for it.",
	 emit_node_exporter, wants_node_exporter, 0},
};

void metrics_page(const struct metrics_input *input, enum exposition_format format,
		  struct text *text)
{
	struct page p = {.input = input, .out = {.format = format, .text = text}};
	size_t most = input->top < METRICS_TOP_MAX ? input->top : METRICS_TOP_MAX;

	process_read(&p.process);
	p.fullest_count = listeners_fullest(model_listeners(input->model), most, p.fullest);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		p.family = &families[i];
		if (p.family->wanted && !p.family->wanted(input))
			continue;
		exposition_begin(&p.out, p.family->name, p.family->type, p.family->unit,
				 p.family->help);
		p.family->emit(&p);
	}
	exposition_end(&p.out);
}
