/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/evidence.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "alert/leaders.h"
#include "base/json.h"
#include "base/labels.h"
#include "base/utf8.h"
#include "base/util.h"

#define FOUND_MAX LEADERS_MAX /* connections of the target that are looked at */
#define WALK_MAX 20000U       /* and of the others on the way to them */
#define IPV6_BYTES 8          /* of a /64 */
#define NAME_MAX_BYTES 256    /* of the name of a unit, a container or a control group */

/* Which connections are meant. */
struct aim {
	uint32_t states, kinds; /* masks of TW_STATE_BIT() and of 1 << enum owner_kind */
	uint32_t netns, pid;    /* 0: any */
	uint16_t sport;
	uint64_t cgroup;
	bool remote; /* that of the key below */
	uint64_t remote_key[2];
};

struct evidence {
	struct model *model;
	const struct evidence_calls *calls;
	uint64_t now_ns;
	struct aim aim;
	uint32_t walked, count;
	bool whole; /* all connections in these states were looked at */
	const struct connection *found[FOUND_MAX];
	struct leaders *leaders;
};

#define S(name) TW_STATE_BIT(TW_##name)
#define C(name) TW_SYSCTL_BIT(TW_SYSCTL_##name)
#define KEEPALIVE (C(TCP_KEEPALIVE_TIME) | C(TCP_KEEPALIVE_INTVL) | C(TCP_KEEPALIVE_PROBES))
#define BACKLOG (C(SOMAXCONN) | C(TCP_MAX_SYN_BACKLOG) | C(TCP_SYNCOOKIES) | C(TCP_SYNACK_RETRIES))
#define PORTS (C(IP_LOCAL_PORT_RANGE) | C(IP_LOCAL_RESERVED_PORTS) | C(TCP_TW_REUSE))
#define ANY_KIND UINT32_MAX

/* What an alert on it is about, and which settings bear on that. */
static const struct subject {
	const char *source;
	uint32_t states, kinds, sysctls;
} subjects[] = {
	{"established", S(ESTABLISHED), ANY_KIND, KEEPALIVE},
	{"syn_sent", S(SYN_SENT), ANY_KIND, C(TCP_SYN_RETRIES) | PORTS},
	{"syn_recv", S(SYN_RECV), ANY_KIND, BACKLOG},
	{"fin_wait1", S(FIN_WAIT1), ANY_KIND, C(TCP_MAX_ORPHANS)},
	{"fin_wait2", S(FIN_WAIT2), ANY_KIND, C(TCP_FIN_TIMEOUT) | C(TCP_MAX_ORPHANS)},
	{"time_wait", S(TIME_WAIT), ANY_KIND, C(TCP_MAX_TW_BUCKETS) | PORTS},
	{"close", S(CLOSE), ANY_KIND, 0},
	{"close_wait", S(CLOSE_WAIT), ANY_KIND, KEEPALIVE},
	{"last_ack", S(LAST_ACK), ANY_KIND, C(TCP_MAX_ORPHANS)},
	{"listen", S(LISTEN), ANY_KIND, C(SOMAXCONN)},
	{"closing", S(CLOSING), ANY_KIND, C(TCP_MAX_ORPHANS)},
	{"syn_queue", S(SYN_RECV), ANY_KIND, BACKLOG},
	{"syn_rate", S(SYN_RECV), ANY_KIND, BACKLOG},
	{"syn_cookies", S(SYN_RECV), ANY_KIND, BACKLOG},
	{"accept_queue", S(ESTABLISHED) | S(CLOSE_WAIT), 1U << OWNER_KIND_UNACCEPTED,
	 C(SOMAXCONN) | C(TCP_ABORT_ON_OVERFLOW)},
	{"ephemeral_ports",
	 S(SYN_SENT) | S(ESTABLISHED) | S(FIN_WAIT1) | S(FIN_WAIT2) | S(TIME_WAIT) | S(CLOSE_WAIT),
	 ANY_KIND, PORTS | C(TCP_MAX_TW_BUCKETS)},
	{"connect_failures", S(SYN_SENT), ANY_KIND, C(TCP_SYN_RETRIES) | PORTS},
};

