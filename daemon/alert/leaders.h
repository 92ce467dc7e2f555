/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts things by a key of 16 bytes, and names those that there are most of. Exact, for up to
 * LEADERS_MAX things.
 */
#ifndef ALERT_LEADERS_H
#define ALERT_LEADERS_H

#include <stddef.h>
#include <stdint.h>

#define LEADERS_MAX 10000U
#define LEADERS_SLOTS 16384U /* a power of two, so that there is always an empty one */

struct leader {
	uint64_t key[2];
	uint32_t count; /* 0: the slot is empty */
};

struct leaders; /* 0.4 MB */

int leaders_new(struct leaders **ret); /* 0, -ENOMEM */
struct leaders *leaders_free(struct leaders *l);
void leaders_clear(struct leaders *l);

/* After LEADERS_MAX of them it does nothing. */
void leaders_add(struct leaders *l, const uint64_t key[2]);
/* Fills ret with up to most, the greatest first, the lesser key first where they are equal; how
 * many. */
size_t leaders_top(const struct leaders *l, size_t most, struct leader *ret);
/* How many keys there are. */
size_t leaders_keys(const struct leaders *l);

#endif
