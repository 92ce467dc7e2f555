/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cuts objects, one to a line, or texts into the pieces that a stream asks for; holds one object at
 * a time.
 */
#ifndef SERVE_LINES_H
#define SERVE_LINES_H

#include <json-c/json.h>
#include <stddef.h>
#include <sys/types.h>

struct lines {
	struct json_object *object; /* the one being written */
	const char *text;           /* its own text, or another; NULL: none is being written */
	size_t length, offset;
};

/* What a producer returns besides HTTP_STREAM_WAIT, _END and _AGAIN: it called one of lines_put…().
 */
#define LINES_PUT 1

/* object is taken; NULL stands for no memory, and the line is left out. */
void lines_put(struct lines *l, struct json_object *object);
/* One line or several, without the last newline; the caller's, up to the next call for it. */
void lines_put_text(struct lines *l, const char *text, size_t length);
void lines_put_empty(struct lines *l);
void lines_clear(struct lines *l);

/* Fills buffer with lines for as long as produce() puts some; the result is http_source's next()'s.
 */
ssize_t lines_fill(struct lines *l, char *buffer, size_t size, int (*produce)(void *userdata),
		   void *userdata);

#endif
