/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * With how many peers a process has connections in a state: a service that is down is one, a scan
 * is hundreds. It looks at so many connections, and tells so many peers apart, that it takes a few
 * milliseconds at most; it reads the model, and has no words for what it finds.
 */
#ifndef ALERT_PEERS_H
#define ALERT_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"

#define PEERS_WALK_MAX 20000U /* connections that are looked through */
#define PEERS_MAX 1024U       /* distinct peers: more is a scan whatever the number */

struct peers {
	size_t count;           /* of addresses with their ports */
	bool more;              /* than PEERS_MAX */
	struct tally_key first; /* family, address and port of the one found first, if any */
};

void peers_of(struct model *m, unsigned state, uint64_t pid, struct peers *ret);

#endif
