/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The few files through which the daemon sees a network namespace from outside, and how they are
 * opened by whoever is inside. Nothing here reads what comes out of them.
 */
#ifndef SOURCE_OPENER_FILES_H
#define SOURCE_OPENER_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tcpwatch/record.h>

/*
 * Of the hooks: before all rules (NF_IP_PRI_RAW is -300), as what they drop has arrived too. No two
 * BPF programs may have the same priority: the next one is for another tcpwatchd.
 */
#define OPENER_PRIORITY_FIRST (-399)
#define OPENER_PRIORITY_LAST (-384)

enum opener_hook { OPENER_HOOK_IPV4, OPENER_HOOK_IPV6, OPENER_HOOKS };

/* BPF that is put to use in each namespace. Descriptors; -1: not wanted. */
struct opener_programs {
	int older;               /* link of the iterator that opener_files.older is made of */
	int hooks[OPENER_HOOKS]; /* netfilter programs for LOCAL_IN: both, or -1 */
};

#define OPENER_PROGRAMS_COUNT (sizeof(struct opener_programs) / sizeof(int))

/* Each stays bound to its namespace, and keeps it alive until it is closed. */
struct opener_files {
	int diag;      /* a NETLINK_SOCK_DIAG socket, non-blocking, for dumps */
	int lookup;    /* another, for single sockets: their answers would come between a dump's */
	int sockstat;  /* /proc/net/sockstat */
	int sockstat6; /* /proc/net/sockstat6; -1 where IPv6 is off */
	int snmp;      /* /proc/net/snmp */
	int netstat;   /* /proc/net/netstat */
	int older;     /* an iterator, see namespaces_older(); -1: it has been read, or is not
			  wanted */
	int sysctls[TW_SYSCTL_COUNT]; /* below /proc/sys/net; -1: not wanted, or not there */
	/* links of the netfilter programs: both, or -1, as half of what comes would pass for all */
	int hooks[OPENER_HOOKS];
	int hook_error; /* why not, a negative errno; 0: they are there, or were not wanted */
};

#define OPENER_FILES_NONE                                                                  \
	{                                                                                  \
		.diag = -1, .lookup = -1, .sockstat = -1, .sockstat6 = -1, .snmp = -1,     \
		.netstat = -1, .older = -1, .sysctls = {[0 ... TW_SYSCTL_COUNT - 1] = -1}, \
		.hooks = {-1, -1},                                                         \
	}

/* The descriptors stand in front, one after the other: so they go through a socket. */
#define OPENER_FILES_COUNT (offsetof(struct opener_files, hook_error) / sizeof(int))

/*
 * In the namespace that the process is in. home: it is the daemon's own. programs: the caller's, or
 * NULL. 0, or a negative errno.
 */
int opener_files_open(bool home, const struct opener_programs *programs, struct opener_files *ret);
/* How many are open. */
size_t opener_files_count(const struct opener_files *files);
void opener_files_close(struct opener_files *files);
void opener_sysctls_close(struct opener_files *files);
/* Whether the programs are hooked in. */
bool opener_files_hooked(const struct opener_files *files);

#endif
