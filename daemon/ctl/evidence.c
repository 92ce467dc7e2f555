/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/evidence.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "ctl/fields.h"

#define LINE_SIZE 1024 /* five owners with their units */
#define NAME_SIZE 160  /* a unit */

/* What belongs to one label, as it grows. */
struct line {
	char text[LINE_SIZE];
};

static _printf_(3, 4) void append(struct line *line, const char *separator, const char *format, ...)
{
	size_t used = strlen(line->text);
	va_list arguments;

	if (used)
		used += (size_t)snprintf(line->text + used, sizeof(line->text) - used, "%s",
					 separator);
	if (used >= sizeof(line->text))
		return;
	va_start(arguments, format);
	vsnprintf(line->text + used, sizeof(line->text) - used, format, arguments);
	va_end(arguments);
}

static void put(struct print *p, int width, const char *label, const struct line *line)
{
	if (*line->text)
		print_entry(p, width, label, line->text, PRINT_PLAIN);
}

static void put_value(struct print *p, int width, struct json_object *alert)
{
	double limit = field_number(alert, "limit");
	struct line line = {""};

	append(&line, "", "%.10g, above %.10g", field_number(alert, "value"),
	       field_number(alert, "threshold"));
	if (isfinite(limit))
		append(&line, " ", "of %.10g", limit);
	put(p, width, "value", &line);
}

static void append_owner(struct line *line, struct json_object *row)
{
	char comm_buffer[FIELD_TEXT_SIZE], kind_buffer[FIELD_TEXT_SIZE], unit_buffer[NAME_SIZE];
	const char *comm = field_text(row, "comm", comm_buffer, sizeof(comm_buffer));
	const char *kind = field_text(row, "kind", kind_buffer, sizeof(kind_buffer));
	const char *unit = field_text(row, "unit", unit_buffer, sizeof(unit_buffer));
	uint64_t pid = field_count(row, "pid");

	append(line, ", ", "%" PRIu64 " of", field_count(row, "connections"));
	if (pid)
		append(line, " ", "%s/%" PRIu64, comm ? comm : "?", pid);
	else if (comm || unit)
		append(line, " ", "%s", comm ? comm : unit);
	else
		append(line, " ", "nobody known");
	if (unit && (comm || pid))
		append(line, " ", "in %s", unit);
	if (kind && strcmp(kind, "process") != 0 && strcmp(kind, "unknown") != 0)
		append(line, " ", "(%s)", kind);
}

static void put_owners(struct print *p, int width, struct json_object *evidence)
{
	struct json_object *rows = field_get(evidence, "owners", json_type_array);
	uint64_t other = field_count(evidence, "owners_other");
	struct line line = {""};

	for (size_t i = 0; rows && i < json_object_array_length(rows); i++)
		append_owner(&line, json_object_array_get_idx(rows, i));
	if (other)
		append(&line, ", ", "%" PRIu64 " of others", other);
	put(p, width, "owners", &line);
}

static void put_leaders(struct print *p, int width, const char *label, struct json_object *evidence,
			const char *key, const char *member, const char *other_key)
{
	struct json_object *rows = field_get(evidence, key, json_type_array);
	uint64_t other = field_count(evidence, other_key);
	struct line line = {""};

	for (size_t i = 0; rows && i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);
		char buffer[FIELD_TEXT_SIZE];
		const char *name = field_text(row, member, buffer, sizeof(buffer));

		append(&line, ", ", "%" PRIu64 " %s", field_count(row, "connections"),
		       name ? name : "?");
	}
	if (other)
		append(&line, ", ", "%" PRIu64 " others", other);
	put(p, width, label, &line);
}

static void put_ages(struct print *p, int width, struct json_object *evidence)
{
	struct json_object *ages = field_get(evidence, "ages", json_type_object);
	struct json_object *whole = field_get(evidence, "whole", json_type_boolean);
	char oldest[PRINT_AGE_SIZE], median[PRINT_AGE_SIZE];
	uint64_t found = field_count(evidence, "found");
	struct line line = {""};

	if (!found)
		return;
	print_age(oldest, field_number(ages, "oldest_seconds"));
	print_age(median, field_number(ages, "median_seconds"));
	append(&line, "", "the oldest %s, half of them older than %s", oldest, median);
	if (!json_object_get_boolean(whole))
		append(&line, " ", "(of the %" PRIu64 " oldest that were looked at)", found);
	put(p, width, "ages", &line);
}

