/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An HTTP/1.1 server on one listening socket, inside an sd-event loop: libmicrohttpd without a
 * thread. It routes requests, bounds what a client may cost in connections, memory and time, and
 * streams answers of any length. It knows nothing of what the paths mean.
 */
#ifndef SERVE_HTTP_H
#define SERVE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/util.h"

struct http;
struct http_request; /* valid until the handler returns */
struct http_stream;  /* valid until its free() is called */

#define HTTP_GET (1U << 0) /* and HEAD */
#define HTTP_POST (1U << 1)

/* The handler answers the request once, by one of the functions below; else the client gets a 500.
 */
struct http_route {
	unsigned methods; /* HTTP_GET, HTTP_POST or both */
	const char *path;
	void (*handler)(struct http_request *request, void *userdata);
};

/* What one kind of socket allows. */
struct http_profile {
	unsigned connections; /* at once */
	unsigned per_address; /* at once from one IP address; 0: as many as there are */
	unsigned streams; /* at once, among the connections; other answers are under the deadline */
	unsigned endless; /* at once, among the streams */
	size_t memory;    /* bytes for each connection: a request's header, a piece of an answer */
	bool json_errors; /* {"error":…}, else plain text */
};

extern const struct http_profile http_public;  /* TCP, anyone */
extern const struct http_profile http_control; /* the control socket, those with its mode */

/*
 * Serves the listening fd, which is taken on success. profile and routes live as long as the
 * result. 0, or a negative errno.
 */
int http_new(sd_event *loop, int fd, const struct http_profile *profile,
	     const struct http_route *routes, size_t route_count, void *userdata,
	     struct http **ret);
/* Ends all connections and streams, and closes the listening fd. */
struct http *http_free(struct http *h);

/* The value of a header, or NULL. */
const char *http_header(const struct http_request *request, const char *name);
/* The connection's socket, the server's own. */
int http_socket(const struct http_request *request);
/*
 * Calls back for each argument of the query, in order, percent-decoded; value is NULL where there
 * is no "=". Stops at the first result that is not 0, and returns it.
 */
int http_arguments(const struct http_request *request,
		   int (*callback)(const char *name, const char *value, void *userdata),
		   void *userdata);

/* body is taken, from malloc(). */
void http_answer(struct http_request *request, unsigned status, const char *type, char *body,
		 size_t length);
/* message: one sentence; any bytes. */
void http_answer_error(struct http_request *request, unsigned status, const char *format, ...)
	_printf_(3, 4);

/* What next() returns when it has no bytes. */
#define HTTP_STREAM_WAIT 0     /* none now: until http_stream_wake() */
#define HTTP_STREAM_END (-1)   /* none ever again */
#define HTTP_STREAM_AGAIN (-2) /* none yet: after the rest of the loop had its turn */

struct http_source {
	/* Writes up to size bytes; returns how many, or one of the above. */
	ssize_t (*next)(char *buffer, size_t size, void *userdata);
	/* The answer was sent, or its reader is gone; called once, also when no byte was ever asked
	 * for. */
	void (*free)(void *userdata);
	bool endless; /* it never ends by itself */
};

/*
 * Answers 200 with a stream, or 503 when there is no place for one more. A stream whose client has
 * taken nothing for some seconds gives its place to the next. userdata is the stream's from here
 * on; *ret_stream may be NULL. 0, -EBUSY after a 503, -ENOMEM.
 */
int http_answer_stream(struct http_request *request, const char *type,
		       const struct http_source *source, void *userdata,
		       struct http_stream **ret_stream);
/* There is something for next(). Cheap, and may be called from anywhere but next(). */
void http_stream_wake(struct http_stream *stream);

#endif
