/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/utsname.h>
#include <systemd/sd-event.h>

#include "alert/alerts.h"
#include "alert/evidence.h"
#include "alert/sinks.h"
#include "base/log.h"
#include "base/resident.h"
#include "base/util.h"
#include "feed.h"
#include "lookups.h"
#include "passes.h"
#include "recording.h"
#include "rounds.h"
#include "serve/serve.h"
#include "source/cgroups.h"
#include "source/sources.h"
#include "supervisor.h"
#include "tcpwatchd.h"

/* The ring holds about 100 ms of a saturated host, and wakes the daemon when a quarter of it is
 * full. */
#define DRAIN_BUSY_USEC (20 * 1000)
#define DRAIN_IDLE_USEC (100 * 1000)
/* The promise is "right once nothing has changed for a second": two looks at the kernel's sums in
 * it. */
#define TICK_USEC (500 * 1000)

struct tcpwatchd {
	struct settings *settings;
	const char *config_file;
	sd_event *loop;
	sd_event_source *drain_timer, *tick_timer, *wake, *opener_answers, *signals[3];
	struct sources *sources;
	struct model *model;
	struct rounds *rounds;
	struct lookups *lookups;
	struct passes *passes;
	struct sinks *sinks;
	struct alerts *alerts;
	struct cgroups_walk *cgroups;
	struct serve *serve;
	struct recording *recording;
	struct serve_status status;
	struct supervisor supervisor;
	struct tw_port gone[TW_PORTS_MAX]; /* counted, though not wanted any more */
	size_t gone_count;
	bool ready;
};

/* What the kernel tells, on its way to the model and to those who wait for it. */

static void write_record(struct tcpwatchd *d, enum tw_record_type type, const void *body)
{
	int error = recording_write(d->recording, type, body);

	if (error < 0)
		log_error("the recording ends here, it cannot be written: %s", strerror(-error));
}

static void note_port(struct tcpwatchd *d, const struct tw_port *port)
{
	if (d->gone_count < ARRAY_SIZE(d->gone) && !model_wants_port(d->model, port))
		d->gone[d->gone_count++] = *port;
}

static void on_transition(struct tcpwatchd *d, const struct tw_event *event)
{
	if (event->new_state == TW_LISTEN)
		passes_listener_came(d->passes);
	serve_on_event(d->serve, event);
}

static void look(struct tcpwatchd *d)
{
	sources_look(d->sources, !listeners_settled(model_listeners(d->model)));
}

static void on_pass_end(struct tcpwatchd *d, const struct tw_pass *pass)
{
	if (pass->unlisted && !d->status.listeners_polled)
		log_notice("listeners and half-open connections are polled: this kernel has no "
			   "memory for BPF to list them (Linux 7 on a processor that cannot "
			   "exchange 16 bytes at once); all else is followed as ever");
	else if (!pass->unlisted && d->status.listeners_polled)
		log_info("listeners and half-open connections are not polled any more");
	d->status.listeners_polled = pass->unlisted;
	sources_look(d->sources, true); /* who holds the listeners is news too */
}

static void name_cgroups(struct tcpwatchd *d)
{
	if (cgroups_unnamed(model_cgroups(d->model)))
		cgroups_walk_start(d->cgroups);
}

static void on_record(enum tw_record_type type, const void *body, void *userdata)
{
	struct tcpwatchd *d = userdata;
	struct model_drift drift;

	if (d->recording)
		write_record(d, type, body);
	if (!feed_model(d->model, type, body, &drift))
		return;
	switch (type) {
	case TW_RECORD_EVENT:
		on_transition(d, body);
		break;
	case TW_RECORD_LOST:
		rounds_lost(d->rounds);
		break;
	case TW_RECORD_ROUND_END:
		rounds_drift(d->rounds, &drift);
		sources_count(d->sources);
		look(d);
		lookups_date(d->lookups);
		name_cgroups(d);
		serve_on_round(d->serve);
		break;
	case TW_RECORD_PASS_END:
		on_pass_end(d, body);
		break;
	case TW_RECORD_PORT:
		note_port(d, body);
		break;
	default:
		break;
	}
}

