/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that the daemon serves: /metrics and its like over TCP, and the control socket. It reads the
 * model and changes nothing in it; what has to be done elsewhere is asked for through struct
 * serve_calls.
 */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include <systemd/sd-event.h>

#include "model/model.h"
#include "serve/status.h"
#include "settings.h"

struct serve;

#define SERVE_ERROR_SIZE 1024
#define SERVE_QUEUES_MAX 64 /* connections asked for at once */

/* Bytes; of a listener: connections that wait for accept(), and its backlog. As ss(8) has them. */
struct serve_queues {
	bool known;
	uint32_t receive, send;
};

struct serve_calls {
	/* Before a request is answered: brings the model and the status up to now. May be NULL. */
	void (*refresh)(void *userdata);
	/* Has the settings of all namespaces read now. */
	void (*read_limits)(void *userdata);
	/* Asks for a full resync and returns at once. 0, or a negative errno when none can be
	 * started. */
	int (*resync)(void *userdata);
	/*
	 * Reads the configuration again, and takes it or leaves all as it was. 0, or a negative
	 * errno; then error, of SERVE_ERROR_SIZE bytes, says what is wrong, and where.
	 */
	int (*reload)(char *error, void *userdata);
	/* Connections in these states are asked for: whether a round of dumps goes on that tells of
	 * them. serve_on_round() is then called at its end. */
	bool (*want)(uint32_t states, void *userdata);
	/* The queues of connections, as the kernel has them now. count: up to SERVE_QUEUES_MAX. May
	 * be NULL: none is known. */
	void (*queues)(const struct connection *rows, size_t count, struct serve_queues *ret,
		       void *userdata);
	void *userdata;
};

/*
 * Opens the listeners of the settings and serves them from the loop. The loop is referenced;
 * settings, model and status are the caller's and outlive the result; calls is copied. On failure a
 * message naming the listener has been logged. 0, -EADDRINUSE, or another negative errno.
 */
int serve_new(sd_event *loop, const struct settings *settings, struct model *model,
	      const struct serve_status *status, const struct serve_calls *calls,
	      struct serve **ret);
/* Ends every connection, closes the listeners and removes the control socket's file. */
struct serve *serve_free(struct serve *s);

/* After a reload. Takes what it may take without a restart; listeners stay as they are. */
void serve_set_settings(struct serve *s, const struct settings *settings);

/* Each transition, after the model took it: for those who watch. Costs one test when nobody does.
 */
void serve_on_event(struct serve *s, const struct tw_event *event);

/* A round of dumps has ended, and the model has taken it. */
void serve_on_round(struct serve *s);

#endif
