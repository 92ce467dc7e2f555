/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "alert/gauge.h"

/* Of connections to one destination, those that have a local port of their own there. */
#define STATES_WITH_PORT (TW_STATES_ALL & ~(TW_STATE_BIT(TW_LISTEN) | TW_STATE_BIT(TW_CLOSE)))
/* Linux's own, of which a namespace has what it was made with: INET_DEFAULT_PORT_RANGE. */
#define PORT_RANGE_DEFAULT 28232.0

/* How a gauge is read. */
struct method {
	void (*each)(const struct gauge *g, gauge_fn *fn, void *userdata);
	struct gauge_reading (*read)(const struct gauge *g, const struct tally_key *key);
	bool with_transitions; /* it may change with each, and not on a tick alone */
};

struct gauge {
	struct model *model;
	const struct method *method;
	struct tally *tally; /* NULL: the model's own sums are read */
	double (*limit)(const struct gauge *g, const struct tally_key *key); /* or NULL */
	unsigned state;
	enum settings_source source;
	uint64_t events; /* of the model's, when it was last read with transitions */
};

/* Limits. */

static const struct tw_limits *limits_of(const struct gauge *g, uint32_t inum)
{
	int index = netns_find(model_netns(g->model), inum);

	return index < 0 ? NULL : &netns_at(model_netns(g->model), (size_t)index)->limits;
}

static double sysctl_of(const struct tw_limits *limits, enum tw_sysctl sysctl)
{
	return limits && limits->known & TW_SYSCTL_BIT(sysctl) ? limits->values[sysctl] : 0;
}

static double limit_time_wait(const struct gauge *g, const struct tally_key *key)
{
	return sysctl_of(limits_of(g, key->netns), TW_SYSCTL_TCP_MAX_TW_BUCKETS);
}

/* Of the host; each namespace has a setting of its own that is held against the same sum, and most
 * have the default: the least one binds first. */
static double limit_orphans(const struct gauge *g, const struct tally_key *key)
{
	const struct netns_table *namespaces = model_netns(g->model);
	double least = 0;

	(void)key;
	for (size_t i = 0; i < netns_count(namespaces); i++) {
		const struct netns *n = netns_at(namespaces, i);
		double limit = n->inum ? sysctl_of(&n->limits, TW_SYSCTL_TCP_MAX_ORPHANS) : 0;

		if (limit > 0 && (least <= 0 || limit < least))
			least = limit;
	}
	return least;
}

static double limit_ports(const struct gauge *g, const struct tally_key *key)
{
	const struct tw_limits *limits = limits_of(g, key->netns);
	double range = sysctl_of(limits, TW_SYSCTL_IP_LOCAL_PORT_RANGE);

	if (range <= 0)
		return PORT_RANGE_DEFAULT;
	return range - sysctl_of(limits, TW_SYSCTL_IP_LOCAL_RESERVED_PORTS);
}

/* Of open descriptors; not known before all descriptors were looked through. */
static double limit_process(const struct gauge *g, const struct tally_key *key)
{
	const struct owners *owners = model_owners(g->model);
	uint32_t index = tally_tag(g->tally, key);

	return owners_get(owners, index)->pid == key->id ? owners_nofile(owners, index) : 0;
}

/* Tallies. */

static struct gauge_reading with_limit(const struct gauge *g, const struct tally_key *key,
				       double value)
{
	return (struct gauge_reading){value, g->limit ? g->limit(g, key) : 0};
}

static struct gauge_reading read_tally(const struct gauge *g, const struct tally_key *key)
{
	return with_limit(g, key, tally_get(g->tally, key));
}

static const struct method method_tally = {NULL, read_tally, true};

/* Sums that the model keeps anyway, which include what is not in the table. */

static struct gauge_reading read_netns(const struct gauge *g, const struct tally_key *key)
{
	int index = netns_find(model_netns(g->model), key->netns);
	double value = 0;

	if (index >= 0)
		value = (double)netns_connections(netns_at(model_netns(g->model), (size_t)index),
						  g->state);
	return with_limit(g, key, value);
}

static void each_netns(const struct gauge *g, gauge_fn *fn, void *userdata)
{
	const struct netns_table *namespaces = model_netns(g->model);

	for (size_t i = 0; i < netns_count(namespaces); i++) {
		const struct tally_key key = {.netns = netns_at(namespaces, i)->inum};
		struct gauge_reading reading;

		if (!key.netns)
			continue;
		reading = g->method->read(g, &key);
		fn(&key, &reading, userdata);
	}
}

static void each_host(const struct gauge *g, gauge_fn *fn, void *userdata)
{
	const struct tally_key key = {0};
	struct gauge_reading reading = g->method->read(g, &key);

	fn(&key, &reading, userdata);
}

static struct gauge_reading read_host(const struct gauge *g, const struct tally_key *key)
{
	uint64_t value = 0;

	for (unsigned family = 0; family < NETNS_FAMILIES; family++)
		value += model_connections(g->model, g->state, family);
	return with_limit(g, key, (double)value);
}

