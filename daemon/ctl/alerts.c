/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "ctl/answer.h"
#include "ctl/commands.h"
#include "ctl/fields.h"

#include <tcpwatch/control.h>

#define STATUS_WIDTH 8
#define SEVERITY_WIDTH 8
#define SINCE_WIDTH 20 /* 2026-11-20T14:06:29Z */
#define INDENT 4
#define SUMMARY_SIZE 512

const struct option_row alerts_options[] = {
	{
		.name = "history",
		.parameter = "history",
		.help = "those that were resolved, the latest last",
	},
	{},
};

static enum print_style style_of(const char *status, const char *severity)
{
	if (strcmp(status, "firing") != 0)
		return PRINT_DIM;
	return strcmp(severity, "critical") == 0 ? PRINT_RED : PRINT_YELLOW;
}

static void print_head(struct print *p)
{
	print_text(p, PRINT_BOLD, -STATUS_WIDTH, "STATUS");
	print_text(p, PRINT_BOLD, -SEVERITY_WIDTH, "SEVERITY");
	print_text(p, PRINT_BOLD, -SINCE_WIDTH, "SINCE");
	print_text(p, PRINT_BOLD, 0, "NAME");
	print_end(p);
}

/* Without the fraction of a second. */
static void cut_fraction(char *time)
{
	char *point = strchr(time, '.');

	if (point)
		memcpy(point, "Z", sizeof("Z"));
}

static void print_row(struct print *p, struct json_object *row)
{
	char status[FIELD_TEXT_SIZE] = "?", severity[FIELD_TEXT_SIZE] = "?";
	char since[FIELD_TEXT_SIZE] = "-", name[FIELD_TEXT_SIZE] = "?";
	char summary[SUMMARY_SIZE] = "";

	field_text(row, "status", status, sizeof(status));
	field_text(row, "severity", severity, sizeof(severity));
	field_text(row, "since", since, sizeof(since));
	field_text(row, "name", name, sizeof(name));
	field_text(row, "summary", summary, sizeof(summary));
	cut_fraction(since);
	print_text(p, style_of(status, severity), -STATUS_WIDTH, status);
	print_text(p, PRINT_PLAIN, -SEVERITY_WIDTH, severity);
	print_text(p, PRINT_PLAIN, -SINCE_WIDTH, since);
	print_text(p, PRINT_BOLD, 0, name);
	print_end(p);
	print_entry(p, INDENT, "", summary, PRINT_PLAIN);
}

int command_alerts(const struct invocation *in)
{
	return answer_rows(in, TW_PATH_ALERTS, false, print_head, print_row);
}
