/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs the model on a recording, in the recording's own time: no privilege, no kernel, no clock.
 */
#ifndef REPLAY_H
#define REPLAY_H

#include "settings.h"

/* Prints each notice of an alert as it comes, and the status as it stood at the recording's end, or
 * where one breaks off that was not finished: then -ENODATA. 0, or a negative errno, logged. */
int replay_run(const struct settings *settings, const char *path);

#endif
