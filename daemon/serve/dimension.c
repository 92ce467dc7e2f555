/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "base/util.h"
#include "model/unit_name.h"
#include "serve/dimension.h"

#define ADDRESS_SIZE 16
/* Where a key has what is no part of its value. */
#define KIND_AT 16       /* of a name: enum owner_kind */
#define EXECUTABLE_AT 17 /* of a name: 2 bytes */
#define FAMILY_AT 16     /* of an address: 4 or 6, 0 for none */
#define PREFIX_IPV4 24
#define PREFIX_IPV6 64

const char *const dimension_words[DIMENSION_COUNT] = {
#define X(name, word) [DIMENSION_##name] = word,
	DIMENSIONS(X)
#undef X
};

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

_Static_assert(RANK_KEY_SIZE > KIND_AT && RANK_KEY_SIZE > FAMILY_AT, "a key takes them");
_Static_assert(RANK_KEY_SIZE >= EXECUTABLE_AT + sizeof(uint16_t), "and the number of a file");
_Static_assert(EXECUTABLES_MAX <= UINT16_MAX + 1U, "which has so many bytes");
_Static_assert(DIMENSION_NAME_SIZE >= UTF8_CLEAN_SIZE(TW_COMM_SIZE), "a name takes a comm");
_Static_assert(DIMENSION_NAME_SIZE >= UTF8_CLEAN_SIZE(TW_COMM_SIZE) + 2, "and brackets");
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

static void clean_comm(const char comm[TW_COMM_SIZE], char text[DIMENSION_NAME_SIZE])
{
	if (*comm)
		utf8_clean(comm, strnlen(comm, TW_COMM_SIZE), text, DIMENSION_NAME_SIZE);
	else
		snprintf(text, DIMENSION_NAME_SIZE, "unknown");
}

/* Anybody names his processes: none is to look like a label, or like one in brackets. */
static bool looks_like_a_label(const char *name)
{
	return strchr(name, '/') || *name == '[' || unit_name_has_type(name, strlen(name));
}

void dimension_unit(const struct cgroup *g, const char comm[TW_COMM_SIZE],
		    char text[DIMENSION_NAME_SIZE])
{
	const char *label = cgroup_label(g);
	size_t length;

	if (*label) {
		utf8_clean(label, strlen(label), text, DIMENSION_NAME_SIZE);
		return;
	}
	clean_comm(comm, text);
	if (!looks_like_a_label(text))
		return;
	length = strlen(text);
	memmove(text + 1, text, length);
	text[0] = '[';
	memcpy(text + length + 1, "]", 2);
}

static void name_process(const struct model *m, const struct owner *owner,
			 char text[DIMENSION_NAME_SIZE])
{
	(void)m;
	clean_comm(owner->comm, text);
}

static void name_unit(const struct model *m, const struct owner *owner,
		      char text[DIMENSION_NAME_SIZE])
{
	dimension_unit(cgroups_get(model_cgroups(m), owner->cgroup), owner->comm, text);
}

static void name_user(const struct model *m, const struct owner *owner,
		      char text[DIMENSION_NAME_SIZE])
{
	(void)m;
	if (owner->uid == UID_UNKNOWN)
		snprintf(text, DIMENSION_NAME_SIZE, "unknown");
	else
		snprintf(text, DIMENSION_NAME_SIZE, "%" PRIu32, owner->uid);
}

/* FNV-1a, twice, with another start. */
static struct rank_key key_of_name(const char *name)
{
	uint64_t hashes[2] = {UINT64_C(0xcbf29ce484222325), UINT64_C(0x9e3779b97f4a7c15)};
	struct rank_key key = {0};

