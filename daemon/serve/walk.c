/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "serve/lines.h"
#include "serve/row.h"
#include "serve/walk.h"

#define STEPS_MAX \
	8192 /* connections looked at in a row: about a millisecond, then the loop goes on */

#define ROW_BYTES 400 /* about: so many rows are made at once as there is room for */

/* One state's list, and the connection of it that comes next. */
struct head {
	struct table_cursor cursor;
	struct connection next; /* a copy: the table may change before its turn comes */
	bool open;
	bool full; /* there is a next */
};

struct walk {
	struct walk *next, **link;  /* among those that wait; link is NULL when it does not */
	struct http_stream *stream; /* its own, while it waits */
	struct model *model;
	struct table *table;
	const struct serve_calls *calls;
	struct filter filter;
	struct lines lines;
	struct text text; /* of the rows that are being written */
	size_t batch;     /* how many are to be made at once */
	uint64_t now_ns;
	uint64_t began_ns; /* the model's time: what entered later is left out */
	uint64_t rows;
	unsigned steps;  /* since the loop had its turn */
	uint32_t states; /* not opened yet */
	struct head heads[TW_STATE_SLOTS];
};

static void begin(struct walk *w, uint64_t now_ns)
{
	w->now_ns = now_ns;
	w->began_ns = model_now_ns(w->model);
}

int walk_new(struct model *model, const struct serve_calls *calls, const struct filter *filter,
	     uint64_t now_ns, struct walk **ret)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->model = model;
	w->table = model_table(model);
	w->calls = calls;
	w->filter = *filter;
	w->states = filter->states;
	begin(w, now_ns);
	*ret = w;
	return 0;
}

void walk_wait(struct walk *w, struct walks *walks, struct http_stream *stream)
{
	w->stream = stream;
	w->next = walks->first;
	if (w->next)
		w->next->link = &w->next;
	w->link = &walks->first;
	walks->first = w;
}

static void wait_no_more(struct walk *w)
{
	if (!w->link)
		return;
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	w->link = NULL;
}

void walks_begin(struct walks *walks, uint64_t now_ns)
{
	struct walk *w;

	while ((w = walks->first)) {
		wait_no_more(w);
		begin(w, now_ns);
		http_stream_wake(w->stream);
	}
}

static void head_close(struct head *head)
{
	if (head->open)
		table_cursor_close(&head->cursor);
	head->open = false;
}

static void walk_free(void *userdata)
{
	struct walk *w = userdata;

	wait_no_more(w);
	TW_FOR_EACH_STATE(state)
		head_close(&w->heads[state]);
	lines_clear(&w->lines);
	text_clear(&w->text);
	free(w);
}

static bool passes(const struct walk *w, const struct connection *c)
{
	const struct owner *owner = owners_get(model_owners(w->model), c->owner);
	struct filter_subject subject = {
		.netns = netns_at(model_netns(w->model), c->netns)->inum,
		.local_port = c->sport,
		.remote_port = c->dport,
		.family = c->flags & CONNECTION_IPV6 ? AF_INET6 : AF_INET,
		.remote = c->daddr,
		.pid = owner->pid,
		.uid = owner->uid,
		.comm = owner->comm,
		.cgroup = owner->cgroup,
	};

	return !(c->flags & CONNECTION_GONE) &&
	       filter_matches(&w->filter, &subject, model_cgroups(w->model));
}

/* Too young, and so is all that comes after it in its state: lists are in order of entry. */
static bool too_young(const struct walk *w, const struct connection *c)
{
	return c->entered_ns > w->began_ns || c->entered_ns + w->filter.older_than_ns > w->now_ns;
}

/* To the next connection of the state that passes. HTTP_STREAM_AGAIN before it came that far. */
static int head_fill(struct walk *w, struct head *head)
{
	const struct connection *c;

	while (head->open && !head->full) {
		if (w->steps++ >= STEPS_MAX)
			return HTTP_STREAM_AGAIN;
		c = table_cursor_next(&head->cursor);
		if (!c || too_young(w, c)) {
			head_close(head);
		} else if (passes(w, c)) {
			head->next = *c;
			head->full = true;
		}
	}
	return 0;
}

