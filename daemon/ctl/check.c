/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plug-in for Nagios, Icinga and their like, by the monitoring plug-ins' guidelines: one line on
 * stdout, figures behind a '|', and an exit code that says how bad it is.
 */
#include "ctl/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "ctl/answer.h"
#include "ctl/commands.h"
#include "ctl/fields.h"
#include "ctl/filters.h"
#include "ctl/range.h"

#include <tcpwatch/control.h>

#define TEXT_SIZE 2048 /* eleven states with their ranges */
#define ALERTS_TOLD 5  /* the rest is a number */
#define RANGE_SIZE 32  /* of one that eleven fit of into the text */

enum verdict { VERDICT_OK, VERDICT_WARNING, VERDICT_CRITICAL, VERDICT_UNKNOWN };

struct check {
	enum verdict verdict;
	char text[TEXT_SIZE];    /* after the dash */
	char figures[TEXT_SIZE]; /* after the '|' */
	unsigned firing, told;   /* alerts */
};

static void append(char text[static TEXT_SIZE], const char *separator, const char *format,
		   va_list arguments)
{
	size_t used = strlen(text);

	if (used)
		used += (size_t)snprintf(text + used, TEXT_SIZE - used, "%s", separator);
	if (used < TEXT_SIZE)
		vsnprintf(text + used, TEXT_SIZE - used, format, arguments);
}

static _printf_(2, 3) void say(struct check *c, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	append(c->text, ", ", format, arguments);
	va_end(arguments);
}

static _printf_(2, 3) void figure(struct check *c, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	append(c->figures, " ", format, arguments);
	va_end(arguments);
}

static void worsen(struct check *c, enum verdict verdict)
{
	if (verdict > c->verdict)
		c->verdict = verdict;
}

/* What the daemon says may have a '|', which ends the text. */
static int print(struct check *c)
{
	static const char *const labels[] = {
		[VERDICT_OK] = "OK",
		[VERDICT_WARNING] = "WARNING",
		[VERDICT_CRITICAL] = "CRITICAL",
		[VERDICT_UNKNOWN] = "UNKNOWN",
	};

	for (char *at = c->text; (at = strchr(at, '|')); at++)
		*at = '/';
	printf("TCPWATCH %s - %s%s%s\n", labels[c->verdict], c->text, *c->figures ? " | " : "",
	       c->figures);
	return answer_end() ? (int)VERDICT_UNKNOWN : (int)c->verdict;
}

int check_misused(void)
{
	struct check c = {.verdict = VERDICT_UNKNOWN};

	say(&c, "wrong usage, see 'tcpwatchctl check --help'");
	return print(&c);
}

/* Whether the value is out of the range that the option gives. */
static bool exceeds(const struct invocation *in, const char *option, uint64_t value)
{
	const char *text = options_get(in, option);
	struct range range;

	return text && !range_parse(text, &range) && range_alerts(&range, (double)value);
}

static const char *given(const struct invocation *in, const char *option)
{
	const char *text = options_get(in, option);

	return text ? text : "";
}

static void check_state(struct check *c, const struct invocation *in, const char *state,
			uint64_t count)
{
	const char *why = "";

	if (exceeds(in, "critical", count)) {
		worsen(c, VERDICT_CRITICAL);
		why = " (critical)";
	} else if (exceeds(in, "warning", count)) {
		worsen(c, VERDICT_WARNING);
		why = " (warning)";
	}
	say(c, "%s %" PRIu64 "%s", state, count, why);
	figure(c, "'%s'=%" PRIu64 ";%s;%s;0", state, count, given(in, "warning"),
	       given(in, "critical"));
}

static bool is_listed(const char *list, const char *state)
{
	const char *const words[] = {state, NULL};
	size_t length;

	for (; *list; list += length + (list[length] == ',')) {
		length = strcspn(list, ",");
		if (option_is_word(list, length, words))
			return true;
	}
	return false;
}

static void check_states(struct check *c, const struct invocation *in, const char *list,
			 struct json_object *states)
{
	for (const char *const *state = filter_states; *state; state++)
		if (is_listed(list, *state))
			check_state(c, in, *state, field_count(states, *state));
}

