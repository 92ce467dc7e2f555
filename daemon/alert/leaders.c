/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/leaders.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct leaders {
	struct leader slots[LEADERS_SLOTS];
	size_t things, keys;
};

int leaders_new(struct leaders **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

struct leaders *leaders_free(struct leaders *l)
{
	free(l);
	return NULL;
}

void leaders_clear(struct leaders *l)
{
	memset(l, 0, sizeof(*l));
}

/* Multiplicative hashing by the golden ratio, of either half. */
static size_t slot_of(const uint64_t key[2])
{
	uint64_t hash = (key[0] * UINT64_C(0x9e3779b97f4a7c15)) ^ key[1];

	return (size_t)(hash * UINT64_C(0x9e3779b97f4a7c15) >> 32) % LEADERS_SLOTS;
}

void leaders_add(struct leaders *l, const uint64_t key[2])
{
	size_t at = slot_of(key);

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

size_t leaders_top(const struct leaders *l, size_t most, struct leader *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < LEADERS_SLOTS; i++) {
		const struct leader *slot = &l->slots[i];
		size_t at = count;

		if (!slot->count || (count == most && slot->count <= ret[most - 1].count))
			continue;
		if (count < most)
			count++;
		else
			at--;
		for (; at > 0 && ret[at - 1].count < slot->count; at--)
			ret[at] = ret[at - 1];
		ret[at] = *slot;
	}
	return count;
}

size_t leaders_keys(const struct leaders *l)
{
	return l->keys;
}
