/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stream of records that feeds the model: what the sources hand over while the daemon runs,
 * what `tcpwatchd --record` writes and `tcpwatchd --replay` reads. A recording is the 8 bytes of
 * TW_RECORDING_MAGIC and then records, each a struct tw_record_header and a body of the size that
 * its type has; the last is the end, without which the recording was not finished. Host byte order:
 * a recording is read on the kind of machine that wrote it.
 */
#ifndef TCPWATCH_RECORD_H
#define TCPWATCH_RECORD_H

#include <linux/types.h>
#include <tcpwatch/event.h>
#include <tcpwatch/holder.h>
#include <tcpwatch/listener.h>

#define TW_RECORDING_MAGIC "TCPWREC\3" /* the last byte is the format's version */
#define TW_RECORDING_MAGIC_SIZE 8
#define TW_RECORDING_END 0 /* struct tw_recording_end: a type of the file's own, the last */

enum tw_record_type {
	TW_RECORD_EVENT = 1,   /* struct tw_event: a transition */
	TW_RECORD_ROUND_BEGIN, /* struct tw_round: a round of dumps starts */
	TW_RECORD_DUMP_BEGIN,  /* struct tw_dump: the dump of one namespace starts */
	TW_RECORD_SOCKET,      /* struct tw_socket: one row of that dump */
	TW_RECORD_DUMP_END,    /* struct tw_dump */
	TW_RECORD_ROUND_END,   /* struct tw_round */
	TW_RECORD_COUNTERS,    /* struct tw_counters: the kernel's own sums for one namespace */
	TW_RECORD_NETNS_GONE,  /* struct tw_dump: neither process nor name leads to a namespace */
	TW_RECORD_LOST,        /* struct tw_lost: transitions that were lost on their way */
	TW_RECORD_TICK,        /* struct tw_tick: time goes on */
	TW_RECORD_LISTENER,    /* struct tw_listener: one listener, of a look at all of them */
	TW_RECORD_LISTENERS,   /* struct tw_tick: that look is complete */
	TW_RECORD_PORT,        /* struct tw_port_record: segments that arrived for a port so far */
	TW_RECORD_SOURCES,     /* struct tw_source_summary: where SYNs came from */
	TW_RECORD_NETSTAT, /* struct tw_netstat: what the kernel counts of half-open connections */
	TW_RECORD_LIMITS,  /* struct tw_limits: the settings that bound a namespace's connections */
	TW_RECORD_AGE,     /* struct tw_age: since when a socket found by a dump is in its state */
	TW_RECORD_AGES,    /* struct tw_tick: all that could be found out of those has been told */
	TW_RECORD_PASS_BEGIN, /* struct tw_pass: a pass over all descriptors starts */
	TW_RECORD_HOLDER,     /* struct tw_holder: a process has a descriptor of a socket */
	TW_RECORD_PASS_END,   /* struct tw_pass */
	TW_RECORD_CGROUP,     /* struct tw_cgroup: the path of a control group */
	TW_RECORD_CGROUPS,    /* struct tw_tick: all that there were at that time have been told */
	TW_RECORD_QUEUED,     /* struct tw_queued: in the accept queue of the listener told last */
	TW_RECORD_PORT_GONE,  /* struct tw_port: its segments are not counted any more */
	TW_RECORD_PROCESS,    /* struct tw_process: whose descriptors the pass tells of next */
	TW_RECORD_LISTENERS_CHANGED, /* struct tw_tick: that look is complete, and the listeners
					that it did not tell are as they were at the one before */
};

struct tw_record_header {
	__u16 type; /* enum tw_record_type, or TW_RECORDING_END */
	__u16 size; /* of the body, in bytes */
	__u32 crc;  /* CRC-32 as in RFC 1952, 8, over type, size and body of each record from the
		       first to this one: none is changed, left out or moved unnoticed */
};

struct tw_recording_end {
	__u64 records; /* before it */
};

/* A round is a dump of the same states in one or more namespaces; the model settles it at its end.
 */
struct tw_round {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 states;  /* mask of TW_STATE_BIT(); the same at the begin and at the end */
	__u32 padding; /* 0 */
};

struct tw_dump {
	__u64 time_ns; /* CLOCK_MONOTONIC, before the request was sent, or when the answer was
			  complete */
	__u32 netns;
	__u32 complete; /* at the end: 1 when every row came, 0 when the dump failed and says
			   nothing; of a namespace that has gone: 1 when no socket is left in it, 0
			   when it could not be looked into */
};

