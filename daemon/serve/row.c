/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "serve/json.h"
#include "serve/row.h"

#define NUMBER_SIZE 21  /* 2^64 and a NUL */
#define OWNERS_KEPT 32U /* a power of two */

/* Texts of owners, each at the place that its index has modulo the size. */
struct cache {
	struct json_object *owners[OWNERS_KEPT];
	uint32_t indices[OWNERS_KEPT];
};

static const char *const state_labels[TW_STATE_SLOTS] = {
#define X(number, name, label) [number] = label,
	TW_TCP_STATES(X)
#undef X
};

static void clear(struct cache *cache)
{
	for (size_t i = 0; i < OWNERS_KEPT; i++)
		json_object_put(cache->owners[i]);
}

static void write_owner(struct text *t, struct cache *cache, const struct model *m, uint32_t index)
{
	struct json_object **owner = &cache->owners[index % OWNERS_KEPT];
	const char *json;
	size_t length;

	if (!*owner || cache->indices[index % OWNERS_KEPT] != index) {
		json_object_put(*owner);
		*owner = json_owner(m, index);
		cache->indices[index % OWNERS_KEPT] = index;
	}
	json = json_object_to_json_string_length(*owner, JSON_TEXT, &length);
	text_append(t, json, length);
}

static void write_age(struct text *t, const struct connection *c, uint64_t now_ns)
{
	uint64_t age_ns = now_ns > c->entered_ns ? now_ns - c->entered_ns : 0;
	uint64_t msec = (age_ns + NSEC_PER_MSEC / 2) / NSEC_PER_MSEC;

	text_printf(t, "\"age_seconds\":%" PRIu64 ".%03" PRIu64 ",\"age_exact\":%s,", msec / 1000,
		    msec % 1000, c->flags & CONNECTION_EXACT ? "true" : "false");
}

static void write_addresses(struct text *t, const struct connection *c)
{
	bool ipv6 = c->flags & CONNECTION_IPV6;
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];

	inet_ntop(ipv6 ? AF_INET6 : AF_INET, c->saddr, local, sizeof(local));
	inet_ntop(ipv6 ? AF_INET6 : AF_INET, c->daddr, remote, sizeof(remote));
	text_printf(t,
		    "\"family\":\"%s\",\"local\":\"%s\",\"local_port\":%u,\"remote\":\"%s\","
		    "\"remote_port\":%u,",
		    ipv6 ? "ipv6" : "ipv4", local, c->sport, remote, c->dport);
}

static const char *number_or_null(bool known, uint32_t number, char text[NUMBER_SIZE])
{
	if (!known)
		return "null";
	snprintf(text, NUMBER_SIZE, "%" PRIu32, number);
	return text;
}

static void write_one(struct text *t, struct cache *cache, const struct model *m,
		      const struct connection *c, const struct serve_queues *queues,
		      uint64_t now_ns)
{
	char receive[NUMBER_SIZE], send[NUMBER_SIZE];

	text_printf(t, "{\"cookie\":%" PRIu64 ",\"netns\":%" PRIu32 ",\"state\":\"%s\",", c->cookie,
		    netns_at(model_netns(m), c->netns)->inum, state_labels[c->state]);
	write_age(t, c, now_ns);
	write_addresses(t, c);
	text_printf(t, "\"owner\":");
	write_owner(t, cache, m, c->owner);
	text_printf(t, ",\"recv_queue\":%s,\"send_queue\":%s}",
		    number_or_null(queues->known, queues->receive, receive),
		    number_or_null(queues->known, queues->send, send));
}

void row_write(struct text *t, const struct model *m, const struct connection *connections,
	       const struct serve_queues *queues, size_t count, uint64_t now_ns)
{
	struct cache cache = {0};

	for (size_t i = 0; i < count; i++) {
		if (i)
			text_append(t, "\n", 1);
		write_one(t, &cache, m, &connections[i], &queues[i], now_ns);
	}
	clear(&cache);
}
