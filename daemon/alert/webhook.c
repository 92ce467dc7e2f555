/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * POSTs each notice to a URL, one after the other and in order, again until it arrives or the
 * outbox gives it up.
 */
#include <errno.h>

#include "alert/notice_json.h"
#include "alert/outbox.h"
#include "alert/sink.h"
#include "base/util.h"

struct webhook {
	struct sink sink;
	struct outbox *outbox;
	struct post *post; /* of the outbox's first */
	sd_event_source *timer;
};

static void go_on(struct webhook *w);

static void on_post_done(enum post_result result, const char *reason, void *userdata)
{
	struct webhook *w = userdata;

	w->post = NULL;
	if (result == POST_ARRIVED) {
		outbox_arrived(w->outbox);
		sink_works(&w->sink, 1);
	} else {
		sink_fails(&w->sink, reason);
		if (!outbox_failed(w->outbox, result == POST_REFUSED, now_ns(CLOCK_MONOTONIC),
				   sink_chance()))
			sink_drops(&w->sink, 1, reason);
	}
	go_on(w);
}

/* Tries the first, or sets the timer for it. */
static void go_on(struct webhook *w)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), due = outbox_due_ns(w->outbox);
	const char *text = outbox_take(w->outbox, now);

	if (!text && due != OUTBOX_NEVER) {
		sd_event_source_set_time(w->timer, due / NSEC_PER_USEC + 1);
		sd_event_source_set_enabled(w->timer, SD_EVENT_ONESHOT);
	}
	if (!text)
		return;
	if (post_send(w->sink.place->post, w->sink.options.url, text, w->sink.options.timeout_ns,
		      on_post_done, w, &w->post) < 0)
		on_post_done(POST_FAILED, "out of memory", w);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	go_on(userdata);
	return 0;
}

static int webhook_open(struct sink *s)
{
	struct webhook *w = (struct webhook *)s;
	int r = outbox_new(&w->outbox);

	if (r < 0)
		return r;
	r = sd_event_add_time(s->place->loop, &w->timer, CLOCK_MONOTONIC, 0, 0, on_timer, w);
	return r < 0 ? r : sd_event_source_set_enabled(w->timer, SD_EVENT_OFF);
}

static void webhook_tell(struct sink *s, const struct notice *notice, const char *file)
{
	struct webhook *w = (struct webhook *)s;
	struct json_object *row = notice_json_abroad(notice, s->place->host, file);
	char *text = row ? notice_json_text(row) : NULL;

	json_object_put(row);
	if (!text)
		sink_drops(s, 1, "out of memory");
	else if (!outbox_put(w->outbox, text))
		sink_drops(s, 1, "too many are waiting already");
	go_on(w);
}

static size_t webhook_waiting(const struct sink *s)
{
	const struct webhook *w = (const struct webhook *)s;

	return outbox_count(w->outbox);
}

static void webhook_close(struct sink *s)
{
	struct webhook *w = (struct webhook *)s;

	post_cancel(w->post);
	outbox_free(w->outbox);
	sd_event_source_disable_unref(w->timer);
}

const struct sink_kind sink_webhook = {
	.size = sizeof(struct webhook),
	.open = webhook_open,
	.tell = webhook_tell,
	.waiting = webhook_waiting,
	.close = webhook_close,
};
