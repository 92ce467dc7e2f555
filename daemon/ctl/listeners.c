/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ctl/answer.h"
#include "ctl/commands.h"
#include "ctl/fields.h"

#include <tcpwatch/control.h>

#define QUEUE_WIDTH 9 /* 4096/4096 */
#define BAR_WIDTH 5
#define RATE_WIDTH 7
#define COOKIES_WIDTH 9
#define NEARLY_FULL 0.8
#define NOTABLE_RATE 100.0 /* SYNs a second: fewer are no reason to ask where they come from */

/* Of the backlog; 0 where there is none. */
static double share(struct json_object *row, const char *queue)
{
	uint64_t backlog = field_count(row, "backlog");

	return backlog ? (double)field_count(row, queue) / (double)backlog : 0;
}

static enum print_style style_of(double full)
{
	if (full >= 1)
		return PRINT_RED;
	return full >= NEARLY_FULL ? PRINT_YELLOW : PRINT_PLAIN;
}

static void put_queue(struct print *p, struct json_object *row, const char *queue)
{
	if (!field_get(row, queue, json_type_int)) {
		print_text(p, PRINT_DIM, QUEUE_WIDTH, "-");
		return;
	}
	print_cell(p, style_of(share(row, queue)), QUEUE_WIDTH, "%" PRIu64 "/%" PRIu64,
		   field_count(row, queue), field_count(row, "backlog"));
}

/* One mark for anything above none, all of them for a full queue. */
static void put_bar(struct print *p, double full)
{
	int length = full < 1 ? (full > 0) + (int)(full * (BAR_WIDTH - 1)) : BAR_WIDTH;
	enum print_style style = full >= NEARLY_FULL ? style_of(full) : PRINT_CYAN;

	print_cell(p, style, -BAR_WIDTH, "%.*s", length, "#####");
}

static void put_rate(struct print *p, int width, double rate)
{
	if (isfinite(rate))
		print_cell(p, PRINT_PLAIN, width, rate < 10 ? "%.1f" : "%.0f", rate);
	else
		print_text(p, PRINT_DIM, width, "-");
}

static void print_head(struct print *p)
{
	print_text(p, PRINT_BOLD, -FIELD_ENDPOINT_WIDTH, "LOCAL");
	print_text(p, PRINT_BOLD, QUEUE_WIDTH, "SYN QUEUE");
	print_text(p, PRINT_BOLD, -BAR_WIDTH, "");
	print_text(p, PRINT_BOLD, QUEUE_WIDTH, "ACCEPT");
	print_text(p, PRINT_BOLD, RATE_WIDTH, "SYN/S");
	print_text(p, PRINT_BOLD, COOKIES_WIDTH, "COOKIES/S");
	print_text(p, PRINT_BOLD, 0, "OWNER");
	print_end(p);
}

static void print_row(struct print *p, struct json_object *row)
{
	field_print_endpoint(p, row, "local", "local_port");
	put_queue(p, row, "syn_queue");
	put_bar(p, share(row, "syn_queue"));
	put_queue(p, row, "accept_queue");
	put_rate(p, RATE_WIDTH, field_number(row, "syn_rate"));
	put_rate(p, COOKIES_WIDTH, field_number(row, "cookies_sent_rate"));
	field_print_owner(p, row);
	field_print_netns(p, row);
	print_end(p);
}

static int print_tail(struct print *p, struct json_object *status)
{
	struct json_object *syn = field_get(status, "syn", json_type_object);
	char text[FIELD_SYNS_SIZE];

	if (!(field_number(syn, "rate") >= NOTABLE_RATE))
		return 0;
	print_cell(p, PRINT_YELLOW, 0, "SYNs: %s", field_syns(status, text));
	print_end(p);
	return 0;
}

int command_listeners(const struct invocation *in)
{
	static const struct answer_table table = {
		.path = TW_PATH_LISTENERS,
		.head = print_head,
		.row = print_row,
		.tail_path = TW_PATH_STATUS,
		.tail = print_tail,
	};

	return answer_table(in, &table, options_get(in, "watch"));
}
