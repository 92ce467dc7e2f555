/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds the place of a namespace's port in an array that its owner keeps dense: places run from 0
 * to count - 1, a new port gets the next one, and the last port takes the place of one removed.
 */
#ifndef MODEL_PORT_INDEX_H
#define MODEL_PORT_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define PORT_INDEX_NONE UINT32_MAX /* no place */

/* All zero: an empty one. */
struct port_index {
	uint32_t count;
	/* the module's own */
	struct port_index_entry *entries;
	uint32_t *chains;   /* the first of each, by hash */
	uint32_t allocated; /* entries and chains: 0 or a power of two */
};

void port_index_clear(struct port_index *x);

/* PORT_INDEX_NONE when it is not there. */
uint32_t port_index_find(const struct port_index *x, uint32_t netns, uint16_t port);
/* One that is not there yet; its place is the count of before. 0, -ENOMEM. */
int port_index_add(struct port_index *x, uint32_t netns, uint16_t port);
void port_index_remove(struct port_index *x, uint32_t place);

#endif
