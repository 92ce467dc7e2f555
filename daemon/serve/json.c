/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "base/labels.h"
#include "base/utf8.h"
#include "base/util.h"
#include "serve/json.h"

#include <tcpwatch/control.h>

static double age_seconds(uint64_t entered_ns, uint64_t now_ns)
{
	return now_ns > entered_ns ? (double)(now_ns - entered_ns) / (double)NSEC_PER_SEC : 0;
}

static void add_address(struct json_object *object, const char *key, bool ipv6,
			const uint8_t address[16])
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(ipv6 ? AF_INET6 : AF_INET, address, text, sizeof(text));
	json_add_text(object, key, text);
}

static void add_addresses(struct json_object *object, bool ipv6, const uint8_t local[16],
			  uint16_t local_port, const uint8_t remote[16], uint16_t remote_port)
{
	json_add_text(object, "family", ipv6 ? "ipv6" : "ipv4");
	add_address(object, "local", ipv6, local);
	json_add_number(object, "local_port", local_port);
	add_address(object, "remote", ipv6, remote);
	json_add_number(object, "remote_port", remote_port);
}

static void add_comm(struct json_object *object, const char comm[TW_COMM_SIZE])
{
	char clean[UTF8_CLEAN_SIZE(TW_COMM_SIZE)];

	utf8_clean(comm, strnlen(comm, TW_COMM_SIZE), clean, sizeof(clean));
	json_add_known_text(object, "comm", clean);
}

/* Any bytes; "" stands for not known. */
static void add_name(struct json_object *object, const char *key, const char *name)
{
	char clean[UTF8_CLEAN_SIZE(TW_CGROUP_PATH_SIZE)];

	utf8_clean(name, strlen(name), clean, sizeof(clean));
	json_add_known_text(object, key, clean);
}

static struct json_object *owner_json(enum owner_kind kind, uint32_t pid, uint32_t uid,
				      const char comm[TW_COMM_SIZE], const struct cgroup *cgroup)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "kind", owner_kind_labels[kind]);
	json_add_known(object, "pid", pid);
	add_comm(object, comm);
	json_add(object, "uid", uid != UID_UNKNOWN ? json_object_new_uint64(uid) : NULL);
	add_name(object, "unit", *cgroup->user_unit ? cgroup->user_unit : cgroup->unit);
	add_name(object, "slice", cgroup->slice);
	add_name(object, "container", cgroup->container);
	add_name(object, "cgroup", cgroup->path);
	return object;
}

struct json_object *json_owner(const struct model *m, uint32_t index)
{
	const struct owner *owner = owners_get(model_owners(m), index);

	return owner_json(owner->kind, owner->pid, owner->uid, owner->comm,
			  cgroups_get(model_cgroups(m), owner->cgroup));
}

static double cookies_rate(const struct model *m, uint32_t inum)
{
	int index = netns_find(model_netns(m), inum);
	const struct netns *n;

	if (index < 0)
		return 0;
	n = netns_at(model_netns(m), (size_t)index);
	return netstat_cookies_rate(&n->netstat_before, &n->netstat);
}

struct json_object *json_listener(const struct model *m, const struct tw_listener *row)
{
	const struct listener_port *port = listeners_port(model_listeners(m), row->netns,
							  row->port);
	struct json_object *object = json_object_new_object();
	bool counted = port && port->counted;

	json_add_number(object, "netns", row->netns);
	add_address(object, "local", row->family == AF_INET6, row->saddr);
	json_add_number(object, "local_port", row->port);
	json_add_text(object, "family", row->family == AF_INET6 ? "ipv6" : "ipv4");
	json_add_number(object, "syn_queue", row->syn_queue);
	json_add_number(object, "accept_queue", row->accept_queue);
	json_add_number(object, "backlog", row->backlog);
	json_add(object, "syn_received_total", counted ? json_object_new_uint64(port->syns) : NULL);
	json_add(object, "syn_rate", counted ? json_decimal(3, port->syn_rate) : NULL);
	json_add_decimal(object, "cookies_sent_rate", 3, cookies_rate(m, row->netns));
	json_add_known(object, "holders", row->holders);
	json_add(object, "owner",
		 owner_json(row->pid ? OWNER_KIND_PROCESS : OWNER_KIND_UNKNOWN, row->pid, row->uid,
			    row->comm, cgroups_get(model_cgroups(m), row->cgroup)));
	return object;
}

