/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SYNs and RSTs that arrived, by number of the port over all namespaces, as sums that only
 * grow. A few ports have a slot of their own, all the rest is one sum.
 *
 * A port that gets a slot starts there at 0, and what it had before stays with the rest; when it
 * goes, or gives its slot to a busier one, what it had goes to the rest. So a sum over all is
 * always the total.
 */
#ifndef MODEL_SEGMENTS_H
#define MODEL_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tcpwatch/listener.h>
#include <tcpwatch/record.h>

#define SEGMENTS_SLOTS_MAX 100 /* series of one metric: what a person can still read */

struct segments;

struct segments_slot {
	uint16_t port;
	bool earned; /* given for what had come for the port before, though the count is at 0 */
	struct tw_port_count count;
};

/* Without a slot. 0, -ENOMEM. */
int segments_new(struct segments **ret);
struct segments *segments_free(struct segments *s);
/* How many slots there may be, up to SEGMENTS_SLOTS_MAX. */
void segments_set_slots(struct segments *s, size_t slots);

/*
 * How far one counter has come. Port 0: all ports of its namespace without a counter of their own.
 * wanted: the kernel will go on counting; else the counter is about to be removed there.
 */
void segments_count(struct segments *s, const struct tw_port_record *record, bool wanted);
/* The counter has been removed in the kernel, and starts anew if it comes again. Until this is told
 * it is remembered, so that nothing is added twice. */
void segments_gone(struct segments *s, const struct tw_port *port);
/* Gives slots to the busiest ports, where others are much less busy. */
void segments_look(struct segments *s, uint64_t now_ns);

/* Slots in use, in the order in which they were taken. Valid until the next record. */
const struct segments_slot *segments_slots(const struct segments *s, size_t *ret_count);
/* Of all ports without a slot. */
struct tw_port_count segments_rest(const struct segments *s);

#endif
