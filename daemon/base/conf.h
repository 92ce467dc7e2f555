/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads configuration files into a struct, by a table with one row for each key. What keys there
 * are, and what they are for, stands in the caller's table; nothing here knows the daemon.
 *
 * A file is read line by line: [section], `key = value`, a comment or nothing. A comment starts
 * with # or ; at the start of a line or after a blank. Blanks at the start of a line mean nothing.
 * A value is written as its row's type wants it (base/quantity.h has the units):
 *
 *   CONF_WORD   one of the row's words; stored as its index, in an enum (an unsigned int)
 *   CONF_SWITCH one of two words; stored as a bool, false for the first
 *   CONF_COUNT  a decimal number; stored as a uint64_t
 *   CONF_SIZE   8M; stored as a uint64_t, in bytes
 *   CONF_TIME   30s; stored as a uint64_t, in nanoseconds
 *   CONF_SHARE  0.5%; stored as a double, 0.005
 *   CONF_TEXT   anything; stored as a char * of its own; min and max are lengths
 *   CONF_LIST   a text; the key may be repeated, each time adds one to an array of char *, ended by
 * a NULL unless it is full. The first in a file replaces those of the files before.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONF_ROWS_MAX 64    /* rows of a table: one bit each in a uint64_t */
#define CONF_SECTION_MAX 48 /* bytes of a section's name: inih cuts it off behind that */
#define CONF_LINES_MAX                                                                           \
	10000 /* lines of a file: far more than a table has keys, and an end to /dev/zero's like \
	       */
#define CONF_MESSAGE_SIZE 512 /* an error: a path and a line cut to what fits */

enum conf_type {
	CONF_WORD,
	CONF_SWITCH,
	CONF_COUNT,
	CONF_SIZE,
	CONF_TIME,
	CONF_SHARE,
	CONF_TEXT,
	CONF_LIST,
};

/* A value before it is stored. */
struct conf_value {
	uint64_t number;  /* index of a word, count, bytes, nanoseconds, or a share in millionths */
	const char *text; /* CONF_TEXT and CONF_LIST */
};

struct conf_row {
	const char *section;
	const char *key;
	enum conf_type type;
	size_t offset; /* of the field in the caller's struct */
	size_t slots;  /* CONF_LIST: length of the array */

	/* All of the following are written as in a file, so that messages can repeat them. */
	const char *preset; /* the value when no file has the key */
	const char *min; /* smallest and greatest value, or both NULL; where expected is NULL too,
			    both are needed. Not for words */
	const char *max;
	const char *nothing;      /* a word that stands for 0 or for an empty list, or NULL */
	const char *const *words; /* CONF_WORD, CONF_SWITCH: up to a NULL */
	const char *expected;     /* for messages, where type and limits do not tell all, or NULL */
	bool (*valid)(struct conf_value value); /* or NULL; not asked about nothing */
	bool restart; /* for the caller: a change cannot be taken while it runs */
};

/*
 * Sets each field to its row's preset. values: the caller's struct, zeroed. 0 or -ENOMEM; -EINVAL
 * if a preset is not a value that its own row allows. Whatever the result, conf_clear() frees what
 * was stored.
 */
int conf_preset(const struct conf_row *rows, size_t n_rows, void *values);
void conf_clear(const struct conf_row *rows, size_t n_rows, void *values);

/*
 * Reads a file over the values. On failure some have changed already, and message says in one line,
 * which starts with path:line, what would be right: -EINVAL for what the file says, else the errno
 * of the read or -ENOMEM.
 */
int conf_read(const struct conf_row *rows, size_t n_rows, const char *path, void *values,
	      char message[static CONF_MESSAGE_SIZE]);

/* All values, in the order of the rows, as a file that conf_read() takes and that gives the same
 * values. */
void conf_print(const struct conf_row *rows, size_t n_rows, const void *values, FILE *out);

/* Called for each value as it would stand in a file; for a list as often as it has members, with
 * the row's nothing for none. */
typedef void (*conf_visitor)(const struct conf_row *row, const char *text, void *userdata);
void conf_visit(const struct conf_row *rows, size_t n_rows, const void *values,
		conf_visitor visitor, void *userdata);

bool conf_equal(const struct conf_row *row, const void *values, const void *others);

#endif
