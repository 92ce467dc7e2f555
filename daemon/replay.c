/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "feed.h"
#include "model/model.h"
#include "recording.h"
#include "replay.h"
#include "serve/json.h"

struct replay {
	struct model *model;
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
}

static void print_status(struct replay *r)
{
	struct json_object *document;

	r->status.start_ns = r->first_ns;
	document = json_status(r->model, &r->status, model_now_ns(r->model));
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
	error = recording_read(path, on_record, &r);
	if (!error)
		print_status(&r);
	model_free(r.model);
	return error;
}