static int on_alert(struct json_object *row, void *userdata)
{
	char status_buffer[FIELD_TEXT_SIZE], severity_buffer[FIELD_TEXT_SIZE];
	char name_buffer[FIELD_TEXT_SIZE], target_buffer[2 * FIELD_TEXT_SIZE];
	const char *status = field_text(row, "status", status_buffer, sizeof(status_buffer));
	const char *severity = field_text(row, "severity", severity_buffer,
					  sizeof(severity_buffer));
	const char *name = field_text(row, "name", name_buffer, sizeof(name_buffer));
	const char *target = field_text(row, "target", target_buffer, sizeof(target_buffer));
	struct check *c = userdata;

	if (!status || strcmp(status, "firing") != 0)
		return 0;
	c->firing++;
	if (severity && !strcmp(severity, "critical"))
		worsen(c, VERDICT_CRITICAL);
	else if (!severity || strcmp(severity, "info") != 0)
		worsen(c, VERDICT_WARNING);
	if (c->told++ < ALERTS_TOLD)
		say(c, "%s of %s", name ? name : "?", target ? target : "?");
	return 0;
}

static int check_alerts(struct check *c, const struct invocation *in, struct json_object *status)
{
	struct json_object *alerts = field_get(status, "alerts", json_type_object);
	int r = 0;

	if (field_count(alerts, "firing"))
		r = answer_each(in, TW_PATH_ALERTS, on_alert, c);
	if (r < 0)
		return r;
	if (c->firing > ALERTS_TOLD)
		say(c, "and %u more", c->firing - ALERTS_TOLD);
	else if (!c->firing)
		say(c, "no alert fires");
	figure(c, "'firing'=%u;;;0", c->firing);
	figure(c, "'pending'=%" PRIu64 ";;;0", field_count(alerts, "pending"));
	for (const char *const *state = filter_states; *state; state++)
		figure(c, "'%s'=%" PRIu64 ";;;0", *state,
		       field_count(field_get(status, "states", json_type_object), *state));
	return 0;
}

/* A count that may be wrong is worse than none: nobody looks twice at an OK. */
static void check_daemon(struct check *c, struct json_object *status)
{
	char buffer[TEXT_SIZE / 2];
	const char *reason = field_text(status, "mode_reason", buffer, sizeof(buffer));
	struct json_object *resync = field_get(status, "resync", json_type_object);

	if (!field_count(resync, "count")) {
		worsen(c, VERDICT_UNKNOWN);
		say(c, "tcpwatchd has not counted all connections yet");
	} else if (reason && *reason) {
		worsen(c, VERDICT_UNKNOWN);
		say(c, "counts are not exact, tcpwatchd polls for %s", reason);
	}
}

static int unanswered(const struct invocation *in, int error)
{
	struct check c = {.verdict = VERDICT_UNKNOWN};

	say(&c, "tcpwatchd on %s cannot be asked: %s", answer_socket(in), strerror(-error));
	return print(&c);
}

int command_check(const struct invocation *in)
{
	_cleanup_(answer_put) struct json_object *status = NULL;
	const char *list = options_get(in, "state");
	struct check c = {};
	int r;

	if (!list && (options_get(in, "warning") || options_get(in, "critical")))
		return check_misused();
	r = answer_get(in, TW_PATH_STATUS, &status);
	if (r == 0 && !field_get(status, "states", json_type_object))
		r = -EBADMSG;
	if (r < 0)
		return unanswered(in, r);
	check_daemon(&c, status);
	if (list)
		check_states(&c, in, list, field_get(status, "states", json_type_object));
	else
		r = check_alerts(&c, in, status);
	return r < 0 ? unanswered(in, r) : print(&c);
}

static int check_range(const char *value, char *ret)
{
	struct range range;

	snprintf(ret, OPTION_VALUE_SIZE, "%s", value);
	return strlen(value) < RANGE_SIZE ? range_parse(value, &range) : -EINVAL;
}

#define RANGE_WANTED "a range, such as 100, 10:, ~:100, 10:100 or @10:100"

const struct option_row check_options[] = {
	{
		.name = "state",
		.argument = "STATES",
		.help = "the connections in each of these states; without it, the alerts",
		.check = filter_check_states,
		.wanted = "one or more of the states that --help lists, with commas between",
		.words = filter_states,
	},
	{
		.name = "warning",
		.argument = "RANGE",
		.help = "warn when a count is out of this range: 100, 10:, 10:100, @10:100",
		.check = check_range,
		.wanted = RANGE_WANTED,
	},
	{
		.name = "critical",
		.argument = "RANGE",
		.help = "likewise, and worse",
		.check = check_range,
		.wanted = RANGE_WANTED,
	},
	{},
};