/* Port 0 of each namespace stands for all that nobody listens on. */
static void follow_rests(struct tcpwatchd *d)
{
	const struct netns_table *namespaces = model_netns(d->model);

	for (size_t i = 0; i < netns_count(namespaces); i++) {
		const struct netns *n = netns_at(namespaces, i);

		if (n->inum && !n->rest_counted)
			sources_add_port(d->sources, n->inum, 0);
	}
}

/* Has the SYNs counted of those ports that somebody listens on, and of no other by itself. */
static void follow_ports(struct tcpwatchd *d)
{
	const struct listeners *listeners = model_listeners(d->model);

	if (!sources_counting_syns(d->sources))
		return;
	follow_rests(d);
	for (size_t i = 0; i < listeners_port_count(listeners); i++) {
		const struct listener_port *port = listeners_port_at(listeners, i);

		if (!port->counted)
			sources_add_port(d->sources, port->netns, port->port);
	}
	while (d->gone_count) {
		const struct tw_port *port = &d->gone[--d->gone_count];

		/* it may be wanted again since it was noted */
		if (!model_wants_port(d->model, port))
			sources_remove_port(d->sources, port->netns, port->port);
	}
}

static void on_full_done(void *userdata)
{
	struct tcpwatchd *d = userdata;
	size_t namespaces = namespaces_count(sources_namespaces(d->sources));
	const char *how = sources_following(d->sources) ? "following the kernel's transitions"
							: "polling sock_diag";

	passes_tick(d->passes);
	if (d->ready)
		return;
	d->ready = true;
	resident_trim();
	passes_request(d->passes);
	supervisor_ready();
	log_info("ready: %zu network namespaces, %u connections, %s", namespaces,
		 table_size(model_table(d->model)), how);
}

static void on_dated(uint64_t cost_ns, bool first, void *userdata)
{
	const struct tcpwatchd *d = userdata;

	if (!first) /* the start costs what it costs */
		rounds_spend(d->rounds, cost_ns);
}

/* What those who ask may cause. */

static void fill_sinks(struct serve_status *status, const struct sinks *sinks)
{
	status->sink_count = sinks_count(sinks);
	for (size_t i = 0; i < status->sink_count; i++) {
		struct serve_sink *sink = &status->sinks[i];

		snprintf(sink->name, sizeof(sink->name), "%s", sinks_name(sinks, i));
		sink->counts = *sinks_counts(sinks, i);
	}
}

static size_t drain(struct tcpwatchd *d)
{
	size_t count = sources_drain(d->sources);

	alerts_changed(d->alerts);
	return count;
}

static void refresh(void *userdata)
{
	struct tcpwatchd *d = userdata;
	struct transitions_cost costs[TRANSITIONS_PROGRAMS];

	drain(d);
	d->status.program_count = sources_costs(d->sources, costs);
	for (size_t i = 0; i < d->status.program_count; i++)
		d->status.programs[i] = (struct serve_program){
			.name = costs[i].program, .run_ns = costs[i].run_ns, .runs = costs[i].runs};
	fill_sinks(&d->status, d->sinks);
	d->status.syn_accounting = sources_counting_syns(d->sources);
}

static void read_limits(void *userdata)
{
	struct tcpwatchd *d = userdata;
	const struct namespaces *namespaces = sources_namespaces(d->sources);

	sources_limits(d->sources);
	d->status.namespaces = d->status.namespaces_shut = d->status.namespaces_unhooked = 0;
	for (size_t i = 0; i < namespaces_count(namespaces); i++) {
		int error = namespaces_at(namespaces, i)->error;
		int hook_error = namespaces_at(namespaces, i)->files.hook_error;

		d->status.namespaces_unhooked += !!hook_error;
		d->status.hook_error = hook_error ? hook_error : d->status.hook_error;
		d->status.namespaces += !error;
		if (!error || error == -EINPROGRESS)
			continue;
		d->status.namespaces_shut++;
		d->status.namespaces_error = error;
	}
	d->status.netns = namespaces_at(namespaces, 0)->inum;
}