static const struct subject *subject_of(const char *source)
{
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
		if (!strcmp(subjects[i].source, source))
			return &subjects[i];
	return NULL;
}

/* Keys. An IPv4 address is the same, whichever socket has it: v4-mapped, as in RFC 4291. */

static void remote_key(bool ipv6, const uint8_t address[16], uint64_t ret[2])
{
	uint8_t bytes[16] = {[10] = 0xff, [11] = 0xff};

	if (ipv6)
		memcpy(bytes, address, sizeof(bytes));
	else
		memcpy(bytes + 12, address, 4);
	memcpy(ret, bytes, sizeof(bytes));
}

static bool is_ipv4(const uint64_t key[2])
{
	struct in6_addr address;

	memcpy(&address, key, sizeof(address));
	return IN6_IS_ADDR_V4MAPPED(&address);
}

static void prefix_key(const uint64_t remote[2], uint64_t ret[2])
{
	uint8_t bytes[16];

	memcpy(bytes, remote, sizeof(bytes));
	if (is_ipv4(remote))
		bytes[15] = 0;
	else
		memset(bytes + IPV6_BYTES, 0, sizeof(bytes) - IPV6_BYTES);
	memcpy(ret, bytes, sizeof(bytes));
}

typedef void key_fn(const struct connection *c, uint64_t ret[2]);

static void key_of_remote(const struct connection *c, uint64_t ret[2])
{
	remote_key(c->flags & CONNECTION_IPV6, c->daddr, ret);
}

static void key_of_prefix(const struct connection *c, uint64_t ret[2])
{
	uint64_t remote[2];

	key_of_remote(c, remote);
	prefix_key(remote, ret);
}

static void key_of_owner(const struct connection *c, uint64_t ret[2])
{
	ret[0] = c->owner;
	ret[1] = 0;
}

/* Which connections. */

/* "192.0.2.1", perhaps with words behind it. */
static bool read_remote(const char *target, uint64_t ret[2])
{
	char text[INET6_ADDRSTRLEN];
	size_t length = strcspn(target, " ");
	uint8_t address[16];

	if (length >= sizeof(text))
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)length, target);
	if (inet_pton(AF_INET, text, address) == 1)
		remote_key(false, address, ret);
	else if (inet_pton(AF_INET6, text, address) == 1)
		remote_key(true, address, ret);
	else
		return false;
	return true;
}

static void take_aim(struct aim *aim, const struct notice *notice, const struct subject *subject)
{
	*aim = (struct aim){
		.states = subject->states,
		.kinds = subject->kinds,
		.netns = notice->netns,
		.pid = notice->pid,
		.sport = notice->port,
		.cgroup = notice->cgroup,
	};
	aim->remote = !strcmp(notice->scope, "remote") &&
		      read_remote(notice->target, aim->remote_key);
}

static bool is_of_owner(const struct aim *aim, const struct owner *owner)
{
	return aim->kinds & (1U << owner->kind) && (!aim->pid || owner->pid == aim->pid) &&
	       (!aim->cgroup || owner->cgroup == aim->cgroup);
}

static bool is_meant(const struct evidence *e, const struct connection *c)
{
	const struct aim *aim = &e->aim;
	uint64_t key[2];

	if (aim->sport && c->sport != aim->sport)
		return false;
	if (aim->netns && netns_at(model_netns(e->model), c->netns)->inum != aim->netns)
		return false;
	key_of_remote(c, key);
	if (aim->remote && memcmp(key, aim->remote_key, sizeof(key)) != 0)
		return false;
	return is_of_owner(aim, owners_get(model_owners(e->model), c->owner));
}

