/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "serve/holders.h"

#define CLEARLY_MORE 2 /* times what another has, to take its place */

static void set(struct holder *h, const struct rank_row *row)
{
	h->connections = row->connections;
	memcpy(h->states, row->states, sizeof(h->states));
}

static struct holder *find(struct holders *h, const struct rank_key *key)
{
	for (size_t i = 0; i < h->count; i++)
		if (!memcmp(&h->rows[i].key, key, sizeof(*key)))
			return &h->rows[i];
	return NULL;
}

static struct holder *weakest(struct holders *h)
{
	struct holder *least = &h->rows[0];

	for (size_t i = 1; i < h->count; i++)
		if (h->rows[i].connections < least->connections)
			least = &h->rows[i];
	return least;
}

/* The place for a row that has none: a free one, or that of one that has clearly less; or NULL. */
static struct holder *place_for(struct holders *h, const struct rank_row *row, size_t most)
{
	struct holder *least;

	if (h->count < most)
		return &h->rows[h->count++];
	if (!h->count)
		return NULL;
	least = weakest(h);
	return row->connections > CLEARLY_MORE * least->connections ? least : NULL;
}

/* rows: those with most connections first, so that no row after one without a place has one. */
static void choose(struct holders *h, const struct model *m, const struct rank_row *rows,
		   size_t count, size_t most)
{
	for (size_t i = 0; i < h->count; i++)
		set(&h->rows[i], &(const struct rank_row){0});
	for (size_t i = 0; i < count; i++) {
		struct holder *holder = find(h, &rows[i].key);

		if (holder)
			set(holder, &rows[i]);
	}
	while (h->count > most)
		*weakest(h) = h->rows[--h->count];
	for (size_t i = 0; i < count; i++) {
		struct holder *holder = find(h, &rows[i].key);

		if (holder)
			continue;
		holder = place_for(h, &rows[i], most);
		if (!holder)
			return;
		holder->key = rows[i].key;
		holder->kind = dimension_kind(DIMENSION_UNIT, &rows[i].key);
		dimension_name(DIMENSION_UNIT, m, &rows[i], holder->name);
		set(holder, &rows[i]);
	}
}

int holders_update(struct holders *h, const struct model *m, size_t most)
{
	uint64_t totals[TW_STATE_SLOTS] = {0};
	const struct rank_row *rows;
	struct rank *rank;
	size_t count;

	if (rank_new(&rank) < 0)
		return -ENOMEM;
	TW_FOR_EACH_STATE(s)
		totals[s] = model_connections(m, s, NETNS_IPV4) +
			    model_connections(m, s, NETNS_IPV6);
	dimension_add_counted(DIMENSION_UNIT, m, TW_STATES_ALL, NULL, rank);
	rank_finish(rank, RANK_KEYS_MAX, totals);
	rows = rank_rows(rank, &count);
	choose(h, m, rows, count, most < HOLDERS_MAX ? most : HOLDERS_MAX);
	memcpy(h->others, totals, sizeof(h->others));
	for (size_t i = 0; i < h->count; i++)
		TW_FOR_EACH_STATE(s)
			h->others[s] -= h->rows[i].states[s];
	rank_free(rank);
	return 0;
}
