/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tallies of connections that somebody has asked for: which connections each counts, and by
 * what. A state that no tally counts costs one test for each connection that comes or goes, and
 * a move between two states of the same tally costs no more.
 */
#ifndef MODEL_TALLIES_H
#define MODEL_TALLIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/netns.h"
#include "model/owners.h"
#include "model/stats.h"
#include "model/table.h"
#include "model/tally.h"

#define TALLIES_MAX 64U                          /* one bit each; one for each rule */
#define TALLIES_FAILURE_NS UINT64_C(60000000000) /* how long a failed connect() is counted */
#define TALLIES_FAILURES_MAX \
	16384U /* remembered at a time by a tally, 0.8 MB; then the oldest go */

enum tallies_by {
	TALLIES_BY_HOST,
	TALLIES_BY_NETNS,
	TALLIES_BY_LISTENER, /* namespace and local port */
	TALLIES_BY_PORT,     /* local port, in all namespaces */
	TALLIES_BY_REMOTE,   /* the peer's address */
	TALLIES_BY_PROCESS,  /* pid; those of which none is known are left out; the tag is the index
				    of the latest owner */
	TALLIES_BY_UNIT,     /* cgroup, likewise */
	TALLIES_BY_DESTINATION, /* namespace, and the peer's address and port; outgoing ones alone
				 */
};

struct tallies_spec {
	enum tallies_by by;
	uint32_t states;        /* mask of TW_STATE_BIT() */
	uint32_t kinds;         /* mask of bits of enum owner_kind */
	uint64_t older_than_ns; /* in that state, of which there is one then; 0: all */
	uint32_t failures;      /* not connections, but what connect() has failed for, in the last
				   minute:      mask of bits of enum connect_failure; 0: connections */
};

struct tallies;

int tallies_new(struct table *table, const struct owners *owners, const struct netns_table *netns,
		struct tallies **ret);
struct tallies *tallies_free(struct tallies *t);

/*
 * Counts what is in the table too: O(connections). The result is the module's, until it is removed.
 * 0, -ENOMEM, -ENOSPC.
 */
int tallies_add(struct tallies *t, const struct tallies_spec *spec, struct tally **ret);
void tallies_remove(struct tallies *t, struct tally *tally);

/*
 * The connection is about to change, and then has changed. Its other state: where it goes to, or
 * where it came from; 0 when it is new or ends, or when its addresses or its owner change.
 */
void tallies_leave(struct tallies *t, const struct connection *c, unsigned other);
void tallies_enter(struct tallies *t, const struct connection *c, unsigned other);
/* connect() has failed; c: the connection that it was to be. */
void tallies_failed(struct tallies *t, const struct connection *c, enum connect_failure reason,
		    uint64_t time_ns);
/* Failures grow old. */
void tallies_advance(struct tallies *t, uint64_t now_ns);

#endif
