/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF iterators: what is there now, in all namespaces at once. Each read asks the kernel anew,
 * and needs no privilege once the iterators are attached.
 */
#ifndef SOURCE_INVENTORY_H
#define SOURCE_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tcpwatch/holder.h>
#include <tcpwatch/listener.h>

struct inventory;

/* listener_map: of the tracepoint program, which adds the listeners to come. 0, or a negative
 * errno. */
int inventory_new(int listener_map, struct inventory **ret);
struct inventory *inventory_free(struct inventory *inv);

/* The link of the iterator that adds the listeners of one namespace, see struct opener_programs.
 * Its own. */
int inventory_older(const struct inventory *inv);

#define INVENTORY_BUFFER_SIZE                                              \
	(32U << 10) /* the kernel fills as much at a time (bpf_seq_read()) \
		     */

/* A pass that is read piece by piece. fd: the reader's own; -1: it is closed. */
struct inventory_reader {
	int fd;
	size_t kept;
	struct tw_holder row; /* the last one */
	_Alignas(8) uint8_t buffer[INVENTORY_BUFFER_SIZE];
};

typedef void inventory_holder_fn(const struct tw_holder *row, void *userdata);
/* row: its first. */
typedef void inventory_process_fn(const struct tw_holder *row,
				  const struct tw_executable *executable, void *userdata);

/*
 * Begins a pass over every descriptor of every process: adds the listeners that were there before,
 * learns who holds each, and has a row of struct tw_holder for each descriptor of a TCP socket, all
 * of one process in a row, and before them the process itself. One at a time. 0, or a negative
 * errno.
 */
int inventory_holders(struct inventory *inv, struct inventory_reader *ret);
/* Reads on. 1: there may be more; 0: that was all; or a negative errno. */
int inventory_reader_read(struct inventory_reader *r, inventory_process_fn *on_process,
			  inventory_holder_fn *on_holder, void *userdata);
void inventory_reader_close(struct inventory_reader *r);
/* Ends the pass, and closes the reader. Of listeners that a complete one has not met, nobody is
 * said to hold them. */
void inventory_holders_end(struct inventory *inv, struct inventory_reader *r, bool complete);

/* Whether a pass has ended. */
bool inventory_passed(const struct inventory *inv);
/*
 * Whether inventory_listeners() knows all listeners that the last pass met; not before one has
 * ended. Where a processor
 * cannot exchange 16 bytes at once (x86 without CMPXCHG16B, arm64 without LSE, riscv), Linux 7 has
 * no memory for the listener map, ever: kmalloc_nolock().
 */
bool inventory_listing(const struct inventory *inv);

typedef void inventory_listener_fn(const struct tw_listener *row, void *userdata);

typedef void inventory_queued_fn(uint64_t cookie, void *userdata);

/*
 * Hands over every listener, and after each the connections in its accept queue, up to
 * TW_QUEUE_TOLD. O(listeners + connections in their queues). only_changes: if they are the same as
 * last time, those alone that have somebody in a queue, or had, or of which anything else may have
 * changed since. What the end of a pass changes is told with all. 0: that were all; 1: only those;
 * or a negative errno.
 */
int inventory_listeners(struct inventory *inv, bool only_changes,
			inventory_listener_fn *on_listener, inventory_queued_fn *on_queued,
			void *userdata);

#endif
