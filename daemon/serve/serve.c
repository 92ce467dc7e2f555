/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "serve/api.h"
#include "serve/listen.h"
#include "serve/serve.h"

#define CONTROL_MODE 0660

struct serve {
	struct api api;
	char *control_path; /* to be removed; NULL while it is not ours */
	struct http *control;
	struct http *listeners[SETTINGS_LISTEN_MAX];
};

static const char *hint(int r)
{
	static const struct {
		int error;
		const char *text;
	} hints[] = {
		{-EADDRINUSE, "; another program has it: stop that one, or choose another"},
		{-EADDRNOTAVAIL, "; no interface of this host has that address"},
		{-EACCES, "; the daemon may not do that: see who may"},
		{-EEXIST, "; what is there is no socket: remove it, or choose another path"},
		{-ENOENT, "; make the directory, or choose another path"},
		{-ENAMETOOLONG, "; choose a path of less than 108 bytes"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(hints); i++) {
		if (hints[i].error == r)
			return hints[i].text;
	}
	return "";
}

static int failed(const char *key, const char *value, int r)
{
	log_error("cannot listen on %s = %s: %s%s", key, value, strerror(-r), hint(r));
	return r;
}

static int open_control(struct serve *s, sd_event *loop, const struct settings *settings)
{
	_cleanup_close_ int fd = -1;
	int r;

	r = listen_unix(settings->control_socket, settings->control_group, CONTROL_MODE, &fd);
	if (r)
		return failed("control_socket", settings->control_socket, r);
	s->control_path = strdup(settings->control_socket);
	if (!s->control_path)
		return -ENOMEM;
	r = http_new(loop, fd, &http_control, api_control_routes, api_control_route_count, &s->api,
		     &s->control);
	if (r)
		return failed("control_socket", settings->control_socket, r);
	TAKE_FD(fd);
	return 0;
}

static int open_public(struct serve *s, sd_event *loop, int fd, struct http **ret)
{
	return http_new(loop, fd, &http_public, api_public_routes, api_public_route_count, &s->api,
			ret);
}

static int open_listener(struct serve *s, sd_event *loop, const char *address, struct http **ret)
{
	_cleanup_close_ int fd = -1;
	int r;

	r = listen_tcp(address, &fd);
	if (!r)
		r = open_public(s, loop, fd, ret);
	if (r)
		return failed("listen", address, r);
	TAKE_FD(fd);
	return 0;
}

/* Of the sockets that systemd handed over those that cannot be served are closed. */
static int open_passed(struct serve *s, sd_event *loop, const int fds[], int count)
{
	int r = 0;

	for (int i = 0; i < count; i++) {
		if (!r)
			r = open_public(s, loop, fds[i], &s->listeners[i]);
		if (r)
			close(fds[i]);
	}
	if (!r)
		log_info("metrics are served on %d socket%s of systemd's, in place of listen",
			 count, count == 1 ? "" : "s");
	return r;
}

/* Sockets of systemd's have the place of those that the settings name. */
static int open_listeners(struct serve *s, sd_event *loop, const struct settings *settings)
{
	int fds[SETTINGS_LISTEN_MAX];
	int count = listen_passed(fds, SETTINGS_LISTEN_MAX), r = 0;

	if (count > 0)
		r = open_passed(s, loop, fds, count);
	if (count < 0 || r)
		log_error("cannot serve metrics on the sockets that systemd has opened: %s; "
			  "tcpwatchd.socket takes up to %d ListenStream=ADDRESS:PORT",
			  strerror(count < 0 ? -count : -r), SETTINGS_LISTEN_MAX);
	if (count)
		return count < 0 ? count : r;
	for (size_t i = 0; !r && i < SETTINGS_LISTEN_MAX && settings->listen[i]; i++)
		r = open_listener(s, loop, settings->listen[i], &s->listeners[i]);
	return r;
}

static int open_all(struct serve *s, sd_event *loop, const struct settings *settings)
{
	int r;

	r = watch_new(loop, model_cgroups(s->api.model), &s->api.watch);
	if (!r)
		r = open_control(s, loop, settings);
	return r ? r : open_listeners(s, loop, settings);
}

int serve_new(sd_event *loop, const struct settings *settings, struct model *model,
	      const struct serve_status *status, const struct serve_calls *calls,
	      struct serve **ret)
{
	struct serve *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->api = (struct api){
		.settings = settings,
		.model = model,
		.status = status,
		.calls = *calls,
	};
	peers_init(&s->api.peers, settings->control_group);
	r = open_all(s, loop, settings);
	if (r) {
		serve_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct serve *serve_free(struct serve *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < SETTINGS_LISTEN_MAX; i++)
		http_free(s->listeners[i]);
	http_free(s->control);
	if (s->control_path)
		listen_unix_remove(s->control_path);
	free(s->control_path);
	watch_free(s->api.watch);
	free(s);
	return NULL;
}

void serve_set_settings(struct serve *s, const struct settings *settings)
{
	s->api.settings = settings;
}

void serve_on_event(struct serve *s, const struct tw_event *event)
{
	watch_on_event(s->api.watch, event);
}

void serve_on_round(struct serve *s)
{
	walks_begin(&s->api.walks, now_ns(CLOCK_MONOTONIC));
}
