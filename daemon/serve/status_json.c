/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve/status_json.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/labels.h"
#include "base/util.h"
#include "serve/json.h"

#include <tcpwatch/control.h>

static struct json_object *rates_of(const struct stats *stats)
{
	struct json_object *rates = json_object_new_object();

	TW_FOR_EACH_STATE(state)
		json_add_decimal(rates, labels_state[state], 3, stats_rate(stats, state));
	return rates;
}

static struct json_object *oldest_of(const struct table *table, uint64_t now_ns)
{
	struct json_object *ages = json_object_new_object();

	TW_FOR_EACH_STATE(state) {
		const struct connection *c = table_oldest(table, state);
		bool present = c && !(c->flags & CONNECTION_GONE);

		json_add(ages, labels_state[state],
			 present ? json_age(c->entered_ns, now_ns) : NULL);
	}
	return ages;
}

/* As the kernel has it, since the namespace was made; NULL while it has not been read. */
static struct json_object *netstat_of(const struct tw_netstat *n)
{
	struct json_object *netstat;

	if (!n->time_ns)
		return NULL;
	netstat = json_object_new_object();
#define X(name, field) json_add_number(netstat, #field, n->field);
	TW_NETSTAT(X)
#undef X
	return netstat;
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
		TW_FOR_EACH_STATE(state)
			counts[state] = netns_connections(n, state);
		row = json_object_new_object();
		json_add_number(row, "netns", n->inum);
		json_add(row, "states", json_states(counts));
		json_add(row, "netstat", netstat_of(&n->netstat));
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

	TW_FOR_EACH_STATE(state) {
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

	TW_FOR_EACH_STATE(state) {
		counts[state] = model_connections(m, state, NETNS_IPV4) +
				model_connections(m, state, NETNS_IPV6);
		sum += counts[state];
	}
	json_add_number(object, "connections", sum);
	json_add_number(object, "untracked", model_untracked(m));
	json_add(object, "states", json_states(counts));
}

struct json_object *status_json(struct model *m, const struct serve_status *status, uint64_t now_ns)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "version", TW_VERSION);
	json_add_text(object, "mode", status->mode);
	json_add_text(object, "mode_reason", status->mode_reason);
	json_add(object, "listeners_polled", json_object_new_boolean(status->listeners_polled));
	json_add_text(object, "kernel", status->kernel);
	json_add(object, "uptime_seconds", json_age(status->start_ns, now_ns));
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
