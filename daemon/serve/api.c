/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "serve/api.h"
#include "serve/bulletin.h"
#include "serve/doctor.h"
#include "serve/json.h"
#include "serve/metrics.h"
#include "serve/roster.h"
#include "serve/status_json.h"
#include "serve/text.h"
#include "serve/top.h"
#include "serve/walk.h"

#include <tcpwatch/control.h>

#define TEXT_PLAIN "text/plain; charset=utf-8"
#define PARAMETERS_MAX 8 /* as many as there are */

static void refresh(const struct api *api)
{
	if (api->calls.refresh)
		api->calls.refresh(api->calls.userdata);
}

static void answer_text(struct http_request *request, unsigned status, const char *text)
{
	char *body = strdup(text);

	if (body)
		http_answer(request, status, TEXT_PLAIN, body, strlen(body));
}

/* document is taken. */
static void answer_json(struct http_request *request, unsigned status, struct json_object *document)
{
	char *body = NULL;
	int length;

	length = asprintf(&body, "%s\n", json_object_to_json_string_ext(document, JSON_TEXT));
	json_object_put(document);
	if (length >= 0)
		http_answer(request, status, "application/json", body, (size_t)length);
}

struct parameters {
	enum filter_set set;
	struct filter filter;
	const char *names[PARAMETERS_MAX];
	size_t count;
	char error[FILTER_ERROR_SIZE];
};

static int on_parameter(const char *name, const char *value, void *userdata)
{
	struct parameters *p = userdata;
	int r;

	for (size_t i = 0; i < p->count; i++) {
		if (!strcmp(p->names[i], name)) {
			snprintf(p->error, sizeof(p->error),
				 "%s stands there twice, the second time with '%.60s'; once would "
				 "be right",
				 name, value ? value : "");
			return -EINVAL;
		}
	}
	r = filter_parse(&p->filter, p->set, name, value, p->error);
	if (!r && p->count < PARAMETERS_MAX)
		p->names[p->count++] = name;
	return r;
}

/* 0, or -EINVAL after the request was answered. */
static int read_filter(struct http_request *request, enum filter_set set, struct filter *ret)
{
	struct parameters p = {.set = set, .filter = FILTER_INIT};

	if (http_arguments(request, on_parameter, &p)) {
		http_answer_error(request, 400, "%s", p.error);
		return -EINVAL;
	}
	*ret = p.filter;
	return 0;
}

static int on_unknown_parameter(const char *name, const char *value, void *userdata)
{
	(void)value;
	http_answer_error(userdata, 400, "'%.60s': there are no parameters here", name);
	return -EINVAL;
}

/* Whether the request is without parameters; else it has been answered. */
static bool no_parameters(struct http_request *request)
{
	return !http_arguments(request, on_unknown_parameter, request);
}

static void on_status(struct http_request *request, void *userdata)
{
	const struct api *api = userdata;

	if (!no_parameters(request))
		return;
	refresh(api);
	answer_json(request, 200, status_json(api->model, api->status, now_ns(CLOCK_MONOTONIC)));
}

static void on_connections(struct http_request *request, void *userdata)
{
	struct api *api = userdata;
	struct http_stream *stream;
	struct filter filter;
	struct walk *walk;

	if (read_filter(request, FILTER_LIST, &filter))
		return;
	refresh(api);
	if (walk_new(api->model, &api->calls, &filter, now_ns(CLOCK_MONOTONIC), &walk) ||
	    http_answer_stream(request, "application/x-ndjson", &walk_source, walk, &stream))
		return;
	if (api->calls.want(filter.states, api->calls.userdata))
		walk_wait(walk, &api->walks, stream);
}

static void on_listeners(struct http_request *request, void *userdata)
{
	const struct api *api = userdata;
	struct filter filter;
	struct roster *roster;

	if (!read_filter(request, FILTER_LISTENERS, &filter) &&
	    !roster_new(api->model, &filter, &roster))
		http_answer_stream(request, "application/x-ndjson", &roster_source, roster, NULL);
}

static int on_history(const char *name, const char *value, void *userdata)
{
	bool *history = userdata;

	if (strcmp(name, "history") != 0 || (value && *value && strcmp(value, "1") != 0))
		return -EINVAL;
	*history = true;
	return 0;
}

static void on_alerts(struct http_request *request, void *userdata)
{
	const struct api *api = userdata;
	struct bulletin *bulletin;
	bool history = false;

	if (http_arguments(request, on_history, &history)) {
		http_answer_error(request, 400, "the only parameter here is history=1");
		return;
	}
	refresh(api);
	if (!bulletin_new(api->status->alerts, history, &bulletin))
		http_answer_stream(request, "application/x-ndjson", &bulletin_source, bulletin,
				   NULL);
}

static void on_top(struct http_request *request, void *userdata)
{
	const struct api *api = userdata;
	struct filter filter;
	struct top *top;

	if (read_filter(request, FILTER_TOP, &filter))
		return;
	refresh(api);
	if (!top_new(api->model, &filter, now_ns(CLOCK_MONOTONIC), &top))
		http_answer_stream(request, "application/x-ndjson", &top_source, top, NULL);
}

