/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "alert/notice_json.h"
#include "serve/bulletin.h"
#include "serve/lines.h"

struct bulletin {
	struct lines lines;
	struct notice *rows;
	size_t count, next;
};

int bulletin_new(const struct alerts *alerts, bool history, struct bulletin **ret)
{
	struct bulletin *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	r = alerts_list(alerts, history, &b->rows, &b->count);
	if (r < 0) {
		free(b);
		return r;
	}
	*ret = b;
	return 0;
}

static int produce(void *userdata)
{
	struct bulletin *b = userdata;

	if (b->next == b->count)
		return HTTP_STREAM_END;
	lines_put(&b->lines, notice_json(&b->rows[b->next++]));
	return LINES_PUT;
}

static ssize_t bulletin_next(char *buffer, size_t size, void *userdata)
{
	struct bulletin *b = userdata;

	return lines_fill(&b->lines, buffer, size, produce, b);
}

static void bulletin_free(void *userdata)
{
	struct bulletin *b = userdata;

	lines_clear(&b->lines);
	alerts_list_free(b->rows, b->count);
	free(b);
}

const struct http_source bulletin_source = {.next = bulletin_next, .free = bulletin_free};