/* How a socket is kept by the kernel, which tells whether the tracepoint speaks of it. */
enum tw_socket_kind {
	TW_SOCKET_FULL = 0, /* struct sock: each change of state is an event */
	TW_SOCKET_REQUEST,  /* struct request_sock: half-open; no event until the final ACK */
	TW_SOCKET_MINI, /* struct inet_timewait_sock: FIN_WAIT2 of an orphan or TIME_WAIT; no event
			 */
};

/* One row of a sock_diag dump (struct inet_diag_msg), of the namespace whose dump is going on. */
struct tw_socket {
	__u64 cookie;
	__u64 cgroup; /* cgroup v2 id, 0 where the kernel does not say */
	__u32 netns;
	__u32 uid;   /* of the inode; 0 for kinds other than TW_SOCKET_FULL and for orphans */
	__u32 inode; /* 0: no descriptor; still in the accept queue, an orphan, or not a full socket
		      */
	__u32 expires_ms; /* of the timer that runs, from now */
	__u16 sport;
	__u16 dport;
	__u8 family; /* AF_INET or AF_INET6 */
	__u8 state;  /* enum tw_tcp_state; a minisocket's is its substate */
	__u8 kind;   /* enum tw_socket_kind */
	__u8 retransmits;
	__u32 receive_queue; /* bytes not read yet; of a listener: connections that wait for
				accept() */
	__u32 send_queue;    /* bytes not acknowledged yet; of a listener: its backlog */
	__u8 saddr[16];      /* as in struct tw_event */
	__u8 daddr[16];
};

#define TW_NOT_READ (~(__u32)0)

/* What the kernel counts by itself in a namespace: cheap to read, and with no word on which socket.
 */
struct tw_counters {
	__u64 time_ns;
	__u32 netns;
	__u32 in_use; /* full sockets in any state but CLOSE, both families ("inuse" in sockstat and
			 sockstat6) */
	__u32 time_wait;   /* minisockets, both substates, both families ("tw" in sockstat) */
	__u32 established; /* "CurrEstab" in snmp: ESTABLISHED, since Linux 6.10 and the stable
			      kernels of that time with CLOSE_WAIT; or TW_NOT_READ */
};

struct tw_pass {
	__u64 time_ns;  /* CLOCK_MONOTONIC */
	__u32 complete; /* at the end: 1 when every descriptor was met, 0 when it failed and says
			   nothing of sockets that were not */
	__u32 unlisted; /* at the end: 1 when not all listeners are told of by looks, since the
			   kernel had no memory to list them; dumps show them then */
};

struct tw_process {
	__u32 pid;               /* as in struct tw_holder */
	__u32 padding;           /* 0 */
	char comm[TW_COMM_SIZE]; /* likewise */
	struct tw_executable executable;
};

struct tw_queued {
	__u64 cookie;
};

#define TW_CGROUP_PATH_SIZE 4096 /* PATH_MAX: what is deeper cannot be opened, and has no name */

struct tw_cgroup {
	__u64 id;                       /* cgroup v2 id: its directory's inode number */
	char path[TW_CGROUP_PATH_SIZE]; /* from the root of the hierarchy; NUL-terminated */
};

struct tw_port_record {
	struct tw_port port;
	struct tw_port_count count; /* since the port was added */
};

/* The SYNs of one window of time, in all namespaces. */
struct tw_source_summary {
	__u64 time_ns;     /* its end */
	__u64 duration_ns; /* its length */
	__u64 syns;
	__u64 prefixes; /* about how many there were: IPv4 /24, IPv6 /64 */
	__u64 top_syns; /* at least so many came from the one that sent most; 0: none stands out */
	__u8 top_prefix[8]; /* network byte order: 3 bytes of an IPv4 /24, or 8 of an IPv6 /64 */
	__u32 top_family;   /* AF_INET or AF_INET6 */
	__u32 padding;      /* 0 */
};

/* Counters of /proc/net/netstat (TcpExt), by their names there. X(name, field) */
#define TW_NETSTAT(X)                                         \
	X("SyncookiesSent", syncookies_sent)                  \
	X("SyncookiesRecv", syncookies_received)              \
	X("SyncookiesFailed", syncookies_failed)              \
	X("ListenDrops", listen_drops)                        \
	X("ListenOverflows", listen_overflows)                \
	X("TCPReqQFullDoCookies", request_queue_full_cookies) \
	X("TCPReqQFullDrop", request_queue_full_drops)        \
	X("TCPAbortOnOverflow", aborts_on_overflow)

