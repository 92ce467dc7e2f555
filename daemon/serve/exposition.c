/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve/exposition.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LABELS_SIZE 512 /* bytes; the longest has the name of a rule and a target */

const char *exposition_content_type(enum exposition_format format)
{
	static const char *const types[] = {
		[EXPOSITION_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
		[EXPOSITION_OPENMETRICS] =
			"application/openmetrics-text; version=1.0.0; charset=utf-8",
	};

	return types[format];
}

static const char *suffix_of(const struct exposition *e)
{
	return e->type == EXPOSITION_COUNTER ? "_total" : "";
}

void exposition_begin(struct exposition *e, const char *name, enum exposition_type type,
		      const char *unit, const char *help)
{
	/* the text format has no word for a histogram whose buckets go down */
	static const char *const types[][2] = {
		[EXPOSITION_GAUGE] = {"gauge", "gauge"},
		[EXPOSITION_COUNTER] = {"counter", "counter"},
		[EXPOSITION_HISTOGRAM] = {"histogram", "histogram"},
		[EXPOSITION_GAUGE_HISTOGRAM] = {"histogram", "gaugehistogram"},
	};
	bool open = e->format == EXPOSITION_OPENMETRICS;
	const char *suffix;

	e->name = name;
	e->type = type;
	/* the text format names the samples, OpenMetrics the family */
	suffix = open ? "" : suffix_of(e);
	text_printf(e->text, "# HELP %s%s %s\n", name, suffix, help);
	text_printf(e->text, "# TYPE %s%s %s\n", name, suffix, types[type][open]);
	if (open && *unit)
		text_printf(e->text, "# UNIT %s %s\n", name, unit);
}

void exposition_end(struct exposition *e)
{
	if (e->format == EXPOSITION_OPENMETRICS)
		text_printf(e->text, "# EOF\n");
}

static void sample_name(struct exposition *e, const char *labels, va_list arguments)
{
	char text[LABELS_SIZE];

	text_printf(e->text, "%s%s", e->name, suffix_of(e));
	if (!labels)
		return;
	vsnprintf(text, sizeof(text), labels, arguments);
	text_printf(e->text, "{%s}", text);
}

void exposition_integer(struct exposition *e, uint64_t value, const char *labels, ...)
{
	va_list arguments;

	va_start(arguments, labels);
	sample_name(e, labels, arguments);
	va_end(arguments);
	text_printf(e->text, " %" PRIu64 "\n", value);
}

void exposition_number(struct exposition *e, double value, const char *labels, ...)
{
	va_list arguments;

	va_start(arguments, labels);
	sample_name(e, labels, arguments);
	va_end(arguments);
	text_printf(e->text, " %.15g\n", value);
}

/* OpenMetrics 1.0 wants a canonical float, "1.0"; Prometheus' own format has always had "1". */
void exposition_bucket(struct exposition *e, const char *label, const char *value, double bound,
		       uint64_t count)
{
	char le[32];

	snprintf(le, sizeof(le), "%g", bound);
	if (e->format == EXPOSITION_OPENMETRICS && !strpbrk(le, ".e"))
		snprintf(le, sizeof(le), "%g.0", bound);
	text_printf(e->text, "%s_bucket{%s=\"%s\",le=\"%s\"} %" PRIu64 "\n", e->name, label, value,
		    le, count);
}

void exposition_bucket_end(struct exposition *e, const char *label, const char *value, double sum,
			   uint64_t count)
{
	const char *name = e->name;
	bool gauge = e->format == EXPOSITION_OPENMETRICS && e->type == EXPOSITION_GAUGE_HISTOGRAM;
	const char *prefix = gauge ? "g" : "";

	text_printf(e->text, "%s_bucket{%s=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, label, value,
		    count);
	text_printf(e->text, "%s_%ssum{%s=\"%s\"} %.15g\n", name, prefix, label, value, sum);
	text_printf(e->text, "%s_%scount{%s=\"%s\"} %" PRIu64 "\n", name, prefix, label, value,
		    count);
}

void exposition_escape(const char *text, char *out, size_t size)
{
	size_t used = 0;

	for (; *text && used + 3 <= size; text++) {
		if (*text == '\\' || *text == '"' || *text == '\n')
			out[used++] = '\\';
		out[used++] = *text == '\n' ? 'n' : *text;
	}
	out[used] = '\0';
}
