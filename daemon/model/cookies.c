/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/cookies.h"

#define FIRST 128U /* slots; a power of two */

void cookies_free(struct cookies *c)
{
	free(c->slots);
	*c = (struct cookies){0};
}

void cookies_clear(struct cookies *c)
{
	if (c->count)
		memset(c->slots, 0, c->allocated * sizeof(*c->slots));
	c->count = 0;
}

/* Where it is, or the free slot where it would be. Consecutive cookies are spread over the slots,
 * as those of listeners that were made together are (Fibonacci hashing). */
static uint64_t *slot_of(const struct cookies *c, uint64_t cookie)
{
	size_t i = (size_t)(cookie * UINT64_C(0x9e3779b97f4a7c15) >> 32);

	for (;; i++) {
		uint64_t *slot = &c->slots[i & (c->allocated - 1)];

		if (!*slot || *slot == cookie)
			return slot;
	}
}

static int grow(struct cookies *c)
{
	struct cookies larger = {.count = c->count,
				 .allocated = c->allocated ? 2 * c->allocated : FIRST};

	larger.slots = calloc(larger.allocated, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < c->allocated; i++)
		if (c->slots[i])
			*slot_of(&larger, c->slots[i]) = c->slots[i];
	free(c->slots);
	*c = larger;
	return 0;
}

int cookies_add(struct cookies *c, uint64_t cookie)
{
	uint64_t *slot;

	if (!cookie)
		return -EINVAL;
	if (2 * c->count >= c->allocated && grow(c) < 0)
		return -ENOMEM;
	slot = slot_of(c, cookie);
	if (*slot)
		return -EEXIST;
	*slot = cookie;
	c->count++;
	return 0;
}

bool cookies_have(const struct cookies *c, uint64_t cookie)
{
	return c->count && cookie && *slot_of(c, cookie);
}
