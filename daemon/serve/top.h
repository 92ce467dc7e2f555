/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is behind /v1/top: connections in some states added up by one dimension, those rows that
 * have the most, and one for all others if there is a rest. Together they are the state's count at
 * the moment of the request. Where connections have to be walked it is done piece by piece, and
 * what ends meanwhile is among the others, as what is not tracked is.
 */
#ifndef SERVE_TOP_H
#define SERVE_TOP_H

#include "model/model.h"
#include "serve/filter.h"
#include "serve/http.h"

struct top;

#define TOP_LIMIT 10       /* rows, where none is asked for */
#define TOP_LIMIT_MAX 1000 /* what more is asked for is among the others */

/* model and its table outlive the result. now_ns: CLOCK_MONOTONIC, from which ages count. 0,
 * -ENOMEM. */
int top_new(struct model *model, const struct filter *filter, uint64_t now_ns, struct top **ret);

/* Its userdata is the top, which it frees. */
extern const struct http_source top_source;

#endif
