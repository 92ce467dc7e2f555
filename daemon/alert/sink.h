/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a sink is to alert/sinks.c, which has them all: a way to tell somebody of a notice. There is
 * one file for each kind. A sink never blocks: what takes time goes on in the loop, and what goes
 * wrong there is counted and logged by the sink itself, once when it begins and once when it is
 * over.
 */
#ifndef ALERT_SINK_H
#define ALERT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "alert/notice.h"
#include "alert/post.h"
#include "settings.h"

#define SINK_NAME_SIZE 49 /* of [sink NAME], with a NUL: CONF_SECTION_MAX bytes at most */
#define SINK_HOST_SIZE 65 /* of the host's name, with a NUL: gethostname(2) */

struct sink_options {
	char name[SINK_NAME_SIZE];
	enum settings_sink_type type;
	const char *command; /* exec: for words_split() */
	const char *url;     /* webhook: the whole; alertmanager: what stands before /api/v2 */
	enum notice_severity min_severity;
	uint64_t timeout_ns; /* of a command, of an HTTP request */
};

struct sink_counts {
	uint64_t sent;     /* notices that arrived */
	uint64_t failures; /* tries that failed */
	uint64_t dropped;  /* notices that were given up, or found no room */
};

/* What all sinks share. Outlives them. */
struct sink_place {
	sd_event *loop;
	struct post_client *post; /* NULL where no sink has a url */
	char host[SINK_HOST_SIZE];
};

/* What each kind's own struct begins with. */
struct sink {
	const struct sink_kind *kind;
	const struct sink_place *place;
	struct sink_options options; /* command and url: of its own */
	struct sink_counts counts;
	bool failing;
	bool recalled; /* knows what fired before it was there, or does not care */
};

struct sink_kind {
	size_t size; /* of its own struct */
	bool states; /* wants to know of all that fires, not only of what is news */
	/* The struct is zeroed but for what it begins with. 0, or a negative errno, after which
	 * close() is called too. */
	int (*open)(struct sink *s);
	/* file: where the notice's evidence was written, or NULL. */
	void (*tell)(struct sink *s, const struct notice *notice, const char *file);
	/* Notices that are still on their way. May be NULL. */
	size_t (*waiting)(const struct sink *s);
	/* Lets go of whatever goes on. */
	void (*close)(struct sink *s);
};

extern const struct sink_kind sink_journal, sink_exec, sink_webhook, sink_alertmanager;

/* For the kinds: count it, and say it when it is news. */
void sink_works(struct sink *s, size_t notices);
/* why: of what happened, without a name and a full stop. */
void sink_fails(struct sink *s, const char *why);
void sink_drops(struct sink *s, size_t notices, const char *why);
/* Any number, for pauses. */
uint32_t sink_chance(void);

#endif
