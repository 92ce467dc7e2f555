/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one place where the daemon starts another program.
 *
 * It gets a document on stdin, which is a file that nobody else has, so that it may read it or not;
 * what it says goes nowhere. It leads a session of its own, in /, with the daemon's user, no
 * descriptor but these three, no blocked or ignored signal, and the usual priority unless a sandbox
 * forbids to set it.
 */
#ifndef ALERT_SPAWN_H
#define ALERT_SPAWN_H

#include <sys/types.h>

/*
 * words: its path, which is absolute, and its arguments; environment: likewise up to a NULL. 0, or
 * a negative errno, -ENOENT and -EACCES of the execve(2) included. Returns once the program is
 * running. The caller waits for it (waitid(2)); kill(-pid) reaches all of its processes that have
 * not left its group.
 */
int spawn(char *const words[], char *const environment[], const char *input, pid_t *ret_pid);

#endif
