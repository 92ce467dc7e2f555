/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How text reaches the terminal: columns, colour, ages, and the cleaning of what was read. It knows
 * nothing of states, connections or the daemon.
 */
#ifndef CTL_PRINT_H
#define CTL_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/util.h"

#define PRINT_WIDTH 80      /* of the narrowest terminal that output is laid out for */
#define PRINT_CELL_SIZE 256 /* the longest cell; an address with its port takes 54 */
#define PRINT_AGE_SIZE 24   /* two numbers of 10 digits, two units, a NUL */

enum print_style {
	PRINT_PLAIN,
	PRINT_BOLD,
	PRINT_DIM,
	PRINT_RED,
	PRINT_YELLOW,
	PRINT_CYAN,
	PRINT_STYLE_COUNT
};

struct print {
	FILE *out;
	bool color;
	size_t at;   /* columns written of this line */
	size_t stop; /* where the next cell of this line should begin */
};

/*
 * One cell of a line, with the width of its column: negative for a cell that stands at the left of
 * it, positive at the right, as in printf(3), 0 for the last one. Nothing is ever cut to fit: a
 * cell that is too long moves those after it, until blanks make up for it.
 */
void print_cell(struct print *p, enum print_style style, int width, const char *format, ...)
	_printf_(4, 5);
/* The same for what needs no format: rows come by the thousand, and most of their cells are such.
 */
void print_text(struct print *p, enum print_style style, int width, const char *text);
void print_count(struct print *p, enum print_style style, int width, uint64_t count);
void print_end(struct print *p);

/*
 * A label, and beside it, from column label_width on, a text that is broken between words to stay
 * within PRINT_WIDTH.
 */
void print_entry(struct print *p, int label_width, const char *label, const char *text,
		 enum print_style style);

/*
 * The text with every byte that is not printable ASCII replaced by '?', so that it takes a column a
 * byte and cannot command a terminal; what does not fit into size is left out. Returns copy.
 */
const char *print_clean(char *copy, size_t size, const char *text, size_t length);

/*
 * JSON as it stands, but for what its strings may hold and a terminal may obey or a reader refuse:
 * DEL and the control characters from U+0080 on become \u escapes, what is not UTF-8 becomes
 * U+FFFD. 0 or -ENOMEM.
 */
int print_json(FILE *out, const char *json, size_t length);

/* 12.3s, 4m10s, 2h05m, 3d04h; "-" for what is no age. Cut, not rounded: 59.99 s is not a minute. */
void print_age(char text[static PRINT_AGE_SIZE], double seconds);

#endif