static int resync(void *userdata)
{
	struct tcpwatchd *d = userdata;

	rounds_request(d->rounds);
	passes_request(d->passes);
	return 0;
}

static bool want(uint32_t states, void *userdata)
{
	struct tcpwatchd *d = userdata;

	return rounds_want(d->rounds, states);
}

static void queues(const struct connection *rows, size_t count, struct serve_queues *ret,
		   void *userdata)
{
	const struct tcpwatchd *d = userdata;

	lookups_queues(d->lookups, rows, count, ret);
}

/* The loop's own events. */

static int on_drain_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct tcpwatchd *d = userdata;
	size_t count = drain(d);

	(void)usec;
	if (sources_scan_due(d->sources))
		sources_scan(d->sources);
	rounds_heal(d->rounds);
	sd_event_source_set_time_relative(source, count ? DRAIN_BUSY_USEC : DRAIN_IDLE_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_ring_fills(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct tcpwatchd *d = userdata;

	(void)source, (void)fd, (void)events;
	drain(d);
	return 0;
}

static int end_without_opener(struct tcpwatchd *d, int error)
{
	log_error("the process that opens network namespaces %s (%s): new ones could not be "
		  "counted, so tcpwatchd ends; its service manager starts it again",
		  error == -ETIMEDOUT ? "does not answer any more" : "is gone", strerror(-error));
	return sd_event_exit(d->loop, -EPIPE);
}

static int on_opener(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct tcpwatchd *d = userdata;
	int error = sources_receive(d->sources);

	(void)source, (void)fd, (void)events;
	return error < 0 ? end_without_opener(d, error) : 0;
}

static enum sources_stir stirs(uint32_t inum, void *userdata)
{
	const struct tcpwatchd *d = userdata;
	int index = netns_find(model_netns(d->model), inum);
	const struct netns *n;

	if (index < 0)
		return SOURCES_STIRS;
	n = netns_at(model_netns(d->model), (size_t)index);
	if (n->events != n->counters_events)
		return SOURCES_STIRS;
	if (sources_following(d->sources) && !netns_established_known(n))
		return SOURCES_SETTLED;
	return SOURCES_STILL;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct tcpwatchd *d = userdata;
	struct tw_tick tick;
	int error;

	(void)usec;
	sources_drain(d->sources);
	sources_scan(d->sources);
	error = sources_tick(d->sources);
	if (error < 0)
		return end_without_opener(d, error);
	tick.time_ns = now_ns(CLOCK_MONOTONIC);
	on_record(TW_RECORD_TICK, &tick, d);
	sources_count_stirring(d->sources, stirs, d);
	look(d);
	if (rounds_list_older(d->rounds))
		sources_look(d->sources, true);
	follow_ports(d);
	alerts_tick(d->alerts);
	rounds_tick(d->rounds);
	passes_tick(d->passes);
	name_cgroups(d);
	supervisor_alive(&d->supervisor, d->model, !sources_following(d->sources),
			 rules_targets(alerts_rules(d->alerts), RULE_FIRING), tick.time_ns);
	sd_event_source_set_time_relative(source, TICK_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* For sinks that are new, and want to know all that fires. */
static void recall_alerts(struct tcpwatchd *d)
{
	struct notice *list;
	size_t count;

	if (alerts_list(d->alerts, false, &list, &count) < 0)
		return;
	sinks_recall(d->sinks, list, count);
	alerts_list_free(list, count);
}

/* Both, or neither. */
static int take_alerts(struct tcpwatchd *d, const struct settings *settings)
{
	uint64_t time_ns = now_ns(CLOCK_MONOTONIC);
	int error = alerts_set(d->alerts, settings, time_ns);

	if (error < 0)
		return error;
	error = sinks_set(d->sinks, settings);
	if (error < 0)
		alerts_set(d->alerts, d->settings, time_ns);
	else
		recall_alerts(d);
	return error;
}

/* All of them, or none. 0, or a negative errno, logged. */
static int take_settings(struct tcpwatchd *d, struct settings *settings)
{
	const char *key = settings_needs_restart(d->settings, settings);
	int error;

	if (key) {
		log_error("reload: %s cannot be changed while tcpwatchd runs; the configuration "
			  "stays as "
			  "it was: restart tcpwatchd",
			  key);
		return -EBUSY;
	}
	error = take_alerts(d, settings);
	if (error < 0) {
		log_error("reload: the configuration stays as it was");
		return error;
	}
	rounds_set_budget(d->rounds, settings->resync_budget);
	serve_set_settings(d->serve, settings);
	model_set_slots(d->model, settings->top);
	settings_free(d->settings);
	d->settings = settings;
	log_info("reload: the configuration is in force");
	return 0;
}

/* 0, or a negative errno, logged. */
static int load_settings(struct tcpwatchd *d)
{
	struct settings *settings;
	int error = settings_load(d->config_file, &settings);

	if (error < 0) {
		log_error("reload: the configuration stays as it was; mend %s and reload again",
			  d->config_file);
		return error;
	}
	error = take_settings(d, settings);
	if (error < 0)
		settings_free(settings);
	return error;
}

static int reload(char *error, void *userdata)
{
	struct tcpwatchd *d = userdata;
	int r;

	_Static_assert(SERVE_ERROR_SIZE >= LOG_LINE_SIZE, "it takes what is logged");
	supervisor_reloading();
	log_keep_error(error);
	r = load_settings(d);
	log_keep_error(NULL);
	supervisor_reloaded();
	return r;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct tcpwatchd *d = userdata;

	if (info->ssi_signo == SIGHUP) {
		reload(NULL, d);
		return 0;
	}
	supervisor_stopping();
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* Start and stop. */

static int open_model(struct tcpwatchd *d)
{
	int error = model_new((uint32_t)d->settings->max_connections, &d->model);

	if (error < 0)
		log_error("no memory for max_connections = %llu: lower it",
			  (unsigned long long)d->settings->max_connections);
	else
		model_set_slots(d->model, d->settings->top);
	return error;
}

static int open_recording(struct tcpwatchd *d, const char *path)
{
	int error = path ? recording_create(path, &d->recording) : 0;

	if (error == -EEXIST)
		log_error("%s: is there already: name a new file to record into", path);
	else if (error < 0)
		log_error("%s: cannot be made: %s", path, strerror(-error));
	return error;
}

static void on_notice(const struct notice *notice, void *userdata)
{
	const struct tcpwatchd *d = userdata;

	sinks_tell(d->sinks, notice);
	/* who looks at it next is to see who holds what now */
	if (notice->status == NOTICE_FIRING && !notice->repeat)
		passes_request(d->passes);
}

static void queues_of(const struct connection *rows, size_t count, struct evidence_queue *ret,
		      void *userdata)
{
	struct serve_queues found[EVIDENCE_QUEUES_MAX];
	const struct tcpwatchd *d = userdata;

	_Static_assert(EVIDENCE_QUEUES_MAX <= SERVE_QUEUES_MAX, "asked for at once");
	lookups_queues(d->lookups, rows, count, found);
	for (size_t i = 0; i < count; i++)
		ret[i] = (struct evidence_queue){.known = found[i].known,
						 .receive = found[i].receive};
}

static struct json_object *evidence(const struct notice *notice, void *userdata)
{
	struct tcpwatchd *d = userdata;
	const struct evidence_calls calls = {
		.queues = queues_of,
		.userdata = d,
		.offset_ns = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC),
	};

	return evidence_collect(d->model, notice, &calls, now_ns(CLOCK_MONOTONIC));
}

static int open_alerts(struct tcpwatchd *d)
{
	const struct alerts_calls calls = {
		.announce = on_notice, .evidence = evidence, .userdata = d};
	uint64_t time_ns = now_ns(CLOCK_MONOTONIC);
	int error = alerts_new(d->model, now_ns(CLOCK_REALTIME) - time_ns, &calls, &d->alerts);

	if (error >= 0)
		error = alerts_set(d->alerts, d->settings, time_ns);
	if (error >= 0)
		alerts_keep(d->alerts, d->settings->state_directory, time_ns);
	if (error >= 0)
		recall_alerts(d);
	d->status.alerts = d->alerts;
	return error;
}

static int open_serve(struct tcpwatchd *d)
{
	const struct serve_calls calls = {.refresh = refresh,
					  .read_limits = read_limits,
					  .resync = resync,
					  .reload = reload,
					  .want = want,
					  .queues = queues,
					  .userdata = d};

	return serve_new(d->loop, d->settings, d->model, &d->status, &calls, &d->serve);
}

static int open_sources(struct tcpwatchd *d, struct opener *opener)
{
	const struct sources_options options = {
		.opener = opener,
		.transitions = d->settings->mode != SETTINGS_MODE_DIAG,
		.syns = d->settings->syn_accounting,
		.ring_size = d->settings->ring_size,
		.record = on_record,
		.userdata = d,
	};
	char *reason = d->status.mode_reason;
	int error;

	_Static_assert(sizeof(d->status.mode_reason) >= SOURCES_REASON_SIZE, "it takes the reason");
	error = sources_new(&options, reason, &d->sources);
	if (error < 0)
		return error;
	d->status.mode = sources_following(d->sources) ? "ebpf" : "diag";
	if (*reason && d->settings->mode == SETTINGS_MODE_EBPF) {
		log_error("mode = ebpf: %s", reason);
		return -EOPNOTSUPP;
	}
	if (*reason)
		log_warning("polling sock_diag instead of following transitions, for %s", reason);
	return 0;
}

static int open_rounds(struct tcpwatchd *d)
{
	const struct rounds_calls calls = {
		.record = on_record, .full_done = on_full_done, .userdata = d};

	return rounds_new(d->loop, d->sources, d->model, d->settings->resync_budget, &d->status,
			  &calls, &d->rounds);
}

static int open_lookups(struct tcpwatchd *d)
{
	const struct lookups_calls calls = {.record = on_record, .dated = on_dated, .userdata = d};

	return lookups_new(d->loop, d->sources, d->model, &calls, &d->lookups);
}

static int add_timer(struct tcpwatchd *d, sd_event_source **source, sd_event_time_handler_t handler)
{
	return sd_event_add_time_relative(d->loop, source, CLOCK_MONOTONIC, 0, 1000, handler, d);
}

static int open_events(struct tcpwatchd *d)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	int error = 0;
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&mask, signals[i]);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(signals) && error >= 0; i++)
		error = sd_event_add_signal(d->loop, &d->signals[i], signals[i], on_signal, d);
	if (error >= 0)
		error = add_timer(d, &d->tick_timer, on_tick);
	if (error >= 0 && sources_opener_fd(d->sources) >= 0)
		error = sd_event_add_io(d->loop, &d->opener_answers, sources_opener_fd(d->sources),
					EPOLLIN, on_opener, d);
	if (error < 0 || !sources_following(d->sources))
		return error;
	error = add_timer(d, &d->drain_timer, on_drain_timer);
	/* edge-triggered: a level would wake the loop for every record that waits for the timer */
	if (error >= 0)
		error = sd_event_add_io(d->loop, &d->wake, sources_fd(d->sources),
					EPOLLIN | EPOLLET, on_ring_fills, d);
	return error;
}