static bool any_open(const struct walk *w)
{
	TW_FOR_EACH_STATE(state) {
		if (w->heads[state].open)
			return true;
	}
	return false;
}

/*
 * By age all states at once, else the next one: the last first, because a dump moves minisockets
 * from FIN_WAIT2 to TIME_WAIT with a time that lies before it, and what is behind the walk is not
 * met again.
 */
static void open_heads(struct walk *w)
{
	for (unsigned state = TW_STATE_LAST; state >= TW_STATE_FIRST; state--) {
		struct head *head = &w->heads[state];

		if (!(w->states & TW_STATE_BIT(state)))
			continue;
		table_cursor_open(w->table, TW_STATE_BIT(state), &head->cursor);
		head->open = true;
		w->states &= ~TW_STATE_BIT(state);
		if (!w->filter.by_age)
			return;
	}
}

/* The head whose next connection is the oldest; NULL when there is none. */
static int oldest_head(struct walk *w, struct head **ret)
{
	struct head *oldest = NULL;
	int r;

	TW_FOR_EACH_STATE(state) {
		struct head *head = &w->heads[state];

		r = head_fill(w, head);
		if (r)
			return r;
		if (head->full && (!oldest || head->next.entered_ns < oldest->next.entered_ns))
			oldest = head;
	}
	*ret = oldest;
	return 0;
}

/* The next row. 0, HTTP_STREAM_END or HTTP_STREAM_AGAIN. */
static int next(struct walk *w, struct connection *ret)
{
	struct head *head = NULL;
	int r;

	if (w->filter.limit && w->rows == w->filter.limit)
		return HTTP_STREAM_END;
	do {
		if (!any_open(w))
			open_heads(w);
		r = oldest_head(w, &head);
		if (r)
			return r;
	} while (!head && w->states);
	if (!head)
		return HTTP_STREAM_END;
	*ret = head->next;
	head->full = false;
	w->rows++;
	return 0;
}

static int produce(void *userdata)
{
	struct serve_queues queues[SERVE_QUEUES_MAX] = {0};
	struct connection rows[SERVE_QUEUES_MAX];
	struct walk *w = userdata;
	size_t count = 0;
	int r = 0;

	while (!r && count < w->batch) {
		r = next(w, &rows[count]);
		count += !r;
	}
	if (!count)
		return r;
	if (w->calls->queues)
		w->calls->queues(rows, count, queues, w->calls->userdata);
	w->text.length = 0;
	row_write(&w->text, w->model, rows, queues, count, w->now_ns, w->filter.brief);
	if (w->text.error) {
		text_clear(&w->text); /* no memory: these rows are left out */
		return LINES_PUT;
	}
	lines_put_text(&w->lines, w->text.data, w->text.length);
	return LINES_PUT;
}

/* Since the walk rested the connection may have moved, ended, or given its place to another. */
static void head_refresh(struct walk *w, struct head *head)
{
	const struct connection *c;

	if (!head->full)
		return;
	c = head->next.flags & CONNECTION_SHADOW ? table_find_shadow(w->table, &head->next)
						 : table_find(w->table, head->next.cookie);
	if (c && c->state == head->next.state && c->entered_ns == head->next.entered_ns)
		head->next = *c;
	else
		head->full = false;
}

static ssize_t walk_next(char *buffer, size_t size, void *userdata)
{
	struct walk *w = userdata;

	if (w->link)
		return HTTP_STREAM_WAIT;
	w->steps = 0;
	w->batch = size / ROW_BYTES < SERVE_QUEUES_MAX ? size / ROW_BYTES + 1 : SERVE_QUEUES_MAX;
	TW_FOR_EACH_STATE(state)
		head_refresh(w, &w->heads[state]);
	return lines_fill(&w->lines, buffer, size, produce, w);
}

const struct http_source walk_source = {.next = walk_next, .free = walk_free};
