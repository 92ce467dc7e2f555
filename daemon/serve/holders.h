/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which owners have series of their own in /metrics: so many of those with most connections. One
 * that has them keeps them, with zeros too, until another clearly has more, so that series do not
 * come and go with every change of the order. Pure.
 */
#ifndef SERVE_HOLDERS_H
#define SERVE_HOLDERS_H

#include "serve/dimension.h"

#define HOLDERS_MAX 100U

struct holder {
	struct rank_key key;
	char name[DIMENSION_NAME_SIZE];
	int kind; /* enum owner_kind */
	uint64_t connections;
	uint64_t states[TW_STATE_SLOTS]; /* as of the last holders_update() */
};

struct holders {
	struct holder rows[HOLDERS_MAX];
	size_t count;
	uint64_t others[TW_STATE_SLOTS];
};

/* Zeroed at first. most: rows, up to HOLDERS_MAX. 0, or -ENOMEM, with which all is as it was. */
int holders_update(struct holders *h, const struct model *m, size_t most);

#endif
