/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <math.h>

#include "ctl/answer.h"
#include "ctl/commands.h"
#include "ctl/fields.h"
#include "ctl/filters.h"

#include <tcpwatch/control.h>

#define LABEL_WIDTH 13
#define TEXT_SIZE 512 /* eleven states with counts of 20 digits take 390 */

static void put_mode(struct print *p, struct json_object *status)
{
	char mode_buffer[FIELD_TEXT_SIZE], reason_buffer[TEXT_SIZE], text[2 * TEXT_SIZE];
	const char *mode = field_text(status, "mode", mode_buffer, sizeof(mode_buffer));
	const char *reason = field_text(status, "mode_reason", reason_buffer,
					sizeof(reason_buffer));
	bool degraded = reason && *reason;

	if (json_object_get_boolean(field_get(status, "listeners_polled", json_type_boolean))) {
		reason = "listeners and half-open connections are polled";
		degraded = true;
	}
	snprintf(text, sizeof(text), "%s%s%s", mode ? mode : "?", degraded ? ": " : "",
		 degraded ? reason : "");
	print_entry(p, LABEL_WIDTH, "mode", text, degraded ? PRINT_YELLOW : PRINT_PLAIN);
}

static void put_uptime(struct print *p, struct json_object *status)
{
	char version_buffer[FIELD_TEXT_SIZE], kernel_buffer[FIELD_TEXT_SIZE];
	char age[PRINT_AGE_SIZE], text[TEXT_SIZE];
	const char *version = field_text(status, "version", version_buffer, sizeof(version_buffer));
	const char *kernel = field_text(status, "kernel", kernel_buffer, sizeof(kernel_buffer));

	print_age(age, field_number(status, "uptime_seconds"));
	snprintf(text, sizeof(text), "%s, tcpwatchd %s on Linux %s", age, version ? version : "?",
		 kernel ? kernel : "?");
	print_entry(p, LABEL_WIDTH, "up", text, PRINT_PLAIN);
}

static void put_connections(struct print *p, struct json_object *status)
{
	uint64_t untracked = field_count(status, "untracked");
	char text[TEXT_SIZE];
	int used = snprintf(text, sizeof(text), "%" PRIu64, field_count(status, "connections"));

	if (untracked)
		snprintf(text + used, sizeof(text) - (size_t)used,
			 ", %" PRIu64 " of them counted but not listed (see doctor)", untracked);
	print_entry(p, LABEL_WIDTH, "connections", text, PRINT_PLAIN);
}

static void put_states(struct print *p, struct json_object *status)
{
	struct json_object *states = field_get(status, "states", json_type_object);
	char text[TEXT_SIZE] = "";
	size_t used = 0;

	for (const char *const *label = filter_states; *label; label++) {
		uint64_t count = field_count(states, *label);

		if (count)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s=%" PRIu64,
						 used ? " " : "", *label, count);
	}
	print_entry(p, LABEL_WIDTH, "states", used ? text : "no connection in any state",
		    PRINT_PLAIN);
}

static void put_namespaces(struct print *p, struct json_object *status)
{
	struct json_object *namespaces = field_get(status, "namespaces", json_type_array);
	char text[TEXT_SIZE];

	snprintf(text, sizeof(text), "%zu", namespaces ? json_object_array_length(namespaces) : 0);
	print_entry(p, LABEL_WIDTH, "namespaces", text, PRINT_PLAIN);
}

static void put_events(struct print *p, struct json_object *status)
{
	struct json_object *events = field_get(status, "events", json_type_object);
	uint64_t lost = field_count(events, "lost"), malformed = field_count(events, "malformed");
	char text[TEXT_SIZE];
	int used = snprintf(text, sizeof(text), "%" PRIu64 " received, %" PRIu64 " lost",
			    field_count(events, "received"), lost);

	if (malformed)
		snprintf(text + used, sizeof(text) - (size_t)used, ", %" PRIu64 " malformed",
			 malformed);
	print_entry(p, LABEL_WIDTH, "events", text, lost || malformed ? PRINT_YELLOW : PRINT_PLAIN);
}

static void put_syns(struct print *p, struct json_object *status)
{
	char text[FIELD_SYNS_SIZE];

	print_entry(p, LABEL_WIDTH, "SYNs", field_syns(status, text), PRINT_PLAIN);
}

static void put_resync(struct print *p, struct json_object *status)
{
	struct json_object *resync = field_get(status, "resync", json_type_object);
	char buffer[FIELD_TEXT_SIZE], text[TEXT_SIZE];
	const char *cause = field_text(resync, "last_cause", buffer, sizeof(buffer));
	double seconds = field_number(resync, "last_seconds");
	uint64_t count = field_count(resync, "count");

	if (count)
		snprintf(text, sizeof(text),
			 "%" PRIu64 "; the last one: cause %s, %.0f ms, %" PRIu64
			 " connections corrected",
			 count, cause ? cause : "?", isfinite(seconds) ? seconds * 1000 : 0.0,
			 field_count(resync, "last_drift"));
	else
		snprintf(text, sizeof(text), "none yet");
	print_entry(p, LABEL_WIDTH, "resyncs", text, PRINT_PLAIN);
}

static int print_status(struct print *p, struct json_object *status)
{
	static void (*const entries[])(struct print *, struct json_object *) = {
		put_mode,       put_uptime, put_connections, put_states,
		put_namespaces, put_syns,   put_events,      put_resync,
	};

	if (!field_get(status, "states", json_type_object))
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		entries[i](p, status);
	return 0;
}

int command_status(const struct invocation *in)
{
	return answer_document(in, false, TW_PATH_STATUS, print_status);
}
