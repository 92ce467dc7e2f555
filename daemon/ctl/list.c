/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <string.h>

#include "ctl/answer.h"
#include "ctl/commands.h"
#include "ctl/fields.h"

#include <tcpwatch/control.h>

#define STATE_WIDTH 11 /* established */
#define AGE_WIDTH 8    /* ~364d23h */
#define QUEUE_WIDTH 6  /* RECV-Q */

static void put_age(struct print *p, struct json_object *row)
{
	bool exact = json_object_get_boolean(field_get(row, "age_exact", json_type_boolean));
	double seconds = field_number(row, "age_seconds");
	char text[1 + PRINT_AGE_SIZE] = "~", *age = text + 1;

	print_age(age, seconds);
	print_text(p, PRINT_PLAIN, AGE_WIDTH, exact || strcmp(age, "-") == 0 ? age : text);
}

/* What a program has not read though the peer has closed is a sign that it looks elsewhere. */
static bool is_forgotten(const char *state, uint64_t receive_queue)
{
	return state && strcmp(state, "close_wait") == 0 && receive_queue > 0;
}

static void put_queue(struct print *p, struct json_object *row, const char *key,
		      enum print_style style)
{
	if (field_get(row, key, json_type_int))
		print_count(p, style, QUEUE_WIDTH, field_count(row, key));
	else
		print_text(p, PRINT_DIM, QUEUE_WIDTH, "-");
}

static void print_head(struct print *p)
{
	print_text(p, PRINT_BOLD, -STATE_WIDTH, "STATE");
	print_text(p, PRINT_BOLD, AGE_WIDTH, "AGE");
	print_text(p, PRINT_BOLD, QUEUE_WIDTH, "RECV-Q");
	print_text(p, PRINT_BOLD, QUEUE_WIDTH, "SEND-Q");
	print_text(p, PRINT_BOLD, -FIELD_ENDPOINT_WIDTH, "LOCAL");
	print_text(p, PRINT_BOLD, -FIELD_ENDPOINT_WIDTH, "REMOTE");
	print_text(p, PRINT_BOLD, 0, "OWNER");
	print_end(p);
}

static void print_row(struct print *p, struct json_object *row)
{
	char buffer[FIELD_TEXT_SIZE];
	const char *state = field_text(row, "state", buffer, sizeof(buffer));
	bool forgotten = is_forgotten(state, field_count(row, "recv_queue"));

	print_text(p, PRINT_PLAIN, -STATE_WIDTH, state ? state : "?");
	put_age(p, row);
	put_queue(p, row, "recv_queue", forgotten ? PRINT_YELLOW : PRINT_PLAIN);
	put_queue(p, row, "send_queue", PRINT_PLAIN);
	field_print_endpoint(p, row, "local", "local_port");
	field_print_endpoint(p, row, "remote", "remote_port");
	field_print_owner(p, row);
	field_print_netns(p, row);
	print_end(p);
}

int command_list(const struct invocation *in)
{
	/* Of a long list most of the time goes into reading the rows. */
	const char *path = options_get(in, "json") ? TW_PATH_CONNECTIONS
						   : TW_PATH_CONNECTIONS "?brief=yes";

	return answer_rows(in, path, false, print_head, print_row);
}
