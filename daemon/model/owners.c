/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model/owners.h"

#define SLOTS_MIN 256U
#define NONE UINT32_MAX
/* Owners in use from which on a new one is kept without its pid. */
#define PIDS_OF_KERNEL_MAX (OWNERS_MAX / 4)
#define PIDS_MAX (OWNERS_MAX / 2)
/* From there on: a user's without a pid, before a new one of his is kept by its uid and kind alone;
 * and before it is not kept, as who has a range of uids may have many of these. */
#define OF_A_USER_MAX (OWNERS_MAX / 8)
#define UIDS_OF_A_USER_MAX (OF_A_USER_MAX + OWNERS_MAX / 64)

struct slot {
	struct owner owner;
	uint32_t references; /* 0: free */
	uint32_t chain;      /* the next in its chain, or among the free */
	uint32_t nofile;
	uint32_t user; /* index, of those without a pid */
	uint32_t connections[TW_STATE_SLOTS];
};

struct owners {
	struct slot *slots; /* the first is OWNER_UNKNOWN's, in no chain */
	uint32_t *chains;   /* as many as slots: a power of two */
	uint32_t slot_count;
	uint32_t used;       /* those that are not free */
	struct users *users; /* of those without a pid */
	uint64_t changes;
	uint32_t free;
};

const char *const owner_kind_labels[OWNER_KINDS_COUNT] = {
#define X(name, label) [OWNER_KIND_##name] = label,
	OWNER_KINDS(X)
#undef X
};

bool owner_equal(const struct owner *a, const struct owner *b)
{
	return a->cgroup == b->cgroup && a->uid == b->uid && a->pid == b->pid &&
	       a->kind == b->kind && a->executable == b->executable &&
	       !memcmp(a->comm, b->comm, sizeof(a->comm));
}

void owner_set_comm(struct owner *owner, const char comm[TW_COMM_SIZE])
{
	memset(owner->comm, 0, sizeof(owner->comm));
	memcpy(owner->comm, comm, strnlen(comm, sizeof(owner->comm) - 1));
}

void owner_complete(struct owner *owner, const struct owner *other)
{
	if (!owner->cgroup)
		owner->cgroup = other->cgroup;
	if (owner->uid == UID_UNKNOWN)
		owner->uid = other->uid;
	if (owner->pid || owner->comm[0])
		return;
	owner->pid = other->pid;
	memcpy(owner->comm, other->comm, sizeof(owner->comm));
	owner->executable = other->executable;
}

static uint32_t *chain_of(const struct owners *o, const struct owner *owner)
{
	uint64_t hash = owner->cgroup, words[2];

	memcpy(words, owner->comm, sizeof(words));
	hash ^= (uint64_t)owner->uid << 32 | owner->pid;
	hash = (hash + owner->kind + ((uint64_t)owner->executable << 8)) *
	       UINT64_C(0xff51afd7ed558ccd);
	hash = (hash ^ hash >> 32 ^ words[0]) * UINT64_C(0xc4ceb9fe1a85ec53);
	hash = (hash ^ hash >> 32 ^ words[1]) * UINT64_C(0xff51afd7ed558ccd);
	return &o->chains[hash >> 32 & (o->slot_count - 1)];
}

static int grow(struct owners *o, uint32_t count)
{
	struct slot *slots = realloc(o->slots, count * sizeof(*slots));
	uint32_t *chains;

	if (!slots)
		return -ENOMEM;
	o->slots = slots;
	chains = malloc(count * sizeof(*chains));
	if (!chains)
		return -ENOMEM;
	memset(slots + o->slot_count, 0, (count - o->slot_count) * sizeof(*slots));
	memset(chains, 0xff, count * sizeof(*chains));
	free(o->chains);
	o->chains = chains;
	o->slot_count = count;
	o->free = NONE;
	for (uint32_t i = count - 1; i > OWNER_UNKNOWN; i--) {
		uint32_t *link = slots[i].references ? chain_of(o, &slots[i].owner) : &o->free;

		slots[i].chain = *link;
		*link = i;
	}
	return 0;
}