static bool wants_cgroup(uint64_t id, void *userdata)
{
	const struct tcpwatchd *d = userdata;

	return cgroups_wants(model_cgroups(d->model), id);
}

static int open_cgroups(struct tcpwatchd *d)
{
	const struct cgroups_walk_calls calls = {
		.wanted = wants_cgroup, .record = on_record, .userdata = d};

	return cgroups_walk_new(d->loop, &calls, &d->cgroups);
}

static int open_loop(struct tcpwatchd *d)
{
	int error = open_rounds(d);

	if (error >= 0)
		error = open_lookups(d);
	if (error >= 0)
		error = passes_new(d->loop, d->sources, d->model, d->rounds, &d->status, on_record,
				   d, &d->passes);
	if (error >= 0)
		error = open_cgroups(d);
	if (error >= 0)
		error = open_events(d);
	if (error < 0)
		log_error("the event loop cannot be set up: %s", strerror(-error));
	return error;
}

static void fill_status(struct serve_status *status)
{
	struct utsname name;

	uname(&name);
	snprintf(status->kernel, sizeof(status->kernel), "%s", name.release);
	status->mode = "";
	status->start_ns = now_ns(CLOCK_MONOTONIC);
	status->start_unix_ns = now_ns(CLOCK_REALTIME);
	status->last_cause = RESYNC_CAUSE_COUNT;
}

