/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/notice_json.h"

#include <inttypes.h>
#include <string.h>

#include "base/util.h"

#include <tcpwatch/control.h>

/* key: a constant, and new in the object. */
static void add(struct json_object *object, const char *key, struct json_object *value)
{
	json_object_object_add_ex(object, key, value,
				  JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
	add(object, key, json_object_new_string(text));
}

/* Without digits that mean nothing: json-c itself writes 17 in all. */
static void add_value(struct json_object *object, const char *key, double value)
{
	char text[40];

	snprintf(text, sizeof(text), "%.10g", value);
	add(object, key, json_object_new_double_s(value, text));
}

/* 0 stands for none. */
static void add_known(struct json_object *object, const char *key, uint64_t number)
{
	add(object, key, number ? json_object_new_uint64(number) : NULL);
}

static void add_time(struct json_object *object, const char *key, uint64_t unix_ns)
{
	char text[NOTICE_TIME_SIZE];

	notice_time(unix_ns, text);
	add(object, key, unix_ns ? json_object_new_string(text) : NULL);
}

/* In hexadecimal: a number of 64 bits is too long for many a reader of JSON. */
static void add_id(struct json_object *object, uint64_t id)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, id);
	add_text(object, "id", text);
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
	add_text(row, "name", notice->name);
	add_text(row, "status", notice_status_labels[notice->status]);
	add_text(row, "severity", notice_severity_labels[notice->severity]);
	add_text(row, "scope", notice->scope);
	add_text(row, "target", notice->target);
	add_text(row, "source", notice->source);
	add_value(row, "value", notice->value);
	add_value(row, "threshold", notice->threshold);
	if (notice->limit > 0)
		add_value(row, "limit", notice->limit);
	else
		add(row, "limit", NULL);
	add_time(row, "since", notice->since_unix_ns);
	add_time(row, "resolved", notice->resolved_unix_ns);
	add(row, "repeat", json_object_new_boolean(notice->repeat));
	add(row, "held_back", json_object_new_uint64(notice->held_back));
	add_text(row, "summary", notice->summary);
	add_known(row, "netns", notice->netns);
	add_known(row, "port", notice->port);
	add_known(row, "pid", notice->pid);
	add_id(row, notice->id);
	add(row, "evidence", json_object_get(notice->evidence));
	return row;
}

struct json_object *notice_json_abroad(const struct notice *notice, const char *host,
				       const char *file)
{
	struct json_object *row = notice_json(notice);

	if (!row)
		return NULL;
	add_text(row, "host", host);
	add_text(row, "version", TW_VERSION);
	add(row, "evidence_file", file ? json_object_new_string(file) : NULL);
	return row;
}

char *notice_json_text(struct json_object *object)
{
	const char *text = json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);

	return text ? strdup(text) : NULL;
}
