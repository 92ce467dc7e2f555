/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A text that grows as it is written, up to a bound. Errors stick: write on, and ask once at the
 * end.
 */
#ifndef SERVE_TEXT_H
#define SERVE_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

#define TEXT_LIMIT (4U << 20) /* bytes; a page of metrics has about 40,000 */

struct text {
	char *data; /* not terminated; NULL while empty */
	size_t length;
	size_t size;
	int error; /* 0, -ENOMEM, or -E2BIG past TEXT_LIMIT */
};

void text_append(struct text *t, const char *bytes, size_t length);
void text_string(struct text *t, const char *string);
/* In decimal digits. */
void text_number(struct text *t, uint64_t number);
void text_printf(struct text *t, const char *format, ...) _printf_(2, 3);
void text_clear(struct text *t);

#define _cleanup_text_ _cleanup_(text_clear)

#endif