static struct json_object *error_name(int error)
{
	const char *name = error ? strerrorname_np(error) : NULL;

	return name ? json_object_new_string(name) : NULL;
}

/* A double has 53 bits: microseconds since 1970 fit, in text they come out as they went in. */
static struct json_object *unix_time(uint64_t ns)
{
	char text[40];

	snprintf(text, sizeof(text), "%" PRIu64 ".%06" PRIu64, ns / NSEC_PER_SEC,
		 ns % NSEC_PER_SEC / NSEC_PER_USEC);
	return json_object_new_double_s((double)ns / (double)NSEC_PER_SEC, text);
}

struct json_object *json_event(const struct tw_event *event, uint64_t offset_ns)
{
	struct json_object *row = json_object_new_object();
	bool process = event->flags & TW_EVENT_PROCESS;

	json_add(row, "time", unix_time(event->time_ns + offset_ns));
	json_add_number(row, "cookie", event->cookie);
	json_add_number(row, "netns", event->netns);
	json_add_text(row, "from", labels_state[event->old_state]);
	json_add_text(row, "to", labels_state[event->new_state]);
	add_addresses(row, event->family == AF_INET6, event->saddr, event->sport, event->daddr,
		      event->dport);
	json_add(row, "error", error_name(event->error));
	json_add(row, "pid", process ? json_object_new_uint64(event->pid) : NULL);
	add_comm(row, process ? event->comm : (const char[TW_COMM_SIZE]){0});
	json_add_number(row, "uid", event->uid);
	return row;
}

struct json_object *json_missed(uint64_t count)
{
	struct json_object *row = json_object_new_object();

	json_add_number(row, "missed", count);
	return row;
}

static struct json_object *states_of(const uint64_t counts[TW_STATE_SLOTS])
{
	struct json_object *states = json_object_new_object();

	FOR_EACH_STATE(state)
		json_add_number(states, labels_state[state], counts[state]);
	return states;
}

static struct json_object *top_row(enum dimension by, const char *key, int kind,
				   const struct rank_row *row, uint64_t of, uint64_t now_ns)
{
	struct json_object *object = json_object_new_object();
	bool dated = row->oldest_ns != UINT64_MAX;

	json_add_text(object, "by", dimension_words[by]);
	json_add_text(object, "key", key);
	json_add(object, "kind", kind < 0 ? NULL : json_object_new_string(owner_kind_labels[kind]));
	json_add_number(object, "connections", row->connections);
	json_add_decimal(object, "share", 4, of ? (double)row->connections / (double)of : 0);
	json_add(object, "oldest_seconds",
		 dated ? json_decimal(3, age_seconds(row->oldest_ns, now_ns)) : NULL);
	json_add(object, "states", states_of(row->states));
	return object;
}

struct json_object *json_top(enum dimension by, const char *name, const struct rank_row *row,
			     uint64_t of, uint64_t now_ns)
{
	struct json_object *object = top_row(by, name, dimension_kind(by, &row->key), row, of,
					     now_ns);

	json_add_known(object, "processes", row->members);
	return object;
}

struct json_object *json_top_others(enum dimension by, const struct rank *rank, uint64_t of,
				    uint64_t now_ns)
{
	const struct rank_row *others = rank_others(rank);
	struct json_object *object = top_row(by, "other", -1, others, of, now_ns);

	json_add(object, "processes", NULL);
	json_add_number(object, "keys", others->members);
	json_add(object, "keys_all", json_object_new_boolean(!rank_overflowed(rank)));
	return object;
}

static struct json_object *rates_of(const struct stats *stats)
{
	struct json_object *rates = json_object_new_object();

	FOR_EACH_STATE(state)
		json_add_decimal(rates, labels_state[state], 3, stats_rate(stats, state));
	return rates;
}

