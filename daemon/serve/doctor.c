/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve/doctor.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/util.h"
#include "serve/advice.h"
#include "serve/measures.h"

#define ROWS_MAX 96U /* the daemon's own some two dozens, and those of other namespaces */

struct practice {
	struct doctor_row rows[ROWS_MAX];
	size_t count;
};

/* NULL: there is no room. */
static struct doctor_row *new_row(struct practice *practice)
{
	return practice->count < ROWS_MAX ? &practice->rows[practice->count++] : NULL;
}

static void examine_sysctl(const struct advice_patient *p, enum tw_sysctl sysctl,
			   struct practice *practice)
{
	struct doctor_row *row = new_row(practice);

	if (!row)
		return;
	advice_give(p, sysctl, row);
	/* of other namespaces only what is to be looked at */
	if (!p->home && row->level == DOCTOR_OK)
		practice->count--;
}

static void examine_netns(const struct advice_patient *p, struct practice *practice)
{
	for (unsigned i = 0; i < TW_SYSCTL_COUNT; i++)
		examine_sysctl(p, (enum tw_sysctl)i, practice);
}

/* The daemon itself. */

static void on_recycle(struct model *m, const struct serve_status *status, struct doctor_row *row)
{
	(void)m, (void)status;
	snprintf(row->value, sizeof(row->value), "gone");
}

static void on_mode(struct model *m, const struct serve_status *status, struct doctor_row *row)
{
	(void)m;
	snprintf(row->value, sizeof(row->value), "%s", status->mode);
	if (*status->mode_reason)
		doctor_say(row, DOCTOR_WARNING,
			   "It polls, for %s. Short connections are missed, counts and ages are of "
			   "the last look.",
			   status->mode_reason);
	else if (!strcmp(status->mode, "diag"))
		doctor_say(row, DOCTOR_NOTE,
			   "It polls, as it was told to: short connections are missed, counts and "
			   "ages are of the last look.");
	if (status->listeners_polled)
		doctor_say(row, DOCTOR_NOTE,
			   "The kernel has no memory for BPF to list listeners: they and half-open "
			   "connections are polled, as often as resync_budget allows.");
	if (!model_known(m))
		doctor_say(row, DOCTOR_NOTE, "It has not looked at all sockets yet.");
}

static void on_events(struct model *m, const struct serve_status *status, struct doctor_row *row)
{
	const struct stats *stats = model_stats(m);
	uint64_t lost = stats_lost(stats);

	(void)status;
	snprintf(row->value, sizeof(row->value), "%" PRIu64, lost);
	if (stats->events_lost[EVENT_LOSS_RING_FULL])
		doctor_say(row, DOCTOR_NOTE,
			   "%" PRIu64 " found the ring full: a larger ring_size helps.",
			   stats->events_lost[EVENT_LOSS_RING_FULL]);
	if (lost)
		doctor_say(row, DOCTOR_NOTE,
			   "Looking at all sockets again has made the counts right.");
}

static void on_table(struct model *m, const struct serve_status *status, struct doctor_row *row)
{
	uint32_t size = table_size(model_table(m)), capacity = table_capacity(model_table(m));

	(void)status;
	snprintf(row->value, sizeof(row->value), "%u of %u", size, capacity);
	if (size >= capacity)
		doctor_say(row, DOCTOR_WARNING,
			   "%" PRIu64 " more are in the counts, and not in lists, ages and owners: "
			   "raise max_connections.",
			   model_untracked(m));
	else if (model_untracked(m))
		doctor_say(row, DOCTOR_OK,
			   "The kernel counts %" PRIu64 " more: some end at this moment, the next "
			   "dump finds the others.",
			   model_untracked(m));
}

static void on_namespaces(struct model *m, const struct serve_status *status,
			  struct doctor_row *row)
{
	(void)m;
	snprintf(row->value, sizeof(row->value), "%zu", status->namespaces);
	if (status->namespaces_shut)
		doctor_say(row, DOCTOR_WARNING,
			   "%zu cannot be entered (%s): their sockets are not counted. Grant "
			   "CAP_SYS_ADMIN, or set namespaces = host.",
			   status->namespaces_shut, strerror(-status->namespaces_error));
}

