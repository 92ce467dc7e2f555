/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "model/users.h"

/* Where the ranges of subordinate uids begin and how long each is, if nobody says otherwise:
 * SUB_UID_MIN and SUB_UID_COUNT in login.defs(5). */
#define SUBORDINATE_MIN 100000U
#define SUBORDINATE_COUNT 65536U

struct user {
	uint32_t key;
	uint32_t count; /* 0: free, but for USER_UNKNOWN */
	uint16_t chain; /* the next in its chain, or among the free; USER_UNKNOWN: none */
};

struct users {
	struct user users[USERS_MAX];
	uint16_t chains[USERS_MAX];
	uint16_t free;
	uint32_t touched; /* those that were ever in use */
};

int users_new(struct users **ret)
{
	struct users *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->touched = USER_UNKNOWN + 1;
	*ret = u;
	return 0;
}

struct users *users_free(struct users *u)
{
	free(u);
	return NULL;
}

static uint32_t key_of(uint32_t uid)
{
	if (uid < SUBORDINATE_MIN)
		return uid;
	return SUBORDINATE_MIN + (uid - SUBORDINATE_MIN) / SUBORDINATE_COUNT;
}

static uint16_t *chain_of(struct users *u, uint32_t key)
{
	return &u->chains[key % USERS_MAX];
}

uint32_t users_find(const struct users *u, uint32_t uid)
{
	uint32_t key = key_of(uid);
	uint32_t index = uid == UID_UNKNOWN ? USER_UNKNOWN : u->chains[key % USERS_MAX];

	while (index != USER_UNKNOWN && u->users[index].key != key)
		index = u->users[index].chain;
	return index;
}

static uint16_t add(struct users *u, uint32_t key)
{
	uint16_t index = u->free;

	if (index)
		u->free = u->users[index].chain;
	else if (u->touched < USERS_MAX)
		index = (uint16_t)u->touched++;
	else
		return USER_UNKNOWN;
	u->users[index] = (struct user){.key = key, .chain = *chain_of(u, key)};
	*chain_of(u, key) = index;
	return index;
}

uint32_t users_take(struct users *u, uint32_t uid)
{
	uint32_t index = users_find(u, uid);

	if (index == USER_UNKNOWN && uid != UID_UNKNOWN)
		index = add(u, key_of(uid));
	u->users[index].count++;
	return index;
}

void users_drop(struct users *u, uint32_t index)
{
	struct user *user = &u->users[index];
	uint16_t *link;

	if (--user->count || index == USER_UNKNOWN)
		return;
	link = chain_of(u, user->key);
	while (*link != index)
		link = &u->users[*link].chain;
	*link = user->chain;
	user->chain = u->free;
	u->free = (uint16_t)index;
}

uint32_t users_count(const struct users *u, uint32_t index)
{
	return u->users[index].count;
}

uint32_t users_largest(const struct users *u)
{
	uint32_t largest = USER_UNKNOWN;

	for (uint32_t i = 0; i < u->touched; i++)
		if (u->users[i].count > u->users[largest].count)
			largest = i;
	return largest;
}
