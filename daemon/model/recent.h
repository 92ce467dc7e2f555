/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last transitions, whosever: what went on just before somebody asks. A ring of a fixed size;
 * on a busy host it holds some milliseconds, on most some minutes.
 */
#ifndef MODEL_RECENT_H
#define MODEL_RECENT_H

#include <stddef.h>
#include <stdint.h>

#include <tcpwatch/event.h>

#define RECENT_MAX 1024U /* a power of two; 96 KB, and a copy of 96 bytes for each transition */

struct recent {
	struct tw_event events[RECENT_MAX];
	uint64_t added;
};

static inline void recent_add(struct recent *r, const struct tw_event *event)
{
	r->events[r->added++ % RECENT_MAX] = *event;
}

/* back: 0 is the newest. NULL when there are not so many. */
static inline const struct tw_event *recent_get(const struct recent *r, size_t back)
{
	if (back >= RECENT_MAX || back >= r->added)
		return NULL;
	return &r->events[(r->added - 1 - back) % RECENT_MAX];
}

#endif
