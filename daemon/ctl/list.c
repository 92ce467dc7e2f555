/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "ctl/answer.h"
#include "ctl/commands.h"
#include "ctl/fields.h"

#include <tcpwatch/control.h>

#define STATE_WIDTH 11 /* established */
#define AGE_WIDTH 8    /* ~364d23h */

static void put_age(struct print *p, struct json_object *row)
{
	struct json_object *exact = field_get(row, "age_exact", json_type_boolean);
	char age[PRINT_AGE_SIZE];

	print_age(age, field_number(row, "age_seconds"));
	print_cell(p, PRINT_PLAIN, AGE_WIDTH, "%s%s",
		   json_object_get_boolean(exact) || strcmp(age, "-") == 0 ? "" : "~", age);
}

/* COMM/PID, or what else is known. */
static void put_owner(struct print *p, struct json_object *row)
{
	struct json_object *owner = field_get(row, "owner", json_type_object);
	char comm_buffer[FIELD_TEXT_SIZE], kind_buffer[FIELD_TEXT_SIZE];
	const char *comm = field_text(owner, "comm", comm_buffer, sizeof(comm_buffer));
	const char *kind = field_text(owner, "kind", kind_buffer, sizeof(kind_buffer));
	bool process = kind && strcmp(kind, "process") == 0;

	if (field_get(owner, "pid", json_type_int))
		print_cell(p, PRINT_PLAIN, 0, "%s/%" PRIu64, comm && *comm ? comm : "?",
			   field_count(owner, "pid"));
	else if (comm && *comm)
		print_cell(p, PRINT_PLAIN, 0, "%s", comm);
	else if (field_get(owner, "uid", json_type_int))
		print_cell(p, PRINT_PLAIN, 0, "uid:%" PRIu64, field_count(owner, "uid"));
	else if (!kind || process || strcmp(kind, "unknown") == 0)
		print_cell(p, PRINT_PLAIN, 0, "-");
	if (kind && !process && strcmp(kind, "unknown") != 0)
		print_cell(p, PRINT_DIM, 0, "(%s)", kind);
}

static void print_head(struct print *p)
{
	print_cell(p, PRINT_BOLD, -STATE_WIDTH, "STATE");
	print_cell(p, PRINT_BOLD, AGE_WIDTH, "AGE");
	print_cell(p, PRINT_BOLD, -FIELD_ENDPOINT_WIDTH, "LOCAL");
	print_cell(p, PRINT_BOLD, -FIELD_ENDPOINT_WIDTH, "REMOTE");
	print_cell(p, PRINT_BOLD, 0, "OWNER");
	print_end(p);
}

static void print_row(struct print *p, struct json_object *row)
{
	char buffer[FIELD_TEXT_SIZE];
	const char *state = field_text(row, "state", buffer, sizeof(buffer));

	print_cell(p, PRINT_PLAIN, -STATE_WIDTH, "%s", state ? state : "?");
	put_age(p, row);
	field_print_endpoint(p, row, "local", "local_port");
	field_print_endpoint(p, row, "remote", "remote_port");
	put_owner(p, row);
	field_print_netns(p, row);
	print_end(p);
}

int command_list(const struct invocation *in)
{
	return answer_rows(in, TW_PATH_CONNECTIONS, false, print_head, print_row);
}
