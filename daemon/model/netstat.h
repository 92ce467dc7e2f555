/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel counts of half-open connections in each namespace, made into sums over all of
 * them that only grow: a namespace that goes takes nothing away, and what it had counted before the
 * first look is not ours.
 */
#ifndef MODEL_NETSTAT_H
#define MODEL_NETSTAT_H

#include <tcpwatch/record.h>

/* Adds what a namespace counted between two reads; before->time_ns is 0: there was none before. */
void netstat_add(struct tw_netstat *sums, const struct tw_netstat *before,
		 const struct tw_netstat *now);
/* SYN cookies sent a second between two reads, 0 while there are not two. */
double netstat_cookies_rate(const struct tw_netstat *before, const struct tw_netstat *now);

#endif
