/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters of system calls, seccomp(2): what the daemon and the opener still do once they run, as
 * tables. A filter cannot be taken down again, and holds for what is started under it.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include "settings.h"

/*
 * mode: whether another call ends the process with SIGSYS, is done and written to the kernel's log,
 * or whether there is no filter. 0, or a negative errno.
 */
int sandbox_daemon(enum settings_seccomp mode);
int sandbox_opener(enum settings_seccomp mode);

/* For a daemon that starts other programs: only refuses, with EPERM, what these should not need. */
int sandbox_daemon_with_commands(enum settings_seccomp mode);

#endif
