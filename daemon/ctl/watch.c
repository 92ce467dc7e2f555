/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <math.h>
#include <time.h>

#include "ctl/answer.h"
#include "ctl/commands.h"
#include "ctl/fields.h"

#include <tcpwatch/control.h>

#define TIME_WIDTH 12   /* HH:MM:SS.mmm */
#define CHANGE_WIDTH 23 /* established->close_wait */

static void put_time(struct print *p, struct json_object *row)
{
	double now = field_number(row, "time");
	struct tm local;
	time_t seconds;

	if (!(now >= 0 && now < (double)INT32_MAX * 1000)) {
		print_text(p, PRINT_DIM, -TIME_WIDTH, "-");
		return;
	}
	seconds = (time_t)now;
	localtime_r(&seconds, &local);
	print_cell(p, PRINT_DIM, -TIME_WIDTH, "%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min,
		   local.tm_sec, (int)((now - (double)seconds) * 1000));
}

static void put_change(struct print *p, struct json_object *row)
{
	char from_buffer[FIELD_TEXT_SIZE], to_buffer[FIELD_TEXT_SIZE];
	const char *from = field_text(row, "from", from_buffer, sizeof(from_buffer));
	const char *to = field_text(row, "to", to_buffer, sizeof(to_buffer));

	print_cell(p, PRINT_BOLD, -CHANGE_WIDTH, "%s->%s", from ? from : "?", to ? to : "?");
}

static void put_process(struct print *p, struct json_object *row)
{
	if (field_get(row, "pid", json_type_int))
		field_print_process(p, row);
}

static void put_error(struct print *p, struct json_object *row)
{
	char buffer[FIELD_TEXT_SIZE];
	const char *error = field_text(row, "error", buffer, sizeof(buffer));

	if (error)
		print_text(p, PRINT_RED, 0, error);
}

static void print_row(struct print *p, struct json_object *row)
{
	if (field_get(row, "missed", json_type_int)) {
		print_cell(p, PRINT_YELLOW, 0,
			   "(missed %" PRIu64 " transitions: this reader was too slow)",
			   field_count(row, "missed"));
	} else {
		put_time(p, row);
		put_change(p, row);
		field_print_endpoint(p, row, "local", "local_port");
		field_print_endpoint(p, row, "remote", "remote_port");
		put_process(p, row);
		put_error(p, row);
		field_print_netns(p, row);
	}
	print_end(p);
}

int command_watch(const struct invocation *in)
{
	answer_until_signal();
	return answer_rows(in, TW_PATH_WATCH, true, NULL, print_row);
}
