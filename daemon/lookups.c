/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/util.h"
#include "lookups.h"
#include "source/lookup.h"

#define STEPS_MAX 4096 /* connections passed over in a row: less than a millisecond */
/* In one go, as their places in the table are found anew all at once: some 30 ms. The others keep
 * the time at which they were found. */
#define AGES_MAX 65536

struct lookups {
	struct sources *sources;
	struct model *model;
	struct lookups_calls calls;

	/* dates */
	sd_event_source *step; /* enabled while they are looked up */
	bool active;
	bool done_once;
	struct table_cursor cursor;
	uint64_t undated;  /* the model's, when the last began */
	uint64_t since_ns; /* the model's time then: what was found before has been asked for */
	uint64_t next_since_ns;
	uint64_t cost_ns;
	struct tw_age *ages; /* found so far */
	size_t age_count;
};

static struct lookup_key key_of(const struct connection *c)
{
	struct lookup_key key = {
		.cookie = c->cookie,
		.sport = c->sport,
		.dport = c->dport,
		.family = c->flags & CONNECTION_IPV6 ? AF_INET6 : AF_INET,
	};

	memcpy(key.saddr, c->saddr, sizeof(key.saddr));
	memcpy(key.daddr, c->daddr, sizeof(key.daddr));
	return key;
}

/* Looks up those rows that are of one namespace. count: up to LOOKUP_BATCH. */
static void look_up_in(const struct lookups *l, unsigned netns, const struct connection *rows,
		       size_t count, bool ages, struct lookup_answer *ret)
{
	uint32_t inum = netns_at(model_netns(l->model), netns)->inum;
	const struct namespace *n = namespaces_find(sources_namespaces(l->sources), inum);
	struct lookup_answer answers[LOOKUP_BATCH];
	struct lookup_key keys[LOOKUP_BATCH];
	size_t at[LOOKUP_BATCH], wanted = 0;

	for (size_t i = 0; i < count; i++)
		if (rows[i].netns == netns && !(rows[i].flags & CONNECTION_SHADOW)) {
			keys[wanted] = key_of(&rows[i]);
			at[wanted++] = i;
		}
	if (!n || n->error || !wanted ||
	    lookup_sockets(n->files.lookup, keys, wanted, ages, answers) < 0)
		return;
	for (size_t i = 0; i < wanted; i++)
		ret[at[i]] = answers[i];
}

static bool came_before(const struct connection *rows, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (rows[j].netns == rows[i].netns)
			return true;
	return false;
}

static void look_up(const struct lookups *l, const struct connection *rows, size_t count, bool ages,
		    struct lookup_answer *ret)
{
	memset(ret, 0, count * sizeof(*ret));
	for (size_t i = 0; i < count; i++)
		if (!came_before(rows, i))
			look_up_in(l, rows[i].netns, rows, count, ages, ret);
}

/* Of several listeners with one address a look-up finds any: the last look at all of them knows. */
static void queues_of_listener(const struct lookups *l, const struct connection *c,
			       struct serve_queues *ret)
{
	size_t count;
	const struct tw_listener *rows = listeners_rows(model_listeners(l->model), &count);

	for (size_t i = 0; i < count; i++)
		if (rows[i].cookie == c->cookie)
			*ret = (struct serve_queues){true, rows[i].accept_queue, rows[i].backlog};
}

_Static_assert(SERVE_QUEUES_MAX <= LOOKUP_BATCH, "they are looked up in one go");

void lookups_queues(struct lookups *l, const struct connection *rows, size_t count,
		    struct serve_queues *ret)
{
	struct lookup_answer answers[LOOKUP_BATCH];

	look_up(l, rows, count, false, answers);
	for (size_t i = 0; i < count; i++) {
		ret[i] = (struct serve_queues){answers[i].found, answers[i].receive_queue,
					       answers[i].send_queue};
		if (!answers[i].found && rows[i].state == TW_LISTEN)
			queues_of_listener(l, &rows[i], &ret[i]);
	}
}

