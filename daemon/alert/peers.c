/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/peers.h"

#include <string.h>
#include <sys/socket.h>

#define SLOTS ((size_t)2 * PEERS_MAX) /* a power of two */

/* Open addressing; 0: free. */
struct seen {
	uint64_t hashes[SLOTS];
};

static uint64_t hash_of(const struct connection *c)
{
	uint64_t words[2], hash;

	memcpy(words, c->daddr, sizeof(words));
	hash = (words[0] * UINT64_C(0x9e3779b97f4a7c15) ^ words[1] ^ c->dport) *
	       UINT64_C(0xd6e8feb86659fd93);
	return hash ? hash : 1;
}

static void note(struct seen *seen, const struct connection *c, struct peers *p)
{
	uint64_t hash = hash_of(c);
	size_t i = hash >> 40 & (SLOTS - 1);

	while (seen->hashes[i] && seen->hashes[i] != hash)
		i = (i + 1) & (SLOTS - 1);
	if (seen->hashes[i])
		return;
	if (p->count == PEERS_MAX) {
		p->more = true;
		return;
	}
	seen->hashes[i] = hash;
	if (p->count++)
		return;
	p->first.port = c->dport;
	p->first.family = c->flags & CONNECTION_IPV6 ? AF_INET6 : AF_INET;
	memcpy(p->first.address, c->daddr, sizeof(p->first.address));
}

void peers_of(struct model *m, unsigned state, uint64_t pid, struct peers *ret)
{
	struct seen seen = {0};
	struct table_cursor cursor;
	struct connection *c;

	*ret = (struct peers){0};
	table_cursor_open(model_table(m), TW_STATE_BIT(state), &cursor);
	for (unsigned i = 0; i < PEERS_WALK_MAX && (c = table_cursor_next(&cursor)); i++)
		if (owners_get(model_owners(m), c->owner)->pid == pid)
			note(&seen, c, ret);
	table_cursor_close(&cursor);
}
