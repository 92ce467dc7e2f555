/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every command does with its answer: ask, read the JSON, hand it to the command's printer of
 * text or, with --json, print it as it came. Each function returns the program's exit code.
 */
#ifndef CTL_ANSWER_H
#define CTL_ANSWER_H

#include <stdbool.h>

#include <json-c/json.h>

#include "ctl/options.h"
#include "ctl/print.h"

/* print: 0, or -EBADMSG, without a message, when a member is missing that it cannot do without. */
int answer_document(const struct invocation *in, bool post, const char *path,
		    int (*print)(struct print *p, struct json_object *document));

/* head, which may be NULL, comes once before the rows; endless: as in struct client_reader. */
int answer_rows(const struct invocation *in, const char *path, bool endless,
		void (*head)(struct print *p),
		void (*row)(struct print *p, struct json_object *row));

/* Rows, and something of a document below them, or nothing where tail is NULL. */
struct answer_table {
	const char *path; /* of the rows, with the options as its query */
	void (*head)(struct print *p);
	void (*row)(struct print *p, struct json_object *row);
	const char *tail_path;
	/* Not with --json. As print of answer_document(). */
	int (*tail)(struct print *p, struct json_object *document);
};

/* watch: again every second, each time in the place of the one before on a terminal; until a
 * signal, which answer_until_signal() takes. */
int answer_table(const struct invocation *in, const struct answer_table *table, bool watch);

/* For a command that makes something of its own of an answer: where it asks, */
const char *answer_socket(const struct invocation *in);
/* a document, the caller's; */
int answer_get(const struct invocation *in, const char *path, struct json_object **ret);
void answer_put(struct json_object **object);
/* or rows, until one gives a negative errno. What failed has been logged. 0, or a negative errno.
 */
int answer_each(const struct invocation *in, const char *path,
		int (*row)(struct json_object *row, void *userdata), void *userdata);

/* For what a command knows without the daemon: where it writes text, */
struct print answer_print(const struct invocation *in);
/* or one JSON object, which is taken and may be NULL for no memory; */
int answer_own_json(struct json_object *object);
/* and after text, whether it arrived. */
int answer_end(void);

/* From now on SIGINT and SIGTERM end the program, and that is no failure. */
void answer_until_signal(void);

#endif
