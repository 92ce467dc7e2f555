/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the BPF programs tell of listening sockets and of the segments that arrive for them.
 * Fixed-width fields, host byte order except the addresses.
 */
#ifndef TCPWATCH_LISTENER_H
#define TCPWATCH_LISTENER_H

#include <linux/types.h>
#include <tcpwatch/event.h>

/* One listener, as the iterator over the listener map writes it. */
struct tw_listener {
	__u64 cookie;
	__u64 cgroup; /* cgroup v2 id, 0 where there is none */
	__u32 netns;  /* inode number of the network namespace */
	__u32 uid;    /* the socket's owner, as the initial user namespace sees it */
	__u32 pid; /* of a process that holds it, another than TW_INIT_PID if there is one; 0: not
		      known */
	__u32 holders; /* processes that held it when they were last looked through; 0: not known */
	__u32 syn_queue;    /* half-open connections: icsk_accept_queue.qlen */
	__u32 accept_queue; /* connections that wait for accept(): sk_ack_backlog */
	__u32 backlog;      /* limit of either: sk_max_ack_backlog, the lesser of listen()'s and
			       somaxconn */
	__u16 port;
	__u8 family;     /* AF_INET or AF_INET6 */
	__u8 closed : 1; /* it listens no more, and has half-open connections left; its port is 0 */
	__u8 shared : 1; /* by dumps: syn_queue is that of all at this address and port, told of one
			    of them and 0 in the others; which has how many the kernel does not say
			  */
	__u8 init : 1;   /* TW_INIT_PID is one of its holders */
	__u8 padding : 5;
	__u8 saddr[16];          /* network byte order; IPv4 in the first 4 bytes */
	char comm[TW_COMM_SIZE]; /* of pid; any bytes, NUL-terminated */
};

_Static_assert(sizeof(struct tw_listener) == 80,
	       "the row's size is a contract with the BPF program");

/* Of an accept queue, so many connections are told one by one: what one call writes has 8 pages in
 * the kernel. */
#define TW_QUEUE_TOLD 1000

/* So many ports of all namespaces are counted one by one, */
#define TW_PORTS_MAX 16384
/* and for so many namespaces what comes for others: there is room for these whatever listens. */
#define TW_PORT_RESTS_MAX 4096

/* Segments that arrived for a local port of a namespace, a pair for each processor. */
struct tw_port {
	__u32 netns;
	__u16 port; /* 0: all ports that have no entry of their own */
	__u16 padding;
};

struct tw_port_count {
	__u64 syns;   /* SYN without ACK: somebody wants to connect */
	__u64 resets; /* RST */
};

/* The map's value. */
struct tw_port_entry {
	struct tw_port_count count;
	__u32 window; /* of time, low bits: as struct tw_sources has it */
	__u32 seen;   /* SYNs in it, by which the program tells whether to sketch the next one */
};

/*
 * Where SYNs come from, a small sketch of one window of time, one for each processor. Each slot
 * keeps the prefix that has the majority among those that fall into it (Boyer and Moore), so a
 * source that sends most of the SYNs is in one of them; the bits tell about how many prefixes there
 * were (linear counting).
 */
#define TW_SOURCE_SLOTS 64
#define TW_SOURCE_WORDS 16
#define TW_SOURCE_ALL 4096  /* so many SYNs of a port are looked at one by one, */
#define TW_SOURCE_SAMPLE 32 /* then one of so many, which stands for all of them */

struct tw_source_slot {
	__u8 prefix[8]; /* network byte order: an IPv4 /24 in the first 3 bytes, or an IPv6 /64 */
	__u32 lead;     /* how many more SYNs from it than from the others of the slot */
	__u32 count;    /* about so many, at least, came from it */
	__u32 family;   /* AF_INET or AF_INET6; 0: empty */
	__u32 padding;
};

struct tw_sources {
	__u64 window; /* which it is of; all else is stale when it is not the one asked for */
	__u64 syns;
	__u64 bits[TW_SOURCE_WORDS];
	struct tw_source_slot slots[TW_SOURCE_SLOTS];
};

#endif
