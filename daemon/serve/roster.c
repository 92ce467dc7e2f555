/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "serve/json.h"
#include "serve/lines.h"
#include "serve/roster.h"

struct roster {
	const struct model *model;
	struct lines lines;
	size_t count, next;
	struct tw_listener rows[];
};

static int compare_numbers(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare(const void *left, const void *right)
{
	const struct tw_listener *a = left, *b = right;
	const int differences[] = {
		compare_numbers(a->netns, b->netns),   compare_numbers(a->port, b->port),
		compare_numbers(a->family, b->family), memcmp(a->saddr, b->saddr, sizeof(a->saddr)),
		compare_numbers(a->cookie, b->cookie), /* SO_REUSEPORT */
	};

	for (size_t i = 0; i < ARRAY_SIZE(differences); i++)
		if (differences[i])
			return differences[i];
	return 0;
}

static bool passes(const struct filter *filter, const struct tw_listener *row,
		   const struct cgroups *cgroups)
{
	const struct filter_subject subject = {
		.netns = row->netns,
		.local_port = row->port,
		.family = row->family,
		.pid = row->pid,
		.uid = row->uid,
		.comm = row->comm,
		.cgroup = row->cgroup,
	};

	return filter_matches(filter, &subject, cgroups);
}

int roster_new(const struct model *model, const struct filter *filter, struct roster **ret)
{
	size_t count;
	const struct tw_listener *rows = listeners_rows(model_listeners(model), &count);
	struct roster *r = calloc(1, sizeof(*r) + count * sizeof(*rows));

	if (!r)
		return -ENOMEM;
	r->model = model;
	for (size_t i = 0; i < count; i++)
		if (passes(filter, &rows[i], model_cgroups(model)))
			r->rows[r->count++] = rows[i];
	qsort(r->rows, r->count, sizeof(*r->rows), compare);
	*ret = r;
	return 0;
}

static int produce(void *userdata)
{
	struct roster *r = userdata;

	if (r->next == r->count)
		return HTTP_STREAM_END;
	lines_put(&r->lines, json_listener(r->model, &r->rows[r->next++]));
	return LINES_PUT;
}

static ssize_t roster_next(char *buffer, size_t size, void *userdata)
{
	struct roster *r = userdata;

	return lines_fill(&r->lines, buffer, size, produce, r);
}

static void roster_free(void *userdata)
{
	struct roster *r = userdata;

	lines_clear(&r->lines);
	free(r);
}

const struct http_source roster_source = {.next = roster_next, .free = roster_free};
