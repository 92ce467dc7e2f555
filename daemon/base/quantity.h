/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers with units as people write them, in the configuration and on the command line: decimal,
 * no sign, no blank before the unit. Knows nothing of limits or of what is measured.
 */
#ifndef BASE_QUANTITY_H
#define BASE_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

enum quantity_kind {
	QUANTITY_COUNT, /* 1000 */
	QUANTITY_SIZE,  /* 4096, 256K, 8M, 1G: powers of 1024; in bytes */
	QUANTITY_TIME,  /* 500ms, 30s, 5m, 1h, 7d: the unit is needed; in nanoseconds */
	QUANTITY_SHARE, /* 80%, 0.5%: at most four decimals; in millionths */
};

#define QUANTITY_TEXT_SIZE 32 /* 20 digits of a uint64_t, a unit, a point, a NUL */

/* 0; -EINVAL when the text is not such a number, -ERANGE when it does not fit. */
int quantity_parse(enum quantity_kind kind, const char *text, uint64_t *ret);
/*
 * The shortest way of writing it with a unit that divides it, so that quantity_parse() gives it
 * back; a time that is not a whole number of milliseconds is cut down to one.
 */
void quantity_format(enum quantity_kind kind, uint64_t value, char text[static QUANTITY_TEXT_SIZE]);

#endif
