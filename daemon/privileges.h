/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon and its opener may do: who they are, which capabilities are left, and which
 * system calls. Everything that takes more is done before. What the daemon does is not known here.
 */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "settings.h"

struct privileges {
	bool change; /* of the user: it was root who started the daemon */
	uid_t user;  /* whom to change to */
	gid_t group;
	enum settings_seccomp seccomp;
	bool commands; /* a sink starts some */
};

/*
 * Who to be. A daemon that root starts becomes the settings' user; any other stays who it is. On
 * failure it has been logged why. 0, or a negative errno.
 */
int privileges_plan(const struct settings *settings, struct privileges *ret);

/* A directory of the daemon's own, for the user to come. One that is there, or that cannot be made,
 * is left alone: who needs it will say so. */
void privileges_make_directory(const struct privileges *p, const char *path);

/* For the opener's process: leaves it what entering network namespaces takes. userdata: struct
 * privileges. 0, or a negative errno. */
int privileges_confine_opener(void *userdata);

/*
 * For the daemon, once everything is open: leaves it no capability, or CAP_BPF where blind() is
 * true without it. It must then be able to ask BPF what it has to ask. On failure it has been
 * logged why, and the daemon must not go on. 0, or a negative errno.
 */
int privileges_drop(const struct privileges *p, bool (*blind)(void *userdata), void *userdata);

#endif
