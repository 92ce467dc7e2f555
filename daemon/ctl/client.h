/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One conversation with the daemon: HTTP/1.1 over its Unix socket. The daemon is not trusted to be
 * one: what it sends is bounded here, in length and in time. What the answers say is for others.
 *
 * Each function that fails has logged why; the caller only passes the errno on.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

struct client;

/* socket_path: of at most 107 bytes; it is the caller's and outlives the client. 0 or -ENOMEM. */
int client_new(const char *socket_path, struct client **ret);
struct client *client_free(struct client *c);

/*
 * Asks once and waits for the whole document, which has a NUL behind it; the caller frees it.
 * post: POST without a body, else GET. 0 or a negative errno.
 */
int client_document(struct client *c, bool post, const char *target, char **ret_text,
		    size_t *ret_length);

struct client_reader {
	/* A line without its end, with a NUL behind it. Empty lines do not come here. */
	int (*line)(void *userdata, const char *line, size_t length);
	/* What had arrived has been read, and more may take a while. */
	int (*pause)(void *userdata);
	void *userdata;
	bool endless; /* silence, once the answer began, is no failure; the end is one */
};

/*
 * GETs lines and hands each over as it comes. An error from the reader, which has told why if that
 * is worth telling, ends the conversation and is returned. 0 or a negative errno.
 */
int client_lines(struct client *c, const char *target, const struct client_reader *reader);

#endif
