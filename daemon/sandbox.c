/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/util.h"
#include "sandbox.h"

/* A call that is allowed, if one argument has a value: by name, for not every machine has every
 * one. */
struct rule {
	const char *name;
	struct scmp_arg_cmp only; /* op 0: whatever the arguments are */
};

#define EQUAL(number, value)                                           \
	{                                                              \
		.arg = (number), .op = SCMP_CMP_EQ, .datum_a = (value) \
	}
#define MASKED(number, mask, value)                                                              \
	{                                                                                        \
		.arg = (number), .op = SCMP_CMP_MASKED_EQ, .datum_a = (mask), .datum_b = (value) \
	}

/* What the C library needs to go on, and to end. */
static const struct rule common_rules[] = {
	{.name = "brk"},          {.name = "clock_gettime"},
	{.name = "close"},        {.name = "exit"},
	{.name = "exit_group"},   {.name = "fstat"},
	{.name = "munmap"},       {.name = "newfstatat"},
	{.name = "recvmsg"},      {.name = "restart_syscall"},
	{.name = "rt_sigreturn"}, {.name = "sendmsg"},
	{.name = "statx"},
};

static const struct rule opener_rules[] = {
	{.name = "bpf", .only = EQUAL(0, BPF_ITER_CREATE)},
	{.name = "bpf", .only = EQUAL(0, BPF_LINK_CREATE)},
	{.name = "getdents64"},
	{.name = "lseek"},
	{.name = "readlinkat"},
	{.name = "openat", .only = MASKED(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY)},
	{.name = "setns", .only = EQUAL(1, CLONE_NEWNET)},
	{.name = "socket", .only = EQUAL(0, AF_NETLINK)},
};

static const struct rule daemon_rules[] = {
	/* the kernel's maps and iterators: nothing is loaded, made or attached */
	{.name = "bpf", .only = EQUAL(0, BPF_ITER_CREATE)},
	{.name = "bpf", .only = EQUAL(0, BPF_MAP_DELETE_ELEM)},
	{.name = "bpf", .only = EQUAL(0, BPF_MAP_GET_NEXT_KEY)},
	{.name = "bpf", .only = EQUAL(0, BPF_MAP_LOOKUP_BATCH)},
	{.name = "bpf", .only = EQUAL(0, BPF_MAP_LOOKUP_ELEM)},
	{.name = "bpf", .only = EQUAL(0, BPF_MAP_UPDATE_ELEM)},
	{.name = "bpf", .only = EQUAL(0, BPF_OBJ_GET_INFO_BY_FD)},

	/* memory: none that is written and run */
	{.name = "madvise"},
	{.name = "mmap", .only = MASKED(2, PROT_EXEC, 0)},
	{.name = "mmap", .only = MASKED(2, PROT_EXEC | PROT_WRITE, PROT_EXEC)},
	{.name = "mprotect", .only = MASKED(2, PROT_EXEC, 0)},
	{.name = "mremap"},

	/* files */
	{.name = "access"},
	{.name = "dup"},
	{.name = "dup3"},
	{.name = "faccessat"},
	{.name = "faccessat2"},
	{.name = "fchmod"},
	{.name = "fcntl"},
	{.name = "fdatasync"},
	{.name = "fstatfs"},
	{.name = "fsync"},
	{.name = "ftruncate"},
	{.name = "getcwd"},
	{.name = "getdents64"},
	{.name = "ioctl", .only = EQUAL(1, FIONBIO)},
	{.name = "ioctl", .only = EQUAL(1, FIONREAD)},
	{.name = "ioctl", .only = EQUAL(1, TCGETS)},
	{.name = "lseek"},
	{.name = "lstat"},
	{.name = "mkdir"},
	{.name = "mkdirat"},
	{.name = "open"},
	{.name = "openat"},
	{.name = "pread64"},
	{.name = "preadv"},
	{.name = "pwrite64"},
	{.name = "read"},
	{.name = "readlink"},
	{.name = "readlinkat"},
	{.name = "readv"},
	{.name = "rename"},
	{.name = "renameat"},
	{.name = "renameat2"},
	{.name = "rmdir"},
	{.name = "stat"},
	{.name = "statfs"},
	{.name = "umask"},
	{.name = "unlink"},
	{.name = "unlinkat"},
	{.name = "write"},
	{.name = "writev"},

	/* sockets: clients are accepted, and webhooks called */
	{.name = "accept"},
	{.name = "accept4"},
	{.name = "bind"},
	{.name = "connect"},
	{.name = "getpeername"},
	{.name = "getsockname"},
	{.name = "getsockopt"},
	{.name = "pipe2"},
	{.name = "recvfrom"},
	{.name = "recvmmsg"},
	{.name = "sendfile"},
	{.name = "sendmmsg"},
	{.name = "sendto"},
	{.name = "setsockopt"},
	{.name = "shutdown"},
	{.name = "socket", .only = EQUAL(0, AF_INET)},
	{.name = "socket", .only = EQUAL(0, AF_INET6)},
	{.name = "socket", .only = EQUAL(0, AF_NETLINK)},
	{.name = "socket", .only = EQUAL(0, AF_UNIX)},
	{.name = "socketpair", .only = EQUAL(0, AF_UNIX)},

	/* the loop */
	{.name = "clock_getres"},
	{.name = "clock_nanosleep"},
	{.name = "epoll_create1"},
	{.name = "epoll_ctl"},
	{.name = "epoll_pwait"},
	{.name = "epoll_pwait2"},
	{.name = "epoll_wait"},
	{.name = "eventfd2"},
	{.name = "gettimeofday"},
	{.name = "nanosleep"},
	{.name = "poll"},
	{.name = "ppoll"},
	{.name = "pselect6"},
	{.name = "select"},
	{.name = "signalfd4"},
	{.name = "time"},
	{.name = "timerfd_create"},
	{.name = "timerfd_gettime"},
	{.name = "timerfd_settime"},

	/* itself, and the threads in which the C library asks for names */
	{.name = "clone", .only = MASKED(0, CLONE_VM | CLONE_THREAD, CLONE_VM | CLONE_THREAD)},
	{.name = "futex"},
	{.name = "getcpu"},
	{.name = "getegid"},
	{.name = "geteuid"},
	{.name = "getgid"},
	{.name = "getpid"},
	{.name = "getrandom"},
	{.name = "getrlimit"},
	{.name = "getrusage"},
	{.name = "gettid"},
	{.name = "getuid"},
	{.name = "kill", .only = EQUAL(1, 0)}, /* whether there is such a process */
	{.name = "membarrier"},
	{.name = "prlimit64", .only = EQUAL(2, 0)},
	{.name = "rseq"},
	{.name = "rt_sigaction"},
	{.name = "rt_sigprocmask"},
	{.name = "sched_getaffinity"},
	{.name = "sched_yield"},
	{.name = "set_robust_list"},
	{.name = "sigaltstack"},
	{.name = "sysinfo"},
	{.name = "tgkill"},
	{.name = "uname"},
};

