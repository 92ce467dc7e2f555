/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "base/util.h"
#include "serve/dimension.h"

#define ADDRESS_SIZE 16
/* Where a key has what is no part of its value. */
#define KIND_AT TW_COMM_SIZE   /* of a process: enum owner_kind */
#define FAMILY_AT ADDRESS_SIZE /* of an address: 4 or 6, 0 for none */
#define PREFIX_IPV4 24
#define PREFIX_IPV6 64

const char *const dimension_words[DIMENSION_COUNT] = {
#define X(name, word) [DIMENSION_##name] = word,
	DIMENSIONS(X)
#undef X
};

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

_Static_assert(RANK_KEY_SIZE > TW_COMM_SIZE && RANK_KEY_SIZE > ADDRESS_SIZE, "a key takes them");
_Static_assert(DIMENSION_NAME_SIZE >= UTF8_CLEAN_SIZE(TW_COMM_SIZE), "a name takes a comm");
_Static_assert(DIMENSION_NAME_SIZE >= INET6_ADDRSTRLEN + 4, "a name takes a prefix");

static struct rank_key key_of_number(uint32_t number)
{
	struct rank_key key = {0};

	memcpy(key.bytes, &number, sizeof(number));
	return key;
}

static uint32_t number_of(const struct rank_key *key)
{
	uint32_t number;

	memcpy(&number, key->bytes, sizeof(number));
	return number;
}

static struct rank_key key_of_process(const struct owner *owner)
{
	struct rank_key key = {0};

	memcpy(key.bytes, owner->comm, sizeof(owner->comm));
	key.bytes[KIND_AT] = owner->kind;
	return key;
}

static struct rank_key key_of_user(const struct owner *owner)
{
	return key_of_number(owner->uid);
}

static struct rank_key key_of_port(const struct connection *c)
{
	return key_of_number(c->sport);
}

/* What an IPv6 socket speaks to over IPv4 is the same peer. */
static struct rank_key key_of_remote(const struct connection *c)
{
	bool ipv6 = c->flags & CONNECTION_IPV6;
	bool mapped = ipv6 && !memcmp(c->daddr, mapped_prefix, sizeof(mapped_prefix));
	struct rank_key key = {0};

	if (!c->dport)
		return key; /* a listener's */
	if (mapped)
		memcpy(key.bytes, c->daddr + sizeof(mapped_prefix), 4);
	else
		memcpy(key.bytes, c->daddr, ipv6 ? ADDRESS_SIZE : 4);
	key.bytes[FAMILY_AT] = ipv6 && !mapped ? 6 : 4;
	return key;
}

static struct rank_key key_of_prefix(const struct connection *c)
{
	struct rank_key key = key_of_remote(c);
	size_t bytes = (key.bytes[FAMILY_AT] == 6 ? PREFIX_IPV6 : PREFIX_IPV4) / 8;

	memset(key.bytes + bytes, 0, ADDRESS_SIZE - bytes);
	return key;
}

static void name_process(const struct rank_key *key, char text[DIMENSION_NAME_SIZE])
{
	const char *comm = (const char *)key->bytes;

	if (*comm)
		utf8_clean(comm, strnlen(comm, TW_COMM_SIZE), text, DIMENSION_NAME_SIZE);
	else
		snprintf(text, DIMENSION_NAME_SIZE, "unknown");
}

static void name_user(const struct rank_key *key, char text[DIMENSION_NAME_SIZE])
{
	if (number_of(key) == UID_UNKNOWN)
		snprintf(text, DIMENSION_NAME_SIZE, "unknown");
	else
		snprintf(text, DIMENSION_NAME_SIZE, "%" PRIu32, number_of(key));
}

static void name_number(const struct rank_key *key, char text[DIMENSION_NAME_SIZE])
{
	if (number_of(key))
		snprintf(text, DIMENSION_NAME_SIZE, "%" PRIu32, number_of(key));
	else
		snprintf(text, DIMENSION_NAME_SIZE, "none");
}

