/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page for Prometheus: aggregate figures of the model, never an address or a process of a
 * connection. Each family is a row of a table. Its cost grows with states and namespaces, not with
 * connections.
 */
#ifndef SERVE_METRICS_H
#define SERVE_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"
#include "serve/exposition.h"
#include "serve/holders.h"
#include "serve/status.h"
#include "serve/text.h"

#define METRICS_TOP_MAX SEGMENTS_SLOTS_MAX

struct metrics_input {
	struct holders *holders; /* kept from page to page; NULL: owners are told anew each time */
	struct model *model;     /* only read */
	const struct serve_status *status;
	uint64_t now_ns;           /* CLOCK_MONOTONIC */
	uint64_t top;              /* ports with series of their own, up to METRICS_TOP_MAX */
	bool compat_node_exporter; /* node_tcp_connection_states as well */
};

/* Appends the page; an error is text's. */
void metrics_page(const struct metrics_input *input, enum exposition_format format,
		  struct text *text);

#endif
