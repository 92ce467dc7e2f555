/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts SYNs and RSTs where they arrive, by a BPF netfilter program in each namespace (Linux 6.4).
 * Counts live in the kernel, and are read when they are asked for.
 */
#ifndef SOURCE_SYN_H
#define SOURCE_SYN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/opener.h"

#include <tcpwatch/record.h>

struct syn;

/* 0; -EINVAL and the like: the kernel has no such programs; or another negative errno. */
int syn_new(struct syn **ret);
struct syn *syn_free(struct syn *s);

/* The programs that the opener hooks into each namespace; they stay the result's own. */
void syn_programs(const struct syn *s, int ret[OPENER_HOOKS]);

/* Counts from now on what arrives for the port; port 0: for all ports without an entry. 0; -ENOSPC:
 * TW_PORTS_MAX are counted, and the kernel was not asked; or another negative errno. */
int syn_add(struct syn *s, uint32_t netns, uint16_t port);
/* Also one that is not counted. 0, or a negative errno. */
int syn_remove(struct syn *s, uint32_t netns, uint16_t port);

typedef void syn_count_fn(const struct tw_port *port, const struct tw_port_count *count,
			  void *userdata);

/* Whether a segment was counted since it was last asked. One in a thousand million may be told of
 * too late: by the next. */
bool syn_came(struct syn *s);
/* Hands over the count of every port that was added, since it was. 0, or a negative errno. */
int syn_read(struct syn *s, syn_count_fn *on_count, void *userdata);

/* Sums up the window of sources that began then and ends now, and starts the next one. 0, or a
 * negative errno. */
int syn_sources(struct syn *s, uint64_t began_ns, uint64_t now_ns, struct tw_source_summary *ret);

#endif
