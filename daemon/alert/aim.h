/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an alert is aimed at: from its source and its target, which connections it speaks of, and
 * which of the kernel's settings bear on them. It reads the model, and knows nothing of what is
 * then said about these connections.
 */
#ifndef ALERT_AIM_H
#define ALERT_AIM_H

#include <stdbool.h>
#include <stdint.h>

#include "alert/notice.h"
#include "model/model.h"

struct aim {
	uint32_t states, kinds; /* masks of TW_STATE_BIT() and of 1 << enum owner_kind */
	uint32_t sysctls;       /* mask of TW_SYSCTL_BIT() */
	uint32_t netns, pid;    /* 0: any */
	uint16_t sport;         /* likewise */
	uint64_t cgroup;        /* likewise */
	bool remote;            /* that of the key below; else any */
	uint64_t remote_key[2];
};

/* false: nothing is known of alerts on such a source. */
bool aim_take(const struct notice *notice, struct aim *ret);

/* Whether it speaks of the connection, or of one that the transition was of. */
bool aim_hits(const struct aim *aim, struct model *m, const struct connection *c);
bool aim_hits_event(const struct aim *aim, struct model *m, const struct tw_event *event);

#endif
