/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/wording.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "alert/peers.h"
#include "base/labels.h"
#include "base/quantity.h"
#include "base/utf8.h"
#include "base/util.h"

#define ADDRESS_SIZE (INET6_ADDRSTRLEN + 8) /* with brackets and a port */

/* What it means that many connections are in a state. */
static const char *const state_meanings[TW_STATE_SLOTS] = {
	[TW_FIN_WAIT1] = "closed here, and the peers acknowledge nothing",
	[TW_FIN_WAIT2] = "closed here, and the peers have not closed",
	[TW_TIME_WAIT] = "closed, and waiting for their time to pass",
	[TW_CLOSE_WAIT] = "the peers have closed, and the program has not",
	[TW_LAST_ACK] = "closed by both, and the peers do not acknowledge",
	[TW_CLOSING] = "closed by both at once, and the peers do not acknowledge",
	[TW_SYN_RECV] = "half open: the peers have not completed the handshake",
};

static void _printf_(2, 3) add(char text[static NOTICE_SUMMARY_SIZE], const char *format, ...)
{
	size_t used = strlen(text);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text + used, NOTICE_SUMMARY_SIZE - used, format, arguments);
	va_end(arguments);
}

static void format_address(const struct tally_key *key, bool port, char text[static ADDRESS_SIZE])
{
	char address[INET6_ADDRSTRLEN] = "?";
	bool ipv6 = key->family == AF_INET6;

	inet_ntop(ipv6 ? AF_INET6 : AF_INET, key->address, address, sizeof(address));
	if (port)
		snprintf(text, ADDRESS_SIZE, ipv6 ? "[%s]:%u" : "%s:%u", address, key->port);
	else
		snprintf(text, ADDRESS_SIZE, "%s", address);
}

/* The address of the only listener on the port, or *. */
static void format_listener(struct model *m, uint32_t netns, uint16_t port,
			    char text[static ADDRESS_SIZE])
{
	size_t count, found = 0;
	const struct tw_listener *rows = listeners_rows(model_listeners(m), &count);
	struct tally_key key = {.port = port};

	for (size_t i = 0; i < count; i++) {
		if (rows[i].netns != netns || rows[i].port != port)
			continue;
		found++;
		key.family = rows[i].family;
		memcpy(key.address, rows[i].saddr, sizeof(key.address));
	}
	if (found == 1)
		format_address(&key, true, text);
	else
		snprintf(text, ADDRESS_SIZE, "*:%u", port);
}

void wording_clean(const char *in, size_t size, char *out, size_t out_size)
{
	utf8_clean(in, size, out, out_size);
	for (; *out; out++)
		if ((unsigned char)*out < ' ' || *out == '\x7f')
			*out = '?';
}

static void format_process(const char comm[TW_COMM_SIZE], uint64_t pid, char *text, size_t size)
{
	char clean[UTF8_CLEAN_SIZE(TW_COMM_SIZE)];

	wording_clean(comm, strnlen(comm, TW_COMM_SIZE), clean, sizeof(clean));
	snprintf(text, size, "%s[%" PRIu64 "]", *clean ? clean : "?", pid);
}

/* What the path has below the directory that the name is in: a part of the unit or the container,
 * "/worker"; "" where it is that itself. */
static const char *below(const char *path, const char *name)
{
	const char *at = *name ? strstr(path, name) : NULL;

	return at ? at + strlen(name) + strcspn(at + strlen(name), "/") : "";
}

/* A name that does not fit is cut, and what it is cut to may be that of several: its end tells
 * them apart. */
static void format_cgroup(const char *name, uint64_t cgroup, char *text)
{
	char clean[NOTICE_TARGET_SIZE + UTF8_LONGEST], end[32];

	wording_clean(name, strlen(name), clean, sizeof(clean));
	if (strlen(clean) < NOTICE_TARGET_SIZE) {
		memcpy(text, clean, strlen(clean) + 1);
		return;
	}
	snprintf(end, sizeof(end), "...[cgroup %" PRIu64 "]", cgroup);
	wording_clean(name, strlen(name), text, NOTICE_TARGET_SIZE - strlen(end));
	memcpy(text + strlen(text), end, strlen(end) + 1);
}

