/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cookies of the connections that were in an accept queue at the last look, and of those that
 * this one has found so far: who is in the former and not in the latter has been accepted.
 */
#ifndef MODEL_QUEUED_H
#define MODEL_QUEUED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUEUED_MAX                                                                     \
	16384U /* a look at so many takes 3 ms; the rest is not told from the accepted \
		*/

struct queued {
	uint64_t *cookies;
	size_t count, allocated;
};

void queued_clear(struct queued *q);
/* Whether there was room. */
bool queued_add(struct queued *q, uint64_t cookie);

#endif
