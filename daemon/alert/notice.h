/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an alert has to say: the one struct between the rules, which find out that something is
 * wrong, and the sinks, which tell people. It knows neither how it was found nor how it is sent.
 */
#ifndef ALERT_NOTICE_H
#define ALERT_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

struct json_object;

/* X(NAME, label) */
#define NOTICE_STATUSES(X)                                                                    \
	X(PENDING, "pending") /* the condition holds, and not for long enough yet; never sent \
			       */                                                             \
	X(FIRING, "firing")                                                                   \
	X(RESOLVED, "resolved")

/* From the least to the worst. X(NAME, label) */
#define NOTICE_SEVERITIES(X)  \
	X(INFO, "info")       \
	X(WARNING, "warning") \
	X(CRITICAL, "critical")

enum notice_status {
#define X(name, label) NOTICE_##name,
	NOTICE_STATUSES(X)
#undef X
		NOTICE_STATUS_COUNT
};

enum notice_severity {
#define X(name, label) NOTICE_##name,
	NOTICE_SEVERITIES(X)
#undef X
		NOTICE_SEVERITY_COUNT
};

extern const char *const notice_status_labels[NOTICE_STATUS_COUNT];
extern const char *const notice_severity_labels[NOTICE_SEVERITY_COUNT];

#define NOTICE_NAME_SIZE 49     /* of [alert NAME], with a NUL: CONF_SECTION_MAX bytes at most */
#define NOTICE_TARGET_SIZE 128  /* a unit's name, or an address and a namespace */
#define NOTICE_SUMMARY_SIZE 384 /* one sentence */

/*
 * All texts are UTF-8 without control characters, whoever named what they speak of, and
 * NUL-terminated. Valid while the call lasts that hands it over.
 */
struct notice {
	uint64_t id; /* of this rule, this target and this time that it fires: the same in all its
			notices, and after a restart */
	char name[NOTICE_NAME_SIZE]; /* of the rule */
	enum notice_status status;
	bool repeat; /* it goes on firing, and was told before */
	enum notice_severity severity;
	const char *scope;  /* "host", "netns", "listener", "port", "remote", "process" or "unit" */
	const char *source; /* what is counted: a state's label, or "accept_queue" and the like */
	char target[NOTICE_TARGET_SIZE]; /* which of the scope: "nginx.service",
					    "10.0.0.1:80 netns 4026531840"; "host" for the host */
	uint32_t netns;                  /* of the target, 0: of none or of several */
	uint16_t port;                   /* local port of the target, 0 where it has none */
	uint32_t pid;                    /* of a process, else 0 */
	uint64_t cgroup;                 /* of a unit: its cgroup v2 id, else 0 */
	double value;                    /* now; when it was resolved: the value that resolved it */
	double threshold;                /* above which it fires, in the unit of value */
	double limit;           /* what the threshold is a share of, as a backlog; 0: of nothing */
	uint64_t since_unix_ns; /* since when the condition holds */
	uint64_t resolved_unix_ns; /* since when it does not; 0 while it does */
	uint64_t held_back;        /* notices of this rule that rate limits have swallowed since the
				      last one that was told */
	char summary[NOTICE_SUMMARY_SIZE]; /* what is wrong, with whom and how much */
	struct json_object *evidence;      /* borrowed; NULL: none was collected */
};

#endif
