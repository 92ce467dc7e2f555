/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Carries out rounds of dumps: the same states of one or more namespaces, batch by batch from the
 * event loop, so that transitions are drained in between. What to dump, and when, is decided
 * elsewhere (schedule.h).
 */
#ifndef SOURCE_SYNC_H
#define SOURCE_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "source/namespaces.h"

#include <tcpwatch/record.h>

struct sync;

struct sync_calls {
	/* TW_RECORD_ROUND_BEGIN (TW_RECORD_DUMP_BEGIN TW_RECORD_SOCKET* TW_RECORD_DUMP_END)*
	 * TW_RECORD_ROUND_END */
	void (*record)(enum tw_record_type type, const void *body, void *userdata);
	/* After the last of them. cost_ns: processor time that the round took, the calls included.
	 */
	void (*done)(uint64_t cost_ns, void *userdata);
	/* Before a batch's rows, and before the round's end: hand over all transitions so far. */
	void (*drain)(void *userdata);
	void *userdata;
};

/* namespaces: the caller's, and outlives the result. calls is copied. 0, or a negative errno. */
int sync_new(sd_event *loop, struct namespaces *namespaces, const struct sync_calls *calls,
	     struct sync **ret);
struct sync *sync_free(struct sync *s);

bool sync_active(const struct sync *s);
/*
 * Starts a round. states: mask of TW_STATE_BIT(). inums: the namespaces, copied; those that are
 * closed meanwhile are passed over. 0; -EBUSY while one goes on; or another negative errno.
 */
int sync_start(struct sync *s, uint32_t states, const uint32_t *inums, size_t count);

#endif
