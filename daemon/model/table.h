/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection table: every connection the daemon tracks, in a pool of fixed-size entries that
 * are named by a 32-bit index, hashed by cookie or by addresses and linked by state.
 *
 *  - A full socket is found by its cookie. A request or a minisocket ("shadow") sends no event and
 * has a cookie that no event ever told, so it is found by its namespace and its pair of addresses.
 *  - Each state's connections form a list in order of entry, oldest first. Events only come with
 * growing times, so a move is an append; entries whose time of entry is an estimate wait in a list
 * of arrivals and are merged in at table_settle().
 *
 *  - A mark counts the connections of a state that have been in it for some time or longer. They
 * are the first of its list, so that time going on costs one step for each connection that passes.
 *
 * It knows nothing of counts, namespaces' names or what a transition means. Memory: sizeof(struct
 * connection) for each, up to the capacity, and one to two chain heads of 4 bytes for each that is
 * found by its cookie, and likewise by its addresses; it never shrinks.
 */
#ifndef MODEL_TABLE_H
#define MODEL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tcpwatch/record.h>
#include <tcpwatch/tcp_state.h>

struct table;

enum connection_flag {
	CONNECTION_IPV6 = 1 << 0,    /* the socket's family is AF_INET6 */
	CONNECTION_REQUEST = 1 << 1, /* TW_SOCKET_REQUEST */
	CONNECTION_MINI = 1 << 2,    /* TW_SOCKET_MINI */
	CONNECTION_EXACT = 1 << 3,   /* entered_ns is the time of an event, not an estimate */
	CONNECTION_SEEN = 1 << 4,    /* found, or changed, in the round of dumps that goes on */
	CONNECTION_GONE =
		1 << 5, /* ended in that round; kept so that a late row cannot revive it */
	CONNECTION_ARRIVAL = 1 << 6, /* the table's own: not in its place yet, see table_settle() */
	CONNECTION_MET = 1 << 7,     /* a descriptor was met, by the pass that goes on */
};
#define CONNECTION_SHADOW (CONNECTION_REQUEST | CONNECTION_MINI)

struct connection {
	uint64_t cookie;
	uint64_t entered_ns; /* CLOCK_MONOTONIC, when it entered its state */
	uint8_t saddr[16];   /* local address, as in struct tw_event */
	uint8_t daddr[16];
	uint16_t sport; /* host byte order; 0: not known yet */
	uint16_t dport;
	uint16_t netns;        /* index: see netns.h */
	uint8_t state : 4;     /* enum tw_tcp_state; TW_CLOSE with CONNECTION_GONE only */
	uint8_t marks : 4;     /* the table's own: how many of its state's marks it has passed */
	uint8_t flags;         /* enum connection_flag */
	uint32_t owner : 14;   /* index: see owners.h */
	uint32_t user : 12;    /* index, of who made it: see users.h */
	uint32_t by_init : 1;  /* TW_INIT_PID's descriptor was met, by the pass that goes on */
	uint32_t missed : 1;   /* no descriptor was met by the last pass */
	uint32_t queued : 1;   /* in an accept queue, by the look that goes on */
	uint32_t outgoing : 1; /* by connect(), and not accepted; a guess where it is older */
	uint32_t chain;        /* the table's own */
	uint32_t older;        /* the table's own */
	uint32_t newer;        /* the table's own */
};

_Static_assert(sizeof(struct connection) == 72, "72 of the 80 bytes that a socket may cost");

#define TABLE_CAPACITY_MAX (1U << 24)

/* capacity: the most entries, 1 to TABLE_CAPACITY_MAX. 0, -ENOMEM. */
int table_new(uint32_t capacity, struct table **ret);
struct table *table_free(struct table *t);

uint32_t table_size(const struct table *t); /* entries in use, those gone included */
uint32_t table_capacity(const struct table *t);
uint32_t table_length(const struct table *t, unsigned state);
/* The connection that entered the state first, or NULL. */
const struct connection *table_oldest(const struct table *t, unsigned state);
/* The ages of all connections in the state added up, in microseconds. */
uint64_t table_age_sum_usec(const struct table *t, unsigned state, uint64_t now_ns);

