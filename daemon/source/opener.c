/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/netlink.h>

#include "base/util.h"
#include "source/opener.h"

struct opener {
	int home; /* the namespace that the daemon runs in */
	uint32_t home_inum;
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
	struct opener *o = malloc(sizeof(*o));
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

void opener_files_close(struct opener_files *files)
{
	close_p(&files->diag);
	close_p(&files->sockstat);
	close_p(&files->sockstat6);
	close_p(&files->snmp);
	*files = (struct opener_files)OPENER_FILES_NONE;
}

/* In the namespace that the process is in now. */
static int open_here(struct opener_files *ret)
{
	struct opener_files files = {
		.diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			       NETLINK_SOCK_DIAG),
		.sockstat = open("/proc/self/net/sockstat", O_RDONLY | O_CLOEXEC),
		.sockstat6 = open("/proc/self/net/sockstat6", O_RDONLY | O_CLOEXEC),
		.snmp = open("/proc/self/net/snmp", O_RDONLY | O_CLOEXEC),
	};

	if (files.diag < 0 || files.sockstat < 0 || files.snmp < 0) {
		int error = errno;

		opener_files_close(&files);
		return -error;
	}
	*ret = files;
	return 0;
}

int opener_open(struct opener *o, const char *path, uint32_t inum, struct opener_files *ret)
{
	_cleanup_close_ int fd = -1;
	uint32_t found;
	int error;

	if (inum == o->home_inum)
		return open_here(ret);
	error = namespace_open(path, &fd, &found);
	if (error < 0)
		return error;
	if (found != inum)
		return -ESTALE;
	if (setns(fd, CLONE_NEWNET) < 0)
		return -errno;
	error = open_here(ret);
	/* in a foreign namespace every later look at the host would be wrong */
	if (setns(o->home, CLONE_NEWNET) < 0)
		abort();
	return error;
}