static int open_all(struct tcpwatchd *d, const char *record_file, struct opener *opener)
{
	int error = sd_event_default(&d->loop);

	if (error < 0) {
		log_error("there is no event loop: %s", strerror(-error));
		return error;
	}
	fill_status(&d->status);
	error = open_model(d);
	if (error >= 0)
		error = open_recording(d, record_file);
	if (error >= 0)
		error = sinks_new(d->loop, d->settings, &d->sinks);
	if (error >= 0)
		error = open_alerts(d);
	if (error >= 0)
		error = open_serve(d);
	if (error >= 0)
		error = open_sources(d, opener);
	return error < 0 ? error : open_loop(d);
}

int tcpwatchd_new(struct settings *settings, const char *config_file, const char *record_file,
		  struct opener *opener, struct tcpwatchd **ret)
{
	struct tcpwatchd *d = calloc(1, sizeof(*d));
	int error;

	if (!d)
		return -ENOMEM;
	d->settings = settings;
	d->config_file = config_file;
	error = open_all(d, record_file, opener);
	if (error < 0) {
		if (d->recording)
			unlink(record_file);
		d->settings = NULL;
		tcpwatchd_free(d);
		return error;
	}
	sources_limits(d->sources); /* the ages of orphans are told by one */
	rounds_begin(d->rounds);
	*ret = d;
	return 0;
}