static const struct method method_netns = {each_netns, read_netns, true};
static const struct method method_host = {each_host, read_host, true};

/* Listeners: those that share a port are one. */

static struct gauge_reading read_queue(const struct gauge *g, const struct tally_key *key)
{
	const struct listener_port *port = listeners_port(model_listeners(g->model), key->netns,
							  key->port);

	if (!port)
		return (struct gauge_reading){0};
	return (struct gauge_reading){(double)(g->source == SETTINGS_SOURCE_ACCEPT_QUEUE
						       ? port->accept_queue
						       : port->syn_queue),
				      (double)port->backlog};
}

static struct gauge_reading read_syn_rate(const struct gauge *g, const struct tally_key *key)
{
	const struct listener_port *port = listeners_port(model_listeners(g->model), key->netns,
							  key->port);

	return (struct gauge_reading){.value = port && port->counted ? port->syn_rate : 0};
}

static void each_listener(const struct gauge *g, gauge_fn *fn, void *userdata)
{
	const struct listeners *listeners = model_listeners(g->model);

	for (size_t i = 0; i < listeners_port_count(listeners); i++) {
		const struct listener_port *port = listeners_port_at(listeners, i);
		const struct tally_key key = {.netns = port->netns, .port = port->port};
		struct gauge_reading reading = g->method->read(g, &key);

		fn(&key, &reading, userdata);
	}
}

static const struct method method_queue = {each_listener, read_queue, false};
static const struct method method_syn_rate = {each_listener, read_syn_rate, false};

/* Of the last window of time. */
static struct gauge_reading read_host_syn_rate(const struct gauge *g, const struct tally_key *key)
{
	const struct tw_source_summary *sources = model_syn_sources(g->model);
	double seconds = (double)sources->duration_ns / 1e9;

	(void)key;
	return (struct gauge_reading){.value = seconds > 0 ? (double)sources->syns / seconds : 0};
}

static struct gauge_reading read_cookies(const struct gauge *g, const struct tally_key *key)
{
	int index = netns_find(model_netns(g->model), key->netns);
	const struct netns *n;

	if (index < 0)
		return (struct gauge_reading){0};
	n = netns_at(model_netns(g->model), (size_t)index);
	return (struct gauge_reading){
		.value = netstat_cookies_rate(&n->netstat_before, &n->netstat)};
}

static struct gauge_reading read_host_cookies(const struct gauge *g, const struct tally_key *key)
{
	const struct netns_table *namespaces = model_netns(g->model);
	struct gauge_reading sum = {0};

	(void)key;
	for (size_t i = 0; i < netns_count(namespaces); i++) {
		const struct tally_key one = {.netns = netns_at(namespaces, i)->inum};

		sum.value += one.netns ? read_cookies(g, &one).value : 0;
	}
	return sum;
}

static const struct method method_host_syn_rate = {each_host, read_host_syn_rate, false};
static const struct method method_cookies = {each_netns, read_cookies, false};
static const struct method method_host_cookies = {each_host, read_host_cookies, false};

/* Which of them a rule has. */

static bool is_orphans_state(unsigned state)
{
	return state == TW_FIN_WAIT1 || state == TW_FIN_WAIT2 || state == TW_LAST_ACK ||
	       state == TW_CLOSING;
}

static const struct method *method_of_state(const struct gauge *g,
					    const struct settings_alert *alert)
{
	if (g->state == TW_SYN_RECV && alert->scope == SETTINGS_SCOPE_LISTENER)
		return &method_queue;
	if (alert->older_than || alert->held_by != SETTINGS_HELD_BY_ANY)
		return &method_tally;
	if (alert->scope == SETTINGS_SCOPE_HOST)
		return &method_host;
	return alert->scope == SETTINGS_SCOPE_NETNS ? &method_netns : &method_tally;
}

static const struct method *method_of(const struct gauge *g, const struct settings_alert *alert)
{
	bool host = alert->scope == SETTINGS_SCOPE_HOST;

	switch (alert->source) {
	case SETTINGS_SOURCE_ACCEPT_QUEUE:
	case SETTINGS_SOURCE_SYN_QUEUE:
		return &method_queue;
	case SETTINGS_SOURCE_SYN_RATE:
		return host ? &method_host_syn_rate : &method_syn_rate;
	case SETTINGS_SOURCE_SYN_COOKIES:
		return host ? &method_host_cookies : &method_cookies;
	case SETTINGS_SOURCE_STATE:
		return method_of_state(g, alert);
	default:
		return &method_tally;
	}
}

static void set_limit(struct gauge *g, const struct settings_alert *alert)
{
	if (alert->source == SETTINGS_SOURCE_EPHEMERAL_PORTS)
		g->limit = limit_ports;
	else if (alert->source != SETTINGS_SOURCE_STATE)
		g->limit = NULL;
	else if (alert->scope == SETTINGS_SCOPE_PROCESS && alert->above.share)
		g->limit = limit_process;
	else if (g->state == TW_TIME_WAIT && alert->scope == SETTINGS_SCOPE_NETNS)
		g->limit = limit_time_wait;
	else if (is_orphans_state(g->state) && alert->scope == SETTINGS_SCOPE_HOST)
		g->limit = limit_orphans;
}