static void on_watch(struct http_request *request, void *userdata)
{
	const struct api *api = userdata;
	struct filter filter;

	if (read_filter(request, FILTER_WATCH, &filter))
		return;
	refresh(api); /* what happened before the request is not for this watcher */
	watch_answer(api->watch, request, &filter);
}

/* Whether the client may change what the daemon does; else the request has been answered. */
static bool may_change(struct http_request *request, const struct api *api)
{
	bool may = peers_may_change(&api->peers, http_socket(request));

	if (!may)
		http_answer_error(request, 403,
				  "only root and the members of control_group may ask for that");
	return may;
}

static void on_resync(struct http_request *request, void *userdata)
{
	const struct api *api = userdata;
	struct json_object *document;
	int r;

	if (!no_parameters(request) || !may_change(request, api))
		return;
	r = api->calls.resync(api->calls.userdata);
	if (r) {
		http_answer_error(request, 503, "no resync could be started: %s", strerror(-r));
		return;
	}
	document = json_object_new_object();
	json_add_text(document, "resync", "started");
	answer_json(request, 202, document);
}

static void on_reload(struct http_request *request, void *userdata)
{
	const struct api *api = userdata;
	struct json_object *document;
	char error[SERVE_ERROR_SIZE];

	if (!no_parameters(request) || !may_change(request, api))
		return;
	/* 409: it is for the one who asks to mend, and to ask again */
	if (api->calls.reload(error, api->calls.userdata) < 0) {
		http_answer_error(request, 409, "%s", error);
		return;
	}
	document = json_object_new_object();
	json_add(document, "reloaded", json_object_new_boolean(true));
	answer_json(request, 200, document);
}

static void on_config(struct http_request *request, void *userdata)
{
	const struct api *api = userdata;

	if (no_parameters(request))
		answer_json(request, 200, json_settings(api->settings));
}

static void on_doctor_row(const struct doctor_row *row, void *userdata)
{
	struct json_object *object = doctor_json(row);
	struct text *body = userdata;

	text_printf(body, "%s\n", json_object_to_json_string_ext(object, JSON_TEXT));
	json_object_put(object);
}

static void on_doctor(struct http_request *request, void *userdata)
{
	const struct api *api = userdata;
	_cleanup_text_ struct text body = {0};

	if (!no_parameters(request))
		return;
	refresh(api);
	api->calls.read_limits(api->calls.userdata);
	if (!doctor_examine(api->model, api->status, now_ns(CLOCK_MONOTONIC), on_doctor_row,
			    &body) &&
	    !body.error)
		http_answer(request, 200, "application/x-ndjson", TAKE_PTR(body.data), body.length);
}

static void on_metrics(struct http_request *request, void *userdata)
{
	struct api *api = userdata;
	enum exposition_format format = exposition_format_of(http_header(request, "Accept"));
	_cleanup_text_ struct text page = {0};
	struct metrics_input input;

	refresh(api);
	input = (struct metrics_input){
		.holders = &api->holders,
		.model = api->model,
		.status = api->status,
		.now_ns = now_ns(CLOCK_MONOTONIC),
		.top = api->settings->top,
		.compat_node_exporter = api->settings->compat_node_exporter,
	};
	metrics_page(&input, format, &page);
	if (!page.error)
		http_answer(request, 200, exposition_content_type(format), TAKE_PTR(page.data),
			    page.length);
}

static void on_healthy(struct http_request *request, void *userdata)
{
	(void)userdata;
	answer_text(request, 200, "tcpwatch is alive\n");
}

static void on_ready(struct http_request *request, void *userdata)
{
	const struct api *api = userdata;

	if (model_known(api->model))
		answer_text(request, 200, "tcpwatch is ready\n");
	else
		answer_text(request, 503, "tcpwatch has not counted all connections yet\n");
}

static void on_root(struct http_request *request, void *userdata)
{
	(void)userdata;
	answer_text(request, 200,
		    "tcpwatch " TW_VERSION ": TCP connections by state. See /metrics\n");
}

const struct http_route api_control_routes[] = {
	{HTTP_GET, TW_PATH_STATUS, on_status},
	{HTTP_GET, TW_PATH_CONNECTIONS, on_connections},
	{HTTP_GET, TW_PATH_LISTENERS, on_listeners},
	{HTTP_GET, TW_PATH_ALERTS, on_alerts},
	{HTTP_GET, TW_PATH_TOP, on_top},
	{HTTP_GET, TW_PATH_WATCH, on_watch},
	{HTTP_POST, TW_PATH_RESYNC, on_resync},
	{HTTP_POST, TW_PATH_RELOAD, on_reload},
	{HTTP_GET, TW_PATH_CONFIG, on_config},
	{HTTP_GET, TW_PATH_DOCTOR, on_doctor},
};
const size_t api_control_route_count = ARRAY_SIZE(api_control_routes);

const struct http_route api_public_routes[] = {
	{HTTP_GET, "/metrics", on_metrics},
	{HTTP_GET, "/-/healthy", on_healthy},
	{HTTP_GET, "/-/ready", on_ready},
	{HTTP_GET, "/", on_root},
};
const size_t api_public_route_count = ARRAY_SIZE(api_public_routes);