struct tcpwatchd *tcpwatchd_free(struct tcpwatchd *d)
{
	if (!d)
		return NULL;
	serve_free(d->serve);
	cgroups_walk_free(d->cgroups);
	passes_free(d->passes);
	alerts_free(d->alerts);
	sinks_free(d->sinks);
	rounds_free(d->rounds);
	lookups_free(d->lookups);
	sources_free(d->sources);
	model_free(d->model);
	recording_close(d->recording);
	for (size_t i = 0; i < ARRAY_SIZE(d->signals); i++)
		sd_event_source_disable_unref(d->signals[i]);
	sd_event_source_disable_unref(d->drain_timer);
	sd_event_source_disable_unref(d->tick_timer);
	sd_event_source_disable_unref(d->wake);
	sd_event_source_disable_unref(d->opener_answers);
	sd_event_unref(d->loop);
	settings_free(d->settings);
	free(d);
	return NULL;
}

bool tcpwatchd_blind(void *userdata)
{
	const struct tcpwatchd *d = userdata;

	return sources_blind(d->sources);
}

int tcpwatchd_run(struct tcpwatchd *d)
{
	int error = sd_event_loop(d->loop);

	/* without the opener it has been logged */
	if (error < 0 && error != -EPIPE)
		log_error("the event loop failed: %s", strerror(-error));
	return error;
}
