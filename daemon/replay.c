/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "model/model.h"
#include "recording.h"
#include "replay.h"
#include "serve/json.h"

struct replay {
	struct model *model;
	struct serve_status status;
	uint64_t first_ns;
	uint64_t round_ns; /* when the round that goes on began */
};

static void on_round_end(struct replay *r, const struct tw_round *round)
{
	struct model_drift drift;

	model_round_end(r->model, round, &drift);
	if (round->states != TW_STATES_ALL)
		return;
	/* a recording does not say why a round was made; a request is the cause that claims least
	 */
	r->status.last_cause = r->status.last_cause == RESYNC_CAUSE_COUNT ? RESYNC_CAUSE_START
									  : RESYNC_CAUSE_REQUEST;
	r->status.resyncs[r->status.last_cause]++;
	r->status.last_drift = drift;
	r->status.last_resync_ns = round->time_ns - r->round_ns;
}

static void on_record(enum tw_record_type type, const void *body, void *userdata)
{
	struct replay *r = userdata;

	switch (type) {
	case TW_RECORD_EVENT:
		model_event(r->model, body);
		break;
	case TW_RECORD_ROUND_BEGIN:
		r->round_ns = ((const struct tw_round *)body)->time_ns;
		model_round_begin(r->model, body);
		break;
	case TW_RECORD_DUMP_BEGIN:
		model_dump_begin(r->model, body);
		break;
	case TW_RECORD_SOCKET:
		model_socket(r->model, body);
		break;
	case TW_RECORD_DUMP_END:
		model_dump_end(r->model, body);
		break;
	case TW_RECORD_ROUND_END:
		on_round_end(r, body);
		break;
	case TW_RECORD_COUNTERS:
		model_counters(r->model, body);
		break;
	case TW_RECORD_NETNS_GONE:
		model_netns_gone(r->model, body);
		break;
	case TW_RECORD_LOST:
		model_lost(r->model, body);
		break;
	case TW_RECORD_TICK:
		model_tick(r->model, body);
		break;
	}
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