static void name_remote(const struct rank_key *key, char text[DIMENSION_NAME_SIZE])
{
	if (key->bytes[FAMILY_AT])
		inet_ntop(key->bytes[FAMILY_AT] == 6 ? AF_INET6 : AF_INET, key->bytes, text,
			  DIMENSION_NAME_SIZE);
	else
		snprintf(text, DIMENSION_NAME_SIZE, "none");
}

static void name_prefix(const struct rank_key *key, char text[DIMENSION_NAME_SIZE])
{
	size_t length;

	name_remote(key, text);
	length = strlen(text);
	if (key->bytes[FAMILY_AT])
		snprintf(text + length, DIMENSION_NAME_SIZE - length, "/%d",
			 key->bytes[FAMILY_AT] == 6 ? PREFIX_IPV6 : PREFIX_IPV4);
}

static const struct {
	struct rank_key (*of_owner)(const struct owner *owner);
	struct rank_key (*of_connection)(const struct connection *c);
	void (*name)(const struct rank_key *key, char text[DIMENSION_NAME_SIZE]);
} rows[DIMENSION_COUNT] = {
	[DIMENSION_PROCESS] = {key_of_process, NULL, name_process},
	[DIMENSION_USER] = {key_of_user, NULL, name_user},
	[DIMENSION_PORT] = {NULL, key_of_port, name_number},
	[DIMENSION_REMOTE] = {NULL, key_of_remote, name_remote},
	[DIMENSION_PREFIX] = {NULL, key_of_prefix, name_prefix},
	[DIMENSION_NETNS] = {NULL, NULL, name_number},
};

bool dimension_is_counted(enum dimension d)
{
	return !rows[d].of_connection;
}

static void add_namespaces(const struct model *m, uint32_t states, struct rank *rank)
{
	const struct netns_table *namespaces = model_netns(m);

	for (size_t i = 0; i < netns_count(namespaces); i++) {
		const struct netns *n = netns_at(namespaces, i);
		struct rank_key key = key_of_number(n->inum);

		for (unsigned s = TW_STATE_FIRST; s <= TW_STATE_LAST && n->inum; s++)
			if (states & TW_STATE_BIT(s))
				rank_add(rank, &key, s, netns_connections(n, s), UINT64_MAX);
	}
}

static void add_owner(enum dimension d, const struct owners *owners, uint32_t index,
		      uint32_t states, struct rank *rank)
{
	const struct owner *owner = owners_get(owners, index);
	struct rank_key key = rows[d].of_owner(owner);
	uint32_t sum = 0;

	for (unsigned s = TW_STATE_FIRST; s <= TW_STATE_LAST; s++) {
		uint32_t count = owners_connections(owners, index, s);

		if (count && states & TW_STATE_BIT(s))
			rank_add(rank, &key, s, count, UINT64_MAX);
		sum += states & TW_STATE_BIT(s) ? count : 0;
	}
	if (sum && owner->pid)
		rank_add_member(rank, &key);
}

void dimension_add_counted(enum dimension d, const struct model *m, uint32_t states,
			   struct rank *rank)
{
	const struct owners *owners = model_owners(m);

	if (!rows[d].of_owner) {
		add_namespaces(m, states, rank);
		return;
	}
	for (uint32_t i = 0; i < owners_end(owners); i++)
		if (owners_used(owners, i))
			add_owner(d, owners, i, states, rank);
}

void dimension_add(enum dimension d, const struct connection *c, struct rank *rank)
{
	struct rank_key key = rows[d].of_connection(c);

	rank_add(rank, &key, c->state, 1, c->entered_ns);
}

void dimension_name(enum dimension d, const struct rank_key *key, char text[DIMENSION_NAME_SIZE])
{
	rows[d].name(key, text);
}

int dimension_kind(enum dimension d, const struct rank_key *key)
{
	return d == DIMENSION_PROCESS ? key->bytes[KIND_AT] : -1;
}
