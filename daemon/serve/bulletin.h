/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bulletin behind /v1/alerts: those that are pending and firing, or those that were resolved,
 * as they were when it was asked for.
 */
#ifndef SERVE_BULLETIN_H
#define SERVE_BULLETIN_H

#include "alert/alerts.h"
#include "serve/http.h"

struct bulletin;

/* 0, -ENOMEM. */
int bulletin_new(const struct alerts *alerts, bool history, struct bulletin **ret);

/* Its userdata is the bulletin, which it frees. */
extern const struct http_source bulletin_source;

#endif
