/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/queue.h>

#include "model/model.h"
#include "serve/json.h"
#include "serve/lines.h"
#include "serve/watch.h"

#define QUEUE_LENGTH                                                                \
	8192 /* transitions: a busy ring hands over 5,000 at once; 850 KB when full \
	      */
#define HEARTBEAT_USEC \
	UINT64_C(5000000) /* a reader that is gone shows only when it is written to */
#define OFFSET_JITTER_NS NSEC_PER_MSEC
#define HEARTBEAT_ACCURACY_USEC UINT64_C(500000)

struct entry {
	struct tw_event event;
	uint64_t missed; /* that many before it */
};

struct watcher {
	LIST_ENTRY(watcher) list;
	struct watch *watch;
	struct http_stream *stream;
	struct filter filter;
	struct lines lines;
	bool heartbeat;  /* an empty line is due, unless another comes first */
	uint64_t missed; /* after the last of the queue */
	unsigned first, length;
	struct entry queue[QUEUE_LENGTH];
};

struct watch {
	const struct cgroups *cgroups;
	LIST_HEAD(, watcher) watchers;
	sd_event_source *heartbeat; /* on while there are watchers */
	uint64_t offset_ns;         /* CLOCK_REALTIME less CLOCK_MONOTONIC */
};

/* The same for all rows until the clock is set: two looks at the clocks never give quite the same.
 */
static void read_offset(struct watch *w)
{
	uint64_t offset = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC);

	if (offset - w->offset_ns + OFFSET_JITTER_NS > 2 * OFFSET_JITTER_NS)
		w->offset_ns = offset;
}

static int on_heartbeat(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct watch *w = userdata;
	struct watcher *watcher;

	(void)usec;
	LIST_FOREACH(watcher, &w->watchers, list) {
		watcher->heartbeat = true;
		http_stream_wake(watcher->stream);
	}
	sd_event_source_set_time_relative(source, HEARTBEAT_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int watch_new(sd_event *loop, const struct cgroups *cgroups, struct watch **ret)
{
	struct watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	LIST_INIT(&w->watchers);
	w->cgroups = cgroups;
	r = sd_event_add_time_relative(loop, &w->heartbeat, CLOCK_MONOTONIC, HEARTBEAT_USEC,
				       HEARTBEAT_ACCURACY_USEC, on_heartbeat, w);
	if (r >= 0)
		r = sd_event_source_set_enabled(w->heartbeat, SD_EVENT_OFF);
	if (r < 0) {
		watch_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

struct watch *watch_free(struct watch *w)
{
	if (!w)
		return NULL;
	sd_event_source_disable_unref(w->heartbeat);
	free(w);
	return NULL;
}

static bool wants(const struct filter *filter, const struct tw_event *event,
		  const struct cgroups *cgroups)
{
	struct filter_subject subject = {
		.netns = event->netns,
		.local_port = event->sport,
		.remote_port = event->dport,
		.family = event->family,
		.remote = event->daddr,
		.pid = event->flags & TW_EVENT_PROCESS ? event->pid : 0,
		.uid = event->uid,
		.comm = event->comm,
		.cgroup = event->cgroup,
	};

	return filter->states & (TW_STATE_BIT(event->old_state) | TW_STATE_BIT(event->new_state)) &&
	       filter_matches(filter, &subject, cgroups);
}

static void enqueue(struct watcher *w, const struct tw_event *event)
{
	struct entry *entry;

	if (w->length == QUEUE_LENGTH) {
		w->missed++;
		return;
	}
	entry = &w->queue[(w->first + w->length++) % QUEUE_LENGTH];
	entry->event = *event;
	entry->missed = w->missed;
	w->missed = 0;
	http_stream_wake(w->stream);
}

/* What the model passes over as malformed never gets to a reader. */
static bool well_formed(const struct tw_event *event)
{
	return event->old_state >= TW_STATE_FIRST && event->old_state <= TW_STATE_LAST &&
	       event->new_state >= TW_STATE_FIRST && event->new_state <= TW_STATE_LAST &&
	       (event->family == AF_INET || event->family == AF_INET6);
}

void watch_on_event(struct watch *w, const struct tw_event *event)
{
	struct watcher *watcher;
	struct tw_event shown;

	if (LIST_EMPTY(&w->watchers) || !well_formed(event))
		return;
	/* as the counters have it: tcpwatch_transitions_total */
	shown = *event;
	shown.new_state = (uint8_t)model_state_after(event);
	if (shown.new_state == TW_FIN_WAIT2 && shown.old_state == TW_FIN_WAIT2)
		return;
	LIST_FOREACH(watcher, &w->watchers, list) {
		if (wants(&watcher->filter, &shown, w->cgroups))
			enqueue(watcher, &shown);
	}
}

static void put_missed(struct watcher *w, uint64_t *missed)
{
	lines_put(&w->lines, json_missed(*missed));
	*missed = 0;
}

static void put_event(struct watcher *w, const struct tw_event *event)
{
	lines_put(&w->lines, json_event(event, w->watch->offset_ns));
	w->first = (w->first + 1) % QUEUE_LENGTH;
	w->length--;
}

static int produce(void *userdata)
{
	struct watcher *w = userdata;
	struct entry *entry = &w->queue[w->first];

	if (w->length && entry->missed)
		put_missed(w, &entry->missed);
	else if (w->length)
		put_event(w, &entry->event);
	else if (w->missed)
		put_missed(w, &w->missed);
	else if (w->heartbeat)
		lines_put_empty(&w->lines);
	else
		return HTTP_STREAM_WAIT;
	w->heartbeat = false;
	return LINES_PUT;
}

static ssize_t watcher_next(char *buffer, size_t size, void *userdata)
{
	struct watcher *w = userdata;

	return lines_fill(&w->lines, buffer, size, produce, w);
}

static void watcher_free(void *userdata)
{
	struct watcher *w = userdata;

	LIST_REMOVE(w, list);
	if (LIST_EMPTY(&w->watch->watchers))
		sd_event_source_set_enabled(w->watch->heartbeat, SD_EVENT_OFF);
	lines_clear(&w->lines);
	free(w);
}

static const struct http_source watcher_source = {
	.next = watcher_next,
	.free = watcher_free,
	.endless = true,
};

static struct watcher *watcher_new(struct watch *w, const struct filter *filter)
{
	struct watcher *watcher = malloc(sizeof(*watcher));

	if (!watcher)
		return NULL;
	memset(watcher, 0, offsetof(struct watcher, queue)); /* pages of the queue come with use */
	watcher->watch = w;
	watcher->filter = *filter;
	if (LIST_EMPTY(&w->watchers)) {
		read_offset(w);
		sd_event_source_set_time_relative(w->heartbeat, HEARTBEAT_USEC);
		sd_event_source_set_enabled(w->heartbeat, SD_EVENT_ONESHOT);
	}
	LIST_INSERT_HEAD(&w->watchers, watcher, list);
	return watcher;
}

int watch_answer(struct watch *w, struct http_request *request, const struct filter *filter)
{
	struct watcher *watcher = watcher_new(w, filter);

	if (!watcher)
		return -ENOMEM;
	return http_answer_stream(request, "application/x-ndjson", &watcher_source, watcher,
				  &watcher->stream);
}
