/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon itself costs, for the metrics that every exporter has (process_*). From
 * /proc/self.
 */
#ifndef SERVE_PROCESS_H
#define SERVE_PROCESS_H

#include <stdint.h>

struct process {
	double cpu_seconds; /* user and system */
	uint64_t resident_bytes;
	uint64_t virtual_bytes;
	uint64_t open_fds;
	uint64_t max_fds; /* the soft limit */
};

/* What cannot be read stays 0. */
void process_read(struct process *ret);

#endif
