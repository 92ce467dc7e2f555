/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "settings_groups.h"

#include <string.h>

#include "base/util.h"
#include "base/words.h"
#include "settings.h"

#define SCHEMES_TEXT "http://HOST[:PORT]/… or https://HOST[:PORT]/…, without a user in it"

/* The rows that settings_check_sink() asks about. */
enum { ROW_TYPE, ROW_COMMAND, ROW_URL };

static const char *const type_words[] = {
	[SETTINGS_SINK_JOURNAL] = "journal",
	[SETTINGS_SINK_EXEC] = "exec",
	[SETTINGS_SINK_WEBHOOK] = "webhook",
	[SETTINGS_SINK_ALERTMANAGER] = "alertmanager",
	NULL,
};

const char *const settings_severity_words[] = {
	[SETTINGS_SEVERITY_INFO] = "info",
	[SETTINGS_SEVERITY_WARNING] = "warning",
	[SETTINGS_SEVERITY_CRITICAL] = "critical",
	NULL,
};

static bool valid_command(struct conf_value value)
{
	_cleanup_free_ char **words = NULL;

	return words_split(value.text, &words) == 0 && words[0][0] == '/';
}

/* RFC 3986 in so far as it keeps out what is surely no URL, and credentials, which would be seen by
 * whoever may see the configuration. */
static bool valid_url(struct conf_value value)
{
	static const char *const schemes[] = {"http://", "https://"};

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		const char *host = value.text + strlen(schemes[i]);
		size_t length;

		if (strncmp(value.text, schemes[i], strlen(schemes[i])) != 0)
			continue;
		length = strcspn(host, "/?#");
		for (const char *c = host; *c; c++)
			if (*c <= ' ' || *c >= '\x7f' || strchr("\"<>\\^`{|}", *c))
				return false;
		return length > 0 && host[0] != ':' && !memchr(host, '@', length);
	}
	return false;
}

const struct conf_row settings_sink_rows[SETTINGS_SINK_ROWS] = {
	[ROW_TYPE] =
		{
			.section = "sink",
			.key = "type",
			.type = CONF_WORD,
			.offset = offsetof(struct settings_sink, type),
			.words = type_words,
		},
	[ROW_COMMAND] =
		{
			.section = "sink",
			.key = "command",
			.type = CONF_TEXT,
			.offset = offsetof(struct settings_sink, command),
			.expected = "an absolute path and its arguments, quoted as for a shell",
			.valid = valid_command,
		},
	[ROW_URL] =
		{
			.section = "sink",
			.key = "url",
			.type = CONF_TEXT,
			.offset = offsetof(struct settings_sink, url),
			.expected = SCHEMES_TEXT,
			.valid = valid_url,
		},
	{
		.section = "sink",
		.key = "min_severity",
		.type = CONF_WORD,
		.offset = offsetof(struct settings_sink, min_severity),
		.preset = "info",
		.words = settings_severity_words,
	},
	{
		.section = "sink",
		.key = "timeout",
		.type = CONF_TIME,
		.offset = offsetof(struct settings_sink, timeout),
		.preset = "10s",
		.min = "100ms",
		.max = "10m",
	},
};

static bool is_set(const struct conf_member *member, size_t row)
{
	return member->places[row].file != 0;
}

/* Which of command and url a type takes, and what to say where it is missing. */
static const struct {
	bool command, url;
	const char *missing;
} type_wants[SETTINGS_SINK_TYPES] = {
	[SETTINGS_SINK_EXEC] = {true, false, "it wants command = /PATH ARGUMENT..."},
	[SETTINGS_SINK_WEBHOOK] = {false, true, "it wants url = " SCHEMES_TEXT},
	[SETTINGS_SINK_ALERTMANAGER] = {false, true, "it wants url = http://HOST:9093 or the like"},
};

const char *settings_check_sink(const void *member, const char **ret_key)
{
	const struct settings_sink *sink = member;
	bool command = is_set(member, ROW_COMMAND), url = is_set(member, ROW_URL);

	if (!is_set(member, ROW_TYPE))
		return "it wants type = journal, exec, webhook or alertmanager";
	if (command && !type_wants[sink->type].command) {
		*ret_key = "command";
		return "is for type = exec";
	}
	if (url && !type_wants[sink->type].url) {
		*ret_key = "url";
		return "is for type = webhook and type = alertmanager";
	}
	if (command != type_wants[sink->type].command || url != type_wants[sink->type].url)
		return type_wants[sink->type].missing;
	return NULL;
}
