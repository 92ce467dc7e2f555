/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/util.h"
#include "serve/measures.h"

#define WALK_MAX 20000 /* connections, the oldest first: a millisecond */

double measures_share(const struct measures_queue *queue)
{
	return queue->backlog ? (double)queue->length / (double)queue->backlog : 0;
}

static void take_queue(struct measures_queue *fullest, const struct tw_listener *row,
		       uint32_t length)
{
	const struct measures_queue queue = {
		.length = length, .backlog = row->backlog, .port = row->port};

	if (!fullest->backlog || measures_share(&queue) > measures_share(fullest))
		*fullest = queue;
}

/* Where only the sum is known, the mean: the kernel spreads connections evenly by their hash
 * (reuseport_select_sock()). */
static uint32_t syn_queue(const struct model *m, const struct tw_listener *row)
{
	const struct listener_port *all = row->shared ? listeners_port(model_listeners(m),
								       row->netns, row->port)
						      : NULL;

	if (!all || !all->count)
		return row->syn_queue;
	return (uint32_t)((all->syn_queue + all->count - 1) / all->count);
}

static bool known(const struct tw_limits *l, enum tw_sysctl sysctl)
{
	return l->known & TW_SYSCTL_BIT(sysctl);
}

static void take_listeners(const struct model *m, struct measures *measures)
{
	size_t count;
	const struct tw_listener *rows = listeners_rows(model_listeners(m), &count);

	for (size_t i = 0; i < count; i++) {
		int index = netns_find(model_netns(m), rows[i].netns);
		const struct tw_limits *l;

		if (index < 0)
			continue;
		l = &netns_at(model_netns(m), (size_t)index)->limits;
		measures[index].listeners++;
		measures[index].clipped += known(l, TW_SYSCTL_SOMAXCONN) &&
					   rows[i].backlog == l->values[TW_SYSCTL_SOMAXCONN];
		take_queue(&measures[index].syn, &rows[i], syn_queue(m, &rows[i]));
		take_queue(&measures[index].accept, &rows[i], rows[i].accept_queue);
	}
}

/* Those that are no minisockets, and are older than an orphan may be. */
static void take_fin_wait2(struct model *m, uint64_t now_ns, struct measures *measures)
{
	struct table_cursor cursor;
	const struct connection *c;
	unsigned walked = 0;

	table_cursor_open(model_table(m), TW_STATE_BIT(TW_FIN_WAIT2), &cursor);
	while (walked++ < WALK_MAX && (c = table_cursor_next(&cursor))) {
		const struct tw_limits *l = &netns_at(model_netns(m), c->netns)->limits;
		uint64_t timeout_ns = l->values[TW_SYSCTL_TCP_FIN_TIMEOUT] * NSEC_PER_SEC;

		if (!(c->flags & CONNECTION_SHADOW) && known(l, TW_SYSCTL_TCP_FIN_TIMEOUT) &&
		    now_ns > c->entered_ns + timeout_ns)
			measures[c->netns].fin_wait2_old++;
	}
	table_cursor_close(&cursor);
}

int measures_take(struct model *m, uint64_t now_ns, struct measures **ret)
{
	struct measures *measures = calloc(netns_count(model_netns(m)) + 1, sizeof(*measures));

	if (!measures)
		return -ENOMEM;
	take_listeners(m, measures);
	take_fin_wait2(m, now_ns, measures);
	*ret = measures;
	return 0;
}