static void note_age(struct lookups *l, const struct connection *c,
		     const struct lookup_answer *answer, uint64_t now)
{
	uint64_t age_ns = answer->age_ms * NSEC_PER_MSEC;

	if (!answer->found || answer->age_ms == LOOKUP_AGE_UNKNOWN || answer->state != c->state ||
	    age_ns >= now)
		return;
	l->ages[l->age_count++] = (struct tw_age){
		.cookie = c->cookie, .entered_ns = now - age_ns, .state = c->state};
}

/* The next of those to be dated, as copies. 0 at the end of the table. */
static size_t collect(struct lookups *l, struct connection rows[LOOKUP_BATCH], bool *ret_end)
{
	const struct connection *c = NULL;
	size_t count = 0;

	*ret_end = false;
	for (unsigned steps = 0; count < LOOKUP_BATCH && steps < STEPS_MAX; steps++) {
		c = table_cursor_next(&l->cursor);
		*ret_end = !c;
		if (!c)
			break;
		if (!(c->flags & (CONNECTION_EXACT | CONNECTION_SHADOW)) &&
		    c->entered_ns >= l->since_ns)
			rows[count++] = *c;
	}
	return count;
}

static void tell(struct lookups *l)
{
	const struct tw_tick end = {now_ns(CLOCK_MONOTONIC)};

	for (size_t i = 0; i < l->age_count; i++)
		l->calls.record(TW_RECORD_AGE, &l->ages[i], l->calls.userdata);
	if (l->age_count)
		l->calls.record(TW_RECORD_AGES, &end, l->calls.userdata);
}

static void stop(struct lookups *l)
{
	table_cursor_close(&l->cursor);
	free(l->ages);
	l->ages = NULL;
	l->age_count = 0;
	l->active = false;
}

static int on_step(sd_event_source *source, void *userdata)
{
	struct lookups *l = userdata;
	uint64_t started = now_ns(CLOCK_THREAD_CPUTIME_ID), now = now_ns(CLOCK_MONOTONIC);
	struct connection rows[LOOKUP_BATCH];
	struct lookup_answer answers[LOOKUP_BATCH];
	bool end;
	size_t count = collect(l, rows, &end);

	look_up(l, rows, count, true, answers);
	for (size_t i = 0; i < count; i++)
		note_age(l, &rows[i], &answers[i], now);
	end |= l->age_count + LOOKUP_BATCH > AGES_MAX;
	if (end) {
		tell(l);
		stop(l);
	}
	l->cost_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - started;
	if (!end)
		return 0;
	l->calls.dated(l->cost_ns, !l->done_once, l->calls.userdata);
	l->done_once = true;
	l->since_ns = l->next_since_ns;
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

void lookups_date(struct lookups *l)
{
	if (l->active || model_undated(l->model) == l->undated)
		return;
	l->ages = malloc(AGES_MAX * sizeof(*l->ages));
	if (!l->ages)
		return; /* they keep the time at which they were found */
	l->undated = model_undated(l->model);
	l->next_since_ns = model_now_ns(l->model);
	l->cost_ns = 0;
	l->active = true;
	table_cursor_open(model_table(l->model), MODEL_DATED_STATES, &l->cursor);
	sd_event_source_set_enabled(l->step, SD_EVENT_ON);
}

int lookups_new(sd_event *loop, struct sources *sources, struct model *model,
		const struct lookups_calls *calls, struct lookups **ret)
{
	struct lookups *l = calloc(1, sizeof(*l));
	int error;

	if (!l)
		return -ENOMEM;
	l->sources = sources;
	l->model = model;
	l->calls = *calls;
	error = sd_event_add_defer(loop, &l->step, on_step, l);
	if (error >= 0)
		error = sd_event_source_set_enabled(l->step, SD_EVENT_OFF);
	if (error >= 0)
		error = sd_event_source_set_priority(l->step, SD_EVENT_PRIORITY_IDLE);
	if (error < 0) {
		lookups_free(l);
		return error;
	}
	*ret = l;
	return 0;
}

struct lookups *lookups_free(struct lookups *l)
{
	if (!l)
		return NULL;
	if (l->active)
		stop(l);
	sd_event_source_disable_unref(l->step);
	free(l);
	return NULL;
}