/* The unit's whole name, after whose it is, and what part of it: an alert is of one control group,
 * and two of one label are two targets. */
static void format_unit(struct model *m, uint64_t cgroup, char *text)
{
	const struct cgroup *g = cgroups_get(model_cgroups(m), cgroup);
	const char *unit = *g->user_unit ? g->user_unit : g->unit, *slash = strchr(g->label, '/');
	const char *name = *unit ? unit : *g->label ? g->label : g->path;
	const char *part = below(g->path, *unit ? unit : g->container);
	int user = *unit && slash ? (int)(slash + 1 - g->label) : 0;
	char whole[TW_CGROUP_PATH_SIZE];

	if (*name) {
		snprintf(whole, sizeof(whole), "%.*s%s%s", user, g->label, name, part);
		format_cgroup(whole, cgroup, text);
	} else {
		snprintf(text, NOTICE_TARGET_SIZE, "cgroup %" PRIu64, cgroup);
	}
}

void wording_target(struct model *m, const struct rules_rule *rule,
		    const struct rules_target *target, char text[static NOTICE_TARGET_SIZE])
{
	const struct tally_key *key = &target->key;
	char address[ADDRESS_SIZE];

	switch (rule->alert.scope) {
	case SETTINGS_SCOPE_NETNS:
		snprintf(text, NOTICE_TARGET_SIZE, "netns %u", key->netns);
		break;
	case SETTINGS_SCOPE_LISTENER:
		format_listener(m, key->netns, key->port, address);
		snprintf(text, NOTICE_TARGET_SIZE, "%s netns %u", address, key->netns);
		break;
	case SETTINGS_SCOPE_PORT:
		snprintf(text, NOTICE_TARGET_SIZE, "port %u", key->port);
		break;
	case SETTINGS_SCOPE_REMOTE:
		format_address(key, key->port, address);
		if (key->netns)
			snprintf(text, NOTICE_TARGET_SIZE, "%s netns %u", address, key->netns);
		else
			snprintf(text, NOTICE_TARGET_SIZE, "%s", address);
		break;
	case SETTINGS_SCOPE_PROCESS:
		format_process(target->comm, key->id, text, NOTICE_TARGET_SIZE);
		break;
	case SETTINGS_SCOPE_UNIT:
		format_unit(m, key->id, text);
		break;
	default:
		snprintf(text, NOTICE_TARGET_SIZE, "host");
	}
}

/* Sentences, by source. */

static void add_peers(struct model *m, uint64_t pid, char *text)
{
	char address[ADDRESS_SIZE];
	struct peers peers;

	peers_of(m, TW_SYN_SENT, pid, &peers);
	if (!peers.count)
		return;
	format_address(&peers.first, true, address);
	if (peers.count == 1)
		add(text, ": %s does not answer", address);
	else if (peers.count <= 8)
		add(text, ": %zu peers do not answer, such as %s", peers.count, address);
	else
		add(text,
		    ": to %s%zu different peers, such as %s: a scan, or a network that is down",
		    peers.more ? "more than " : "", peers.count, address);
}

static void add_threshold(const struct rules_rule *rule, const struct rules_target *target,
			  char *text)
{
	add(text, " (threshold %.10g)", rule_threshold(&rule->rule, target->state.limit));
}

static const char *plural(double count)
{
	return count == 1 ? "" : "s";
}

static void say_state(struct model *m, const struct rules_rule *rule,
		      const struct rules_target *target, const char *who, char *text)
{
	const struct settings_alert *alert = &rule->alert;
	unsigned state = settings_alert_state(alert);
	char age[QUANTITY_TEXT_SIZE];

	add(text, "%s has %.10g", who, target->state.value);
	if (target->state.limit > 0)
		add(text, " of at most %.10g", target->state.limit);
	add(text, " connection%s in %s",
	    plural(target->state.limit > 0 ? target->state.limit : target->state.value),
	    labels_state[state]);
	if (alert->held_by == SETTINGS_HELD_BY_UNACCEPTED)
		add(text, " that were never accepted");
	if (alert->older_than) {
		quantity_format(QUANTITY_TIME, alert->older_than, age);
		add(text, " for more than %s", age);
	}
	add_threshold(rule, target, text);
	if (state == TW_SYN_SENT && alert->scope == SETTINGS_SCOPE_PROCESS)
		add_peers(m, target->key.id, text);
	else if (state_meanings[state])
		add(text, ": %s", state_meanings[state]);
}

