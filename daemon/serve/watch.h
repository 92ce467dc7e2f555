/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The streams behind /v1/watch: each watcher has a filter and a bounded queue of transitions. One
 * that reads too slowly loses transitions, is told how many, and costs nobody else anything.
 */
#ifndef SERVE_WATCH_H
#define SERVE_WATCH_H

#include <systemd/sd-event.h>

#include "serve/filter.h"
#include "serve/http.h"

#include <tcpwatch/event.h>

struct watch;

/* 0, or a negative errno. */
/* cgroups: the caller's, and outlives the result; to name those of owners that are asked for. 0, or
 * a negative errno. */
int watch_new(sd_event *loop, const struct cgroups *cgroups, struct watch **ret);
/* When no watcher is left: after http_free(). */
struct watch *watch_free(struct watch *w);

/* Answers the request with a stream. 0; -EBUSY, when it has been refused; -ENOMEM. */
int watch_answer(struct watch *w, struct http_request *request, const struct filter *filter);
/* For all watchers that want it. */
void watch_on_event(struct watch *w, const struct tw_event *event);

#endif
