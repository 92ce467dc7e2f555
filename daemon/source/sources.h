/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that the kernel tells, as one stream of records: transitions as they come, and on each look
 * the sums, the listeners and their SYNs. What to make of them is the receiver's; dumps of sockets
 * are sync.h's.
 */
#ifndef SOURCE_SOURCES_H
#define SOURCE_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/inventory.h"
#include "source/namespaces.h"
#include "source/transitions.h"

#include <tcpwatch/record.h>

struct sources;

typedef void sources_record_fn(enum tw_record_type type, const void *body, void *userdata);

struct sources_options {
	/* The caller's, and outlives the sources: every namespace is followed; NULL: the daemon's
	 * own alone. */
	struct opener *opener;
	bool transitions;   /* by BPF */
	bool syns;          /* count SYNs by a netfilter program, where transitions are followed */
	uint64_t ring_size; /* bytes; 0: chosen by the number of processors */
	sources_record_fn *record;
	void *userdata;
};

#define SOURCES_REASON_SIZE 256

/*
 * Opens the sources. Where there are no transitions, though they were wanted, reason says why; else
 * it is "". Where SYNs are not counted, it has been logged why. 0, or a negative errno, logged,
 * when there is no source at all.
 */
int sources_new(const struct sources_options *options, char reason[SOURCES_REASON_SIZE],
		struct sources **ret);
struct sources *sources_free(struct sources *s);

/* Whether transitions are followed; else dumps are all there is. */
bool sources_following(const struct sources *s);
/* Whether SYNs are counted, in one namespace at least. */
bool sources_counting_syns(const struct sources *s);
/* Whether transitions are followed, but the kernel refuses to tell of listeners and maps. */
bool sources_blind(const struct sources *s);
/* Becomes readable (edge-triggered) when many transitions wait; -1 without transitions. The
 * sources' own. */
int sources_fd(const struct sources *s);
/* The namespaces that are followed. */
struct namespaces *sources_namespaces(const struct sources *s);
/* Whether a pass over all descriptors has ended. */
bool sources_passed(const struct sources *s);
/* Whether looks tell of all listeners; else dumps do, as where transitions are not followed. */
bool sources_listing(const struct sources *s);
/* The iterators; NULL where transitions are not followed. */
struct inventory *sources_inventory(const struct sources *s);

/* TW_RECORD_EVENT for each transition that waits, and TW_RECORD_LOST. How many events. */
size_t sources_drain(struct sources *s);
/* TW_RECORD_COUNTERS of each namespace, some 20 us each. */
void sources_count(struct sources *s);
enum sources_stir {
	SOURCES_STILL,
	SOURCES_STIRS,   /* a transition has been told of the namespace since its counters were */
	SOURCES_SETTLED, /* not since, but since its established connections were: some 10 us more
			  */
};
typedef enum sources_stir sources_stir_fn(uint32_t netns, void *userdata);
/* On each tick: of those in which something happens or ends by itself, and of some of the others.
 */
void sources_count_stirring(struct sources *s, sources_stir_fn *stirs, void *userdata);
/* TW_RECORD_LISTENER, _LISTENERS or _LISTENERS_CHANGED, _PORT, _SOURCES, _NETSTAT and _LIMITS:
 * O(listeners). all: of listeners of which nothing has changed, too. */
void sources_look(struct sources *s, bool all);
/* TW_RECORD_LIMITS of each namespace, now; sources_look() tells them every ten seconds. */
void sources_limits(struct sources *s);
/* Counts the SYNs for a port from now on, if its namespace has the hooks and the kernel has room: a
 * port that is counted is told. To be asked for again until then; why not is logged, once. */
void sources_add_port(struct sources *s, uint32_t netns, uint16_t port);
/* Not any more: TW_RECORD_PORT_GONE. */
void sources_remove_port(struct sources *s, uint32_t netns, uint16_t port);
/* Has namespaces found that have come, and those that nobody uses. At most once a second. */
void sources_scan(struct sources *s);
/* Becomes readable when the opener has something to tell; -1 without one. The sources' own. */
int sources_opener_fd(const struct sources *s);
/* Takes that. Namespaces that nobody uses are closed: TW_RECORD_NETNS_GONE. 0; -EPIPE: the opener
 * is gone; or another negative errno. */
int sources_receive(struct sources *s);
/* On each tick, two a second. 0; -ETIMEDOUT: the opener does not answer any more. */
int sources_tick(struct sources *s);
/* Whether a transition came from a namespace that is to be found by a scan now. */
bool sources_scan_due(const struct sources *s);

/* What the tracepoint programs have cost: see transitions_costs(). How many of them; 0: it is not
 * known. */
size_t sources_costs(const struct sources *s, struct transitions_cost ret[TRANSITIONS_PROGRAMS]);

#endif