static void find(struct evidence *e)
{
	const struct connection *c = NULL;
	struct table_cursor cursor;

	table_cursor_open(model_table(e->model), e->aim.states, &cursor);
	while (e->walked < WALK_MAX && e->count < FOUND_MAX && (c = table_cursor_next(&cursor))) {
		e->walked++;
		if (!(c->flags & CONNECTION_GONE) && is_meant(e, c))
			e->found[e->count++] = c;
	}
	e->whole = !c;
	table_cursor_close(&cursor);
}

/* JSON. */

/* Any bytes, cut to what fits; "" stands for not known. */
static void add_name(struct json_object *object, const char *key, const char *name)
{
	char clean[NAME_MAX_BYTES + 1];

	utf8_clean(name, strlen(name), clean, sizeof(clean));
	json_add_known_text(object, key, clean);
}

/* "/24" of a prefix, "" of an address. */
static void add_remote(struct json_object *object, const char *key, const uint64_t remote[2],
		       const char *length)
{
	char address[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 4];
	const uint8_t *bytes = (const uint8_t *)remote;
	bool ipv4 = is_ipv4(remote);

	inet_ntop(ipv4 ? AF_INET : AF_INET6, ipv4 ? bytes + 12 : bytes, address, sizeof(address));
	snprintf(text, sizeof(text), "%s%s", address, length);
	json_add_text(object, key, text);
}

/* Who. */

typedef void describe_fn(const struct evidence *e, const struct leader *leader,
			 struct json_object *row);

static void describe_owner(const struct evidence *e, const struct leader *leader,
			   struct json_object *row)
{
	uint32_t index = (uint32_t)leader->key[0];
	const struct owners *owners = model_owners(e->model);
	const struct owner *owner = owners_get(owners, index);
	const struct cgroup *cgroup = cgroups_get(model_cgroups(e->model), owner->cgroup);

	json_add_text(row, "kind", owner_kind_labels[owner->kind]);
	json_add_known(row, "pid", owner->pid);
	add_name(row, "comm", owner->comm);
	json_add(row, "uid", owner->uid != UID_UNKNOWN ? json_object_new_uint64(owner->uid) : NULL);
	add_name(row, "unit", *cgroup->user_unit ? cgroup->user_unit : cgroup->unit);
	add_name(row, "container", cgroup->container);
	add_name(row, "cgroup", cgroup->path);
	json_add_known(row, "descriptors_max", owners_nofile(owners, index));
}

static void describe_remote(const struct evidence *e, const struct leader *leader,
			    struct json_object *row)
{
	(void)e;
	add_remote(row, "remote", leader->key, "");
}

static void describe_prefix(const struct evidence *e, const struct leader *leader,
			    struct json_object *row)
{
	(void)e;
	add_remote(row, "prefix", leader->key, is_ipv4(leader->key) ? "/24" : "/64");
}

/* Those that have most, and how many connections the rest has. */
static void add_leaders(struct json_object *object, const char *key, const char *other_key,
			struct evidence *e, key_fn *key_of, describe_fn *describe)
{
	struct json_object *rows = json_object_new_array();
	struct leader top[EVIDENCE_LEADERS];
	uint32_t other = e->count;
	uint64_t k[2];
	size_t count;

	leaders_clear(e->leaders);
	for (uint32_t i = 0; i < e->count; i++) {
		key_of(e->found[i], k);
		leaders_add(e->leaders, k);
	}
	count = leaders_top(e->leaders, EVIDENCE_LEADERS, top);
	for (size_t i = 0; i < count; i++) {
		struct json_object *row = json_object_new_object();

		describe(e, &top[i], row);
		json_add_number(row, "connections", top[i].count);
		other -= top[i].count;
		json_object_array_add(rows, row);
	}
	json_add(object, key, rows);
	json_add_number(object, other_key, other);
}

/* How old. */

static int compare_ages(const void *a, const void *b)
{
	const struct connection *const *one = a, *const *other = b;

	return ((*one)->entered_ns > (*other)->entered_ns) -
	       ((*one)->entered_ns < (*other)->entered_ns);
}

