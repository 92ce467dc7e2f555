/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/evidence.h"

#include <string.h>

#include "alert/aim.h"
#include "alert/leaders.h"
#include "alert/remote.h"
#include "base/json.h"
#include "base/labels.h"
#include "base/utf8.h"
#include "base/util.h"

#define FOUND_MAX LEADERS_MAX /* connections of the target that are looked at */
#define WALK_MAX 20000U       /* and of the others on the way to them */
#define NAME_MAX_BYTES 256    /* of the name of a unit, a container or a control group */

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

typedef void key_fn(const struct connection *c, uint64_t ret[2]);

static void key_of_remote(const struct connection *c, uint64_t ret[2])
{
	remote_key(c->flags & CONNECTION_IPV6, c->daddr, ret);
}

static void key_of_prefix(const struct connection *c, uint64_t ret[2])
{
	uint64_t remote[2];

	key_of_remote(c, remote);
	remote_prefix(remote, ret);
}

static void key_of_owner(const struct connection *c, uint64_t ret[2])
{
	ret[0] = c->owner;
	ret[1] = 0;
}

static void find(struct evidence *e)
{
	const struct connection *c = NULL;
	struct table_cursor cursor;

	table_cursor_open(model_table(e->model), e->aim.states, &cursor);
	while (e->walked < WALK_MAX && e->count < FOUND_MAX && (c = table_cursor_next(&cursor))) {
		e->walked++;
		if (!(c->flags & CONNECTION_GONE) && aim_hits(&e->aim, e->model, c))
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

static void add_remote(struct json_object *object, const char *key, const uint64_t remote[2])
{
	char text[REMOTE_TEXT_SIZE];

	remote_format(remote, text);
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
	add_remote(row, "remote", leader->key);
}

static void describe_prefix(const struct evidence *e, const struct leader *leader,
			    struct json_object *row)
{
	char text[REMOTE_TEXT_SIZE];

	(void)e;
	remote_format_prefix(leader->key, text);
	json_add_text(row, "prefix", text);
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
#define STATES_ENDED \
	(TW_STATE_BIT(TW_CLOSE_WAIT) | TW_STATE_BIT(TW_LAST_ACK) | TW_STATE_BIT(TW_CLOSING))

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
	add_remote(row, "remote", key);
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
		if (aim_hits_event(&e->aim, e->model, event))
			json_object_array_add(rows, transition(e, event));
	return rows;
}

/* Of the target's namespace; where there are several, of that of the oldest connection. */
static struct json_object *sysctls_of(const struct evidence *e)
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

		if (!(e->aim.sysctls & l->known & TW_SYSCTL_BIT(i)))
			continue;
		row = json_object_new_object();
		json_add_text(row, "name", labels_sysctl[i]);
		json_add_number(row, "value", l->values[i]);
		json_object_array_add(rows, row);
	}
	return rows;
}

static struct json_object *collect(struct evidence *e, const struct notice *notice)
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
	json_add(object, "sysctls", sysctls_of(e));
	/* last: asking may move what was found */
	json_add(object, "recv_queue", queues_of(e));
	return object;
}

struct json_object *evidence_collect(struct model *m, const struct notice *notice,
				     const struct evidence_calls *calls, uint64_t now_ns)
{
	_cleanup_free_ struct evidence *e = calloc(1, sizeof(*e));
	struct json_object *object;

	if (!e || !aim_take(notice, &e->aim) || leaders_new(&e->leaders) < 0)
		return NULL;
	e->model = m;
	e->calls = calls;
	e->now_ns = now_ns;
	object = collect(e, notice);
	leaders_free(e->leaders);
	return object;
}
