/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows of /v1/connections. There may be hundreds of thousands of them in one answer, so they
 * are written as text at once, where all other JSON is made of json-c's objects; and what is known
 * of an owner is written once for all rows of a batch.
 */
#ifndef SERVE_ROW_H
#define SERVE_ROW_H

#include "serve/serve.h"
#include "serve/text.h"

/*
 * One line for each connection, without the newline of the last. now_ns: CLOCK_MONOTONIC. brief:
 * without what a table has no room for, which are the cookie, the family and most of the owner.
 */
void row_write(struct text *t, const struct model *m, const struct connection *connections,
	       const struct serve_queues *queues, size_t count, uint64_t now_ns, bool brief);

#endif
