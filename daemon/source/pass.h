/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carries out a pass over all descriptors, piece by piece from the event loop, so that transitions
 * are drained in between. When one is due is decided elsewhere (passes.h).
 */
#ifndef SOURCE_PASS_H
#define SOURCE_PASS_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "source/inventory.h"

#include <tcpwatch/record.h>

struct pass;

struct pass_calls {
	/* TW_RECORD_PASS_BEGIN (TW_RECORD_PROCESS TW_RECORD_HOLDER+)* TW_RECORD_PASS_END */
	void (*record)(enum tw_record_type type, const void *body, void *userdata);
	/* After the last of them. cost_ns: processor time that the pass took, the calls included.
	 */
	void (*done)(uint64_t cost_ns, void *userdata);
	/* Before each piece: hand over all transitions so far. */
	void (*drain)(void *userdata);
	void *userdata;
};

/* inventory: the caller's, and outlives the result. calls is copied. 0, or a negative errno. */
int pass_new(sd_event *loop, struct inventory *inventory, const struct pass_calls *calls,
	     struct pass **ret);
struct pass *pass_free(struct pass *p);

bool pass_active(const struct pass *p);
/* 0; -EBUSY while one goes on; or another negative errno. */
int pass_start(struct pass *p);

#endif
