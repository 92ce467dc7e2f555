/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is asked of the kernel about single connections of the model: the queues of those that are
 * being shown, and, of those that were there before anybody looked, since when they have been in
 * their state.
 */
#ifndef LOOKUPS_H
#define LOOKUPS_H

#include <stdbool.h>
#include <stddef.h>

#include <systemd/sd-event.h>

#include "model/model.h"
#include "serve/serve.h"
#include "source/sources.h"

struct lookups;

struct lookups_calls {
	sources_record_fn *record; /* TW_RECORD_AGE*, TW_RECORD_AGES */
	/* After them. cost_ns: processor time. first: it was the first time. */
	void (*dated)(uint64_t cost_ns, bool first, void *userdata);
	void *userdata;
};

/* sources and model: the caller's, and outlive the result. 0, or a negative errno. */
int lookups_new(sd_event *loop, struct sources *sources, struct model *model,
		const struct lookups_calls *calls, struct lookups **ret);
struct lookups *lookups_free(struct lookups *l);

/* Of the moment; not known of what has gone, and of requests and minisockets, which have none.
 * count: up to SERVE_QUEUES_MAX. */
void lookups_queues(struct lookups *l, const struct connection *rows, size_t count,
		    struct serve_queues *ret);
/* A round of dumps has ended: whatever it found is dated, bit by bit from the loop. */
void lookups_date(struct lookups *l);

#endif