static double age_at(const struct evidence *e, double quantile)
{
	const struct connection *c = e->found[(uint32_t)((double)(e->count - 1) * quantile)];

	return e->now_ns > c->entered_ns
		       ? (double)(e->now_ns - c->entered_ns) / (double)NSEC_PER_SEC
		       : 0;
}

static struct json_object *ages_of(struct evidence *e)
{
	struct json_object *ages = json_object_new_object();
	uint32_t exact = 0;

	if (!e->count)
		return ages;
	/* one state's list is in that order already, and the sort sees it */
	qsort(e->found, e->count, sizeof(e->found[0]), compare_ages);
	for (uint32_t i = 0; i < e->count; i++)
		exact += !!(e->found[i]->flags & CONNECTION_EXACT);
	json_add_decimal(ages, "oldest_seconds", 3, age_at(e, 0));
	json_add_decimal(ages, "upper_quartile_seconds", 3, age_at(e, 0.25));
	json_add_decimal(ages, "median_seconds", 3, age_at(e, 0.5));
	json_add_decimal(ages, "lower_quartile_seconds", 3, age_at(e, 0.75));
	json_add_decimal(ages, "youngest_seconds", 3, age_at(e, 1));
	json_add_number(ages, "exact", exact);
	return ages;
}

/* States in which the peer's FIN has come: until the program has read the end, it counts as a byte
 * of the receive queue (tcp_diag_get_info()). */
#define STATES_ENDED (S(CLOSE_WAIT) | S(LAST_ACK) | S(CLOSING))

/* What the program has not read, of some spread over all ages. */
static struct json_object *queues_of(const struct evidence *e)
{
	struct connection rows[EVIDENCE_QUEUES_MAX];
	struct evidence_queue queues[EVIDENCE_QUEUES_MAX] = {0};
	uint32_t step = e->count / EVIDENCE_QUEUES_MAX + 1, known = 0, unread = 0, ends = 0;
	struct json_object *object;
	uint64_t bytes = 0;
	size_t count = 0;

	for (uint32_t i = 0; i < e->count && count < EVIDENCE_QUEUES_MAX; i += step)
		if (!(e->found[i]->flags & CONNECTION_SHADOW))
			rows[count++] = *e->found[i];
	if (!count || !e->calls->queues)
		return NULL;
	e->calls->queues(rows, count, queues, e->calls->userdata);
	for (size_t i = 0; i < count; i++) {
		uint32_t receive = queues[i].known ? queues[i].receive : 0;
		bool end = receive && STATES_ENDED & TW_STATE_BIT(rows[i].state);

		known += queues[i].known;
		ends += end;
		unread += receive > end;
		bytes += receive - end;
	}
	object = json_object_new_object();
	json_add_number(object, "looked_at", known);
	json_add_number(object, "unread", unread);
	json_add_number(object, "end_unread", ends);
	json_add_number(object, "bytes", bytes);
	return object;
}

/* What went on. */

static bool concerns(const struct evidence *e, const struct tw_event *event)
{
	const struct aim *aim = &e->aim;
	const struct connection *c = table_find(model_table(e->model), event->cookie);
	struct owner owner = {.pid = event->pid, .cgroup = event->cgroup};
	uint64_t key[2];

	if ((aim->netns && event->netns != aim->netns) ||
	    (aim->sport && event->sport != aim->sport))
		return false;
	remote_key(event->family == AF_INET6, event->daddr, key);
	if (aim->remote && memcmp(key, aim->remote_key, sizeof(key)) != 0)
		return false;
	if (!aim->pid && !aim->cgroup)
		return TW_STATE_BIT(event->new_state) & aim->states ||
		       TW_STATE_BIT(event->old_state) & aim->states;
	if (c)
		owner = *owners_get(model_owners(e->model), c->owner);
	return (!aim->pid || owner.pid == aim->pid) &&
	       (!aim->cgroup || owner.cgroup == aim->cgroup);
}

