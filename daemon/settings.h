/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the configuration says, as typed values; base/conf.h reads the files, here stand the keys.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/conf.h"

enum settings_mode { SETTINGS_MODE_AUTO, SETTINGS_MODE_EBPF, SETTINGS_MODE_DIAG };
enum settings_seccomp { SETTINGS_SECCOMP_ENFORCE, SETTINGS_SECCOMP_LOG, SETTINGS_SECCOMP_OFF };
enum settings_namespaces { SETTINGS_NAMESPACES_ALL, SETTINGS_NAMESPACES_HOST };

enum settings_severity {
	SETTINGS_SEVERITY_INFO,
	SETTINGS_SEVERITY_WARNING,
	SETTINGS_SEVERITY_CRITICAL
};
enum settings_sink_type {
	SETTINGS_SINK_JOURNAL,
	SETTINGS_SINK_EXEC,
	SETTINGS_SINK_WEBHOOK,
	SETTINGS_SINK_ALERTMANAGER,
	SETTINGS_SINK_TYPES
};

#define SETTINGS_USER_AUTO "auto" /* tcpwatch if there is such a user, else nobody */
#define SETTINGS_LISTEN_MAX 8     /* addresses for /metrics: more networks than a host has */
#define SETTINGS_SINKS_MAX 16     /* more ways to tell people than anybody reads */

/* [sink NAME] */
struct settings_sink {
	struct conf_member member;
	enum settings_sink_type type;
	char *command; /* exec, else NULL: words_split() takes it, and its first word is a path */
	char *url;     /* webhook and alertmanager, else NULL: http or https, with a host */
	enum settings_severity min_severity;
	uint64_t timeout; /* ns */
};

enum settings_source {
	SETTINGS_SOURCE_STATE,
	SETTINGS_SOURCE_ACCEPT_QUEUE,
	SETTINGS_SOURCE_SYN_QUEUE,
	SETTINGS_SOURCE_SYN_RATE,         /* a second */
	SETTINGS_SOURCE_SYN_COOKIES,      /* sent a second */
	SETTINGS_SOURCE_EPHEMERAL_PORTS,  /* in use for one destination */
	SETTINGS_SOURCE_CONNECT_FAILURES, /* in the last minute */
	SETTINGS_SOURCES
};
enum settings_scope {
	SETTINGS_SCOPE_HOST,
	SETTINGS_SCOPE_NETNS,
	SETTINGS_SCOPE_LISTENER,
	SETTINGS_SCOPE_PORT,
	SETTINGS_SCOPE_REMOTE,
	SETTINGS_SCOPE_PROCESS,
	SETTINGS_SCOPE_UNIT,
	SETTINGS_SCOPES
};
enum settings_held_by {
	SETTINGS_HELD_BY_ANY,
	SETTINGS_HELD_BY_PROCESS,
	SETTINGS_HELD_BY_UNACCEPTED,
	SETTINGS_HELD_BY_KERNEL
};
enum settings_reason {
	SETTINGS_REASON_ANY,
	SETTINGS_REASON_REFUSED,
	SETTINGS_REASON_TIMED_OUT,
	SETTINGS_REASON_UNREACHABLE,
	SETTINGS_REASON_NO_PORT,
	SETTINGS_REASON_OTHER
};

#define SETTINGS_ALERTS_MAX 64 /* rules: more than anybody tends */
#define SETTINGS_AGES_MAX 9    /* of them with older_than, for one state: marks that its list has */

/* [alert NAME] */
struct settings_alert {
	struct conf_member member;
	bool enabled;
	enum settings_source source;
	unsigned int state; /* see settings_alert_state() */
	enum settings_held_by held_by;
	enum settings_reason reason; /* of failed calls of connect() */
	enum settings_scope scope;
	struct conf_level above;
	struct conf_level clear_below; /* number is 0: it clears when it is not above any more */
	uint64_t older_than;           /* ns; 0: whatever their age */
	uint64_t hold;                 /* for: ns */
	uint64_t growing;              /* ns without a fall; 0: not asked for */
	uint64_t repeat;               /* ns; 0: never */
	enum settings_severity severity;
};

/* For source = state: an enum tw_tcp_state. */
static inline unsigned settings_alert_state(const struct settings_alert *alert)
{
	return alert->state + 1;
}

struct settings {
	/* [daemon] */
	enum settings_mode mode;
	char *control_socket;
	char *control_group; /* "": the daemon's own group */
	char *user;          /* who to be, when root started the daemon; SETTINGS_USER_AUTO */
	enum settings_seccomp seccomp;
	enum settings_namespaces namespaces;
	uint64_t max_connections;
	uint64_t ring_size;   /* bytes; 0: chosen by the number of processors */
	double resync_budget; /* share of one core, 0.005 for 0.5 % */
	bool syn_accounting;  /* count SYNs, where the kernel can */
	char *state_directory;
	uint64_t evidence_files; /* kept; 0: none is written */
	uint64_t evidence_size;  /* bytes, of all of them together */

	/* [metrics] */
	char *listen[SETTINGS_LISTEN_MAX]; /* as written, valid; up to the first NULL */
	uint64_t top;                      /* ports with series of their own */
	bool compat_node_exporter;

	struct conf_members alerts; /* of struct settings_alert */
	struct conf_members sinks;  /* of struct settings_sink */
};

/*
 * Reads file and then file.d/<name>.conf in order of name; a later value replaces an earlier one. A
 * missing file is an error unless it is the default one; missing drop-ins are none. On failure a
 * message naming file, line and what would be right has been logged, and *ret is untouched. 0,
 * -EINVAL, or the errno of a read.
 */
int settings_load(const char *file, struct settings **ret);
struct settings *settings_free(struct settings *s);

static inline void settings_freep(struct settings **s)
{
	settings_free(*s);
}

/* The settings in force as a configuration file that settings_load() would accept. */
void settings_print(const struct settings *s, FILE *out);
/* The same, key by key. */
void settings_visit(const struct settings *s, conf_visitor visitor, void *userdata);
/* Whether a sink starts other programs, which the filter of system calls must then allow. */
bool settings_have_commands(const struct settings *s);
const char *settings_source_word(enum settings_source source);
const char *settings_scope_word(enum settings_scope scope);
/* Whether two rules of the same name say the same. */
bool settings_alert_equal(const struct settings_alert *a, const struct settings_alert *b);
/* The first key of which a change wants a restart, or NULL when a reload can take all of it. */
const char *settings_needs_restart(const struct settings *now, const struct settings *then);

#endif
