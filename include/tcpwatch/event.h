/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record that the tracepoint program writes to the ring buffer, one per transition, and that a
 * recording holds as it came. Fixed-width fields, explicit padding, host byte order except the
 * addresses.
 */
#ifndef TCPWATCH_EVENT_H
#define TCPWATCH_EVENT_H

#include <linux/types.h>

#define TW_COMM_SIZE 16 /* TASK_COMM_LEN, include/linux/sched.h */

enum tw_event_flag {
	TW_EVENT_PROCESS = 1 << 0, /* pid, comm, uid, cgroup: of the process that made the call */
	TW_EVENT_DEAD = 1 << 1,    /* SOCK_DEAD: no process holds the socket (an orphan) */
	TW_EVENT_DONE = 1 << 2,    /* SOCK_DONE: the peer's FIN has come */
	/* The first program was busy on that processor, and did not run. The second cannot always
	 * tell, and may repeat what has been told. */
	TW_EVENT_MISSED = 1 << 3,
};

struct tw_event {
	__u64 time_ns;   /* CLOCK_MONOTONIC */
	__u64 cookie;    /* bpf_get_socket_cookie(); the number that sock_diag and `ss -e` show */
	__u64 cgroup;    /* cgroup v2 id, 0 where there is none; unless TW_EVENT_PROCESS the
			    socket's: where it was made, or for an accepted one its listener */
	__u32 netns;     /* inode number of the network namespace, as lsns(8) shows it */
	__u32 uid;       /* as the initial user namespace sees it; unless TW_EVENT_PROCESS the
			    socket's: who made or accepted it */
	__u32 pid;       /* thread group id; 0 unless TW_EVENT_PROCESS */
	__u16 sport;     /* local port; 0 while none is chosen */
	__u16 dport;     /* the peer's port; 0 for a listener */
	__u16 error;     /* sk_err, an errno; set before a move to CLOSE */
	__u8 family;     /* the socket's: AF_INET or AF_INET6 (then v4-mapped addresses occur) */
	__u8 old_state;  /* enum tw_tcp_state */
	__u8 new_state;  /* enum tw_tcp_state */
	__u8 flags;      /* enum tw_event_flag */
	__u8 padding[2]; /* 0 */
	__u8 saddr[16];  /* local address, network byte order; IPv4 in the first 4 bytes, the rest 0
			  */
	__u8 daddr[16];  /* the peer's, likewise */
	char comm[TW_COMM_SIZE]; /* any bytes, NUL-terminated; empty unless TW_EVENT_PROCESS */
};

_Static_assert(sizeof(struct tw_event) == 96,
	       "the record's size is a contract with the BPF program");

/* One processor is amid few transitions at a time, seldom of two sockets that share a place. */
#define TW_TOLD_SIZE 32

/* A transition that the first program has told, until the second has seen that. */
struct tw_told {
	__u64 sock; /* its address; 0: none */
	__u64 move; /* its two states */
};

/* One for each processor, in an array that the daemon maps. */
struct tw_cpu {
	__u64 lost;                        /* records that found the ring full */
	__u64 padding[7];                  /* none shares a cache line with another */
	struct tw_told told[TW_TOLD_SIZE]; /* the programs' own: by the cookie's last bits */
};

#endif
