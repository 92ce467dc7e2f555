/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "alert/alerts.h"
#include "alert/notice_json.h"
#include "base/log.h"
#include "base/util.h"
#include "feed.h"
#include "model/model.h"
#include "recording.h"
#include "replay.h"
#include "serve/status_json.h"

/* As the daemon drains a busy ring. */
#define DRAIN_NS (20 * NSEC_PER_MSEC)

struct replay {
	struct model *model;
	struct alerts *alerts;
	uint64_t drained_ns;
	struct serve_status status;
	struct model_drift drift;
	uint64_t first_ns;
	uint64_t round_ns; /* when the round that goes on began */
};

static void on_full_round(struct replay *r, const struct tw_round *round)
{
	/* a recording does not say why a round was made; a request is the cause that claims least
	 */
	r->status.last_cause = r->status.last_cause == RESYNC_CAUSE_COUNT ? RESYNC_CAUSE_START
									  : RESYNC_CAUSE_REQUEST;
	r->status.resyncs[r->status.last_cause]++;
	r->status.last_drift = r->drift;
	r->status.last_resync_ns = round->time_ns - r->round_ns;
}

static void evaluate(struct replay *r, enum tw_record_type type)
{
	uint64_t now = model_now_ns(r->model);

	if (type == TW_RECORD_TICK) {
		alerts_tick(r->alerts);
	} else if (now - r->drained_ns >= DRAIN_NS) {
		r->drained_ns = now;
		alerts_changed(r->alerts);
	}
}

static void on_record(enum tw_record_type type, const void *body, void *userdata)
{
	struct replay *r = userdata;
	const struct tw_round *round = body;

	feed_model(r->model, type, body, &r->drift);
	r->status.syn_accounting |= type == TW_RECORD_PORT;
	if (type == TW_RECORD_ROUND_BEGIN)
		r->round_ns = round->time_ns;
	else if (type == TW_RECORD_ROUND_END && round->states == TW_STATES_ALL)
		on_full_round(r, round);
	if (!r->first_ns)
		r->first_ns = model_now_ns(r->model);
	evaluate(r, type);
}

/* One line each, before the status. */
static void print_notice(const struct notice *notice, void *userdata)
{
	struct json_object *row = notice_json(notice);
	_cleanup_free_ char *text = row ? notice_json_text(row) : NULL;

	(void)userdata;
	if (text)
		puts(text);
	json_object_put(row);
}

static int open_alerts(struct replay *r, const struct settings *settings)
{
	const struct alerts_calls calls = {.announce = print_notice};
	int error = alerts_new(r->model, 0, &calls, &r->alerts);

	if (error >= 0)
		error = alerts_set(r->alerts, settings, 0);
	r->status.alerts = r->alerts;
	return error;
}

static void print_status(struct replay *r)
{
	struct json_object *document;

	r->status.start_ns = r->first_ns;
	document = status_json(r->model, &r->status, model_now_ns(r->model));
	puts(json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN));
	json_object_put(document);
}

int replay_run(const struct settings *settings, const char *path)
{
	struct replay r = {.status = {.mode = "replay", .last_cause = RESYNC_CAUSE_COUNT}};
	int error = model_new((uint32_t)settings->max_connections, &r.model);

	if (error < 0) {
		log_error("no memory for %llu connections: lower max_connections",
			  (unsigned long long)settings->max_connections);
		return error;
	}
	error = open_alerts(&r, settings);
	if (!error)
		error = recording_read(path, on_record, &r);
	/* what a daemon recorded before it was killed is worth a look */
	if (!error || error == -ENODATA)
		print_status(&r);
	alerts_free(r.alerts);
	model_free(r.model);
	return error;
}