static struct tallies_spec spec_of(const struct gauge *g, const struct settings_alert *alert)
{
	static const enum tallies_by by[SETTINGS_SCOPES] = {
		[SETTINGS_SCOPE_HOST] = TALLIES_BY_HOST,
		[SETTINGS_SCOPE_NETNS] = TALLIES_BY_NETNS,
		[SETTINGS_SCOPE_LISTENER] = TALLIES_BY_LISTENER,
		[SETTINGS_SCOPE_PORT] = TALLIES_BY_PORT,
		[SETTINGS_SCOPE_REMOTE] = TALLIES_BY_REMOTE,
		[SETTINGS_SCOPE_PROCESS] = TALLIES_BY_PROCESS,
		[SETTINGS_SCOPE_UNIT] = TALLIES_BY_UNIT,
	};
	static const uint32_t kinds[] = {
		[SETTINGS_HELD_BY_ANY] = UINT32_MAX,
		[SETTINGS_HELD_BY_PROCESS] = 1U << OWNER_KIND_PROCESS,
		[SETTINGS_HELD_BY_UNACCEPTED] = 1U << OWNER_KIND_UNACCEPTED,
		[SETTINGS_HELD_BY_KERNEL] = 1U << OWNER_KIND_KERNEL,
	};
	struct tallies_spec spec = {
		.by = by[alert->scope],
		.states = TW_STATE_BIT(g->state),
		.kinds = kinds[alert->held_by],
		.older_than_ns = alert->older_than,
	};

	if (alert->source == SETTINGS_SOURCE_EPHEMERAL_PORTS) {
		spec.by = TALLIES_BY_DESTINATION;
		spec.states = STATES_WITH_PORT;
	} else if (alert->source == SETTINGS_SOURCE_CONNECT_FAILURES) {
		spec.failures = alert->reason == SETTINGS_REASON_ANY
					? (1U << CONNECT_FAILURE_COUNT) - 1
					: 1U << (alert->reason - SETTINGS_REASON_REFUSED +
						 CONNECT_FAILURE_REFUSED);
	}
	return spec;
}

int gauge_new(struct model *model, const struct settings_alert *alert, struct gauge **ret)
{
	struct gauge *g = calloc(1, sizeof(*g));
	struct tallies_spec spec;
	int r;

	if (!g)
		return -ENOMEM;
	g->model = model;
	g->source = alert->source;
	g->state = settings_alert_state(alert);
	g->method = method_of(g, alert);
	set_limit(g, alert);
	if (g->method == &method_tally) {
		spec = spec_of(g, alert);
		r = tallies_add(model_tallies(model), &spec, &g->tally);
		if (r < 0) {
			free(g);
			return r;
		}
	}
	*ret = g;
	return 0;
}

struct gauge *gauge_free(struct gauge *g)
{
	if (g && g->tally)
		tallies_remove(model_tallies(g->model), g->tally);
	free(g);
	return NULL;
}

static void tell_changed(struct gauge *g, gauge_fn *fn, void *userdata)
{
	struct tally_key key;
	uint32_t count;

	while (tally_next_changed(g->tally, &key, &count)) {
		struct gauge_reading reading = with_limit(g, &key, count);

		fn(&key, &reading, userdata);
	}
}

void gauge_changed(struct gauge *g, gauge_fn *fn, void *userdata)
{
	uint64_t events = model_stats(g->model)->events;

	if (g->tally) {
		tell_changed(g, fn, userdata);
	} else if (g->method->with_transitions && events != g->events) {
		g->events = events;
		g->method->each(g, fn, userdata);
	}
}

void gauge_tick(struct gauge *g, gauge_fn *fn, void *userdata)
{
	if (!g->tally)
		g->method->each(g, fn, userdata);
}

void gauge_change_all(struct gauge *g)
{
	if (g->tally)
		tally_change_all(g->tally);
	g->events = UINT64_MAX;
}

struct gauge_reading gauge_read(const struct gauge *g, const struct tally_key *key)
{
	return g->method->read(g, key);
}

const char *gauge_comm(const struct gauge *g, const struct tally_key *key)
{
	return g->tally ? tally_comm(g->tally, key) : "";
}

struct fullest {
	const struct gauge *g;
	double share;
};

static void note_share(const struct tally_key *key, uint32_t count, void *userdata)
{
	struct fullest *fullest = userdata;
	double limit = fullest->g->limit(fullest->g, key);

	if (limit > 0 && count / limit > fullest->share)
		fullest->share = count / limit;
}

double gauge_fullest(const struct gauge *g)
{
	struct fullest fullest = {.g = g};

	if (g->tally && g->limit)
		tally_each(g->tally, note_share, &fullest);
	return fullest.share;
}

uint32_t gauge_other(const struct gauge *g)
{
	return g->tally ? tally_other(g->tally) : 0;
}
