/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "base/labels.h"
#include "base/utf8.h"
#include "base/util.h"
#include "serve/json.h"

struct json_object *json_age(uint64_t since_ns, uint64_t now_ns)
{
	uint64_t age_ns = now_ns > since_ns ? now_ns - since_ns : 0;

	return json_decimal(3, (double)age_ns / (double)NSEC_PER_SEC);
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

static void add_cgroup(struct json_object *object, const struct cgroup *cgroup)
{
	add_name(object, "unit", *cgroup->user_unit ? cgroup->user_unit : cgroup->unit);
	add_name(object, "slice", cgroup->slice);
	add_name(object, "container", cgroup->container);
	add_name(object, "cgroup", cgroup->path);
}

static struct json_object *owner_json(const struct model *m, const struct owner *owner, bool brief)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "kind", owner_kind_labels[owner->kind]);
	json_add_known(object, "pid", owner->pid);
	add_comm(object, owner->comm);
	if (!brief)
		add_name(object, "executable",
			 executables_path(model_executables(m), owner->executable));
	json_add(object, "uid",
		 owner->uid != UID_UNKNOWN ? json_object_new_uint64(owner->uid) : NULL);
	if (!brief)
		add_cgroup(object, cgroups_get(model_cgroups(m), owner->cgroup));
	return object;
}

struct json_object *json_owner(const struct model *m, uint32_t index, bool brief)
{
	return owner_json(m, owners_get(model_owners(m), index), brief);
}

struct json_object *json_listener(const struct model *m, const struct tw_listener *row)
{
	const struct listener_port *port = listeners_port(model_listeners(m), row->netns,
							  row->port);
	struct json_object *object = json_object_new_object();
	struct owner owner = listeners_owner(model_listeners(m), row);
	bool counted = port && port->counted;

	owner.pid = row->pid; /* one of several, too */
	owner_set_comm(&owner, row->comm);
	json_add_number(object, "netns", row->netns);
	add_address(object, "local", row->family == AF_INET6, row->saddr);
	json_add_number(object, "local_port", row->port);
	json_add_text(object, "family", row->family == AF_INET6 ? "ipv6" : "ipv4");
	json_add(object, "syn_queue", row->shared ? NULL : json_object_new_uint64(row->syn_queue));
	json_add_number(object, "accept_queue", row->accept_queue);
	json_add_number(object, "backlog", row->backlog);
	json_add(object, "syn_received_total", counted ? json_object_new_uint64(port->syns) : NULL);
	json_add(object, "syn_rate", counted ? json_decimal(3, port->syn_rate) : NULL);
	json_add_decimal(object, "cookies_sent_rate", 3,
			 netns_cookies_rate(model_netns(m), row->netns));
	json_add_known(object, "holders", row->holders);
	json_add(object, "owner", owner_json(m, &owner, false));
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

struct json_object *json_states(const uint64_t counts[TW_STATE_SLOTS])
{
	struct json_object *states = json_object_new_object();

	TW_FOR_EACH_STATE(state)
		json_add_number(states, labels_state[state], counts[state]);
	return states;
}

static struct json_object *top_row(enum dimension by, const char *key, int kind,
				   const char *executable, const struct rank_row *row, uint64_t of,
				   uint64_t now_ns)
{
	struct json_object *object = json_object_new_object();
	bool dated = row->oldest_ns != UINT64_MAX;

	json_add_text(object, "by", dimension_words[by]);
	json_add_text(object, "key", key);
	json_add(object, "kind", kind < 0 ? NULL : json_object_new_string(owner_kind_labels[kind]));
	json_add_number(object, "connections", row->connections);
	json_add_decimal(object, "share", 4, of ? (double)row->connections / (double)of : 0);
	json_add(object, "oldest_seconds", dated ? json_age(row->oldest_ns, now_ns) : NULL);
	json_add(object, "states", json_states(row->states));
	add_name(object, "executable", executable);
	return object;
}

struct json_object *json_top(enum dimension by, const char *name, const char *executable,
			     const struct rank_row *row, uint64_t of, uint64_t now_ns)
{
	struct json_object *object = top_row(by, name, dimension_kind(by, &row->key), executable,
					     row, of, now_ns);

	json_add_known(object, "processes", row->members);
	return object;
}

struct json_object *json_top_others(enum dimension by, const struct rank *rank, uint64_t of,
				    uint64_t now_ns)
{
	const struct rank_row *others = rank_others(rank);
	struct json_object *object = top_row(by, "other", -1, "", others, of, now_ns);

	json_add(object, "processes", NULL);
	json_add_number(object, "keys", others->members);
	json_add(object, "keys_all", json_object_new_boolean(!rank_overflowed(rank)));
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