/* Of full sockets, those gone included. NULL when there is none. */
struct connection *table_find(struct table *t, uint64_t cookie);
/*
 * Have the processor fetch what table_find() of the cookie will read, of a table that is larger
 * than its caches: first the one, and when that has had its time, the other. They change nothing.
 */
void table_prefetch(const struct table *t, uint64_t cookie);
void table_prefetch_entry(const struct table *t, uint64_t cookie);
/* Of requests and minisockets: ports and addresses as in the key's own fields, and its namespace.
 */
struct connection *table_find_shadow(struct table *t, const struct connection *key);

/*
 * A copy of *connection, linked at the end of its state's list, or among the arrivals where its
 * time of entry is an estimate and belongs before the end; the table sets its own fields. NULL when
 * the table is full, or memory is.
 */
struct connection *table_insert(struct table *t, const struct connection *connection);
/* Moves it to another state's list, likewise. */
void table_move(struct table *t, struct connection *c, unsigned state, uint64_t entered_ns);
/* Makes a minisocket of a full socket: from now on it is found by its addresses. */
void table_make_mini(struct table *t, struct connection *c);
void table_remove(struct table *t, struct connection *c);
/* Puts the state's arrivals in their places, by time of entry. O(n log n) in arrivals, O(n) in the
 * list. */
void table_settle(struct table *t, unsigned state);

#define TABLE_MARKS_MAX 15 /* of a state: connection.marks has 4 bits */

/* The caller's, until it is removed. */
struct table_mark {
	uint64_t age_ns;
	/*
	 * by: 1 when a connection passes the mark, -1 when one that has passed leaves its state or
	 * the table, which *c still shows as it was. Must not change the table. May be NULL.
	 */
	void (*passed)(const struct connection *c, int by, void *userdata);
	void *userdata;

	uint32_t count; /* for reading: connections past the mark, as of the last table_advance() */
	unsigned state, index; /* the table's own */
	uint32_t last;         /* the table's own: the youngest that has passed; 0: none has */
};

/*
 * What is past the other marks of the state and of that age is told at once, all else at the next
 * table_advance(): O(n) in the state's list. 0, -ENOSPC.
 */
int table_mark_add(struct table *t, unsigned state, struct table_mark *mark);
/* Without a word on those that have passed. O(n) likewise. */
void table_mark_remove(struct table *t, struct table_mark *mark);
/* Whether a connection of the table is among those that the mark counts. */
static inline bool table_mark_has(const struct table_mark *mark, const struct connection *c)
{
	return c->state == mark->state && c->marks > mark->index;
}
/* Time goes on: connections pass marks. Arrivals do once they are settled. */
void table_advance(struct table *t, uint64_t now_ns);

/* All that are in it, in no order: those of table_slot() for 0 to table_slots() - 1, in the order
 * in which they lie in memory; NULL for a free one. The table must not change meanwhile, but for
 * their owners and flags. */
uint32_t table_slots(const struct table *t);
struct connection *table_slot(const struct table *t, uint32_t slot);

/*
 * Walks the states of a mask, one list after another, oldest first, and may rest between any two
 * steps while the table changes: a connection removed or moved meanwhile is passed over. One that
 * moves to a state not yet walked would come twice; the caller passes over those that entered after
 * the walk began.
 */
struct table_cursor {
	struct table *table;
	struct table_cursor *next; /* the table's own */
	uint32_t states;           /* those still to walk */
	uint32_t at;               /* index of the next entry, 0: none left in this list */
};

/* Settles those states before. */
void table_cursor_open(struct table *t, uint32_t states, struct table_cursor *cursor);
/* The next connection, or NULL at the end. Valid until the table changes. */
struct connection *table_cursor_next(struct table_cursor *cursor);
void table_cursor_close(struct table_cursor *cursor);

#endif