static const struct listener_port *listener_of(struct model *m, const struct tally_key *key)
{
	return listeners_port(model_listeners(m), key->netns, key->port);
}

static void say_accept_queue(struct model *m, const struct rules_rule *rule,
			     const struct rules_target *target, const char *who, char *text)
{
	const struct listener_port *port = listener_of(m, &target->key);
	char process[UTF8_CLEAN_SIZE(TW_COMM_SIZE) + 24] = "the program";

	if (port && port->owner.pid)
		format_process(port->owner.comm, port->owner.pid, process, sizeof(process));
	add(text, "%s has %.10g connection%s waiting for accept(), of a backlog of %.10g", who,
	    target->state.value, plural(target->state.value), target->state.limit);
	add_threshold(rule, target, text);
	add(text, ": %s does not accept them, or not as fast as they come", process);
}

/* The port of the namespace, or of all, that gets the most SYNs. */
static const struct listener_port *busiest_port(struct model *m, uint32_t netns)
{
	const struct listeners *listeners = model_listeners(m);
	const struct listener_port *busiest = NULL;

	for (size_t i = 0; i < listeners_port_count(listeners); i++) {
		const struct listener_port *port = listeners_port_at(listeners, i);

		if ((!netns || port->netns == netns) && port->counted &&
		    (!busiest || port->syn_rate > busiest->syn_rate))
			busiest = port;
	}
	return busiest;
}

static bool cookies_are_off(struct model *m, uint32_t netns)
{
	int index = netns_find(model_netns(m), netns);
	const struct tw_limits *limits;

	if (index < 0)
		return false;
	limits = &netns_at(model_netns(m), (size_t)index)->limits;
	return limits->known & TW_SYSCTL_BIT(TW_SYSCTL_TCP_SYNCOOKIES) &&
	       !limits->values[TW_SYSCTL_TCP_SYNCOOKIES];
}

/* Whether a good part of the SYNs, which are those of the whole host and may be of a while ago,
 * were for the port: a tenth, as what its rate tells is a mean. */
static bool are_for(const struct tw_source_summary *sources, const struct listener_port *port)
{
	return listeners_recent_syns(port, sources->duration_ns) * 10 >= (double)sources->syns;
}

static void add_sources(struct model *m, const struct listener_port *port, char *text)
{
	const struct tw_source_summary *sources = model_syn_sources(m);
	struct tally_key prefix = {.family = (uint16_t)sources->top_family};
	char address[ADDRESS_SIZE];

	if (!sources->syns || !port || !port->counted || !are_for(sources, port))
		return;
	memcpy(prefix.address, sources->top_prefix, sizeof(sources->top_prefix));
	format_address(&prefix, false, address);
	if (sources->top_syns * 2 > sources->syns)
		add(text, ", %.0f%% of all SYNs from one source, %s/%d",
		    100.0 * (double)sources->top_syns / (double)sources->syns, address,
		    prefix.family == AF_INET6 ? 64 : 24);
	else
		add(text, ", from about %" PRIu64 " networks", (uint64_t)sources->prefixes);
}

static void add_flood(struct model *m, uint32_t netns, const struct listener_port *port, char *text)
{
	double cookies = netns_cookies_rate(model_netns(m), netns);

	if (port && port->counted && port->syn_rate >= 1)
		add(text, ": %.0f SYNs a second", port->syn_rate);
	else
		add(text, ": half-open connections that are not completed");
	add_sources(m, port, text);
	if (cookies > 0)
		add(text, "; SYN cookies absorb it, %.0f sent a second", cookies);
	else if (netns && cookies_are_off(m, netns))
		add(text, "; SYN cookies are off, so connections are refused once the queue is "
			  "full");
	else if (netns)
		add(text, "; no SYN cookies are sent");
}

static void say_syn_queue(struct model *m, const struct rules_rule *rule,
			  const struct rules_target *target, const char *who, char *text)
{
	add(text, "%s has %.10g half-open connection%s of a backlog of %.10g", who,
	    target->state.value, plural(target->state.value), target->state.limit);
	add_threshold(rule, target, text);
	add_flood(m, target->key.netns, listener_of(m, &target->key), text);
}

