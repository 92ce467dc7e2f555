/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/bpf.h>
#include <linux/netlink.h>

#include "base/util.h"
#include "source/opener_files.h"

/* Of linux/bpf.h and linux/netfilter.h as of Linux 6.4, which the build host's headers may not have
 * yet. */
#define LINK_CREATE 28 /* BPF_LINK_CREATE */
#define ATTACH_TYPE_NETFILTER 45
#define PF_IPV4 2       /* NFPROTO_IPV4 */
#define PF_IPV6 10      /* NFPROTO_IPV6 */
#define HOOK_LOCAL_IN 1 /* NF_INET_LOCAL_IN */

size_t opener_files_count(const struct opener_files *files)
{
	const int *fds = &files->diag;
	size_t count = 0;

	for (size_t i = 0; i < OPENER_FILES_COUNT; i++)
		count += fds[i] >= 0;
	return count;
}

void opener_files_close(struct opener_files *files)
{
	const int *fds = &files->diag;

	for (size_t i = 0; i < OPENER_FILES_COUNT; i++)
		close_p(&fds[i]);
	*files = (struct opener_files)OPENER_FILES_NONE;
}

void opener_sysctls_close(struct opener_files *files)
{
	for (size_t i = 0; i < TW_SYSCTL_COUNT; i++) {
		close_p(&files->sysctls[i]);
		files->sysctls[i] = -1;
	}
}

bool opener_files_hooked(const struct opener_files *files)
{
	return files->hooks[0] >= 0;
}

/* It is of the namespace in which it is made: bpf_iter_init_seq_net(). */
static int iterate(int link)
{
	struct {
		uint32_t link_fd, flags;
	} attr = {.link_fd = (uint32_t)link};

	return (int)syscall(SYS_bpf, BPF_ITER_CREATE, &attr, sizeof(attr));
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

static void unhook(int hooks[OPENER_HOOKS])
{
	for (size_t i = 0; i < OPENER_HOOKS; i++) {
		close_p(&hooks[i]);
		hooks[i] = -1;
	}
}

static void hook_here(const int programs[OPENER_HOOKS], struct opener_files *files)
{
	static const uint32_t families[] = {
		[OPENER_HOOK_IPV4] = PF_IPV4, [OPENER_HOOK_IPV6] = PF_IPV6};

	for (size_t i = 0; i < OPENER_HOOKS; i++) {
		int32_t priority = OPENER_PRIORITY_FIRST;

		do
			files->hooks[i] = hook(programs[i], families[i], priority);
		while (files->hooks[i] == -EBUSY && ++priority <= OPENER_PRIORITY_LAST);
		if (files->hooks[i] < 0) {
			files->hook_error = files->hooks[i];
			unhook(files->hooks);
			return;
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

int opener_files_open(bool home, const struct opener_programs *programs, struct opener_files *ret)
{
	struct opener_files files = {
		.diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			       NETLINK_SOCK_DIAG),
		.lookup = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
				 NETLINK_SOCK_DIAG),
		.sockstat = open("/proc/self/net/sockstat", O_RDONLY | O_CLOEXEC),
		.sockstat6 = open("/proc/self/net/sockstat6", O_RDONLY | O_CLOEXEC),
		.snmp = open("/proc/self/net/snmp", O_RDONLY | O_CLOEXEC),
		.netstat = open("/proc/self/net/netstat", O_RDONLY | O_CLOEXEC),
		.older = -1,
		.hooks = {-1, -1},
	};

	if (files.diag < 0 || files.lookup < 0 || files.sockstat < 0 || files.snmp < 0 ||
	    files.netstat < 0) {
		int error = errno;

		opener_files_close(&files);
		return -error;
	}
	open_sysctls(home, files.sysctls);
	if (programs)
		files.older = iterate(programs->older);
	if (programs && programs->hooks[0] >= 0)
		hook_here(programs->hooks, &files);
	*ret = files;
	return 0;
}
