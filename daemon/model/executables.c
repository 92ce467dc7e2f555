/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/executables.h"

/*
 * Processes remembered, each in the set that its pid has modulo the number of sets: a pass meets
 * all that live, so the one to give way is the one that was met the longest ago.
 */
#define SETS 512U
#define SET_SIZE 8U

struct process {
	uint32_t pid; /* 0: nobody */
	uint32_t met; /* by the clock below */
	uint32_t number;
	char comm[TW_COMM_SIZE];
};

struct executables {
	char *paths[EXECUTABLES_MAX];     /* NULL: the number is free */
	uint16_t next[EXECUTABLES_MAX];   /* in its chain */
	uint16_t chains[EXECUTABLES_MAX]; /* by hash; 0: the end, as number 0 is in none */
	uint32_t count;                   /* in use */
	uint32_t last;                    /* that was given out */
	uint32_t clock;                   /* one for each process met; it may wrap around */
	struct process processes[SETS][SET_SIZE];
};

_Static_assert(EXECUTABLES_MAX <= UINT16_MAX, "a number has 16 bits");

int executables_new(struct executables **ret)
{
	struct executables *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	*ret = e;
	return 0;
}

struct executables *executables_free(struct executables *e)
{
	for (uint32_t i = 0; e && i < EXECUTABLES_MAX; i++)
		free(e->paths[i]);
	free(e);
	return NULL;
}

/* FNV-1a. */
static uint16_t *chain_of(struct executables *e, const char *path)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *path; path++)
		hash = (hash ^ (uint8_t)*path) * UINT64_C(0x100000001b3);
	return &e->chains[(hash ^ hash >> 32) % EXECUTABLES_MAX];
}

static uint32_t free_number(const struct executables *e)
{
	uint32_t number = e->last;

	do
		number = number + 1 < EXECUTABLES_MAX ? number + 1 : 1;
	while (e->paths[number]);
	return number;
}

static uint32_t add(struct executables *e, const char *path)
{
	uint16_t *chain = chain_of(e, path);
	uint32_t number;
	char *copy;

	if (e->count == EXECUTABLES_MAX - 1)
		return EXECUTABLE_UNKNOWN;
	copy = strdup(path);
	if (!copy)
		return EXECUTABLE_UNKNOWN;
	number = free_number(e);
	e->paths[number] = copy;
	e->next[number] = *chain;
	*chain = (uint16_t)number;
	e->count++;
	e->last = number;
	return number;
}

static uint32_t find_or_add(struct executables *e, const char *path)
{
	uint32_t number;

	if (!*path)
		return EXECUTABLE_UNKNOWN;
	number = *chain_of(e, path);
	while (number && strcmp(e->paths[number], path) != 0)
		number = e->next[number];
	return number ? number : add(e, path);
}

/* NULL: it is not remembered. */
static const struct process *find_process(const struct executables *e, uint32_t pid)
{
	const struct process *set = e->processes[pid % SETS];

	for (uint32_t i = 0; i < SET_SIZE; i++)
		if (set[i].pid == pid)
			return &set[i];
	return NULL;
}

static struct process *place_for(struct executables *e, uint32_t pid)
{
	struct process *set = e->processes[pid % SETS], *oldest = set;

	for (uint32_t i = 0; i < SET_SIZE; i++) {
		if (set[i].pid == pid || set[i].pid == 0)
			return &set[i];
		if (e->clock - set[i].met > e->clock - oldest->met)
			oldest = &set[i];
	}
	return oldest;
}

uint32_t executables_learn(struct executables *e, const struct tw_process *process)
{
	struct process *p = place_for(e, process->pid);
	struct tw_executable executable = process->executable;

	executable.path[TW_EXECUTABLE_SIZE - 1] = '\0';
	*p = (struct process){
		.pid = process->pid, .met = e->clock++, .number = find_or_add(e, executable.path)};
	memcpy(p->comm, process->comm, strnlen(process->comm, sizeof(p->comm) - 1));
	return p->number;
}

uint32_t executables_of(const struct executables *e, uint32_t pid, const char comm[TW_COMM_SIZE])
{
	const struct process *p = pid && *comm ? find_process(e, pid) : NULL;

	if (!p || strncmp(p->comm, comm, sizeof(p->comm) - 1) != 0)
		return EXECUTABLE_UNKNOWN;
	return p->number;
}

const char *executables_path(const struct executables *e, uint32_t number)
{
	return e->paths[number] ? e->paths[number] : "";
}

bool executables_crowded(const struct executables *e)
{
	return e->count >= EXECUTABLES_MAX / 2;
}

void executables_sweep(struct executables *e, const bool used[EXECUTABLES_MAX])
{
	memset(e->chains, 0, sizeof(e->chains));
	memset(e->processes, 0, sizeof(e->processes));
	for (uint32_t i = 1; i < EXECUTABLES_MAX; i++) {
		uint16_t *chain;

		if (e->paths[i] && !used[i]) {
			free(e->paths[i]);
			e->paths[i] = NULL;
			e->count--;
		}
		if (!e->paths[i])
			continue;
		chain = chain_of(e, e->paths[i]);
		e->next[i] = *chain;
		*chain = (uint16_t)i;
	}
}