/* Of one namespace, since it was made. */
struct tw_netstat {
	__u64 time_ns;
	__u32 netns;
	__u32 padding; /* 0 */
#define X(name, field) __u64 field;
	TW_NETSTAT(X)
#undef X
};

/*
 * Settings below /proc/sys/net that bound, time or tell of a namespace's connections. X(NAME,
 * directory, file, everywhere): those with 0 are read in the daemon's own namespace alone, as each
 * takes a descriptor in every namespace.
 */
#define TW_SYSCTLS(X)                                                \
	X(TCP_FIN_TIMEOUT, "ipv4", "tcp_fin_timeout", 1)             \
	X(TCP_KEEPALIVE_TIME, "ipv4", "tcp_keepalive_time", 0)       \
	X(TCP_KEEPALIVE_INTVL, "ipv4", "tcp_keepalive_intvl", 0)     \
	X(TCP_KEEPALIVE_PROBES, "ipv4", "tcp_keepalive_probes", 0)   \
	X(TCP_MAX_SYN_BACKLOG, "ipv4", "tcp_max_syn_backlog", 1)     \
	X(SOMAXCONN, "core", "somaxconn", 1)                         \
	X(TCP_SYNCOOKIES, "ipv4", "tcp_syncookies", 1)               \
	X(TCP_SYNACK_RETRIES, "ipv4", "tcp_synack_retries", 0)       \
	X(TCP_SYN_RETRIES, "ipv4", "tcp_syn_retries", 0)             \
	X(TCP_ABORT_ON_OVERFLOW, "ipv4", "tcp_abort_on_overflow", 1) \
	X(TCP_TW_REUSE, "ipv4", "tcp_tw_reuse", 1)                   \
	X(TCP_MAX_TW_BUCKETS, "ipv4", "tcp_max_tw_buckets", 1)       \
	X(TCP_MAX_ORPHANS, "ipv4", "tcp_max_orphans", 1)             \
	X(IP_LOCAL_PORT_RANGE, "ipv4", "ip_local_port_range", 1)     \
	X(IP_LOCAL_RESERVED_PORTS, "ipv4", "ip_local_reserved_ports", 1)

enum tw_sysctl {
#define X(name, directory, file, everywhere) TW_SYSCTL_##name,
	TW_SYSCTLS(X)
#undef X
		TW_SYSCTL_COUNT
};

#define TW_SYSCTL_BIT(sysctl) (1U << (sysctl))

struct tw_limits {
	__u64 time_ns;
	__u32 netns;
	__u32 known; /* mask of TW_SYSCTL_BIT(): those that could be read; the rest is 0 */
	/* Seconds, counts, or what the setting says. Of the range of local ports: how many are in
	 * it; of the reserved ports: how many of the range they take. */
	__u32 values[TW_SYSCTL_COUNT];
	__u16 port_low, port_high; /* the range of local ports, both included */
	__u32 orphans;             /* of the whole host; each namespace tells the same */
	__u32 padding;             /* 0 */
};

/* The best that is known of a full socket that came into its state before anybody looked. */
struct tw_age {
	__u64 cookie;
	__u64 entered_ns; /* CLOCK_MONOTONIC */
	__u32 state;      /* enum tw_tcp_state, in which it was found */
	__u32 padding;    /* 0 */
};

struct tw_lost {
	__u64 time_ns;
	__u64 ring_full; /* transitions that found no room, since the previous such record */
	__u64 not_run;   /* transitions for which no program was run, likewise */
};

struct tw_tick {
	__u64 time_ns;
};

_Static_assert(sizeof(struct tw_port) == 8, "part of the recording's format");
_Static_assert(sizeof(struct tw_round) == 16, "part of the recording's format");
_Static_assert(sizeof(struct tw_dump) == 16, "part of the recording's format");
_Static_assert(sizeof(struct tw_socket) == 80, "part of the recording's format");
_Static_assert(sizeof(struct tw_age) == 24, "part of the recording's format");
_Static_assert(sizeof(struct tw_counters) == 24, "part of the recording's format");
_Static_assert(sizeof(struct tw_limits) == 88, "part of the recording's format");

#endif
