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
 *   CONF_LEVEL  1000 or 80%; stored as a struct conf_level
 *   CONF_TEXT   anything; stored as a char * of its own; min and max are lengths
 *   CONF_LIST   a text; the key may be repeated, each time adds one to an array of char *, ended by
 * a NULL unless it is full. The first in a file replaces those of the files before.
 *
 * A group is a kind of section that stands there as often as one likes, each with a name:
 * [alert NAME]. Each makes a member of an array; a section whose name was there before, in the same
 * file or in one read before, goes on with that member.
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
#define CONF_MESSAGE_SIZE 512  /* an error: a path and a line cut to what fits */
#define CONF_GROUP_ROWS_MAX 24 /* rows of a group: each member keeps the place of each */
#define CONF_FILES_MAX 300     /* files that are read into the same values */

enum conf_type {
	CONF_WORD,
	CONF_SWITCH,
	CONF_COUNT,
	CONF_SIZE,
	CONF_TIME,
	CONF_SHARE,
	CONF_LEVEL,
	CONF_TEXT,
	CONF_LIST,
};

struct conf_level {
	uint64_t number; /* a count, or a share in millionths */
	bool share;
};

/* A value before it is stored. */
struct conf_value {
	uint64_t number;  /* index of a word, count, bytes, nanoseconds, or a share in millionths */
	bool share;       /* CONF_LEVEL: the number is a share */
	const char *text; /* CONF_TEXT and CONF_LIST */
};

struct conf_row {
	const char *section;
	const char *key;
	enum conf_type type;
	size_t offset; /* of the field in the caller's struct */
	size_t slots;  /* CONF_LIST: length of the array */

	/* All of the following are written as in a file, so that messages can repeat them. */
	const char *preset; /* the value when no file has the key; NULL, in a group alone: there is
			       none, and the field stays 0 */
	const char *min; /* smallest and greatest value, or both NULL; where expected is NULL too,
			    both are needed. Not for words */
	const char *max;
	const char *nothing;      /* a word that stands for 0 or for an empty list, or NULL */
	const char *const *words; /* CONF_WORD, CONF_SWITCH: up to a NULL */
	const char *expected;     /* for messages, where type and limits do not tell all, or NULL */
	bool (*valid)(struct conf_value value); /* or NULL; not asked about nothing */
	bool restart; /* for the caller: a change cannot be taken while it runs */
};

/* Where something stands. */
struct conf_place {
	uint16_t file; /* of struct conf_members' paths, from 1; 0: nowhere */
	uint16_t line;
};

/* What the struct of each member of a group begins with. */
struct conf_member {
	char name[CONF_SECTION_MAX + 1];
	struct conf_place place;                       /* of its first section */
	struct conf_place places[CONF_GROUP_ROWS_MAX]; /* of the value in force of each row */
};

/* In the caller's struct, zeroed at first. */
struct conf_members {
	void *items; /* count of the group's structs, in the order of their first sections */
	size_t count;
	char **paths;
	size_t path_count;
};

struct conf_group {
	const char *section; /* of [section NAME], and of the rows */
	const struct conf_row *rows;
	size_t n_rows;
	size_t size;        /* of a member's struct, of which the rows have the offsets */
	size_t offset;      /* of the struct conf_members in the caller's struct */
	size_t members_max; /* named sections that there may be */
	/* What is wrong with a member as a whole, as a sentence that goes on after the key's name,
	 * and that key; NULL: nothing. May be NULL. */
	const char *(*check)(const void *member, const char **ret_key);
};

struct conf_table {
	const struct conf_row *rows;
	size_t n_rows;
	const struct conf_group *groups;
	size_t n_groups;
};

/*
 * Sets each field to its row's preset. values: the caller's struct, zeroed. 0 or -ENOMEM; -EINVAL
 * if a preset is not a value that its own row allows. Whatever the result, conf_clear() frees what
 * was stored.
 */
int conf_preset(const struct conf_table *table, void *values);
void conf_clear(const struct conf_table *table, void *values);

/*
 * Reads a file over the values. On failure some have changed already, and message says in one line,
 * which starts with path:line, what would be right: -EINVAL for what the file says, else the errno
 * of the read or -ENOMEM.
 */
int conf_read(const struct conf_table *table, const char *path, void *values,
	      char message[static CONF_MESSAGE_SIZE]);
/* Once all files are read: whether the members of all groups are whole and make sense. 0; -EINVAL,
 * with a message likewise. */
int conf_check(const struct conf_table *table, const void *values,
	       char message[static CONF_MESSAGE_SIZE]);

/* Whether a file has the key; row: one of the group's. */
bool conf_is_set(const struct conf_group *group, const struct conf_row *row, const void *member);

/* All values, in the order of the rows, as a file that conf_read() takes and that gives the same
 * values. */
void conf_print(const struct conf_table *table, const void *values, FILE *out);

/* Called for each value as it would stand in a file; for a list as often as it has members, with
 * the row's nothing for none. section: as between [ and ]. */
typedef void (*conf_visitor)(const char *section, const struct conf_row *row, const char *text,
			     void *userdata);
void conf_visit(const struct conf_table *table, const void *values, conf_visitor visitor,
		void *userdata);

bool conf_equal(const struct conf_row *row, const void *values, const void *others);

#endif