	for (; *name; name++)
		for (size_t i = 0; i < 2; i++)
			hashes[i] = (hashes[i] ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
	memcpy(key.bytes, hashes, sizeof(hashes));
	return key;
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
	void (*owner)(const struct model *m, const struct owner *owner,
		      char text[DIMENSION_NAME_SIZE]);
	struct rank_key (*of_connection)(const struct connection *c);
	void (*key)(const struct rank_key *key, char text[DIMENSION_NAME_SIZE]);
	bool kinds;       /* owners of different kinds are told apart */
	bool executables; /* so are those that run different files */
} rows[DIMENSION_COUNT] = {
	[DIMENSION_UNIT] = {.owner = name_unit, .kinds = true},
	[DIMENSION_PROCESS] = {.owner = name_process, .kinds = true, .executables = true},
	[DIMENSION_USER] = {.owner = name_user},
	[DIMENSION_PORT] = {.of_connection = key_of_port, .key = name_number},
	[DIMENSION_REMOTE] = {.of_connection = key_of_remote, .key = name_remote},
	[DIMENSION_PREFIX] = {.of_connection = key_of_prefix, .key = name_prefix},
	[DIMENSION_NETNS] = {.key = name_number},
};

bool dimension_is_counted(enum dimension d)
{
	return !rows[d].of_connection;
}

uint32_t dimension_parts(enum dimension d, const struct model *m)
{
	return rows[d].owner ? owners_end(model_owners(m)) : (uint32_t)netns_count(model_netns(m));
}

uint32_t dimension_part(enum dimension d, const struct connection *c)
{
	return rows[d].owner ? c->owner : c->netns;
}

static void add_namespaces(const struct model *m, uint32_t states, const uint64_t *oldest_ns,
			   struct rank *rank)
{
	const struct netns_table *namespaces = model_netns(m);

	for (size_t i = 0; i < netns_count(namespaces); i++) {
		const struct netns *n = netns_at(namespaces, i);
		struct rank_key key = key_of_number(n->inum);

		for (unsigned s = TW_STATE_FIRST; s <= TW_STATE_LAST && n->inum; s++)
			if (states & TW_STATE_BIT(s))
				rank_add(rank, &key, s, netns_connections(n, s),
					 oldest_ns ? oldest_ns[i] : UINT64_MAX);
	}
}

static void add_owner(enum dimension d, const struct model *m, uint32_t index, uint32_t states,
		      uint64_t oldest_ns, struct rank *rank)
{
	const struct owner *owner = owners_get(model_owners(m), index);
	uint16_t executable = (uint16_t)owner->executable;
	char name[DIMENSION_NAME_SIZE];
	struct rank_key key;

	rows[d].owner(m, owner, name);
	key = key_of_name(name);
	key.bytes[KIND_AT] = rows[d].kinds ? owner->kind : 0;
	if (rows[d].executables)
		memcpy(&key.bytes[EXECUTABLE_AT], &executable, sizeof(executable));
	rank_add_members(rank, &key, owner->pid != 0, index);
	TW_FOR_EACH_STATE(s)
		if (states & TW_STATE_BIT(s))
			rank_add(rank, &key, s, owners_connections(model_owners(m), index, s),
				 oldest_ns);
}

static bool has_any(const struct owners *owners, uint32_t index, uint32_t states)
{
	TW_FOR_EACH_STATE(s)
		if (states & TW_STATE_BIT(s) && owners_connections(owners, index, s))
			return true;
	return false;
}

void dimension_add_counted(enum dimension d, const struct model *m, uint32_t states,
			   const uint64_t *oldest_ns, struct rank *rank)
{
	const struct owners *owners = model_owners(m);

	if (!rows[d].owner) {
		add_namespaces(m, states, oldest_ns, rank);
		return;
	}
	for (uint32_t i = 0; i < owners_end(owners); i++)
		if (has_any(owners, i, states))
			add_owner(d, m, i, states, oldest_ns ? oldest_ns[i] : UINT64_MAX, rank);
}

void dimension_add(enum dimension d, const struct connection *c, struct rank *rank)
{
	struct rank_key key = rows[d].of_connection(c);

	rank_add(rank, &key, c->state, 1, c->entered_ns);
}

void dimension_name(enum dimension d, const struct model *m, const struct rank_row *row,
		    char text[DIMENSION_NAME_SIZE])
{
	if (rows[d].owner)
		rows[d].owner(m, owners_get(model_owners(m), row->tag), text);
	else
		rows[d].key(&row->key, text);
}

int dimension_kind(enum dimension d, const struct rank_key *key)
{
	return rows[d].kinds ? key->bytes[KIND_AT] : -1;
}

uint32_t dimension_executable(enum dimension d, const struct rank_key *key)
{
	uint16_t executable = EXECUTABLE_UNKNOWN;

	if (rows[d].executables)
		memcpy(&executable, &key->bytes[EXECUTABLE_AT], sizeof(executable));
	return executable;
}
