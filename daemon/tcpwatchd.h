/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The running daemon: owns every stage, and is the one place where they meet. Data goes from
 * source/ through the model to serve/; time comes from its ticks.
 */
#ifndef TCPWATCHD_H
#define TCPWATCHD_H

#include <stdbool.h>

#include "settings.h"
#include "source/opener.h"

struct tcpwatchd;

/*
 * Opens all that the settings ask for, sources first. settings is taken on success. config_file:
 * read again at a reload; the caller's. record_file: NULL, or where to write the stream of records.
 * opener: for namespaces other than the daemon's own, or NULL; the caller's, and outlives the
 * result. On failure it has been logged why. 0, or a negative errno.
 */
int tcpwatchd_new(struct settings *settings, const char *config_file, const char *record_file,
		  struct opener *opener, struct tcpwatchd **ret);
struct tcpwatchd *tcpwatchd_free(struct tcpwatchd *d);

/* Whether BPF's maps and iterators are refused to the process as it is now. userdata: struct
 * tcpwatchd. */
bool tcpwatchd_blind(void *userdata);

/* Until SIGTERM or SIGINT. 0, or a negative errno; then it has been logged why. */
int tcpwatchd_run(struct tcpwatchd *d);

#endif
