/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "serve/http.h"
#include "serve/json.h"
#include "serve/lines.h"

void lines_clear(struct lines *l)
{
	json_object_put(l->object);
	*l = (struct lines){0};
}

void lines_put(struct lines *l, struct json_object *object)
{
	lines_clear(l);
	l->object = object;
	l->text = object ? json_object_to_json_string_length(object, JSON_TEXT, &l->length) : NULL;
}

void lines_put_text(struct lines *l, const char *text, size_t length)
{
	lines_clear(l);
	l->text = text;
	l->length = length;
}

void lines_put_empty(struct lines *l)
{
	lines_clear(l);
	l->text = "";
}

/* Copies what fits of the line and its newline; how much. */
static size_t copy(struct lines *l, char *buffer, size_t size)
{
	size_t left = l->length - l->offset, n = left < size ? left : size;

	memcpy(buffer, l->text + l->offset, n);
	l->offset += n;
	if (n == size)
		return n;
	buffer[n] = '\n';
	lines_clear(l);
	return n + 1;
}

ssize_t lines_fill(struct lines *l, char *buffer, size_t size, int (*produce)(void *userdata),
		   void *userdata)
{
	size_t used = 0;
	int r = LINES_PUT;

	while (used < size) {
		if (!l->text)
			r = produce(userdata);
		if (r != LINES_PUT)
			break;
		if (l->text)
			used += copy(l, buffer + used, size - used);
	}
	return used ? (ssize_t)used : r;
}