static struct json_object *transition(const struct evidence *e, const struct tw_event *event)
{
	struct json_object *row = json_object_new_object();
	uint64_t key[2];

	json_add_decimal(row, "time", 6,
			 (double)(event->time_ns + e->calls->offset_ns) / (double)NSEC_PER_SEC);
	json_add_text(row, "from", labels_state[event->old_state]);
	json_add_text(row, "to", labels_state[event->new_state]);
	json_add_number(row, "local_port", event->sport);
	remote_key(event->family == AF_INET6, event->daddr, key);
	add_remote(row, "remote", key, "");
	json_add_number(row, "remote_port", event->dport);
	json_add_known_text(row, "error", event->error ? strerrorname_np(event->error) : NULL);
	json_add_known(row, "pid", event->flags & TW_EVENT_PROCESS ? event->pid : 0);
	return row;
}

/* The newest first. */
static struct json_object *transitions_of(const struct evidence *e)
{
	struct json_object *rows = json_object_new_array();
	const struct tw_event *event;

	for (size_t back = 0; (event = recent_get(model_recent(e->model), back)) &&
			      json_object_array_length(rows) < EVIDENCE_TRANSITIONS;
	     back++)
		if (concerns(e, event))
			json_object_array_add(rows, transition(e, event));
	return rows;
}

/* Of the target's namespace; where there are several, of that of the oldest connection. */
static struct json_object *sysctls_of(const struct evidence *e, uint32_t wanted)
{
	const struct netns_table *t = model_netns(e->model);
	struct json_object *rows = json_object_new_array();
	int index = e->aim.netns ? netns_find(t, e->aim.netns) : e->count ? e->found[0]->netns : -1;
	const struct tw_limits *l;

	if (index < 0)
		return rows;
	l = &netns_at(t, (size_t)index)->limits;
	for (unsigned i = 0; i < TW_SYSCTL_COUNT; i++) {
		struct json_object *row;

		if (!(wanted & l->known & TW_SYSCTL_BIT(i)))
			continue;
		row = json_object_new_object();
		json_add_text(row, "name", labels_sysctl[i]);
		json_add_number(row, "value", l->values[i]);
		json_object_array_add(rows, row);
	}
	return rows;
}

static struct json_object *collect(struct evidence *e, const struct notice *notice,
				   const struct subject *subject)
{
	struct json_object *object = json_object_new_object();

	find(e);
	json_add_decimal(object, "count", 3, notice->value);
	json_add_decimal(object, "threshold", 3, notice->threshold);
	if (notice->limit > 0)
		json_add_decimal(object, "limit", 3, notice->limit);
	else
		json_add(object, "limit", NULL);
	json_add_number(object, "looked_at", e->walked);
	json_add_number(object, "found", e->count);
	json_add(object, "whole", json_object_new_boolean(e->whole));
	json_add(object, "ages", ages_of(e));
	add_leaders(object, "owners", "owners_other", e, key_of_owner, describe_owner);
	add_leaders(object, "remotes", "remotes_other", e, key_of_remote, describe_remote);
	add_leaders(object, "prefixes", "prefixes_other", e, key_of_prefix, describe_prefix);
	json_add(object, "transitions", transitions_of(e));
	json_add(object, "sysctls", sysctls_of(e, subject->sysctls));
	/* last: asking may move what was found */
	json_add(object, "recv_queue", queues_of(e));
	return object;
}

struct json_object *evidence_collect(struct model *m, const struct notice *notice,
				     const struct evidence_calls *calls, uint64_t now_ns)
{
	const struct subject *subject = subject_of(notice->source);
	_cleanup_free_ struct evidence *e = calloc(1, sizeof(*e));
	struct json_object *object;

	if (!e || !subject || leaders_new(&e->leaders) < 0)
		return NULL;
	e->model = m;
	e->calls = calls;
	e->now_ns = now_ns;
	take_aim(&e->aim, notice, subject);
	object = collect(e, notice, subject);
	leaders_free(e->leaders);
	return object;
}