static void on_syns(struct model *m, const struct serve_status *status, struct doctor_row *row)
{
	(void)m;
	snprintf(row->value, sizeof(row->value), "%s", status->syn_accounting ? "on" : "off");
	if (status->namespaces_unhooked)
		doctor_say(row, DOCTOR_WARNING,
			   "In %zu network namespaces SYNs are not counted, as the program cannot "
			   "be hooked in (%s; see the log).",
			   status->namespaces_unhooked, strerror(-status->hook_error));
	else if (!status->syn_accounting)
		doctor_say(
			row, DOCTOR_NOTE,
			"SYNs are not counted (see the log's beginning, or syn_accounting): a "
			"flood that cookies keep out of the queues shows in SyncookiesSent alone.");
}

static const struct {
	const char *name, *what;
	void (*examine)(struct model *m, const struct serve_status *status, struct doctor_row *row);
} others[] = {
	{"net.ipv4.tcp_tw_recycle",
	 "Forgot time_wait after a moment and refused peers whose timestamps went back, as those "
	 "behind one NAT do. Linux 4.12 removed it: lines that set it can go.",
	 on_recycle},
	{"tcpwatch mode", "How the daemon learns of connections.", on_mode},
	{"tcpwatch lost events", "Transitions that did not reach the daemon.", on_events},
	{"tcpwatch table", "Connections that are followed one by one, and room for them.",
	 on_table},
	{"tcpwatch namespaces", "Network namespaces whose sockets are counted.", on_namespaces},
	{"tcpwatch SYN accounting", "Whether SYNs and RSTs are counted for each port.", on_syns},
};

static void examine_others(struct model *m, const struct serve_status *status,
			   struct practice *practice)
{
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		struct doctor_row *row = new_row(practice);

		if (!row)
			return;
		*row = (struct doctor_row){.name = others[i].name, .what = others[i].what};
		others[i].examine(m, status, row);
	}
}

/* The host's own come first; in a replay, where nobody's are the daemon's, of the first namespace.
 */
static size_t home_index(const struct netns_table *t, const struct serve_status *status)
{
	int index = netns_find(t, status->netns);

	return index < 0 ? 0 : (size_t)index;
}

static int examine_all(struct model *m, const struct serve_status *status, uint64_t now_ns,
		       struct practice *practice)
{
	const struct netns_table *t = model_netns(m);
	size_t home = home_index(t, status);
	_cleanup_free_ struct measures *measures = NULL;
	int error = measures_take(m, now_ns, &measures);

	if (error < 0)
		return error;
	for (size_t i = 0; i < netns_count(t); i++) {
		/* home first, and in its place what was first */
		size_t at = i == 0 ? home : i == home ? 0 : i;
		const struct advice_patient p = {.model = m,
						 .alerts = status->alerts,
						 .netns = netns_at(t, at),
						 .measures = &measures[at],
						 .now_ns = now_ns,
						 .home = at == home};

		if (p.netns->inum)
			examine_netns(&p, practice);
		if (p.home)
			examine_others(m, status, practice);
	}
	return 0;
}

int doctor_examine(struct model *m, const struct serve_status *status, uint64_t now_ns,
		   doctor_row_fn *on_row, void *userdata)
{
	_cleanup_free_ struct practice *practice = calloc(1, sizeof(*practice));
	int error;

	if (!practice)
		return -ENOMEM;
	error = examine_all(m, status, now_ns, practice);
	if (error < 0)
		return error;
	for (unsigned level = DOCTOR_LEVEL_COUNT; level-- > 0;)
		for (size_t i = 0; i < practice->count; i++)
			if (practice->rows[i].level == level)
				on_row(&practice->rows[i], userdata);
	return 0;
}