static struct json_object *oldest_of(const struct table *table, uint64_t now_ns)
{
	struct json_object *ages = json_object_new_object();

	FOR_EACH_STATE(state) {
		const struct connection *c = table_oldest(table, state);
		bool present = c && !(c->flags & CONNECTION_GONE);

		json_add(ages, labels_state[state],
			 present ? json_decimal(3, age_seconds(c->entered_ns, now_ns)) : NULL);
	}
	return ages;
}

static struct json_object *namespaces_of(const struct netns_table *namespaces)
{
	struct json_object *rows = json_object_new_array();

	for (size_t i = 0; i < netns_count(namespaces); i++) {
		const struct netns *n = netns_at(namespaces, i);
		uint64_t counts[TW_STATE_SLOTS] = {0};
		struct json_object *row;

		if (!n->inum)
			continue;
		FOR_EACH_STATE(state)
			counts[state] = netns_connections(n, state);
		row = json_object_new_object();
		json_add_number(row, "netns", n->inum);
		json_add(row, "states", states_of(counts));
		json_object_array_add(rows, row);
	}
	return rows;
}

static struct json_object *events_of(const struct stats *stats)
{
	struct json_object *events = json_object_new_object();

	json_add_number(events, "received", stats->events);
	json_add_number(events, "lost", stats_lost(stats));
	json_add_number(events, "malformed", stats->events_malformed);
	return events;
}

/* Connections by the kind of their owners, whose sum is all of them. */
static struct json_object *owner_kinds_of(const struct model *m)
{
	const struct owners *owners = model_owners(m);
	struct json_object *kinds = json_object_new_object();
	uint64_t counts[OWNER_KINDS_COUNT] = {0};

	FOR_EACH_STATE(state) {
		int64_t unowned = model_unowned(m, state);

		/* those that have ended are the kernel's */
		counts[unowned < 0 ? OWNER_KIND_KERNEL : OWNER_KIND_UNKNOWN] += (uint64_t)unowned;
		for (uint32_t i = 0; i < owners_end(owners); i++)
			counts[owners_get(owners, i)->kind] += owners_connections(owners, i, state);
	}
	for (unsigned kind = 0; kind < OWNER_KINDS_COUNT; kind++)
		json_add_number(kinds, owner_kind_labels[kind], counts[kind]);
	return kinds;
}

/* Over all descriptors. */
static struct json_object *passes_of(const struct model *m, const struct serve_status *status)
{
	struct json_object *passes = json_object_new_object();

	json_add_number(passes, "count", status->passes);
	json_add_number(passes, "last_changes", model_pass_changes(m));
	json_add_decimal(passes, "last_seconds", 6,
			 (double)status->last_pass_ns / (double)NSEC_PER_SEC);
	json_add_decimal(passes, "last_cpu_seconds", 6,
			 (double)status->last_pass_cost_ns / (double)NSEC_PER_SEC);
	return passes;
}

static struct json_object *resync_of(const struct serve_status *status)
{
	struct json_object *resync = json_object_new_object();
	bool any = status->last_cause < RESYNC_CAUSE_COUNT;
	uint64_t count = 0;

	for (size_t i = 0; i < RESYNC_CAUSE_COUNT; i++)
		count += status->resyncs[i];
	json_add_number(resync, "count", count);
	json_add_number(resync, "last_drift", status->last_drift.total);
	json_add_text(resync, "last_cause", any ? resync_cause_labels[status->last_cause] : "none");
	json_add_decimal(resync, "last_seconds", 6,
			 (double)status->last_resync_ns / (double)NSEC_PER_SEC);
	return resync;
}

/* "203.0.113.0/24", or NULL when there was none. */
static struct json_object *prefix_of(const struct tw_source_summary *sources)
{
	bool ipv6 = sources->top_family == AF_INET6;
	char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 4];
	uint8_t bytes[16] = {0};

	if (!sources->top_syns)
		return NULL;
	memcpy(bytes, sources->top_prefix, sizeof(sources->top_prefix));
	inet_ntop(ipv6 ? AF_INET6 : AF_INET, bytes, address, sizeof(address));
	snprintf(text, sizeof(text), "%s/%d", address, ipv6 ? 64 : 24);
	return json_object_new_string(text);
}

