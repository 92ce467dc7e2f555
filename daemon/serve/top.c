/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/dimension.h"
#include "serve/json.h"
#include "serve/lines.h"
#include "serve/top.h"

#define STEPS_MAX 8192  /* connections in a row: about a millisecond, then the loop goes on */
#define DATED_MAX 32768 /* connections of which the oldest is looked for in one go */

struct row_name {
	char name[DIMENSION_NAME_SIZE];
	char executable[TW_EXECUTABLE_SIZE];
};

struct top {
	struct model *model;
	enum dimension by;
	size_t limit;
	struct rank *rank;
	struct table_cursor cursor;
	bool walking;
	uint64_t began_ns; /* the model's time: what entered later is left out */
	uint64_t now_ns;
	uint64_t totals[TW_STATE_SLOTS]; /* when it began */
	uint64_t total;
	size_t next;            /* row */
	struct row_name *names; /* of the rows; NULL: no memory */
	struct lines lines;
};

static void take_totals(struct top *t, const struct model *m, uint32_t states)
{
	TW_FOR_EACH_STATE(s) {
		if (states & TW_STATE_BIT(s))
			t->totals[s] = model_connections(m, s, NETNS_IPV4) +
				       model_connections(m, s, NETNS_IPV6);
		t->total += t->totals[s];
	}
}

static void name_row(const struct top *t, const struct rank_row *row, struct row_name *ret)
{
	uint32_t executable = dimension_executable(t->by, &row->key);

	dimension_name(t->by, t->model, row, ret->name);
	snprintf(ret->executable, sizeof(ret->executable), "%s",
		 executables_path(model_executables(t->model), executable));
}

/* The names are taken now, as owners come and go while the rows are written. */
static void finish(struct top *t)
{
	const struct rank_row *rows;
	size_t count;

	if (t->walking)
		table_cursor_close(&t->cursor);
	t->walking = false;
	rank_finish(t->rank, t->limit, t->totals);
	rows = rank_rows(t->rank, &count);
	t->names = calloc(count + 1, sizeof(*t->names));
	for (size_t i = 0; t->names && i < count; i++)
		name_row(t, &rows[i], &t->names[i]);
}

/* The counts know nothing of ages. NULL: more connections than can be looked at now. */
static uint64_t *find_oldest(const struct top *t, uint32_t states)
{
	uint32_t parts = dimension_parts(t->by, t->model);
	uint64_t *oldest_ns = t->total <= DATED_MAX ? calloc(parts, sizeof(*oldest_ns)) : NULL;
	const struct connection *c;
	struct table_cursor cursor;

	if (!oldest_ns)
		return NULL;
	memset(oldest_ns, 0xff, parts * sizeof(*oldest_ns));
	table_cursor_open(model_table(t->model), states, &cursor);
	while ((c = table_cursor_next(&cursor))) {
		uint64_t *oldest = &oldest_ns[dimension_part(t->by, c)];

		if (!(c->flags & CONNECTION_GONE) && c->entered_ns < *oldest)
			*oldest = c->entered_ns;
	}
	table_cursor_close(&cursor);
	return oldest_ns;
}

static void add_counted(struct top *t, uint32_t states)
{
	uint64_t *oldest_ns = find_oldest(t, states);

	dimension_add_counted(t->by, t->model, states, oldest_ns, t->rank);
	free(oldest_ns);
	finish(t);
}

int top_new(struct model *model, const struct filter *filter, uint64_t now_ns, struct top **ret)
{
	struct top *t = calloc(1, sizeof(*t));

	if (!t || rank_new(&t->rank) < 0) {
		free(t);
		return -ENOMEM;
	}
	t->model = model;
	t->by = filter->by;
	t->limit = filter->limit ? filter->limit : TOP_LIMIT;
	if (t->limit > TOP_LIMIT_MAX)
		t->limit = TOP_LIMIT_MAX;
	t->now_ns = now_ns;
	t->began_ns = model_now_ns(model);
	take_totals(t, model, filter->states);
	if (dimension_is_counted(t->by)) {
		add_counted(t, filter->states);
	} else {
		table_cursor_open(model_table(model), filter->states, &t->cursor);
		t->walking = true;
	}
	*ret = t;
	return 0;
}

static void walk(struct top *t)
{
	for (unsigned i = 0; i < STEPS_MAX; i++) {
		const struct connection *c = table_cursor_next(&t->cursor);

		if (!c) {
			finish(t);
			return;
		}
		if (!(c->flags & CONNECTION_GONE) && c->entered_ns <= t->began_ns)
			dimension_add(t->by, c, t->rank);
	}
}

static int produce(void *userdata)
{
	struct top *t = userdata;
	static const struct row_name nameless;
	size_t count;
	const struct rank_row *rows = rank_rows(t->rank, &count);
	const struct row_name *name = t->names ? &t->names[t->next] : &nameless;

	if (t->next < count)
		lines_put(&t->lines, json_top(t->by, name->name, name->executable, &rows[t->next],
					      t->total, t->now_ns));
	else if (t->next == count && rank_others(t->rank)->connections)
		lines_put(&t->lines, json_top_others(t->by, t->rank, t->total, t->now_ns));
	else
		return HTTP_STREAM_END;
	t->next++;
	return LINES_PUT;
}

static ssize_t top_next(char *buffer, size_t size, void *userdata)
{
	struct top *t = userdata;

	if (t->walking) {
		walk(t);
		return HTTP_STREAM_AGAIN;
	}
	return lines_fill(&t->lines, buffer, size, produce, t);
}

static void top_free(void *userdata)
{
	struct top *t = userdata;

	if (t->walking)
		table_cursor_close(&t->cursor);
	lines_clear(&t->lines);
	free(t->names);
	rank_free(t->rank);
	free(t);
}

const struct http_source top_source = {.next = top_next, .free = top_free};
