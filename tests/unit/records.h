/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records of an imagined kernel for the model's tests: of a socket that is described once, events
 * and rows. And what must be true of a model whatever it was told.
 */
#ifndef TESTS_RECORDS_H
#define TESTS_RECORDS_H

#include <string.h>
#include <sys/socket.h>

#include "model/model.h"

struct socket {
	uint64_t cookie;
	uint32_t netns;
	uint16_t sport, dport;
	uint8_t family; /* 0: AF_INET */
};

static inline uint8_t socket_family(const struct socket *s)
{
	return s->family ? s->family : AF_INET;
}

/* The host's address; all sockets are distinguished by their ports. */
static inline void socket_addresses(const struct socket *s, uint8_t saddr[16], uint8_t daddr[16])
{
	saddr[0] = daddr[0] = socket_family(s) == AF_INET ? 127 : 0;
	saddr[3] = daddr[3] = socket_family(s) == AF_INET ? 1 : 0;
	saddr[15] = daddr[15] = socket_family(s) == AF_INET ? 0 : 1;
}

static inline struct tw_event event_of(const struct socket *s, unsigned old_state,
				       unsigned new_state, uint64_t time_ns)
{
	struct tw_event e = {
		.time_ns = time_ns,
		.cookie = s->cookie,
		.netns = s->netns,
		.sport = s->sport,
		.dport = s->dport,
		.family = socket_family(s),
		.old_state = (uint8_t)old_state,
		.new_state = (uint8_t)new_state,
	};

	socket_addresses(s, e.saddr, e.daddr);
	return e;
}

static inline struct tw_socket row_of(const struct socket *s, unsigned state,
				      enum tw_socket_kind kind)
{
	struct tw_socket row = {
		.cookie = s->cookie,
		.netns = s->netns,
		.sport = s->sport,
		.dport = s->dport,
		.family = socket_family(s),
		.state = (uint8_t)state,
		.kind = (uint8_t)kind,
	};

	socket_addresses(s, row.saddr, row.daddr);
	return row;
}

static inline uint64_t netns_count_of(const struct model *m, uint32_t inum, unsigned state,
				      enum netns_family family)
{
	int index = netns_find(model_netns(m), inum);
	const struct netns *n;

	if (index < 0)
		return 0;
	n = netns_at(model_netns(m), (size_t)index);
	return (uint64_t)((int64_t)n->tracked[state][family] + n->untracked[state][family]);
}

/* What walking the table finds in one namespace. */
struct found {
	uint32_t tracked[TW_STATE_SLOTS][NETNS_FAMILIES];
	uint32_t requests, minis;
};

static inline bool model_find_all(struct model *m, size_t netns, struct found *ret)
{
	const uint8_t of_rounds = CONNECTION_SEEN | CONNECTION_GONE | CONNECTION_ARRIVAL |
				  CONNECTION_MET;
	const struct connection *c;
	struct table_cursor cursor;
	bool good = true;

	*ret = (struct found){0};
	table_cursor_open(model_table(m), TW_STATES_ALL, &cursor);
	while ((c = table_cursor_next(&cursor))) {
		good &= !(c->flags & of_rounds) && c->state != TW_CLOSE;
		if (c->netns != netns)
			continue;
		ret->tracked[c->state][c->flags & CONNECTION_IPV6 ? NETNS_IPV6 : NETNS_IPV4]++;
		ret->requests += !!(c->flags & CONNECTION_REQUEST);
		ret->minis += c->flags & CONNECTION_MINI && c->state == TW_FIN_WAIT2;
	}
	table_cursor_close(&cursor);
	return good;
}

/* Each owner has, in each state, the connections that refer to it. */
static inline bool model_owners_right(struct model *m)
{
	struct owners *owners = (struct owners *)model_owners(m);
	const struct connection *c;
	struct table_cursor cursor;
	bool right = true;

	table_cursor_open(model_table(m), TW_STATES_ALL, &cursor);
	while ((c = table_cursor_next(&cursor)))
		owners_count(owners, c->owner, c->state, -1);
	for (uint32_t i = 0; i < owners_end(owners); i++)
		for (unsigned state = 0; state < TW_STATE_SLOTS; state++)
			right &= !owners_connections(owners, i, state);
	table_cursor_close(&cursor);
	table_cursor_open(model_table(m), TW_STATES_ALL, &cursor);
	while ((c = table_cursor_next(&cursor)))
		owners_count(owners, c->owner, c->state, 1);
	table_cursor_close(&cursor);
	return right;
}

/* Between rounds: the counts are those of the table, and nothing of the last round is left in it.
 */
static inline bool model_consistent(struct model *m)
{
	const struct netns_table *t = model_netns(m);
	struct found found;

	for (size_t i = 0; i < netns_count(t); i++) {
		const struct netns *n = netns_at(t, i);

		if (!model_find_all(m, i, &found) ||
		    found.requests != n->requests[NETNS_IPV4] + n->requests[NETNS_IPV6] ||
		    found.minis != n->minis ||
		    memcmp(found.tracked, n->tracked, sizeof(found.tracked)) != 0)
			return false;
	}
	return model_owners_right(m);
}

#endif
