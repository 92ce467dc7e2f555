/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model's own books, for those of its files that take records: each connection is counted in
 * when it enters the table and out when it leaves, by one of the functions here and nowhere else.
 * Nobody outside the model includes this.
 */
#ifndef MODEL_LEDGER_H
#define MODEL_LEDGER_H

#include <sys/socket.h>

#include "model/model.h"
#include "model/queued.h"
#include "model/users.h"

#define MSEC_NS UINT64_C(1000000)
#define SECOND_NS (1000 * MSEC_NS)
#define TIME_WAIT_MSEC \
	UINT64_C(60000) /* TCP_TIMEWAIT_LEN, include/net/tcp.h; also tcp_fin_timeout's default */
#define TIME_WAIT_LATE_MSEC (TIME_WAIT_MSEC + TIME_WAIT_MSEC / 8) /* its timer at the latest */
/* connect() tells before it has found a port and is where dumps look: tcp_v4_connect(). */
#define EVENT_LEAD_NS UINT64_C(500000)
#define HOLDERS_WAITING 32U /* half of them take as long as a fetch from memory */

struct holder_waiting {
	struct tw_holder row;
	uint32_t executable; /* number: see executables.h */
};

struct model {
	struct table *table;
	struct ages ages;
	uint64_t undated;
	struct owners *owners;
	struct users *users;
	uint32_t room_slot; /* of the table, from which on room is looked for next */
	struct tallies *tallies;
	struct cgroups *cgroups;
	struct executables *executables;
	struct netns_table *netns;
	struct listeners *listeners;
	struct tw_listener listener; /* the last one told */
	struct queued queued, queued_next;
	bool looked; /* the listeners' queues are told; else they are counted from dumps */
	struct segments *segments;
	struct tw_source_summary sources;
	struct tw_netstat netstat_sums;
	struct stats stats;
	struct recent recent;
	uint64_t now_ns;
	uint64_t event_ns;     /* of the newest event */
	uint32_t round_states; /* of the round that goes on; 0: none does */
	struct model_drift drift;
	uint64_t pass_ns; /* when the pass over all descriptors that goes on began; 0: none does */
	struct holder_waiting holders[HOLDERS_WAITING]; /* of it, a ring of those not taken yet */
	uint64_t holder_count;                          /* in it so far, those taken included */
	struct holder_waiting init;                     /* of it, the last row of TW_INIT_PID */
	uint32_t process;      /* of it, the last that was told by itself, */
	uint32_t executable;   /* and what that runs */
	uint32_t pass_changes; /* connections that got another owner by it, or by the last one */
	bool known;
};

static inline void ledger_time(struct model *m, uint64_t time_ns)
{
	if (time_ns > m->now_ns)
		m->now_ns = time_ns;
}

static inline enum netns_family ledger_family(const struct connection *c)
{
	return c->flags & CONNECTION_IPV6 ? NETNS_IPV6 : NETNS_IPV4;
}

static inline struct netns *ledger_netns(const struct model *m, const struct connection *c)
{
	return netns_at(m->netns, c->netns);
}

/* Whether what an event of this time tells may be newer than the rows of its namespace's dump. */
static inline bool ledger_since_dump(const struct netns *n, uint64_t event_ns)
{
	return n->dump_ns && event_ns + EVENT_LEAD_NS >= n->dump_ns;
}

static inline bool ledger_newer_than_dump(const struct connection *c, const struct netns *n)
{
	return c->flags & CONNECTION_EXACT && ledger_since_dump(n, c->entered_ns);
}

/* The untracked difference shrinks as dumps find which connections it is made of. */
void ledger_explained(struct netns *n, const struct connection *c, int32_t by);
/* By an event, at whose time the connection entered the state. */
void ledger_move(struct model *m, struct connection *c, unsigned state, uint64_t time_ns);
/* By what a dump shows: the time is an estimate. */
void ledger_correct(struct model *m, struct connection *c, unsigned state, uint64_t time_ns);
/* A minisocket goes on in its place. */
void ledger_make_mini(struct model *m, struct connection *c);
void ledger_drop(struct model *m, struct connection *c);
/*
 * The kernel's timers may be late by an eighth (kernel/time/timer.c), and it lets go of all that
 * have ended since in one moment, in the order of their ends whatever the namespace. So TIME_WAITs
 * past their time leave the table as its counts go down, here by so many, which leaves the counts
 * as they are; and what its counts do not tell of goes by itself.
 */
void ledger_expire(struct model *m, uint64_t gone);
/* A full socket has ended. While dumps go on it stays as a sign that a late row of theirs is about
 * the past. */
void ledger_end(struct model *m, struct connection *c);
/* The signs that it left. */
void ledger_drop_gone(struct model *m);
/* Of one that is in the table. */
void ledger_set_owner(struct model *m, struct connection *c, const struct owner *owner);
/* Of one that is in the table: its addresses are known now. */
void ledger_set_addresses(struct model *m, struct connection *c, const struct connection *from);
/* Whether a connection of which nobody saw the beginning is an outgoing one: a guess, by its port.
 */
bool ledger_is_outgoing(const struct model *m, const struct netns *n, uint16_t sport);
/* No process has a descriptor of it any more; who closed it is still known. */
void ledger_disown(struct model *m, struct connection *c);
/* Of a connection that came for the port: makes the owner who listens on it, as far as that is
 * known and the same for all of them. The cgroup and user that its socket has, of who opened the
 * listener, stay where nothing better is known; so does a kind that is known. */
void ledger_listener_owner(const struct model *m, uint32_t netns, uint16_t port,
			   struct owner *owner);
/* NULL when the table is full, and the connection's user is not one for whom another makes room.
 * Takes over the references to the owner and the user. */
struct connection *ledger_insert(struct model *m, const struct connection *connection);
/* By a row, or by an event of the time. */
void ledger_mark_seen(const struct model *m, struct connection *c, uint64_t time_ns);

#endif
