/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The roster behind /v1/listeners: the listeners of the last look that pass a filter, by namespace,
 * port and address. It keeps that look for as long as it is being written, some 80 bytes for each
 * listener; what goes with a row, as the rate of its port, is that of the moment it is written.
 */
#ifndef SERVE_ROSTER_H
#define SERVE_ROSTER_H

#include "model/model.h"
#include "serve/filter.h"
#include "serve/http.h"

struct roster;

/* model outlives the roster. 0, -ENOMEM. */
int roster_new(const struct model *model, const struct filter *filter, struct roster **ret);

/* Its userdata is the roster, which it frees. */
extern const struct http_source roster_source;

#endif
