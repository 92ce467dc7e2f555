/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/util.h"
#include "sandbox.h"

#define PAGE 4096

/* Not _exit(3): before a call that does not return a sanitizer looks around. */
static void end(int status)
{
	syscall(SYS_exit_group, status);
}

typedef int sandbox_fn(enum settings_seccomp mode);

static long bpf(enum bpf_cmd command)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	return syscall(SYS_bpf, command, &attr, sizeof(attr));
}

static void load_program(void)
{
	bpf(BPF_PROG_LOAD);
}

static void make_map(void)
{
	bpf(BPF_MAP_CREATE);
}

static void load_types(void)
{
	bpf(BPF_BTF_LOAD);
}

static void make_link(void)
{
	bpf(BPF_LINK_CREATE);
}

static void pin(void)
{
	bpf(BPF_OBJ_PIN);
}

static void open_by_id(void)
{
	bpf(BPF_PROG_GET_FD_BY_ID);
}

static void read_map(void)
{
	bpf(BPF_MAP_LOOKUP_ELEM);
	bpf(BPF_MAP_UPDATE_ELEM);
	bpf(BPF_ITER_CREATE);
	bpf(BPF_OBJ_GET_INFO_BY_FD);
}

static void execute(void)
{
	char *const nothing[] = {NULL};

	execve("/nothing", nothing, nothing);
}

static void start_process(void)
{
	if (!syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0))
		end(0);
}

/* As far as the kernel's check of the flags, of which one is missing. */
static void start_thread(void)
{
	syscall(SYS_clone, CLONE_VM | CLONE_THREAD, 0, 0, 0, 0);
}

static void trace(void)
{
	ptrace(PTRACE_TRACEME);
}

static void enter_network(void)
{
	setns(-1, CLONE_NEWNET);
}

static void enter_mounts(void)
{
	setns(-1, CLONE_NEWNS);
}

static void leave(void)
{
	unshare(CLONE_NEWUSER);
}

static void mount_something(void)
{
	mount("none", "/nowhere", "tmpfs", 0, NULL);
}

static void become_root(void)
{
	syscall(SYS_setuid, 0);
}

static void raise_limit(void)
{
	const struct rlimit limit = {0};

	syscall(SYS_prlimit64, 0, RLIMIT_CORE, &limit, NULL);
}

static void see_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
}

static void map_code(void)
{
	mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void make_code(void)
{
	syscall(SYS_mprotect, 0, PAGE, PROT_READ | PROT_EXEC);
}

static void map_library(void)
{
	mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, -1, 0);
}

static void sniff(void)
{
	socket(AF_PACKET, SOCK_RAW, 0);
}

static void call_out(void)
{
	socket(AF_INET6, SOCK_STREAM, 0);
	connect(-1, NULL, 0);
}

static void open_to_write(void)
{
	open("/nowhere/at/all", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static void open_to_read(void)
{
	open("/proc/self/net/sockstat", O_RDONLY | O_CLOEXEC);
}

static void write_something(void)
{
	syscall(SYS_write, -1, "", 1);
}

static void let_die_alone(void)
{
	prctl(PR_SET_PDEATHSIG, 0);
}

static void do_without(void)
{
}

/* How a process under the filter ends that does this: its status, or -SIGSYS and the like. */
static int end_of(sandbox_fn *sandbox, enum settings_seccomp mode, void (*act)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (sandbox(mode))
			end(EXIT_FAILURE);
		act();
		end(EXIT_SUCCESS);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static const struct {
	const char *what;
	void (*act)(void);
	bool daemon, opener; /* may do it */
} acts[] = {
	{"nothing", do_without, true, true},
	{"load a BPF program", load_program, false, false},
	{"make a BPF map", make_map, false, false},
	{"load BPF types", load_types, false, false},
	{"make a BPF link", make_link, false, true},
	{"pin", pin, false, false},
	{"open another's BPF program", open_by_id, false, false},
	{"read maps", read_map, true, false},
	{"execute", execute, false, false},
	{"start a process", start_process, false, false},
	{"start a thread", start_thread, true, false},
	{"trace", trace, false, false},
	{"enter a network namespace", enter_network, false, true},
	{"enter a mount namespace", enter_mounts, false, false},
	{"make a user namespace", leave, false, false},
	{"mount", mount_something, false, false},
	{"become root", become_root, false, false},
	{"set a limit", raise_limit, false, false},
	{"see a limit", see_limit, true, false},
	{"map memory to write and run", map_code, false, false},
	{"make memory run", make_code, false, false},
	{"map a library", map_library, true, false},
	{"open a packet socket", sniff, false, false},
	{"call out", call_out, true, false},
	{"open a file to write", open_to_write, true, false},
	{"open a file to read", open_to_read, true, true},
	{"write", write_something, true, false},
	{"outlive the daemon", let_die_alone, false, false},
};

static void test_enforce(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
		int daemon = end_of(sandbox_daemon, SETTINGS_SECCOMP_ENFORCE, acts[i].act);
		int opener = end_of(sandbox_opener, SETTINGS_SECCOMP_ENFORCE, acts[i].act);

		if (daemon != (acts[i].daemon ? 0 : -SIGSYS))
			fail_msg("the daemon, to %s: %d", acts[i].what, daemon);
		if (opener != (acts[i].opener ? 0 : -SIGSYS))
			fail_msg("the opener, to %s: %d", acts[i].what, opener);
	}
}

static void test_log_and_off(void **state)
{
	(void)state;
	assert_int_equal(end_of(sandbox_daemon, SETTINGS_SECCOMP_LOG, load_program), 0);
	assert_int_equal(end_of(sandbox_opener, SETTINGS_SECCOMP_LOG, load_program), 0);
	assert_int_equal(end_of(sandbox_daemon, SETTINGS_SECCOMP_OFF, load_program), 0);
	assert_int_equal(end_of(sandbox_opener, SETTINGS_SECCOMP_OFF, load_program), 0);
}

static void ask_to_unshare_nothing(void)
{
	end(unshare(0) == 0 ? EXIT_FAILURE : errno == EPERM ? EXIT_SUCCESS : 2);
}

/* What a shell does for its living: processes, pipes, files, signals. */
static void run_script(void)
{
	char *const words[] = {
		"sh", "-c", "test \"$(echo a | cat; ls /)\" && sleep 0 & wait; kill -0 $$", NULL};
	int status = -1;
	pid_t pid;

	if (posix_spawn(&pid, "/bin/sh", NULL, NULL, words, environ) != 0)
		end(2);
	waitpid(pid, &status, 0);
	end(status == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void test_with_commands(void **state)
{
	sandbox_fn *sandbox = sandbox_daemon_with_commands;

	(void)state;
	assert_int_equal(end_of(sandbox, SETTINGS_SECCOMP_ENFORCE, run_script), EXIT_SUCCESS);
	assert_int_equal(end_of(sandbox, SETTINGS_SECCOMP_ENFORCE, ask_to_unshare_nothing),
			 EXIT_SUCCESS);
	assert_int_equal(end_of(sandbox, SETTINGS_SECCOMP_OFF, ask_to_unshare_nothing),
			 EXIT_FAILURE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_enforce),
		cmocka_unit_test(test_log_and_off),
		cmocka_unit_test(test_with_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
