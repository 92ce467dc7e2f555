/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is true at the moment an alert fires: whose connections they are, with whom, how old, and
 * what goes with them. It only reads the model, and is bounded in time (some 2 ms) and in length
 * (some 8 KiB): of many connections it looks at the oldest.
 */
#ifndef ALERT_EVIDENCE_H
#define ALERT_EVIDENCE_H

#include <stdbool.h>

#include <json-c/json.h>

#include "alert/notice.h"
#include "model/model.h"

#define EVIDENCE_QUEUES_MAX 64U /* connections whose queues are asked for */
#define EVIDENCE_LEADERS 5U     /* owners, remotes and prefixes that are named */
#define EVIDENCE_TRANSITIONS 10U

struct evidence_queue {
	bool known;
	uint32_t receive; /* bytes that the program has not read */
};

struct evidence_calls {
	/* The queues of connections, as the kernel has them now. count: up to EVIDENCE_QUEUES_MAX.
	 * May be NULL: none is known. */
	void (*queues)(const struct connection *rows, size_t count, struct evidence_queue *ret,
		       void *userdata);
	void *userdata;
	uint64_t offset_ns; /* CLOCK_REALTIME less CLOCK_MONOTONIC */
};

/*
 * {"count","threshold","limit","looked_at","found","owners","owners_other","remotes",
 * "remotes_other","prefixes","prefixes_other","ages","recv_queue","transitions","sysctls"}; the
 * caller's. now_ns: CLOCK_MONOTONIC. NULL when there is no memory.
 */
struct json_object *evidence_collect(struct model *m, const struct notice *notice,
				     const struct evidence_calls *calls, uint64_t now_ns);

#endif
