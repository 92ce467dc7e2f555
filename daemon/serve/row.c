/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <string.h>

#include "base/labels.h"
#include "serve/json.h"
#include "serve/row.h"

#define OWNERS_KEPT 32U /* a power of two */

/* An owner as JSON, written once: the text lives in the object. */
struct owner_text {
	struct json_object *object; /* NULL: an empty place */
	const char *json;
	size_t length;
	uint32_t index;
};

/* Each owner at the place that its index has modulo the size. */
struct cache {
	struct owner_text owners[OWNERS_KEPT];
	bool brief;
};

static void clear(struct cache *cache)
{
	for (size_t i = 0; i < OWNERS_KEPT; i++)
		json_object_put(cache->owners[i].object);
}

static void write_owner(struct text *t, struct cache *cache, const struct model *m, uint32_t index)
{
	struct owner_text *owner = &cache->owners[index % OWNERS_KEPT];

	if (!owner->object || owner->index != index) {
		json_object_put(owner->object);
		owner->object = json_owner(m, index, cache->brief);
		owner->json = json_object_to_json_string_length(owner->object, JSON_TEXT,
								&owner->length);
		owner->index = index;
	}
	text_append(t, owner->json, owner->length);
}

static void write_age(struct text *t, const struct connection *c, uint64_t now_ns)
{
	uint64_t age_ns = now_ns > c->entered_ns ? now_ns - c->entered_ns : 0;
	uint64_t msec = (age_ns + NSEC_PER_MSEC / 2) / NSEC_PER_MSEC;
	unsigned part = (unsigned)(msec % 1000);
	char digits[] = {(char)('0' + part / 100), (char)('0' + part / 10 % 10),
			 (char)('0' + part % 10)};

	text_string(t, ",\"age_seconds\":");
	text_number(t, msec / 1000);
	text_append(t, ".", 1);
	text_append(t, digits, sizeof(digits));
	text_string(t, ",\"age_exact\":");
	text_string(t, c->flags & CONNECTION_EXACT ? "true" : "false");
}

/* As inet_ntop(3), which goes through printf(3) for each address. */
static void write_ipv4(struct text *t, const uint8_t address[static 4])
{
	for (int i = 0; i < 4; i++) {
		if (i)
			text_append(t, ".", 1);
		text_number(t, address[i]);
	}
}

static void write_ipv6(struct text *t, const uint8_t address[static 16])
{
	char name[INET6_ADDRSTRLEN];

	text_string(t, inet_ntop(AF_INET6, address, name, sizeof(name)));
}

static void write_addresses(struct text *t, const struct connection *c, bool brief)
{
	bool ipv6 = c->flags & CONNECTION_IPV6;
	void (*write_address)(struct text * t, const uint8_t *address) = ipv6 ? write_ipv6
									      : write_ipv4;

	if (!brief)
		text_string(t, ipv6 ? ",\"family\":\"ipv6\"" : ",\"family\":\"ipv4\"");
	text_string(t, ",\"local\":\"");
	write_address(t, c->saddr);
	text_string(t, "\",\"local_port\":");
	text_number(t, c->sport);
	text_string(t, ",\"remote\":\"");
	write_address(t, c->daddr);
	text_string(t, "\",\"remote_port\":");
	text_number(t, c->dport);
}

static void write_queue(struct text *t, bool known, uint32_t bytes)
{
	if (known)
		text_number(t, bytes);
	else
		text_string(t, "null");
}

static void write_one(struct text *t, struct cache *cache, const struct model *m,
		      const struct connection *c, const struct serve_queues *queues,
		      uint64_t now_ns)
{
	text_string(t, "{");
	if (!cache->brief) {
		text_string(t, "\"cookie\":");
		text_number(t, c->cookie);
		text_string(t, ",");
	}
	text_string(t, "\"netns\":");
	text_number(t, netns_at(model_netns(m), c->netns)->inum);
	text_string(t, ",\"state\":\"");
	text_string(t, labels_state[c->state]);
	text_string(t, "\"");
	write_age(t, c, now_ns);
	write_addresses(t, c, cache->brief);
	text_string(t, ",\"owner\":");
	write_owner(t, cache, m, c->owner);
	text_string(t, ",\"recv_queue\":");
	write_queue(t, queues->known, queues->receive);
	text_string(t, ",\"send_queue\":");
	write_queue(t, queues->known, queues->send);
	text_string(t, "}");
}

void row_write(struct text *t, const struct model *m, const struct connection *connections,
	       const struct serve_queues *queues, size_t count, uint64_t now_ns, bool brief)
{
	struct cache cache = {.brief = brief};

	for (size_t i = 0; i < count; i++) {
		if (i)
			text_append(t, "\n", 1);
		write_one(t, &cache, m, &connections[i], &queues[i], now_ns);
	}
	clear(&cache);
}
