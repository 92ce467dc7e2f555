/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/util.h"

/* Not a pipe: a program that reads late, or never, needs nobody to wait for it. */
static int open_input(const char *input, int *ret)
{
	_cleanup_close_ int fd = memfd_create("tcpwatch-notice", MFD_CLOEXEC);
	size_t size = strlen(input);

	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, input + done, size - done);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	*ret = TAKE_FD(fd);
	return 0;
}

static int set_files(posix_spawn_file_actions_t *actions, int input)
{
	int r = posix_spawn_file_actions_adddup2(actions, input, STDIN_FILENO);

	if (r == 0)
		r = posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY,
						     0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
	if (r == 0)
		r = posix_spawn_file_actions_addchdir_np(actions, "/");
	return r;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t all, none;
	int r;

	sigfillset(&all);
	sigemptyset(&none);
	r = posix_spawnattr_setsigdefault(attributes, &all);
	if (r == 0)
		r = posix_spawnattr_setsigmask(attributes, &none);
	if (r == 0)
		r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID |
								 POSIX_SPAWN_SETSIGDEF |
								 POSIX_SPAWN_SETSIGMASK);
	return r;
}

int spawn(char *const words[], char *const environment[], const char *input, pid_t *ret_pid)
{
	_cleanup_close_ int fd = -1;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid;
	int r = open_input(input, &fd);

	if (r < 0)
		return r;
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	r = set_files(&actions, fd);
	if (r == 0)
		r = set_attributes(&attributes);
	if (r == 0)
		r = posix_spawn(&pid, words[0], &actions, &attributes, words, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		return -r;
	/* the daemon's own is for its ring, not for what it starts */
	setpriority(PRIO_PROCESS, (id_t)pid, 0);
	*ret_pid = pid;
	return 0;
}
