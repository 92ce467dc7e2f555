/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An HTTP client on the event loop: hands a document to a URL and tells what became of it. It tries
 * once; when to try again is for others to say.
 *
 * No request outlives its timeout, whatever the other side does, and of an answer nothing is kept
 * but its status and its beginning. Redirects are not followed, no proxy is used whatever the
 * environment says, certificates are verified, and no connection is kept: a server that closes an
 * idle one would leave it in CLOSE_WAIT. A host's name is looked up by a thread of libcurl's, since
 * getaddrinfo(3) blocks; an address needs none.
 */
#ifndef ALERT_POST_H
#define ALERT_POST_H

#include <stdint.h>
#include <systemd/sd-event.h>

#define POST_ANSWER_MAX (64 * 1024) /* bytes of a body that are waited for */
#define POST_REASON_SIZE 384

struct post_client;
struct post;

enum post_result {
	POST_ARRIVED, /* the status is one of 200 to 299 */
	POST_FAILED,  /* no connection, no answer in time, or a status that may change: 408, 429,
			 500 and above */
	POST_REFUSED, /* any other status: the same document would be refused again */
};

/* reason: for POST_FAILED and POST_REFUSED, in words and without control characters. The post is
 * gone when this returns; it may start another one, and must not free the client. */
typedef void (*post_done)(enum post_result result, const char *reason, void *userdata);

int post_client_new(sd_event *loop, struct post_client **ret);
/* After all of its posts. */
struct post_client *post_client_free(struct post_client *client);

/*
 * Starts to send a text as application/json; done is called once, from the loop, unless the post is
 * cancelled before. url and text are copied. 0 or a negative errno.
 */
int post_send(struct post_client *client, const char *url, const char *text, uint64_t timeout_ns,
	      post_done done, void *userdata, struct post **ret);
struct post *post_cancel(struct post *p);

#endif
