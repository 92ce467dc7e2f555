/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages for the operator: one line each, on stderr. Under systemd, which reads stderr into the
 * journal, each line starts with its priority as sd-daemon(3) has it.
 *
 * A message says what happened, to what, why, and what to do; it is logged once, where it is
 * handled.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <syslog.h>

#include "base/util.h"

/* program: put before each line when stderr is not the journal. */
void log_open(const char *program);
/* priority: one of syslog(3)'s, LOG_ERR to LOG_DEBUG; those above LOG_INFO are dropped. */
void log_message(int priority, const char *format, ...) _printf_(2, 3);

#define LOG_LINE_SIZE 1024 /* of a message; a longer one is cut */

/* From now on, until it is called with NULL, the first error is also stored in ret, the caller's,
 * of LOG_LINE_SIZE bytes: for who asked for what may fail, and does not read the log. */
void log_keep_error(char *ret);

#define log_error(...) log_message(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_message(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, __VA_ARGS__)

#endif
