/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages on their way to one receiver, in order: the first is tried until it has arrived, or has
 * been tried often enough, and the others wait behind it. Bounded; what finds no room pushes out
 * the oldest that waits, as later news counts for more. Pure: it is told the time, and what chance
 * says.
 */
#ifndef ALERT_OUTBOX_H
#define ALERT_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTBOX_MESSAGES 64 /* more than rules fire in the time that the tries take */
/* A message is given up after the last; with the pauses between them it had some ten minutes. */
#define OUTBOX_TRIES 16

/* After the first failure, twice as long after each that follows, and so long at most. */
#define OUTBOX_PAUSE_NS UINT64_C(1000000000)
#define OUTBOX_PAUSE_MAX_NS UINT64_C(60000000000)

#define OUTBOX_NEVER UINT64_MAX

struct outbox;

int outbox_new(struct outbox **ret);
struct outbox *outbox_free(struct outbox *o);

/* Takes text, of malloc(). False when another message was lost for it. */
bool outbox_put(struct outbox *o, char *text);
/* Messages that have not arrived. */
size_t outbox_count(const struct outbox *o);

/* When outbox_take() will have something; OUTBOX_NEVER while it is empty or its first is being
 * tried. */
uint64_t outbox_due_ns(const struct outbox *o);
/* The first message, for a try, which outbox_arrived() or outbox_failed() ends; NULL before it is
 * due. The outbox keeps it. */
const char *outbox_take(struct outbox *o, uint64_t now_ns);
void outbox_arrived(struct outbox *o);
/* for_good: it is useless to try again. chance: any number, so that several daemons do not try in
 * step. False when the message is given up. */
bool outbox_failed(struct outbox *o, bool for_good, uint64_t now_ns, uint32_t chance);

/* How long to wait after so many failures in a row, from 1. */
uint64_t outbox_pause_ns(unsigned failures, uint32_t chance);

#endif
