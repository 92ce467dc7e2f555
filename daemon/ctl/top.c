/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ctl/answer.h"
#include "ctl/commands.h"
#include "ctl/fields.h"
#include "ctl/filters.h"

#include <tcpwatch/control.h>

#define NAME_WIDTH 26 /* nginx (unaccepted), 255.255.255.255/24 */
#define COUNT_WIDTH 11
#define SHARE_WIDTH 6 /* 100.0% */
#define AGE_WIDTH 8
#define STATES_AT (NAME_WIDTH + COUNT_WIDTH + SHARE_WIDTH + AGE_WIDTH + 4)
#define STATE_SIZE 40 /* a label and a number of 20 digits */

static void print_head_cells(struct print *p)
{
	print_text(p, PRINT_BOLD, -NAME_WIDTH, "NAME");
	print_text(p, PRINT_BOLD, COUNT_WIDTH, "CONNECTIONS");
	print_text(p, PRINT_BOLD, SHARE_WIDTH, "SHARE");
	print_text(p, PRINT_BOLD, AGE_WIDTH, "OLDEST");
	print_text(p, PRINT_BOLD, 0, "STATES");
}

static void print_head(struct print *p)
{
	print_head_cells(p);
	print_end(p);
}

/* "nginx", "nginx (kernel)"; of the last row "other (17)", or "other (16384+)" where there are more
 * than are told apart. */
static void put_name(struct print *p, struct json_object *row)
{
	char key_buffer[FIELD_TEXT_SIZE], kind_buffer[FIELD_TEXT_SIZE];
	const char *key = field_text(row, "key", key_buffer, sizeof(key_buffer));
	const char *kind = field_text(row, "kind", kind_buffer, sizeof(kind_buffer));
	struct json_object *all = field_get(row, "keys_all", json_type_boolean);

	if (all)
		print_cell(p, PRINT_DIM, -NAME_WIDTH, "other (%" PRIu64 "%s)",
			   field_count(row, "keys"), json_object_get_boolean(all) ? "" : "+");
	else if (kind && strcmp(kind, "process") != 0 && strcmp(kind, "unknown") != 0)
		print_cell(p, PRINT_PLAIN, -NAME_WIDTH, "%s (%s)", key ? key : "?", kind);
	else
		print_text(p, PRINT_PLAIN, -NAME_WIDTH, key ? key : "?");
}

/* The state, not yet among those taken, that has most connections; NULL: there is none left. */
static const char *next_state(struct json_object *states, unsigned *taken)
{
	unsigned most = 0;
	uint64_t count = 0;

	for (unsigned i = 0; filter_states[i]; i++)
		if (!(*taken & 1U << i) && field_count(states, filter_states[i]) > count) {
			count = field_count(states, filter_states[i]);
			most = i;
		}
	*taken |= 1U << most;
	return count ? filter_states[most] : NULL;
}

/* As many as there is room for, at least one, and how many more there are. */
static void put_states(struct print *p, struct json_object *row)
{
	struct json_object *states = field_get(row, "states", json_type_object);
	size_t room = PRINT_WIDTH - STATES_AT - strlen(" +10"), used = 0;
	unsigned taken = 0, left = 0;
	const char *label;

	while ((label = next_state(states, &taken))) {
		char text[STATE_SIZE];
		size_t length = (size_t)snprintf(text, sizeof(text), "%s %" PRIu64, label,
						 field_count(states, label));

		left += left || (used && used + length > room);
		if (!left)
			print_text(p, PRINT_PLAIN, 0, text);
		used += length + 1;
	}
	if (left)
		print_cell(p, PRINT_DIM, 0, "+%u", left);
}

/* Right of what the narrowest terminal has room for. */
static void print_process_head(struct print *p)
{
	print_head_cells(p);
	p->stop = PRINT_WIDTH + 1;
	print_text(p, PRINT_BOLD, 0, "EXECUTABLE");
	print_end(p);
}

static void print_row_cells(struct print *p, struct json_object *row)
{
	double share = field_number(row, "share");
	char age[PRINT_AGE_SIZE];

	put_name(p, row);
	print_count(p, PRINT_PLAIN, COUNT_WIDTH, field_count(row, "connections"));
	if (isfinite(share) && share <= 1)
		print_cell(p, PRINT_PLAIN, SHARE_WIDTH, "%.1f%%", share * 100);
	else
		print_text(p, PRINT_DIM, SHARE_WIDTH, "-");
	print_age(age, field_number(row, "oldest_seconds"));
	print_text(p, PRINT_PLAIN, AGE_WIDTH, age);
	put_states(p, row);
}

static void print_row(struct print *p, struct json_object *row)
{
	print_row_cells(p, row);
	print_end(p);
}

static void print_process_row(struct print *p, struct json_object *row)
{
	char buffer[PRINT_CELL_SIZE];
	const char *executable = field_text(row, "executable", buffer, sizeof(buffer));

	print_row_cells(p, row);
	p->stop = PRINT_WIDTH + 1;
	print_text(p, executable ? PRINT_PLAIN : PRINT_DIM, 0, executable ? executable : "-");
	print_end(p);
}

int command_top(const struct invocation *in)
{
	static const struct answer_table table = {
		.path = TW_PATH_TOP, .head = print_head, .row = print_row};
	static const struct answer_table of_processes = {
		.path = TW_PATH_TOP, .head = print_process_head, .row = print_process_row};
	const char *by = options_get(in, "by");

	return answer_table(in, by && !strcmp(by, "process") ? &of_processes : &table,
			    options_get(in, "watch"));
}
