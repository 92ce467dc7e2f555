/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF iterators: what is there now, in all namespaces at once. Each read asks the kernel anew,
 * and needs no privilege once the iterators are attached.
 */
#ifndef SOURCE_INVENTORY_H
#define SOURCE_INVENTORY_H

#include <stddef.h>

#include <tcpwatch/listener.h>

struct inventory;

/* listener_map: of the tracepoint program, which adds the listeners to come. 0, or a negative
 * errno. */
int inventory_new(int listener_map, struct inventory **ret);
struct inventory *inventory_free(struct inventory *inv);

/*
 * One pass over every descriptor of every process: adds the listeners that were there before, and
 * learns who holds each. 0.4 us for each descriptor of a socket. 0, or a negative errno.
 */
int inventory_pass(struct inventory *inv);

typedef void inventory_listener_fn(const struct tw_listener *row, void *userdata);

/* Hands over every listener. O(listeners). 0, or a negative errno. */
int inventory_listeners(struct inventory *inv, inventory_listener_fn *on_listener, void *userdata);

#endif
