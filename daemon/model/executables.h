/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which files processes run, as passes over all descriptors tell. Thousands of processes run few
 * files, so each path is kept once, and everybody else has a number. Of a process that was met it
 * is remembered by its pid, for what it does until the next pass; its name has to be the same then,
 * as pids come to be others'.
 *
 * There are at most EXECUTABLES_MAX. Before that, the owner of this has those freed that nobody
 * uses any more; past it, a file is not known.
 */
#ifndef MODEL_EXECUTABLES_H
#define MODEL_EXECUTABLES_H

#include <stdbool.h>
#include <stdint.h>

#include <tcpwatch/record.h>

struct executables;

#define EXECUTABLES_MAX 4096U /* 1.2 MB at most; what runs on a host takes less than a tenth */
#define EXECUTABLE_UNKNOWN 0  /* the number of the one of which nothing is known */

int executables_new(struct executables **ret); /* 0, -ENOMEM */
struct executables *executables_free(struct executables *e);

/* A process was met. The number of what it runs. */
uint32_t executables_learn(struct executables *e, const struct tw_process *process);
/* The number of what the process runs. pid 0 and an empty name are nobody's. */
uint32_t executables_of(const struct executables *e, uint32_t pid, const char comm[TW_COMM_SIZE]);
/* Any bytes, as in struct tw_executable; "" where it is not known. Until the next
 * executables_sweep(). */
const char *executables_path(const struct executables *e, uint32_t number);

/* Whether it is time for a sweep: half the numbers are in use. */
bool executables_crowded(const struct executables *e);
/* Frees the numbers that are not marked, and forgets the processes. */
void executables_sweep(struct executables *e, const bool used[EXECUTABLES_MAX]);

#endif
