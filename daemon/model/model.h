/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model of the host's TCP connections: records in, counts out. Pure: it reads no clock, logs
 * nothing, does no I/O, and calls no library; all time comes with the records, so that a replay
 * gives what the live run gave.
 *
 * Full sockets live by events. Request sockets and minisockets, of which the tracepoint does not
 * speak, live by prediction (a FIN_WAIT2 or CLOSING socket that closes in order leaves a
 * minisocket, which lasts 60 s), by dumps, which say which of them there are, and by the kernel's
 * counters, which say how many.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "model/ages.h"
#include "model/cgroups.h"
#include "model/executables.h"
#include "model/listeners.h"
#include "model/netns.h"
#include "model/netstat.h"
#include "model/owners.h"
#include "model/recent.h"
#include "model/segments.h"
#include "model/stats.h"
#include "model/table.h"
#include "model/tallies.h"

#include <tcpwatch/record.h>

struct model;

/* max_connections: the most that are tracked one by one. 0, -ENOMEM. */
int model_new(uint32_t max_connections, struct model **ret);
struct model *model_free(struct model *m);
/* How many ports get a sum of their own, see segments.h; none before this is called. */
void model_set_slots(struct model *m, size_t slots);

/* What a round of dumps found to differ from what events had told, by the state that was wrong. */
struct model_drift {
	uint32_t by_state[TW_STATE_SLOTS]; /* missed, in another state, or ended unseen */
	uint32_t total;
};

/* The records, in the order in which they came. */
/* Whether it was taken: not when it is malformed, or repeats another. */
bool model_event(struct model *m, const struct tw_event *event);
/*
 * The state in which the connection of an event goes on: not CLOSE where the kernel has put a
 * minisocket in the socket's place (tcp_time_wait()), which in FIN_WAIT2 is no change at all.
 */
unsigned model_state_after(const struct tw_event *event);
/*
 * A round: begin, then for each namespace a dump with its rows, then the end. Events between are
 * taken as they come. The caller ends the round only once it has handed over every event older than
 * the last dump's end.
 */
void model_round_begin(struct model *m, const struct tw_round *round);
void model_dump_begin(struct model *m, const struct tw_dump *dump);
void model_socket(struct model *m, const struct tw_socket *row);
void model_dump_end(struct model *m, const struct tw_dump *dump);
void model_round_end(struct model *m, const struct tw_round *round, struct model_drift *ret_drift);
void model_counters(struct model *m, const struct tw_counters *counters);
void model_netns_gone(struct model *m, const struct tw_dump *netns);
void model_lost(struct model *m, const struct tw_lost *lost);
/* A look at all listeners: each of them, then the end. */
void model_listener(struct model *m, const struct tw_listener *row);
/* In the accept queue of the listener told last. */
void model_queued(struct model *m, const struct tw_queued *queued);
void model_listeners_done(struct model *m, const struct tw_tick *tick);
/* Of the listeners that were not told nothing has changed. */
void model_listeners_changed(struct model *m, const struct tw_tick *tick);
void model_port(struct model *m, const struct tw_port_record *record);
void model_port_gone(struct model *m, const struct tw_port *port);
void model_sources(struct model *m, const struct tw_source_summary *summary);
void model_netstat(struct model *m, const struct tw_netstat *netstat);
void model_limits(struct model *m, const struct tw_limits *limits);
/* The best that is known of sockets that dumps have found: each, then the end. */
void model_age(struct model *m, const struct tw_age *age);
void model_ages_done(struct model *m, const struct tw_tick *tick);
/* A pass over all descriptors: begin, each process and each descriptor of it, then the end. */
void model_pass_begin(struct model *m, const struct tw_pass *pass);
void model_process(struct model *m, const struct tw_process *process);
void model_holder(struct model *m, const struct tw_holder *row);
void model_pass_end(struct model *m, const struct tw_pass *pass);
/* The names of control groups, of those that are wanted: each, then the end. */
void model_cgroup(struct model *m, const struct tw_cgroup *cgroup);
void model_cgroups_done(struct model *m, const struct tw_tick *tick);
void model_tick(struct model *m, const struct tw_tick *tick);

/* For reading: what is shown, served and alerted on. */
uint64_t model_now_ns(const struct model *m); /* the newest time that a record told */
uint64_t model_connections(const struct model *m, unsigned state, enum netns_family family);
uint64_t model_untracked(const struct model *m); /* connections counted, but not in the table */
/* Full sockets, ever, that a dump found in one of MODEL_DATED_STATES: since when, it did not say.
 */
#define MODEL_DATED_STATES                                                                       \
	(TW_STATE_BIT(TW_FIN_WAIT1) | TW_STATE_BIT(TW_FIN_WAIT2) | TW_STATE_BIT(TW_CLOSE_WAIT) | \
	 TW_STATE_BIT(TW_LAST_ACK) | TW_STATE_BIT(TW_CLOSING))
uint64_t model_undated(const struct model *m);
/* A complete dump of these shows the listeners and their queues. */
#define MODEL_LISTENER_STATES (TW_STATE_BIT(TW_LISTEN) | TW_STATE_BIT(TW_SYN_RECV))
/* What a dump shows without a descriptor is in an accept queue in these; in others it was closed.
 */
#define MODEL_QUEUED_STATES \
	(TW_STATE_BIT(TW_ESTABLISHED) | TW_STATE_BIT(TW_CLOSE_WAIT) | TW_STATE_BIT(TW_SYN_RECV))
/* Of a state: those that are not in the table, and so belong to no owner; below 0 when the table
 * has minisockets or requests that the kernel has ended. With the connections of all owners they
 * are the state's. */
int64_t model_unowned(const struct model *m, unsigned state);
const struct stats *model_stats(const struct model *m);
const struct recent *model_recent(const struct model *m);
const struct ages *model_ages(const struct model *m); /* as of the last tick */
const struct netns_table *model_netns(const struct model *m);
struct tallies *model_tallies(struct model *m); /* for those who want something counted */
const struct owners *model_owners(const struct model *m);
const struct cgroups *model_cgroups(const struct model *m);
const struct executables *model_executables(const struct model *m);
/* Connections that got another owner by the last pass over all descriptors. */
uint32_t model_pass_changes(const struct model *m);
/* Where SYNs came from, in the last window of time; duration_ns is 0 where nobody counts. */
const struct tw_source_summary *model_syn_sources(const struct model *m);
const struct listeners *model_listeners(const struct model *m);
const struct segments *model_segments(const struct model *m);
/* Whether its segments are to be counted: somebody listens on it, or it is port 0 of a namespace
 * that is there. */
bool model_wants_port(const struct model *m, const struct tw_port *port);
/* Of all namespaces, since each was first seen; see netstat.h. */
const struct tw_netstat *model_netstat_sums(const struct model *m);
struct table *model_table(const struct model *m);
bool model_known(const struct model *m); /* a full round has ended: the counts are whole */

#endif
