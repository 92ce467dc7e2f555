/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the iterator over all descriptors tells of each TCP socket that one leads to, subflows of
 * MPTCP among them (or a socket that is much like it, and has a cookie that no TCP socket has): of
 * the first of a process struct tw_holder_first and struct tw_executable, of the others the
 * cookie alone. Fixed-width fields, host byte order.
 */
#ifndef TCPWATCH_HOLDER_H
#define TCPWATCH_HOLDER_H

#include <linux/types.h>
#include <tcpwatch/event.h>

/*
 * systemd's pid, or another init's, in the initial pid namespace. What it opens for a service
 * (systemd.socket(5)) and what it keeps for one (FDSTORE, sd_notify(3)) it has beside the service.
 */
#define TW_INIT_PID 1

struct tw_holder {
	__u64 cookie;  /* of the socket */
	__u64 cgroup;  /* of the process, its cgroup v2 id; 0: there is none */
	__u32 pid;     /* thread group id, as the initial pid namespace has it */
	__u32 uid;     /* the process's effective one, as the initial user namespace sees it */
	__u32 nofile;  /* how many descriptors it may have: RLIMIT_NOFILE, the soft limit */
	__u32 padding; /* 0 */
	char comm[TW_COMM_SIZE]; /* any bytes, NUL-terminated */
};

struct tw_holder_first {
	__u64 mark; /* 0, which is no cookie */
	struct tw_holder row;
};

#define TW_EXECUTABLE_SIZE 256

/* Follows that: the path of the file that the process runs, from the root of its mount namespace.
 * What is too long lacks its beginning, a '/' first of all; "": it is not known. */
struct tw_executable {
	char path[TW_EXECUTABLE_SIZE]; /* any bytes, NUL-terminated */
};

_Static_assert(sizeof(struct tw_holder) == 48 && sizeof(struct tw_holder_first) == 56,
	       "the rows' sizes are a contract with the BPF program");

#endif
