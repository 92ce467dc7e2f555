/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "ctl/answer.h"
#include "ctl/commands.h"
#include "ctl/fields.h"

#include <tcpwatch/control.h>

#define LEVEL_WIDTH 8 /* warning */
#define NAME_SIZE 64
#define TEXT_SIZE 1024

static enum print_style style_of(const char *level)
{
	if (level && !strcmp(level, "warning"))
		return PRINT_RED;
	return level && !strcmp(level, "note") ? PRINT_YELLOW : PRINT_PLAIN;
}

/* "net.ipv4.tcp_tw_reuse = 2, better 1" */
static void put_setting(struct print *p, struct json_object *row)
{
	char name_buffer[NAME_SIZE], value_buffer[FIELD_TEXT_SIZE], other_buffer[FIELD_TEXT_SIZE];
	const char *name = field_text(row, "name", name_buffer, sizeof(name_buffer));
	const char *value = field_text(row, "value", value_buffer, sizeof(value_buffer));
	const char *other = field_text(row, "recommended", other_buffer, sizeof(other_buffer));

	print_cell(p, PRINT_BOLD, 0, "%s = %s", name ? name : "?", value ? value : "(not known)");
	p->stop = p->at + 1;
	if (other)
		print_cell(p, PRINT_YELLOW, 0, "(better: %s)", other);
}

static void put_text(struct print *p, struct json_object *row, const char *key,
		     enum print_style style)
{
	char buffer[TEXT_SIZE];
	const char *text = field_text(row, key, buffer, sizeof(buffer));

	if (text && *text)
		print_entry(p, LEVEL_WIDTH + 1, "", text, style);
}

static void print_row(struct print *p, struct json_object *row)
{
	char buffer[FIELD_TEXT_SIZE];
	const char *level = field_text(row, "level", buffer, sizeof(buffer));

	print_text(p, style_of(level), -LEVEL_WIDTH, level ? level : "?");
	put_setting(p, row);
	field_print_netns(p, row);
	print_end(p);
	put_text(p, row, "what", PRINT_DIM);
	put_text(p, row, "finding", style_of(level));
}

int command_doctor(const struct invocation *in)
{
	return answer_rows(in, TW_PATH_DOCTOR, false, NULL, print_row);
}
