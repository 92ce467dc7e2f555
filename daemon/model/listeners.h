/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The listening sockets as they were at the last look, and the ports that they listen on, with the
 * SYNs that came for each. Several listeners may share a port (SO_REUSEPORT, or different
 * addresses); each has queues of its own, SYNs are counted for the port.
 */
#ifndef MODEL_LISTENERS_H
#define MODEL_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/executables.h"
#include "model/owners.h"

#include <tcpwatch/record.h>

struct listeners;

struct listener_port {
	uint32_t netns;
	uint16_t port;
	uint32_t count;                            /* listeners on it */
	uint64_t syn_queue, accept_queue, backlog; /* summed over them */
	struct owner owner;                        /* what is known, and the same for all of them */
	bool skipped;          /* the look lacks one of them, which is shown as it was */
	bool counted;          /* somebody counts the SYNs; else those below say nothing */
	uint64_t syns, resets; /* since they are counted */
	double syn_rate;       /* SYNs a second, over the last second or two */

	/* the module's own */
	uint64_t look;
	uint64_t rate_syns, rate_ns; /* what syns were, when */
	bool rated;                  /* they have been told twice, so that there is a rate */
};

/* executables: the caller's, and outlives the result. 0, -ENOMEM. */
int listeners_new(const struct executables *executables, struct listeners **ret);
struct listeners *listeners_free(struct listeners *l);

/* About how many SYNs came for the port in so long before now; of those that its rate does not know
 * yet, all. */
double listeners_recent_syns(const struct listener_port *port, uint64_t duration_ns);

/*
 * One look: each listener, then the end; until then the look before is what is shown. Also those
 * that are closed are told, so that none counts twice, but not shown. False: it has been told in
 * this look, and is passed over.
 */
bool listeners_add(struct listeners *l, const struct tw_listener *row);
/* row: a place in listeners_rows(). Whether the look that goes on, once it has told all, lacks it;
 * false, too, when so many looks in a row did that it must have gone. */
bool listeners_skipped(const struct listeners *l, size_t row);
/* It is shown once more, as it was. */
void listeners_keep(struct listeners *l, size_t row);
/* Who listens: whose descriptor it is where several have one, nobody can say. Init's, beside that
 * of the service that it keeps the listener for, is no second one. */
struct owner listeners_owner(const struct listeners *l, const struct tw_listener *row);
/* Where nobody tells the length of the queues: one half-open connection, of a listener already
 * added. Of several at its address (SO_REUSEPORT) it may be any one's: they are then shared, see
 * struct tw_listener. O(listeners). */
void listeners_add_half_open(struct listeners *l, const struct tw_socket *request);
void listeners_done(struct listeners *l);
/* In place of listeners_done(): of those that were not told nothing has changed. */
void listeners_changed(struct listeners *l);
/* Whether the next look may end so: the last one lacked none that is shown, and told of none for
 * which there was no memory. */
bool listeners_settled(const struct listeners *l);
/* One that has begun to listen since the last look, on a port that may be new: it is shown at the
 * next look, but its owner is known from now on. */
void listeners_begin(struct listeners *l, uint32_t netns, uint16_t port, const struct owner *owner);
/* Segments that came for a port so far; of a port that nobody listens on it is passed over. Those
 * that were not told before came since quiet_ns; 0: that is not known. */
void listeners_count(struct listeners *l, const struct tw_port_record *record, uint64_t quiet_ns,
		     uint64_t now_ns);

/* In no order. Valid until the next look is complete. */
const struct tw_listener *listeners_rows(const struct listeners *l, size_t *ret_count);
/* The ports of the last look, and those with listeners to come (count is 0), at 0 to
 * listeners_port_count() - 1, in no order. */
size_t listeners_port_count(const struct listeners *l);
const struct listener_port *listeners_port_at(const struct listeners *l, size_t index);
/* NULL when nobody listens on it. */
const struct listener_port *listeners_port(const struct listeners *l, uint32_t netns,
					   uint16_t port);
/* Fills ret with up to most ports, the fullest first: by the greater of SYN queue and accept queue,
 * as a share of the backlog. How many. */
size_t listeners_fullest(const struct listeners *l, size_t most, const struct listener_port **ret);
/* Listeners that found no memory, at the last look: the sums lack them. */
size_t listeners_missed(const struct listeners *l);

#endif
