/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All sinks of the configuration: each notice goes to those that want its severity, after its
 * evidence was written to a file. Where no sink is configured, the journal is one.
 */
#ifndef ALERT_SINKS_H
#define ALERT_SINKS_H

#include <systemd/sd-event.h>

#include "alert/notice.h"
#include "alert/sink.h"
#include "settings.h"

struct sinks;

/* The loop is referenced. On failure a message has been logged. 0 or a negative errno. */
int sinks_new(sd_event *loop, const struct settings *settings, struct sinks **ret);
/* What is still on its way is lost, and the log says how much that is. */
struct sinks *sinks_free(struct sinks *s);

/*
 * After a reload. A sink whose section says what it said before stays, with all that it has in
 * hand; a changed one starts anew, and keeps its counts. On failure nothing has changed.
 */
int sinks_set(struct sinks *s, const struct settings *settings);

/* status: firing or resolved. */
void sinks_tell(struct sinks *s, const struct notice *notice);

/*
 * After sinks_new() and sinks_set(): all alerts there are, of which those that fire were announced
 * before, by a daemon that has ended or to the sinks of before. For sinks that are new and keep
 * states.
 */
void sinks_recall(struct sinks *s, const struct notice *list, size_t count);

/* In the order of the configuration. */
size_t sinks_count(const struct sinks *s);
const char *sinks_name(const struct sinks *s, size_t at);
const struct sink_counts *sinks_counts(const struct sinks *s, size_t at);

#endif
