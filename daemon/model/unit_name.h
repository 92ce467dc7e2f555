/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of systemd's units. Some are of one connection, one process or one login; without what
 * tells these from each other they are as few as there are services and programs. Pure.
 */
#ifndef MODEL_UNIT_NAME_H
#define MODEL_UNIT_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* Whether it ends as units do that have control groups, and is more than that end. */
bool unit_name_has_type(const char *name, size_t length);

/*
 * Shortens the name, in place, by what is of one connection, process or login:
 * sshd@3-10.0.0.5:22-192.0.2.7:51234.service to sshd@.service, app-gnome-firefox-12345.scope to
 * app-gnome-firefox.scope, run-u17.service to run.service, session-c2.scope to session.scope.
 * Others, getty@tty1.service and postgresql@15-main.service among them, stay as they are.
 */
void unit_name_shorten(char *unit);

#endif
