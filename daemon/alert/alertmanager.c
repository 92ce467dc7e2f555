/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps a Prometheus Alertmanager up to date, through version 2 of its API: each change at once,
 * and all alerts that fire again and again, since it takes one for resolved that it does not hear
 * of.
 */
#include <errno.h>
#include <string.h>

#include "alert/outbox.h"
#include "alert/roll.h"
#include "alert/sink.h"
#include "base/util.h"

#define API_PATH "/api/v2/alerts"
/* Each alert is told this often, as Prometheus does it; within ROLL_AHEAD_NS four may fail. */
#define AGAIN_NS (60 * NSEC_PER_SEC)

struct alertmanager {
	struct sink sink;
	struct roll *roll;
	char *url;
	struct post *post;
	sd_event_source *timer;
	unsigned failures; /* in a row */
	uint64_t pause_ns; /* until when nothing is tried */
	uint64_t again_ns; /* when all are told again */
};

static void go_on(struct alertmanager *a);

static void on_post_done(enum post_result result, const char *reason, void *userdata)
{
	struct alertmanager *a = userdata;

	a->post = NULL;
	switch (result) {
	case POST_ARRIVED:
		a->failures = 0;
		sink_works(&a->sink, roll_settle(a->roll));
		break;
	case POST_REFUSED:
		sink_fails(&a->sink, reason);
		sink_drops(&a->sink, roll_settle(a->roll), reason);
		break;
	case POST_FAILED:
		sink_fails(&a->sink, reason);
		sink_drops(&a->sink, roll_failed(a->roll, now_ns(CLOCK_REALTIME)), reason);
		a->pause_ns = now_ns(CLOCK_MONOTONIC) +
			      outbox_pause_ns(++a->failures, sink_chance());
	}
	go_on(a);
}

static void post_document(struct alertmanager *a, uint64_t now)
{
	bool all = now >= a->again_ns;
	_cleanup_free_ char *text = roll_document(a->roll, all, now_ns(CLOCK_REALTIME));

	if (all)
		a->again_ns = now + AGAIN_NS;
	if (!text || post_send(a->sink.place->post, a->url, text, a->sink.options.timeout_ns,
			       on_post_done, a, &a->post) < 0)
		on_post_done(POST_FAILED, "out of memory", a);
}

/* Tells what there is to tell, or sets the timer for it. */
static void go_on(struct alertmanager *a)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	uint64_t due = roll_changed(a->roll) ? 0 : a->again_ns;

	if (due < a->pause_ns)
		due = a->pause_ns;
	if (a->post || !roll_count(a->roll))
		return;
	if (due <= now) {
		post_document(a, now);
		return;
	}
	sd_event_source_set_time(a->timer, due / NSEC_PER_USEC + 1);
	sd_event_source_set_enabled(a->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	go_on(userdata);
	return 0;
}

static int alertmanager_open(struct sink *s)
{
	struct alertmanager *a = (struct alertmanager *)s;
	int length = (int)strlen(s->options.url), r;

	while (length > 0 && s->options.url[length - 1] == '/')
		length--;
	if (asprintf(&a->url, "%.*s" API_PATH, length, s->options.url) < 0) {
		a->url = NULL;
		return -ENOMEM;
	}
	r = roll_new(s->place->host, &a->roll);
	if (r < 0)
		return r;
	r = sd_event_add_time(s->place->loop, &a->timer, CLOCK_MONOTONIC, 0, 0, on_timer, a);
	return r < 0 ? r : sd_event_source_set_enabled(a->timer, SD_EVENT_OFF);
}

static void alertmanager_tell(struct sink *s, const struct notice *notice, const char *file)
{
	struct alertmanager *a = (struct alertmanager *)s;
	int r;

	if (!roll_count(a->roll))
		a->again_ns = now_ns(CLOCK_MONOTONIC) + AGAIN_NS;
	r = roll_put(a->roll, notice, file, now_ns(CLOCK_REALTIME));
	if (r < 0)
		sink_drops(s, 1, strerror(-r));
	go_on(a);
}

static size_t alertmanager_waiting(const struct sink *s)
{
	const struct alertmanager *a = (const struct alertmanager *)s;

	return roll_changed(a->roll);
}

static void alertmanager_close(struct sink *s)
{
	struct alertmanager *a = (struct alertmanager *)s;

	post_cancel(a->post);
	roll_free(a->roll);
	free(a->url);
	sd_event_source_disable_unref(a->timer);
}

const struct sink_kind sink_alertmanager = {
	.size = sizeof(struct alertmanager),
	.states = true,
	.open = alertmanager_open,
	.tell = alertmanager_tell,
	.waiting = alertmanager_waiting,
	.close = alertmanager_close,
};
