/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a look at the model says of each namespace's queues and closings, for advice on its
 * settings: one pass over the listeners and a bounded one over connections.
 */
#ifndef SERVE_MEASURES_H
#define SERVE_MEASURES_H

#include <stdint.h>

#include "model/model.h"

/* The fullest queue of its kind. */
struct measures_queue {
	uint32_t length, backlog;
	uint16_t port;
};

struct measures {
	uint32_t listeners;
	uint32_t clipped;       /* of them: their backlog is just somaxconn */
	uint32_t fin_wait2_old; /* held by a process for longer than tcp_fin_timeout; at least */
	struct measures_queue syn, accept;
};

/* One for each index of netns_count(), from malloc(). now_ns: CLOCK_MONOTONIC. 0, -ENOMEM. */
int measures_take(struct model *m, uint64_t now_ns, struct measures **ret);

/* 0 to 1 and above. */
double measures_share(const struct measures_queue *queue);

#endif
