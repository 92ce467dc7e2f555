/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/notice_json.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/util.h"

#include <tcpwatch/control.h>

/* Without digits that mean nothing: json-c itself writes 17 in all. */
static void add_value(struct json_object *object, const char *key, double value)
{
	char text[40];

	snprintf(text, sizeof(text), "%.10g", value);
	json_add(object, key, json_object_new_double_s(value, text));
}

static void add_time(struct json_object *object, const char *key, uint64_t unix_ns)
{
	char text[NOTICE_TIME_SIZE];

	notice_time(unix_ns, text);
	json_add(object, key, unix_ns ? json_object_new_string(text) : NULL);
}

/* In hexadecimal: a number of 64 bits is too long for many a reader of JSON. */
static void add_id(struct json_object *object, uint64_t id)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, id);
	json_add_text(object, "id", text);
}

void notice_time(uint64_t unix_ns, char text[static NOTICE_TIME_SIZE])
{
	time_t seconds = (time_t)(unix_ns / NSEC_PER_SEC);
	unsigned milliseconds = (unsigned)(unix_ns % NSEC_PER_SEC / NSEC_PER_MSEC);
	size_t used;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	used = strftime(text, NOTICE_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + used, NOTICE_TIME_SIZE - used, ".%03uZ", milliseconds);
}

struct json_object *notice_json(const struct notice *notice)
{
	struct json_object *row = json_object_new_object();

	if (!row)
		return NULL;
	json_add_text(row, "name", notice->name);
	json_add_text(row, "status", notice_status_labels[notice->status]);
	json_add_text(row, "severity", notice_severity_labels[notice->severity]);
	json_add_text(row, "scope", notice->scope);
	json_add_text(row, "target", notice->target);
	json_add_text(row, "source", notice->source);
	add_value(row, "value", notice->value);
	add_value(row, "threshold", notice->threshold);
	if (notice->limit > 0)
		add_value(row, "limit", notice->limit);
	else
		json_add(row, "limit", NULL);
	add_time(row, "since", notice->since_unix_ns);
	add_time(row, "resolved", notice->resolved_unix_ns);
	json_add(row, "repeat", json_object_new_boolean(notice->repeat));
	json_add_number(row, "held_back", notice->held_back);
	json_add_text(row, "summary", notice->summary);
	json_add_known(row, "netns", notice->netns);
	json_add_known(row, "port", notice->port);
	json_add_known(row, "pid", notice->pid);
	add_id(row, notice->id);
	json_add(row, "evidence", json_object_get(notice->evidence));
	return row;
}

struct json_object *notice_json_abroad(const struct notice *notice, const char *host,
				       const char *file)
{
	struct json_object *row = notice_json(notice);

	if (!row)
		return NULL;
	json_add_text(row, "host", host);
	json_add_text(row, "version", TW_VERSION);
	json_add_known_text(row, "evidence_file", file);
	return row;
}

char *notice_json_text(struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(object, JSON_TEXT);

	return text ? strdup(text) : NULL;
}
