/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The walk behind /v1/connections: a stream of the connections that pass a filter, a few at a time
 * while the table goes on changing. A connection that enters a state after the walk began is left
 * out; one that has left the state in which it was met by the time it would be written, likewise.
 * So none comes twice, but for a minisocket that a dump moves to TIME_WAIT during a walk by age.
 */
#ifndef SERVE_WALK_H
#define SERVE_WALK_H

#include "model/model.h"
#include "serve/filter.h"
#include "serve/http.h"
#include "serve/serve.h"

struct walk;

/* Walks that wait for a round of dumps to end before they begin. */
struct walks {
	struct walk *first;
};

/*
 * model and its table, and calls, outlive the walk. now_ns: CLOCK_MONOTONIC, from which ages count.
 * 0, -ENOMEM.
 */
int walk_new(struct model *model, const struct serve_calls *calls, const struct filter *filter,
	     uint64_t now_ns, struct walk **ret);
/* Has it wait for walks_begin(); stream: its own. */
void walk_wait(struct walk *w, struct walks *walks, struct http_stream *stream);
/* The round has ended: all that wait begin. */
void walks_begin(struct walks *walks, uint64_t now_ns);

/* Its userdata is the walk, which it frees. */
extern const struct http_source walk_source;

#endif