static struct json_object *syn_of(const struct tw_source_summary *sources, bool counted)
{
	struct json_object *syn = json_object_new_object();
	double seconds = (double)sources->duration_ns / (double)NSEC_PER_SEC;
	double rate = sources->syns ? (double)sources->syns / seconds : 0;
	double share = (double)sources->top_syns / (double)sources->syns;

	json_add(syn, "rate", counted ? json_decimal(3, rate) : NULL);
	json_add_number(syn, "prefixes", sources->prefixes);
	json_add(syn, "top_prefix", prefix_of(sources));
	json_add(syn, "top_share", sources->top_syns ? json_decimal(3, share) : NULL);
	return syn;
}

static struct json_object *alerts_of(const struct alerts *alerts)
{
	struct json_object *object = json_object_new_object();
	const struct rules *rules = alerts ? alerts_rules(alerts) : NULL;

	json_add_number(object, "pending", rules ? rules_targets(rules, RULE_PENDING) : 0);
	json_add_number(object, "firing", rules ? rules_targets(rules, RULE_FIRING) : 0);
	return object;
}

static void add_counts(struct json_object *object, const struct model *m)
{
	uint64_t counts[TW_STATE_SLOTS] = {0}, sum = 0;

	FOR_EACH_STATE(state) {
		counts[state] = model_connections(m, state, NETNS_IPV4) +
				model_connections(m, state, NETNS_IPV6);
		sum += counts[state];
	}
	json_add_number(object, "connections", sum);
	json_add_number(object, "untracked", model_untracked(m));
	json_add(object, "states", states_of(counts));
}

struct json_object *json_status(struct model *m, const struct serve_status *status, uint64_t now_ns)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "version", TW_VERSION);
	json_add_text(object, "mode", status->mode);
	json_add_text(object, "mode_reason", status->mode_reason);
	json_add_text(object, "kernel", status->kernel);
	json_add_decimal(object, "uptime_seconds", 3, age_seconds(status->start_ns, now_ns));
	add_counts(object, m);
	json_add(object, "rates", rates_of(model_stats(m)));
	json_add(object, "oldest_seconds", oldest_of(model_table(m), now_ns));
	json_add(object, "namespaces", namespaces_of(model_netns(m)));
	json_add(object, "events", events_of(model_stats(m)));
	json_add(object, "owners", owner_kinds_of(m));
	json_add(object, "resync", resync_of(status));
	json_add(object, "passes", passes_of(m, status));
	json_add(object, "syn_accounting", json_object_new_boolean(status->syn_accounting));
	json_add(object, "syn", syn_of(model_syn_sources(m), status->syn_accounting));
	json_add(object, "alerts", alerts_of(status->alerts));
	return object;
}

static struct json_object *section_of(struct json_object *settings, const char *name)
{
	struct json_object *section = NULL;

	if (json_object_object_get_ex(settings, name, &section))
		return section;
	section = json_object_new_object();
	json_object_object_add(settings, name, section); /* with a copy of the name */
	return section;
}

static void add_member(struct json_object *section, const struct conf_row *row, const char *text)
{
	struct json_object *list = NULL;

	if (!json_object_object_get_ex(section, row->key, &list)) {
		list = json_object_new_array();
		json_add(section, row->key, list);
	}
	if (!row->nothing || strcmp(text, row->nothing))
		json_object_array_add(list, json_object_new_string(text));
}

static void add_setting(const char *name, const struct conf_row *row, const char *text,
			void *userdata)
{
	struct json_object *section = section_of(userdata, name);

	if (row->type == CONF_LIST)
		add_member(section, row, text);
	else if (row->type == CONF_COUNT)
		json_add_number(section, row->key, strtoull(text, NULL, 10));
	else
		json_add_text(section, row->key, text);
}

struct json_object *json_settings(const struct settings *settings)
{
	struct json_object *object = json_object_new_object();

	settings_visit(settings, add_setting, object);
	return object;
}
