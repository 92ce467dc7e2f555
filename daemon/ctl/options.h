/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: which command, with which options, and whether their values can be right. It
 * knows no command by name; each command brings the rows of its options.
 */
#ifndef CTL_OPTIONS_H
#define CTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "ctl/print.h"

#define OPTION_VALUE_SIZE 256 /* the longest is a list of all eleven states, of 99 bytes */
#define OPTIONS_MAX 16        /* each is kept once: room for the rows of any one command */

struct option_row {
	const char *name;     /* without its dashes */
	const char *argument; /* how the help calls its value, NULL when it takes none */
	const char *help;
	const char *parameter; /* in the query of the request, NULL when it is not in there */
	/*
	 * value and ret have OPTION_VALUE_SIZE bytes at most: writes to ret what the option shall
	 * have as its value. NULL for an option that takes none. 0 or -EINVAL.
	 */
	int (*check)(const char *value, char *ret);
	const char *wanted;       /* what the value should be, for messages */
	const char *const *words; /* what the value is made of, up to a NULL, or NULL */
	bool operand; /* has no dashes and no name: its value is the word behind the command */
};

struct command;

struct invocation {
	const struct command *command; /* NULL when none was named */
	struct {
		const struct option_row *row;
		char value[OPTION_VALUE_SIZE];
	} given[OPTIONS_MAX];
	size_t given_count;
};

struct command {
	const char *name;
	const char *summary;
	const struct option_row
		*options; /* up to a row without name; NULL for none but the global */
	int (*run)(const struct invocation *in); /* the exit code */
};

/* The options of every command, up to a row without name. */
extern const struct option_row options_global[];

/*
 * commands: up to a row without name. Global options stand before or after the command, its own
 * behind it. On failure a message saying what would be right has been logged. 0 or -EINVAL.
 */
int options_parse(struct invocation *in, const struct command *commands, int argc, char **argv);

/* Whether the text is one of the words. */
bool option_is_word(const char *text, size_t length, const char *const *words);

/* The value of the option, "" for one that takes none, or NULL when it was not given. */
const char *options_get(const struct invocation *in, const char *name);

/*
 * path, and behind it as a query what was given of the options that have a parameter, with
 * percent-encoding (RFC 3986, section 2.1). 0 or -ENOMEM.
 */
int options_target(const struct invocation *in, const char *path, char **ret_target);

#define OPTIONS_INDENT 22 /* of what the help says of each command and option */

/* The rows, as the help shows them. */
void options_print(const struct option_row *rows, struct print *p);

#endif
