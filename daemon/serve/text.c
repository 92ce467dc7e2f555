/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/decimal.h"
#include "serve/text.h"

#define TEXT_FIRST_SIZE 16384 /* a page of metrics then grows twice */

/* Makes room for length bytes and a NUL. */
static int reserve(struct text *t, size_t length)
{
	size_t size = t->size ? t->size : TEXT_FIRST_SIZE;
	char *data;

	if (t->error)
		return t->error;
	if (length >= TEXT_LIMIT - t->length)
		return t->error = -E2BIG;
	while (size - t->length <= length)
		size *= 2;
	if (size == t->size)
		return 0;
	data = realloc(t->data, size);
	if (!data)
		return t->error = -ENOMEM;
	t->data = data;
	t->size = size;
	return 0;
}

void text_append(struct text *t, const char *bytes, size_t length)
{
	if (reserve(t, length))
		return;
	memcpy(t->data + t->length, bytes, length);
	t->length += length;
}

void text_string(struct text *t, const char *string)
{
	text_append(t, string, strlen(string));
}

void text_number(struct text *t, uint64_t number)
{
	char digits[DECIMAL_SIZE];

	text_append(t, digits, decimal(digits, number));
}

void text_printf(struct text *t, const char *format, ...)
{
	va_list arguments, again;
	int length;

	if (reserve(t, 0))
		return;
	va_start(arguments, format);
	va_copy(again, arguments);
	length = vsnprintf(t->data + t->length, t->size - t->length, format, arguments);
	if (length >= 0 && (size_t)length >= t->size - t->length && !reserve(t, (size_t)length))
		length = vsnprintf(t->data + t->length, t->size - t->length, format, again);
	if (length >= 0 && !t->error)
		t->length += (size_t)length;
	va_end(again);
	va_end(arguments);
}

void text_clear(struct text *t)
{
	free(t->data);
	*t = (struct text){0};
}