static void put_queues(struct print *p, int width, struct json_object *evidence)
{
	struct json_object *queues = field_get(evidence, "recv_queue", json_type_object);
	uint64_t looked_at = field_count(queues, "looked_at");
	struct line line = {""};

	if (!looked_at)
		return;
	append(&line, "",
	       "%" PRIu64 " of %" PRIu64 " looked at have unread bytes, %" PRIu64 " in all",
	       field_count(queues, "unread"), looked_at, field_count(queues, "bytes"));
	if (field_count(queues, "end_unread"))
		append(&line, "; ", "of %" PRIu64 " the program has not read the end",
		       field_count(queues, "end_unread"));
	put(p, width, "Recv-Q", &line);
}

static void put_settings(struct print *p, int width, struct json_object *evidence)
{
	struct json_object *rows = field_get(evidence, "sysctls", json_type_array);
	struct line line = {""};

	for (size_t i = 0; rows && i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i);
		char buffer[FIELD_TEXT_SIZE];
		const char *name = field_text(row, "name", buffer, sizeof(buffer));
		const char *last = name ? strrchr(name, '.') : NULL;

		append(&line, ", ", "%s %" PRIu64, last ? last + 1 : "?",
		       field_count(row, "value"));
	}
	put(p, width, "settings", &line);
}

static void put_transition(struct print *p, int width, const char *label, struct json_object *row)
{
	char from_buffer[FIELD_TEXT_SIZE], to_buffer[FIELD_TEXT_SIZE], clock[16] = "?";
	const char *from = field_text(row, "from", from_buffer, sizeof(from_buffer));
	const char *to = field_text(row, "to", to_buffer, sizeof(to_buffer));
	double seconds = field_number(row, "time");
	time_t whole = isfinite(seconds) && seconds >= 0 && seconds < 1e15 ? (time_t)seconds : 0;
	struct tm tm;

	if (localtime_r(&whole, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	print_text(p, PRINT_BOLD, 1 - width, label);
	print_text(p, PRINT_PLAIN, 8, clock);
	print_cell(p, PRINT_PLAIN, -25, "%s > %s", from ? from : "?", to ? to : "?");
	field_print_endpoint(p, row, "remote", "remote_port");
	print_end(p);
}

static void put_transitions(struct print *p, int width, struct json_object *evidence)
{
	struct json_object *rows = field_get(evidence, "transitions", json_type_array);

	for (size_t i = 0; rows && i < json_object_array_length(rows); i++)
		put_transition(p, width, i ? "" : "just before",
			       json_object_array_get_idx(rows, i));
}

static void put_head(struct print *p, int width, struct json_object *alert)
{
	char name_buffer[FIELD_TEXT_SIZE], status_buffer[FIELD_TEXT_SIZE];
	char severity_buffer[FIELD_TEXT_SIZE], since_buffer[FIELD_TEXT_SIZE];
	const char *name = field_text(alert, "name", name_buffer, sizeof(name_buffer));
	const char *status = field_text(alert, "status", status_buffer, sizeof(status_buffer));
	const char *severity = field_text(alert, "severity", severity_buffer,
					  sizeof(severity_buffer));
	const char *since = field_text(alert, "since", since_buffer, sizeof(since_buffer));
	struct line line = {""};

	append(&line, "", "%s (%s) since %s", status ? status : "?", severity ? severity : "?",
	       since ? since : "?");
	print_entry(p, width, name ? name : "?", line.text,
		    severity && !strcmp(severity, "critical") ? PRINT_RED : PRINT_YELLOW);
}

void evidence_print(struct print *p, int width, struct json_object *alert)
{
	struct json_object *evidence = field_get(alert, "evidence", json_type_object);
	struct line summary = {""};

	put_head(p, width, alert);
	field_text(alert, "summary", summary.text, sizeof(summary.text));
	put(p, width, "", &summary);
	put_value(p, width, alert);
	if (!evidence)
		return;
	put_owners(p, width, evidence);
	put_leaders(p, width, "remotes", evidence, "remotes", "remote", "remotes_other");
	put_leaders(p, width, "networks", evidence, "prefixes", "prefix", "prefixes_other");
	put_ages(p, width, evidence);
	put_queues(p, width, evidence);
	put_settings(p, width, evidence);
	put_transitions(p, width, evidence);
}
