/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The network namespaces and how many connections each has, per state and family. A connection
 * refers to its namespace by a 16-bit index.
 *
 * A count is the number of connections in the table plus what is known to be there and is not in
 * the table
 * ("untracked"): those that found it full, and the difference to what the kernel itself counts.
 */
#ifndef MODEL_NETNS_H
#define MODEL_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tcpwatch/record.h>
#include <tcpwatch/tcp_state.h>

enum netns_family { NETNS_IPV4, NETNS_IPV6, NETNS_FAMILIES };

/* The kernel's sum of established connections less ours, whichever of the two it is: see struct
 * tw_counters.
 */
struct netns_excess {
	int64_t established, with_close_wait;
};

struct netns {
	uint32_t inum; /* as lsns(8) shows it; 0: this index is free */
	uint16_t next; /* the table's own */
	uint32_t tracked[TW_STATE_SLOTS][NETNS_FAMILIES];
	int32_t untracked[TW_STATE_SLOTS][NETNS_FAMILIES];
	uint32_t requests[NETNS_FAMILIES]; /* request sockets among the tracked */
	uint32_t minis;                    /* minisockets in FIN_WAIT2 among the tracked */
	uint32_t minis_untracked;          /* and among the untracked */
	uint64_t events;                   /* transitions seen here */

	/* against the kernel's own sums, at the last struct tw_counters */
	uint64_t counters_events; /* events, then */
	int64_t in_use_accepted;  /* the kernel's full sockets less ours, where a full dump left it
				     so */
	uint32_t time_wait_ticks; /* how many times in a row the table's TIME_WAITs were not as many
				   */
	bool suspect;             /* quiet, and the sums differ: a full dump is due */
	uint32_t established;     /* the kernel's, when it was read last; TW_NOT_READ: never */
	uint64_t established_events;  /* events, then */
	struct netns_excess accepted; /* as in_use_accepted */

	/* of the last round of dumps, while it goes on */
	uint64_t dump_ns; /* when its dump began; 0: none in this round */
	bool dump_complete;
	uint64_t dump_events; /* events, when it began */
	int32_t dump_untracked[TW_STATE_SLOTS][NETNS_FAMILIES];
	uint32_t dump_minis_untracked;

	/* of the last look at the listeners */
	uint32_t half_open[NETNS_FAMILIES];      /* the sum of their SYN queues */
	uint32_t half_open_next[NETNS_FAMILIES]; /* of the look that goes on */

	/* the last two reads that were a second or more apart; time_ns is 0: none */
	struct tw_netstat netstat, netstat_before;
	struct tw_netstat netstat_first; /* of the first read */
	bool rest_counted; /* somebody counts the segments for ports that nobody listens on */

	struct tw_limits limits; /* time_ns is 0: not told, and known is 0 */

	bool left;  /* nothing leads there any more; it is forgotten with its last full socket */
	bool known; /* a full dump was complete once */
	uint64_t known_events; /* events, when the last full dump began */
};

struct netns_table;

int netns_table_new(struct netns_table **ret);
struct netns_table *netns_table_free(struct netns_table *t);

/* The index of the namespace, made if it is new. -EINVAL for 0, -ENOSPC past 65,535 of them,
 * -ENOMEM.
 */
int netns_index(struct netns_table *t, uint32_t inum);
/* The index of the namespace, or -ENOENT. */
int netns_find(const struct netns_table *t, uint32_t inum);
/* Frees the index for another namespace, once its connections are dropped. */
void netns_forget(struct netns_table *t, int index);

/* Indices run from 0 to netns_count() - 1; those with inum 0 are free. */
size_t netns_count(const struct netns_table *t);
struct netns *netns_at(const struct netns_table *t, size_t index);

/* Tracked connections of which transitions tell everything: those that are full sockets. */
uint32_t netns_full_sockets(const struct netns *n);

/* Whether the kernel's sum of established connections has been read since the last transition. */
bool netns_established_known(const struct netns *n);

/* SYN cookies that the namespace sends a second, between the last two reads; 0 when not known. */
double netns_cookies_rate(const struct netns_table *t, uint32_t inum);

/* Connections in a state, never below 0: of one family, of both. */
uint64_t netns_of_family(const struct netns *n, unsigned state, enum netns_family family);
uint64_t netns_connections(const struct netns *n, unsigned state);

#endif