static void say_syn_rate(struct model *m, const struct rules_rule *rule,
			 const struct rules_target *target, const char *who, char *text)
{
	uint32_t netns = target->key.netns;
	const struct listener_port *port = netns ? listener_of(m, &target->key)
						 : busiest_port(m, 0);
	char listener[ADDRESS_SIZE];

	add(text, "%s gets %.0f SYNs a second", who, target->state.value);
	add_threshold(rule, target, text);
	if (!netns && port) {
		format_listener(m, port->netns, port->port, listener);
		add(text, ", most of them for %s netns %u", listener, port->netns);
		netns = port->netns;
	}
	add_flood(m, netns, port, text);
}

static void say_syn_cookies(struct model *m, const struct rules_rule *rule,
			    const struct rules_target *target, const char *who, char *text)
{
	const struct listener_port *port = busiest_port(m, target->key.netns);
	char listener[ADDRESS_SIZE];

	add(text, "%s sends %.0f SYN cookies a second", who, target->state.value);
	add_threshold(rule, target, text);
	if (port) {
		format_listener(m, port->netns, port->port, listener);
		add(text, ", most likely for %s netns %u", listener, port->netns);
	}
	add_flood(m, port ? port->netns : target->key.netns, port, text);
}

static void say_ephemeral_ports(struct model *m, const struct rules_rule *rule,
				const struct rules_target *target, const char *who, char *text)
{
	(void)m;
	add(text, "%.10g of %.10g local ports are in use for connections to %s",
	    target->state.value, target->state.limit, who);
	add_threshold(rule, target, text);
	add(text, ": when none is left, connect() fails with EADDRNOTAVAIL");
}

static void say_connect_failures(struct model *m, const struct rules_rule *rule,
				 const struct rules_target *target, const char *who, char *text)
{
	static const char *const reasons[] = {
		[SETTINGS_REASON_ANY] = "",
		[SETTINGS_REASON_REFUSED] = ": refused, nobody listens there",
		[SETTINGS_REASON_TIMED_OUT] = ": the peer does not answer",
		[SETTINGS_REASON_UNREACHABLE] = ": the peer cannot be reached",
		[SETTINGS_REASON_NO_PORT] = ": no local port is left (EADDRNOTAVAIL)",
		[SETTINGS_REASON_OTHER] = ": given up, or another error",
	};

	(void)m;
	add(text, "%s: %.10g calls of connect() failed within a minute", who, target->state.value);
	add_threshold(rule, target, text);
	add(text, "%s", reasons[rule->alert.reason]);
}

void wording_summary(struct model *m, const struct rules_rule *rule,
		     const struct rules_target *target, const char *who,
		     char text[static NOTICE_SUMMARY_SIZE])
{
	static void (*const sayings[SETTINGS_SOURCES])(
		struct model * m, const struct rules_rule *rule, const struct rules_target *target,
		const char *who, char *text) = {
		[SETTINGS_SOURCE_STATE] = say_state,
		[SETTINGS_SOURCE_ACCEPT_QUEUE] = say_accept_queue,
		[SETTINGS_SOURCE_SYN_QUEUE] = say_syn_queue,
		[SETTINGS_SOURCE_SYN_RATE] = say_syn_rate,
		[SETTINGS_SOURCE_SYN_COOKIES] = say_syn_cookies,
		[SETTINGS_SOURCE_EPHEMERAL_PORTS] = say_ephemeral_ports,
		[SETTINGS_SOURCE_CONNECT_FAILURES] = say_connect_failures,
	};

	text[0] = '\0';
	sayings[rule->alert.source](m, rule, target, who, text);
}

void wording_over(const struct rules_rule *rule, const struct rules_target *target, const char *who,
		  char text[static NOTICE_SUMMARY_SIZE])
{
	text[0] = '\0';
	add(text, "%s: %s is down to %.10g", who, wording_source(&rule->alert),
	    target->state.value);
	add_threshold(rule, target, text);
}

const char *wording_source(const struct settings_alert *alert)
{
	if (alert->source == SETTINGS_SOURCE_STATE)
		return labels_state[settings_alert_state(alert)];
	return settings_source_word(alert->source);
}
