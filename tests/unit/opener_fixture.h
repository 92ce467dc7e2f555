/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An opener that says what a test wants: it takes the place of the real one in the process that
 * opener_start() makes. What it is asked to open is never there.
 */
#ifndef TESTS_OPENER_FIXTURE_H
#define TESTS_OPENER_FIXTURE_H

#include <errno.h>
#include <stdbool.h>

#include "base/util.h"
#include "source/opener_process.h"

#define OPENER_SOCKET 3 /* SOCKET of opener.c */

struct fake_opener {
	bool mute;       /* scans have no end */
	uint32_t found;  /* namespaces that a scan finds, whose numbers are 1 and so on */
	uint32_t opened; /* of those, for which it waits to be asked before it tells the next */
};

static inline void fake_say(struct opener_message message)
{
	if (opener_message_send(OPENER_SOCKET, &message, NULL, 0, 0) < 0)
		_exit(EXIT_FAILURE);
}

static inline bool fake_serve(struct fake_opener *fake);

static inline void fake_scan(struct fake_opener *fake)
{
	uint32_t opened = TAKE(fake->opened, 0); /* later ones are tried again when there is room */

	for (uint32_t inum = 1; inum <= fake->found; inum++) {
		fake_say((struct opener_message){.verb = OPENER_FOUND,
						 .place = {.inum = inum, .pid = 1}});
		if (inum <= opened)
			fake_serve(fake);
	}
	if (!fake->mute)
		fake_say((struct opener_message){.verb = OPENER_SCANNED});
}

/* One request. Whether the daemon is still there. */
static inline bool fake_serve(struct fake_opener *fake)
{
	struct opener_message request;
	int fds[OPENER_FILES_COUNT];
	size_t count;

	if (opener_message_receive(OPENER_SOCKET, &request, fds, &count, 0) <= 0)
		return false;
	if (request.verb == OPENER_SCAN)
		fake_scan(fake);
	else if (request.verb == OPENER_OPEN)
		fake_say((struct opener_message){
			.verb = OPENER_OPENED, .error = -ENOENT, .place = request.place});
	return true;
}

/* For opener_start(), in place of confinement. userdata: struct fake_opener. */
static int fake_run(void *userdata)
{
	fake_say((struct opener_message){.verb = OPENER_SCANNED}); /* it has started */
	while (fake_serve(userdata))
		;
	return -EPIPE;
}

#endif