/*
 * A filter holds for the commands of exec sinks too, and nobody knows what these will call: so it
 * is the other way round where there are some, and what no command for an alert has to do is
 * refused.
 */
static const struct rule refused_rules[] = {
	{.name = "add_key"},
	{.name = "bpf", .only = EQUAL(0, BPF_BTF_LOAD)},
	{.name = "bpf", .only = EQUAL(0, BPF_LINK_CREATE)},
	{.name = "bpf", .only = EQUAL(0, BPF_MAP_CREATE)},
	{.name = "bpf", .only = EQUAL(0, BPF_OBJ_PIN)},
	{.name = "bpf", .only = EQUAL(0, BPF_PROG_LOAD)},
	{.name = "bpf", .only = EQUAL(0, BPF_RAW_TRACEPOINT_OPEN)},
	{.name = "chroot"},
	{.name = "clone", .only = MASKED(0, CLONE_NEWUSER, CLONE_NEWUSER)},
	{.name = "delete_module"},
	{.name = "finit_module"},
	{.name = "fsopen"},
	{.name = "init_module"},
	{.name = "io_uring_setup"},
	{.name = "kexec_file_load"},
	{.name = "kexec_load"},
	{.name = "keyctl"},
	{.name = "mount"},
	{.name = "move_mount"},
	{.name = "open_by_handle_at"},
	{.name = "open_tree"},
	{.name = "perf_event_open"},
	{.name = "pivot_root"},
	{.name = "process_vm_readv"},
	{.name = "process_vm_writev"},
	{.name = "ptrace"},
	{.name = "reboot"},
	{.name = "request_key"},
	{.name = "setns"},
	{.name = "swapoff"},
	{.name = "swapon"},
	{.name = "umount2"},
	{.name = "unshare"},
	{.name = "userfaultfd"},
};

static int add(scmp_filter_ctx filter, uint32_t action, const struct rule *rules, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int number = seccomp_syscall_resolve_name(rules[i].name), error;

		if (number == __NR_SCMP_ERROR)
			continue; /* too new for the library: too new for the C library's use too */
		error = seccomp_rule_add_array(filter, action, number, !!rules[i].only.op,
					       &rules[i].only);
		if (error)
			return error;
	}
	return 0;
}

/* As clone3(2) keeps its flags where no filter can see them, the C library has to do with clone(2).
 */
static int refuse_clone3(scmp_filter_ctx filter)
{
	static const struct rule rule = {.name = "clone3"};

	return add(filter, SCMP_ACT_ERRNO(ENOSYS), &rule, 1);
}

static int load(enum settings_seccomp mode, const struct rule *rules, size_t count)
{
	scmp_filter_ctx filter;
	int error;

	if (mode == SETTINGS_SECCOMP_OFF)
		return 0;
	filter = seccomp_init(mode == SETTINGS_SECCOMP_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);
	if (!filter)
		return -ENOMEM;
	error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!error)
		error = add(filter, SCMP_ACT_ALLOW, common_rules, ARRAY_SIZE(common_rules));
	if (!error)
		error = add(filter, SCMP_ACT_ALLOW, rules, count);
	if (!error)
		error = refuse_clone3(filter);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}

int sandbox_daemon_with_commands(enum settings_seccomp mode)
{
	uint32_t action = mode == SETTINGS_SECCOMP_LOG ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(EPERM);
	scmp_filter_ctx filter;
	int error;

	if (mode == SETTINGS_SECCOMP_OFF)
		return 0;
	filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return -ENOMEM;
	error = add(filter, action, refused_rules, ARRAY_SIZE(refused_rules));
	if (!error)
		error = refuse_clone3(filter);
	if (!error)
		error = seccomp_load(filter);
	seccomp_release(filter);
	return error;
}

int sandbox_daemon(enum settings_seccomp mode)
{
	return load(mode, daemon_rules, ARRAY_SIZE(daemon_rules));
}

int sandbox_opener(enum settings_seccomp mode)
{
	return load(mode, opener_rules, ARRAY_SIZE(opener_rules));
}