int owners_new(struct owners **ret)
{
	struct owners *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	if (users_new(&o->users) < 0 || grow(o, SLOTS_MIN) < 0) {
		owners_free(o);
		return -ENOMEM;
	}
	o->slots[OWNER_UNKNOWN].owner.uid = UID_UNKNOWN;
	*ret = o;
	return 0;
}

struct owners *owners_free(struct owners *o)
{
	if (!o)
		return NULL;
	free(o->slots);
	free(o->chains);
	users_free(o->users);
	free(o);
	return NULL;
}

static uint32_t find(const struct owners *o, const struct owner *owner)
{
	uint32_t index = *chain_of(o, owner);

	while (index != NONE && !owner_equal(&o->slots[index].owner, owner))
		index = o->slots[index].chain;
	return index;
}

static uint32_t add(struct owners *o, const struct owner *owner)
{
	uint32_t index;

	if (o->free == NONE && (o->slot_count * 2 > OWNERS_MAX || grow(o, o->slot_count * 2) < 0))
		return OWNER_UNKNOWN;
	index = o->free;
	o->free = o->slots[index].chain;
	o->slots[index] = (struct slot){.owner = *owner, .chain = *chain_of(o, owner)};
	if (!owner->pid)
		o->slots[index].user = users_take(o->users, owner->uid);
	*chain_of(o, owner) = index;
	o->used++;
	o->changes++;
	return index;
}

static bool too_many_for_pid(const struct owners *o, const struct owner *owner)
{
	return o->used >= (owner->kind == OWNER_KIND_KERNEL ? PIDS_OF_KERNEL_MAX : PIDS_MAX);
}

static bool user_has(const struct owners *o, const struct owner *owner, uint32_t count)
{
	return o->used >= PIDS_MAX &&
	       users_count(o->users, users_find(o->users, owner->uid)) >= count;
}

uint32_t owners_take(struct owners *o, const struct owner *owner)
{
	const struct owner nameless = {.uid = owner->uid, .kind = owner->kind};
	struct owner without_pid = *owner;
	uint32_t index;

	if (owner_equal(owner, &o->slots[OWNER_UNKNOWN].owner))
		return OWNER_UNKNOWN;
	index = find(o, owner);
	if (index == NONE && owner->pid && too_many_for_pid(o, owner)) {
		without_pid.pid = 0;
		return owners_take(o, &without_pid);
	}
	if (index == NONE && user_has(o, owner, OF_A_USER_MAX) && !owner_equal(owner, &nameless))
		return owners_take(o, &nameless);
	if (index == NONE)
		index = user_has(o, owner, UIDS_OF_A_USER_MAX) ? OWNER_UNKNOWN : add(o, owner);
	if (index != OWNER_UNKNOWN)
		o->slots[index].references++;
	return index;
}

void owners_drop(struct owners *o, uint32_t index)
{
	uint32_t *link;

	if (index == OWNER_UNKNOWN || --o->slots[index].references)
		return;
	link = chain_of(o, &o->slots[index].owner);
	while (*link != index)
		link = &o->slots[*link].chain;
	*link = o->slots[index].chain;
	o->slots[index].chain = o->free;
	o->free = index;
	if (!o->slots[index].owner.pid)
		users_drop(o->users, o->slots[index].user);
	o->used--;
	o->changes++;
}

const struct owner *owners_get(const struct owners *o, uint32_t index)
{
	return &o->slots[index].owner;
}

void owners_count(struct owners *o, uint32_t index, unsigned state, int32_t by)
{
	o->slots[index].connections[state] += (uint32_t)by;
}

uint32_t owners_connections(const struct owners *o, uint32_t index, unsigned state)
{
	return o->slots[index].connections[state];
}

void owners_set_nofile(struct owners *o, uint32_t index, uint32_t nofile)
{
	if (index != OWNER_UNKNOWN)
		o->slots[index].nofile = nofile;
}

uint32_t owners_nofile(const struct owners *o, uint32_t index)
{
	return o->slots[index].nofile;
}

uint32_t owners_end(const struct owners *o)
{
	return o->slot_count;
}

bool owners_used(const struct owners *o, uint32_t index)
{
	return index == OWNER_UNKNOWN || o->slots[index].references;
}

uint64_t owners_changes(const struct owners *o)
{
	return o->changes;
}
