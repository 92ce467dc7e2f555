/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/netlink.h>

#include "base/util.h"
#include "source/opener.h"

/* Of linux/bpf.h and linux/netfilter.h as of Linux 6.4, which the build host's headers may not have
 * yet. */
#define LINK_CREATE 28 /* BPF_LINK_CREATE */
#define ATTACH_TYPE_NETFILTER 45
#define PF_IPV4 2       /* NFPROTO_IPV4 */
#define PF_IPV6 10      /* NFPROTO_IPV6 */
#define HOOK_LOCAL_IN 1 /* NF_INET_LOCAL_IN */

/*
 * Before all rules (NF_IP_PRI_RAW is -300), as what they drop has arrived too. No two BPF programs
 * may have the same priority: the next one is for another tcpwatchd.
 */
#define HOOK_PRIORITY_FIRST (-399)
#define HOOK_PRIORITY_LAST (-384)

struct opener {
	int home; /* the namespace that the daemon runs in */
	uint32_t home_inum;
	bool hooks;
	int programs[OPENER_HOOKS];
};

static int namespace_open(const char *path, int *ret_fd, uint32_t *ret_inum)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	*ret_inum = (uint32_t)st.st_ino;
	return 0;
}

int opener_new(struct opener **ret)
{
	struct opener *o = calloc(1, sizeof(*o));
	int error;

	if (!o)
		return -ENOMEM;
	error = namespace_open("/proc/self/ns/net", &o->home, &o->home_inum);
	if (error < 0) {
		free(o);
		return error;
	}
	*ret = o;
	return 0;
}

struct opener *opener_free(struct opener *o)
{
	if (o)
		close(o->home);
	free(o);
	return NULL;
}

void opener_sysctls_close(struct opener_files *files)
{
	for (size_t i = 0; i < TW_SYSCTL_COUNT; i++) {
		close_p(&files->sysctls[i]);
		files->sysctls[i] = -1;
	}
}

void opener_files_close(struct opener_files *files)
{
	close_p(&files->diag);
	close_p(&files->sockstat);
	close_p(&files->sockstat6);
	close_p(&files->snmp);
	close_p(&files->netstat);
	opener_sysctls_close(files);
	for (size_t i = 0; i < OPENER_HOOKS; i++)
		close_p(&files->hooks[i]);
	*files = (struct opener_files)OPENER_FILES_NONE;
}

void opener_set_programs(struct opener *o, const int programs[OPENER_HOOKS])
{
	o->hooks = true;
	memcpy(o->programs, programs, sizeof(o->programs));
}

static int hook(int program, uint32_t family, int32_t priority)
{
	/* union bpf_attr, link_create, with the part for netfilter */
	struct {
		uint32_t prog_fd, target_fd, attach_type, flags;
		uint32_t pf, hooknum;
		int32_t priority;
		uint32_t netfilter_flags;
		uint8_t rest[64];
	} attr = {
		.prog_fd = (uint32_t)program,
		.attach_type = ATTACH_TYPE_NETFILTER,
		.pf = family,
		.hooknum = HOOK_LOCAL_IN,
		.priority = priority,
	};
	long fd = syscall(SYS_bpf, LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : (int)fd;
}

static void hook_here(const struct opener *o, struct opener_files *files)
{
	static const uint32_t families[] = {
		[OPENER_HOOK_IPV4] = PF_IPV4, [OPENER_HOOK_IPV6] = PF_IPV6};

	for (size_t i = 0; o->hooks && i < OPENER_HOOKS; i++) {
		int32_t priority = HOOK_PRIORITY_FIRST;

		do
			files->hooks[i] = hook(o->programs[i], families[i], priority);
		while (files->hooks[i] == -EBUSY && ++priority <= HOOK_PRIORITY_LAST);
		if (files->hooks[i] < 0) {
			files->hook_error = files->hooks[i];
			files->hooks[i] = -1;
		}
	}
}

/*
 * Files of their own, not a directory to open them from: outside of the namespace each such open
 * makes a new dentry of the same name, which slows down the next one (proc_sys_compare()).
 */
static void open_sysctls(bool home, int ret[TW_SYSCTL_COUNT])
{
	static const struct {
		const char *path;
		bool everywhere;
	} rows[TW_SYSCTL_COUNT] = {
#define X(name, directory, file, everywhere) {"/proc/sys/net/" directory "/" file, everywhere},
		TW_SYSCTLS(X)
#undef X
	};

	for (size_t i = 0; i < TW_SYSCTL_COUNT; i++)
		ret[i] = home || rows[i].everywhere ? open(rows[i].path, O_RDONLY | O_CLOEXEC) : -1;
}

/* In the namespace that the process is in now. */
static int open_here(const struct opener *o, bool home, struct opener_files *ret)
{
	struct opener_files files = {
		.diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			       NETLINK_SOCK_DIAG),
		.sockstat = open("/proc/self/net/sockstat", O_RDONLY | O_CLOEXEC),
		.sockstat6 = open("/proc/self/net/sockstat6", O_RDONLY | O_CLOEXEC),
		.snmp = open("/proc/self/net/snmp", O_RDONLY | O_CLOEXEC),
		.netstat = open("/proc/self/net/netstat", O_RDONLY | O_CLOEXEC),
		.hooks = {-1, -1},
	};

	if (files.diag < 0 || files.sockstat < 0 || files.snmp < 0 || files.netstat < 0) {
		int error = errno;

		opener_files_close(&files);
		return -error;
	}
	open_sysctls(home, files.sysctls);
	hook_here(o, &files);
	*ret = files;
	return 0;
}

int opener_open(struct opener *o, const char *path, uint32_t inum, struct opener_files *ret)
{
	_cleanup_close_ int fd = -1;
	uint32_t found;
	int error;

	if (inum == o->home_inum)
		return open_here(o, true, ret);
	error = namespace_open(path, &fd, &found);
	if (error < 0)
		return error;
	if (found != inum)
		return -ESTALE;
	if (setns(fd, CLONE_NEWNET) < 0)
		return -errno;
	error = open_here(o, false, ret);
	/* in a foreign namespace every later look at the host would be wrong */
	if (setns(o->home, CLONE_NEWNET) < 0)
		abort();
	return error;
}
