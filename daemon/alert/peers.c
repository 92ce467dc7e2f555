/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/peers.h"
#include "base/secret.h"

#include <string.h>
#include <sys/socket.h>

#define SLOTS ((size_t)2 * PEERS_MAX) /* a power of two */

/* Open addressing; 0: free. Two peers with the same hash are taken for one, which nobody can bring
 * about. */
struct seen {
	struct secret secret;
	uint64_t hashes[SLOTS];
};

static uint64_t hash_of(const struct seen *seen, const struct connection *c)
{
	uint64_t words[3] = {[2] = c->dport}, hash;

	memcpy(words, c->daddr, sizeof(c->daddr));
	hash = secret_hash(&seen->secret, words, 3);
	return hash ? hash : 1;
}

static void note(struct seen *seen, const struct connection *c, struct peers *p)
{
	uint64_t hash = hash_of(seen, c);
	size_t i = hash & (SLOTS - 1);

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
	secret_init(&seen.secret);
	table_cursor_open(model_table(m), TW_STATE_BIT(state), &cursor);
	for (unsigned i = 0; i < PEERS_WALK_MAX && (c = table_cursor_next(&cursor)); i++)
		if (owners_get(model_owners(m), c->owner)->pid == pid)
			note(&seen, c, ret);
	table_cursor_close(&cursor);
}
