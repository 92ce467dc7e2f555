/* SPDX-License-Identifier: GPL-2.0-or-later */
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
	field_print_owner(p, row);
	field_print_netns(p, row);
	print_end(p);
}

int command_list(const struct invocation *in)
{
	return answer_rows(in, TW_PATH_CONNECTIONS, false, print_head, print_row);
}
