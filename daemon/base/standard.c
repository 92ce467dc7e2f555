/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/log.h"

/* fd: the lowest that is free. Opened for what it is not there for. */
static int fill(int fd)
{
	int error;

	if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) >= 0)
		return 0;
	error = -errno;
	log_error("/dev/null cannot be opened in place of descriptor %d, which is closed: %s", fd,
		  strerror(-error));
	return error;
}

int standard_fill(void)
{
	int error = 0;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && !error; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			error = fill(fd);
	return error;
}
