/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ctl/answer.h"
#include "ctl/commands.h"
#include "ctl/fields.h"
#include "ctl/filters.h"

#include <tcpwatch/control.h>

#define STATE_WIDTH 11 /* established */
#define COUNT_WIDTH 11
#define RATE_WIDTH 11
#define AGE_WIDTH 8
#define BAR_WIDTH (PRINT_WIDTH - STATE_WIDTH - COUNT_WIDTH - RATE_WIDTH - AGE_WIDTH - 4)

static void put_row(struct print *p, struct json_object *status, const char *label, uint64_t most)
{
	uint64_t count = field_count(field_get(status, "states", json_type_object), label);
	double rate = field_number(field_get(status, "rates", json_type_object), label);
	enum print_style style = count ? PRINT_PLAIN : PRINT_DIM;
	char age[PRINT_AGE_SIZE], bar[BAR_WIDTH + 1];
	int length = most ? (int)((double)count / (double)most * BAR_WIDTH) : 0;

	print_age(age, field_number(field_get(status, "oldest_seconds", json_type_object), label));
	if (count > 0 && length == 0)
		length = 1;
	memset(bar, '#', sizeof(bar));
	print_text(p, style, -STATE_WIDTH, label);
	print_count(p, style, COUNT_WIDTH, count);
	if (isfinite(rate))
		print_cell(p, style, RATE_WIDTH, "%.1f", rate);
	else
		print_cell(p, style, RATE_WIDTH, "-");
	print_text(p, style, AGE_WIDTH, age);
	print_cell(p, PRINT_CYAN, 0, "%.*s", length, bar);
	print_end(p);
}

static int print_states(struct print *p, struct json_object *status)
{
	struct json_object *states = field_get(status, "states", json_type_object);
	uint64_t most = 0;

	if (!states)
		return -EBADMSG;
	for (const char *const *label = filter_states; *label; label++)
		if (field_count(states, *label) > most)
			most = field_count(states, *label);
	print_text(p, PRINT_BOLD, -STATE_WIDTH, "STATE");
	print_text(p, PRINT_BOLD, COUNT_WIDTH, "CONNECTIONS");
	print_text(p, PRINT_BOLD, RATE_WIDTH, "NEW/SECOND");
	print_text(p, PRINT_BOLD, AGE_WIDTH, "OLDEST");
	print_end(p);
	for (const char *const *label = filter_states; *label; label++)
		put_row(p, status, *label, most);
	return 0;
}

int command_states(const struct invocation *in)
{
	return answer_document(in, false, TW_PATH_STATUS, print_states);
}
