/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the two kinds of socket answer: the routes, and how a request's parameters become an answer.
 * The answers themselves are made elsewhere: json.h, walk.h, roster.h, watch.h, metrics.h.
 */
#ifndef SERVE_API_H
#define SERVE_API_H

#include <stddef.h>

#include "model/model.h"
#include "serve/holders.h"
#include "serve/http.h"
#include "serve/peer.h"
#include "serve/serve.h"
#include "serve/walk.h"
#include "serve/watch.h"

/* The userdata of the routes; all pointers are the owner's. */
struct api {
	const struct settings *settings;
	struct model *model;
	const struct serve_status *status;
	struct serve_calls calls;
	struct peers peers;
	struct watch *watch;
	struct walks walks;
	struct holders holders;
};

extern const struct http_route api_control_routes[]; /* for the control socket */
extern const size_t api_control_route_count;
extern const struct http_route api_public_routes[]; /* for TCP */
extern const size_t api_public_route_count;

#endif
