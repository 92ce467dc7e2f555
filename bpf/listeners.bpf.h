/* SPDX-License-Identifier: GPL-2.0-or-later OR MIT */
/*
 * The listener map: storage on listening sockets only. The tracepoint adds those that begin to
 * listen, the pass over all descriptors those that listened before, and a walk over the sockets of
 * a namespace those of them that no process holds; the kernel frees the storage with the socket.
 * Both objects that use it declare it, and the daemon makes it one map.
 *
 * For an MPTCP listener it is on the MPTCP socket, to which a descriptor leads and which BPF may
 * give storage. Its subflow, the TCP socket that listens, is found from there, but as an address
 * alone: it has an entry of its own only once it has closed, for what it leaves.
 */
#ifndef LISTENERS_BPF_H
#define LISTENERS_BPF_H

#include "kernel.bpf.h"

#include <tcpwatch/listener.h>

#define LISTENER_UNSETTLED 0xffffffff /* more than any backlog: net.core.somaxconn is an int */

/* With what the kernel has before it, one cache line: a look costs these. */
struct listener_owner {
	__u32 pid;
	__u32 last; /* that the pass met */
	__u32 holders : 31;
	__u32 init : 1; /* whether the pass met it in the hands of TW_INIT_PID */
	__u32 pass;     /* the last that met it; 0: none yet */
	__u32 looked;   /* the last to begin before a look first told of it; 0: none yet */
	__u32 uid;      /* of the process */
	__u64 cgroup;   /* likewise */
	__u32 look;     /* the last at all listeners that told of it; 0: none yet */
	/* The backlog that a look told of it, if that told of empty queues and nothing but them may
	 * have changed since; else LISTENER_UNSETTLED. */
	__u32 idle_backlog;
	char comm[TW_COMM_SIZE];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct listener_owner);
} listeners SEC(".maps");

#endif
