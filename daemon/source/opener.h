/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens, inside a network namespace, the few files through which the daemon sees it from outside.
 * All that enters another namespace is here, and nothing here reads what comes out of the files.
 */
#ifndef SOURCE_OPENER_H
#define SOURCE_OPENER_H

#include <stdint.h>

#include <tcpwatch/record.h>

enum opener_hook { OPENER_HOOK_IPV4, OPENER_HOOK_IPV6, OPENER_HOOKS };

/* Each stays bound to its namespace, and keeps it alive until it is closed. */
struct opener_files {
	int diag;                     /* a NETLINK_SOCK_DIAG socket, non-blocking */
	int sockstat;                 /* /proc/net/sockstat */
	int sockstat6;                /* /proc/net/sockstat6; -1 where IPv6 is off */
	int snmp;                     /* /proc/net/snmp */
	int netstat;                  /* /proc/net/netstat */
	int sysctls[TW_SYSCTL_COUNT]; /* below /proc/sys/net; -1: not wanted, or not there */
	int hooks[OPENER_HOOKS];      /* links of the netfilter programs; -1 where there is none */
	int hook_error;               /* why there is none, a negative errno; 0: none was wanted */
};

#define OPENER_FILES_NONE                                                               \
	{                                                                               \
		.diag = -1, .sockstat = -1, .sockstat6 = -1, .snmp = -1, .netstat = -1, \
		.sysctls = {[0 ... TW_SYSCTL_COUNT - 1] = -1}, .hooks = {-1, -1},       \
	}

struct opener;

/* Remembers the caller's own namespace, to come back to. 0, or a negative errno. */
int opener_new(struct opener **ret);
struct opener *opener_free(struct opener *o);

/* From now on each namespace gets a hook at LOCAL_IN for each program; descriptors, the caller's
 * own. */
void opener_set_programs(struct opener *o, const int programs[OPENER_HOOKS]);

/*
 * path: a namespace file, as /proc/PID/ns/net and /run/netns/NAME are. 0; -ESTALE: the namespace at
 * the path is not (or no longer) inum; -EPERM: CAP_SYS_ADMIN is missing; or another negative errno.
 */
int opener_open(struct opener *o, const char *path, uint32_t inum, struct opener_files *ret);
void opener_files_close(struct opener_files *files);
void opener_sysctls_close(struct opener_files *files);

#endif
