/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's own sums for a network namespace, from the text files below /proc/net: two
 * microseconds a file, however many sockets there are.
 */
#ifndef SOURCE_COUNTERS_H
#define SOURCE_COUNTERS_H

#include <stdint.h>

#include "source/opener.h"

#include <tcpwatch/record.h>

/* time_ns: now. established is TW_NOT_READ: see below. 0; -EBADMSG when a file is not as expected;
 * or the negative errno of a read. */
int counters_read(const struct opener_files *files, uint32_t netns, uint64_t time_ns,
		  struct tw_counters *ret);
/* What struct tw_counters has of established; some five times as dear as one of the other files. */
int counters_established(const struct opener_files *files, uint32_t *ret);
/* Sockets of the whole host that no process holds, as TCP's memory accounting has them. */
int counters_orphans(const struct opener_files *files, uint32_t *ret);
/* Segments that the namespace has received: while it stands still, no half-open connection begins.
 */
int counters_segments(const struct opener_files *files, uint64_t *ret);
/* SYN cookies, and what full queues have dropped: some 40 microseconds, the file is long. */
int counters_netstat(const struct opener_files *files, uint32_t netns, uint64_t time_ns,
		     struct tw_netstat *ret);

#endif
