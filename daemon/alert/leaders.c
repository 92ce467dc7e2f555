/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/leaders.h"
#include "base/secret.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct leaders {
	struct secret secret; /* the keys may be peers' addresses */
	struct leader slots[LEADERS_SLOTS];
	size_t things, keys;
};

int leaders_new(struct leaders **ret)
{
	struct leaders *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	secret_init(&l->secret);
	*ret = l;
	return 0;
}

struct leaders *leaders_free(struct leaders *l)
{
	free(l);
	return NULL;
}

void leaders_clear(struct leaders *l)
{
	memset(l->slots, 0, sizeof(l->slots));
	l->things = l->keys = 0;
}

void leaders_add(struct leaders *l, const uint64_t key[2])
{
	size_t at = secret_hash(&l->secret, key, 2) % LEADERS_SLOTS;

	if (l->things == LEADERS_MAX)
		return;
	l->things++;
	while (l->slots[at].count &&
	       (l->slots[at].key[0] != key[0] || l->slots[at].key[1] != key[1]))
		at = (at + 1) % LEADERS_SLOTS;
	if (!l->slots[at].count++) {
		l->keys++;
		memcpy(l->slots[at].key, key, sizeof(l->slots[at].key));
	}
}

static bool comes_before(const struct leader *a, const struct leader *b)
{
	if (a->count != b->count)
		return a->count > b->count;
	return a->key[0] != b->key[0] ? a->key[0] < b->key[0] : a->key[1] < b->key[1];
}

size_t leaders_top(const struct leaders *l, size_t most, struct leader *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < LEADERS_SLOTS; i++) {
		const struct leader *slot = &l->slots[i];
		size_t at = count;

		if (!slot->count || (count == most && !comes_before(slot, &ret[most - 1])))
			continue;
		if (count < most)
			count++;
		else
			at--;
		for (; at > 0 && comes_before(slot, &ret[at - 1]); at--)
			ret[at] = ret[at - 1];
		ret[at] = *slot;
	}
	return count;
}

size_t leaders_keys(const struct leaders *l)
{
	return l->keys;
}
