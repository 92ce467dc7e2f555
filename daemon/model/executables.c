/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/executables.h"

/* Processes remembered, each at the place that its pid has modulo this: a power of two. */
#define PROCESSES 4096U

struct process {
	uint32_t pid; /* 0: nobody */
	uint32_t number;
	char comm[TW_COMM_SIZE];
};

struct executables {
	char *paths[EXECUTABLES_MAX];     /* NULL: the number is free */
	uint16_t next[EXECUTABLES_MAX];   /* in its chain */
	uint16_t chains[EXECUTABLES_MAX]; /* by hash; 0: the end, as number 0 is in none */
	uint32_t count;                   /* in use */
	uint32_t last;                    /* that was given out */
	struct process processes[PROCESSES];
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

uint32_t executables_learn(struct executables *e, const struct tw_process *process)
{
	struct process *p = &e->processes[process->pid % PROCESSES];
	struct tw_executable executable = process->executable;

	executable.path[TW_EXECUTABLE_SIZE - 1] = '\0';
	*p = (struct process){.pid = process->pid, .number = find_or_add(e, executable.path)};
	memcpy(p->comm, process->comm, strnlen(process->comm, sizeof(p->comm) - 1));
	return p->number;
}

uint32_t executables_of(const struct executables *e, uint32_t pid, const char comm[TW_COMM_SIZE])
{
	const struct process *p = &e->processes[pid % PROCESSES];

	if (!pid || !*comm || p->pid != pid || strncmp(p->comm, comm, sizeof(p->comm) - 1) != 0)
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
