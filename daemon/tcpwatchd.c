/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/utsname.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "base/log.h"
#include "base/util.h"
#include "model/model.h"
#include "recording.h"
#include "schedule.h"
#include "serve/serve.h"
#include "source/counters.h"
#include "source/namespaces.h"
#include "source/sync.h"
#include "source/transitions.h"
#include "tcpwatchd.h"

/* The ring holds about 100 ms of a saturated host, and wakes the daemon when a quarter of it is
 * full. */
#define DRAIN_BUSY_USEC (20 * 1000)
#define DRAIN_IDLE_USEC (100 * 1000)
#define DRAIN_LIMIT 65536 /* transitions in one go: some 15 ms */
/* The promise is "right once nothing has changed for a second": two looks at the kernel's counters
 * in it. */
#define TICK_USEC (500 * 1000)
#define SCAN_NS \
	NSEC_PER_SEC /* a namespace that nobody uses any more is kept alive no longer than this */
#define SCAN_COST_MAX 1000 /* a scan waits for this many times what the last one took */
/* Expired TIME_WAITs leave the kernel up to half a second late; what differs for longer has been
 * ended early. */
#define TIME_WAIT_TICKS 6

struct tcpwatchd {
	struct settings *settings;
	const char *config_file;
	sd_event *loop;
	sd_event_source *drain_timer, *tick_timer, *wake, *signals[3];
	struct namespaces *namespaces;
	struct transitions *transitions; /* NULL: polling */
	struct sync *sync;
	struct model *model;
	struct serve *serve;
	struct recording *recording;
	struct schedule schedule;
	struct serve_status status;
	enum resync_cause cause; /* of the full round that goes on */
	bool full;               /* the round that goes on is a full one of all namespaces */
	uint64_t round_ns;       /* when it began */
	bool requested;          /* a resync, by someone who waits for it */
	uint64_t lost;           /* as far as the model knows */
	uint32_t last_netns;     /* of the last transition */
	bool scan_now;
	uint64_t scan_next_ns;
	bool ready;
};

static void record(struct tcpwatchd *d, enum tw_record_type type, const void *body)
{
	int error;

	if (!d->recording)
		return;
	error = recording_write(d->recording, type, body);
	if (error < 0)
		log_error("the recording ends here, it cannot be written: %s", strerror(-error));
}

/* What the sources hand over, on its way to the model. */

static void meet_namespace(struct tcpwatchd *d, const struct tw_event *event)
{
	d->last_netns = event->netns;
	if (namespaces_find(d->namespaces, event->netns))
		return;
	if (!event->pid || namespaces_open(d->namespaces, event->netns, event->pid) < 0)
		d->scan_now = true;
}

static void on_event(const struct tw_event *event, void *userdata)
{
	struct tcpwatchd *d = userdata;

	if (event->netns != d->last_netns)
		meet_namespace(d, event);
	record(d, TW_RECORD_EVENT, event);
	model_event(d->model, event);
	serve_on_event(d->serve, event);
}

static void on_round_begin(const struct tw_round *round, void *userdata)
{
	struct tcpwatchd *d = userdata;

	record(d, TW_RECORD_ROUND_BEGIN, round);
	model_round_begin(d->model, round);
}

static void on_dump_begin(const struct tw_dump *dump, void *userdata)
{
	struct tcpwatchd *d = userdata;

	record(d, TW_RECORD_DUMP_BEGIN, dump);
	model_dump_begin(d->model, dump);
}

static void on_socket(const struct tw_socket *row, void *userdata)
{
	struct tcpwatchd *d = userdata;

	record(d, TW_RECORD_SOCKET, row);
	model_socket(d->model, row);
}

static void on_dump_end(const struct tw_dump *dump, void *userdata)
{
	struct tcpwatchd *d = userdata;

	record(d, TW_RECORD_DUMP_END, dump);
	model_dump_end(d->model, dump);
}

static size_t drain(struct tcpwatchd *d)
{
	struct tw_lost lost = {.time_ns = now_ns(CLOCK_MONOTONIC)};
	size_t count;

	if (!d->transitions)
		return 0;
	count = transitions_drain(d->transitions, DRAIN_LIMIT);
	lost.count = transitions_lost(d->transitions) - d->lost;
	if (lost.count) {
		d->lost += lost.count;
		record(d, TW_RECORD_LOST, &lost);
		model_lost(d->model, &lost);
		schedule_lost(&d->schedule, lost.time_ns);
	}
	return count;
}

static void on_sync_drain(void *userdata)
{
	drain(userdata);
}

static void read_counters(struct tcpwatchd *d)
{
	uint64_t time_ns = now_ns(CLOCK_MONOTONIC);

	for (size_t i = 0; i < namespaces_count(d->namespaces); i++) {
		const struct namespace *n = namespaces_at(d->namespaces, i);
		struct tw_counters counters;

		if (n->files.sockstat < 0 ||
		    counters_read(&n->files, n->inum, time_ns, &counters) < 0)
			continue;
		record(d, TW_RECORD_COUNTERS, &counters);
		model_counters(d->model, &counters);
	}
}

/* Rounds of dumps: which, and when. */

static void start_full(struct tcpwatchd *d, enum resync_cause cause)
{
	size_t count = namespaces_count(d->namespaces);
	uint32_t *inums = calloc(count, sizeof(*inums));

	if (!inums)
		return; /* it stays due */
	for (size_t i = 0; i < count; i++)
		inums[i] = namespaces_at(d->namespaces, i)->inum;
	d->cause = cause;
	d->full = true;
	d->round_ns = now_ns(CLOCK_MONOTONIC);
	if (cause == RESYNC_CAUSE_REQUEST)
		d->requested = false;
	schedule_heal_started(&d->schedule);
	sync_start(d->sync, TW_STATES_ALL, inums, count);
	for (size_t i = 0; i < count; i++)
		namespaces_at(d->namespaces, i)->fresh = false;
	free(inums);
}

/* What a namespace has that no transition tells of, and may have changed since it was last dumped.
 */
static uint32_t states_due(const struct tcpwatchd *d, struct namespace *n)
{
	int index = netns_find(model_netns(d->model), n->inum);
	const struct netns *known;
	uint64_t segments = n->segments;
	uint32_t states = 0;

	if (index < 0)
		return 0;
	known = netns_at(model_netns(d->model), (size_t)index);
	counters_segments(&n->files, &segments);
	if (segments != n->segments || known->requests)
		states |= TW_STATE_BIT(TW_SYN_RECV);
	if (known->minis + known->minis_untracked &&
	    (segments != n->segments || known->time_wait_ticks))
		states |= TW_STATE_BIT(TW_FIN_WAIT2);
	if (known->time_wait_ticks >= TIME_WAIT_TICKS)
		states |= TW_STATE_BIT(TW_FIN_WAIT2) | TW_STATE_BIT(TW_TIME_WAIT);
	n->segments = segments;
	return states;
}

/* The states without transitions, of the namespaces where they may have changed. */
static void start_partial(struct tcpwatchd *d)
{
	size_t count = namespaces_count(d->namespaces), due = 0;
	uint32_t *inums = calloc(count, sizeof(*inums));
	uint32_t states = 0;

	if (!inums)
		return;
	for (size_t i = 0; i < count; i++) {
		struct namespace *n = namespaces_at(d->namespaces, i);
		uint32_t wanted = n->files.diag < 0 ? 0 : states_due(d, n);

		if (wanted)
			inums[due++] = n->inum;
		states |= wanted;
	}
	if (due) {
		d->full = false;
		d->round_ns = now_ns(CLOCK_MONOTONIC);
		sync_start(d->sync, states, inums, due);
	}
	free(inums);
}

/* Namespaces found since the last round are dumped whole, alone. */
static bool start_fresh(struct tcpwatchd *d)
{
	size_t count = namespaces_count(d->namespaces), fresh = 0;
	uint32_t *inums = calloc(count, sizeof(*inums));

	if (!inums)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct namespace *n = namespaces_at(d->namespaces, i);

		if (n->fresh)
			inums[fresh++] = n->inum;
		n->fresh = false;
	}
	if (fresh) {
		d->full = false;
		d->round_ns = now_ns(CLOCK_MONOTONIC);
		sync_start(d->sync, TW_STATES_ALL, inums, fresh);
	}
	free(inums);
	return fresh;
}

static bool any_suspect(const struct tcpwatchd *d)
{
	const struct netns_table *netns = model_netns(d->model);

	for (size_t i = 0; i < netns_count(netns); i++)
		if (netns_at(netns, i)->suspect)
			return true;
	return false;
}

static void start_round(struct tcpwatchd *d)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	if (sync_active(d->sync) || start_fresh(d))
		return;
	if (schedule_heal_due(&d->schedule, now))
		start_full(d, RESYNC_CAUSE_LOSS);
	else if (d->requested)
		start_full(d, RESYNC_CAUSE_REQUEST);
	else if (any_suspect(d) && schedule_affordable(&d->schedule, now))
		start_full(d, RESYNC_CAUSE_DRIFT);
	else if (schedule_full_due(&d->schedule, now))
		start_full(d, RESYNC_CAUSE_INTERVAL);
	else if (d->transitions && schedule_affordable(&d->schedule, now))
		start_partial(d);
}

static void announce_ready(struct tcpwatchd *d)
{
	d->ready = true;
	sd_notifyf(0, "READY=1\nSTATUS=Following %zu network namespaces by %s",
		   namespaces_count(d->namespaces),
		   d->transitions ? "the kernel's transitions" : "polling sock_diag");
	log_info("ready: %zu network namespaces, %u connections, %s",
		 namespaces_count(d->namespaces), table_size(model_table(d->model)),
		 d->transitions ? "following the kernel's transitions" : "polling sock_diag");
}

static void on_round_end(const struct tw_round *round, uint64_t cost_ns, void *userdata)
{
	struct tcpwatchd *d = userdata;
	struct model_drift drift;

	record(d, TW_RECORD_ROUND_END, round);
	model_round_end(d->model, round, &drift);
	read_counters(d);
	if (!d->full) {
		schedule_spent(&d->schedule, cost_ns);
		return;
	}
	d->full = false;
	d->status.resyncs[d->cause]++;
	d->status.last_cause = d->cause;
	d->status.last_resync_ns = round->time_ns - d->round_ns;
	d->status.last_drift = d->transitions ? drift : (struct model_drift){0};
	schedule_full_done(&d->schedule, round->time_ns, drift.total);
	if (d->cause == RESYNC_CAUSE_LOSS)
		schedule_healed(&d->schedule, round->time_ns, cost_ns);
	else if (d->cause == RESYNC_CAUSE_INTERVAL || d->cause == RESYNC_CAUSE_DRIFT)
		schedule_spent(&d->schedule, cost_ns);
	if (!d->ready)
		announce_ready(d);
}

/* Namespaces that come and go. */

static void close_unused(struct tcpwatchd *d)
{
	for (size_t i = namespaces_count(d->namespaces); i-- > 1;) {
		const struct namespace *n = namespaces_at(d->namespaces, i);
		struct tw_counters counters = {0};
		struct tw_dump gone;

		if (n->found)
			continue;
		/* no process and no name leads there, but a socket may be held by a process
		 * elsewhere */
		if (n->files.diag >= 0 &&
		    (counters_read(&n->files, n->inum, 0, &counters) < 0 || counters.in_use))
			continue;
		gone = (struct tw_dump){.time_ns = now_ns(CLOCK_MONOTONIC), .netns = n->inum};
		namespaces_close(d->namespaces, i);
		record(d, TW_RECORD_NETNS_GONE, &gone);
		model_netns_gone(d->model, &gone);
		d->last_netns = 0;
	}
}

static void scan_namespaces(struct tcpwatchd *d)
{
	uint64_t started = now_ns(CLOCK_MONOTONIC), took;

	if (!d->scan_now && started < d->scan_next_ns)
		return;
	d->scan_now = false;
	namespaces_scan(d->namespaces);
	close_unused(d);
	took = now_ns(CLOCK_MONOTONIC) - started;
	d->scan_next_ns = started +
			  (took * SCAN_COST_MAX > SCAN_NS ? took * SCAN_COST_MAX : SCAN_NS);
}

/* The loop's own events. */

static void refresh(void *userdata)
{
	struct tcpwatchd *d = userdata;

	drain(d);
	if (d->transitions && !transitions_cost(d->transitions, &d->status.programs[0].run_ns,
						&d->status.programs[0].runs))
		d->status.program_count = d->status.programs[0].runs ? 1 : 0;
}

static int request_resync(void *userdata)
{
	struct tcpwatchd *d = userdata;

	d->requested = true;
	start_round(d);
	return 0;
}

static int on_drain_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct tcpwatchd *d = userdata;
	size_t count = drain(d);

	(void)usec;
	if (d->scan_now)
		scan_namespaces(d);
	if (schedule_heal_due(&d->schedule, now_ns(CLOCK_MONOTONIC)))
		start_round(d);
	sd_event_source_set_time_relative(source, count ? DRAIN_BUSY_USEC : DRAIN_IDLE_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_ring_fills(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source, (void)fd, (void)events;
	drain(userdata);
	return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct tcpwatchd *d = userdata;
	struct tw_tick tick;

	(void)usec;
	drain(d);
	scan_namespaces(d);
	tick.time_ns = now_ns(CLOCK_MONOTONIC);
	record(d, TW_RECORD_TICK, &tick);
	model_tick(d->model, &tick);
	read_counters(d);
	start_round(d);
	sd_notify(0, "WATCHDOG=1");
	sd_event_source_set_time_relative(source, TICK_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void reload(struct tcpwatchd *d)
{
	struct settings *settings;
	const char *key;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)(now_ns(CLOCK_MONOTONIC) / NSEC_PER_USEC));
	if (settings_load(d->config_file, &settings) < 0) {
		log_error("reload: the configuration stays as it was; mend %s and reload again",
			  d->config_file);
	} else if ((key = settings_needs_restart(d->settings, settings))) {
		log_error("reload: %s cannot be changed while tcpwatchd runs; the configuration "
			  "stays as "
			  "it was: restart tcpwatchd",
			  key);
		settings_free(settings);
	} else {
		schedule_set_share(&d->schedule, settings->resync_budget);
		serve_set_settings(d->serve, settings);
		settings_free(d->settings);
		d->settings = settings;
		log_info("reload: the configuration is in force");
	}
	sd_notify(0, "READY=1");
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct tcpwatchd *d = userdata;

	if (info->ssi_signo == SIGHUP) {
		reload(d);
		return 0;
	}
	sd_notify(0, "STOPPING=1");
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* Start and stop. */

static int open_transitions(struct tcpwatchd *d)
{
	bool all = d->settings->namespaces == SETTINGS_NAMESPACES_ALL;
	char reason[TRANSITIONS_REASON_SIZE];
	int error;

	d->status.mode = "diag";
	if (d->settings->mode == SETTINGS_MODE_DIAG)
		return 0;
	error = transitions_new(d->settings->ring_size,
				all ? 0 : namespaces_at(d->namespaces, 0)->inum, on_event, d,
				reason, &d->transitions);
	if (!error) {
		d->status.mode = "ebpf";
		d->status.programs[0].name = "transitions";
		return 0;
	}
	if (d->settings->mode == SETTINGS_MODE_EBPF) {
		log_error("mode = ebpf: %s", reason);
		return error;
	}
	log_warning("polling sock_diag instead of following transitions, for %s", reason);
	snprintf(d->status.mode_reason, sizeof(d->status.mode_reason), "%s", reason);
	return 0;
}

static int open_sources(struct tcpwatchd *d)
{
	static const struct sync_calls calls = {
		.round_begin = on_round_begin,
		.dump_begin = on_dump_begin,
		.socket = on_socket,
		.dump_end = on_dump_end,
		.round_end = on_round_end,
		.drain = on_sync_drain,
	};
	struct sync_calls with_userdata = calls;
	int error;

	with_userdata.userdata = d;
	error = namespaces_new(d->settings->namespaces == SETTINGS_NAMESPACES_ALL, &d->namespaces);
	if (error < 0) {
		log_error("sock_diag cannot be opened: %s; the kernel needs CONFIG_INET_DIAG",
			  strerror(-error));
		return error;
	}
	error = open_transitions(d);
	if (error < 0)
		return error;
	return sync_new(d->loop, d->namespaces, &with_userdata, &d->sync);
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
	if (error >= 0 && d->transitions)
		error = add_timer(d, &d->drain_timer, on_drain_timer);
	/* edge-triggered: a level would wake the loop for every record that waits for the timer */
	if (error >= 0 && d->transitions)
		error = sd_event_add_io(d->loop, &d->wake, transitions_fd(d->transitions),
					EPOLLIN | EPOLLET, on_ring_fills, d);
	return error < 0 ? error : 0;
}

static int open_serve(struct tcpwatchd *d)
{
	const struct serve_calls calls = {
		.refresh = refresh, .resync = request_resync, .userdata = d};

	return serve_new(d->loop, d->settings, d->model, &d->status, &calls, &d->serve);
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

static void fill_status(struct serve_status *status)
{
	struct utsname name;

	uname(&name);
	snprintf(status->kernel, sizeof(status->kernel), "%s", name.release);
	status->start_ns = now_ns(CLOCK_MONOTONIC);
	status->start_unix_ns = now_ns(CLOCK_REALTIME);
	status->last_cause = RESYNC_CAUSE_COUNT;
}

static int open_all(struct tcpwatchd *d, const char *record_file)
{
	int error = sd_event_default(&d->loop);

	if (error >= 0)
		error = model_new((uint32_t)d->settings->max_connections, &d->model);
	if (error >= 0)
		error = open_recording(d, record_file);
	if (error >= 0)
		error = open_serve(d);
	if (error >= 0)
		error = open_sources(d);
	if (error >= 0)
		error = open_events(d);
	if (error < 0)
		return error;
	schedule_init(&d->schedule, d->settings->resync_budget, !d->transitions,
		      now_ns(CLOCK_MONOTONIC));
	namespaces_scan(d->namespaces);
	start_full(d, RESYNC_CAUSE_START);
	return 0;
}

int tcpwatchd_new(struct settings *settings, const char *config_file, const char *record_file,
		  struct tcpwatchd **ret)
{
	struct tcpwatchd *d = calloc(1, sizeof(*d));
	int error;

	if (!d)
		return -ENOMEM;
	d->settings = settings;
	d->config_file = config_file;
	fill_status(&d->status);
	error = open_all(d, record_file);
	if (error < 0) {
		d->settings = NULL;
		tcpwatchd_free(d);
		return error;
	}
	*ret = d;
	return 0;
}

struct tcpwatchd *tcpwatchd_free(struct tcpwatchd *d)
{
	if (!d)
		return NULL;
	serve_free(d->serve);
	sync_free(d->sync);
	transitions_free(d->transitions);
	namespaces_free(d->namespaces);
	model_free(d->model);
	recording_close(d->recording);
	for (size_t i = 0; i < ARRAY_SIZE(d->signals); i++)
		sd_event_source_disable_unref(d->signals[i]);
	sd_event_source_disable_unref(d->drain_timer);
	sd_event_source_disable_unref(d->tick_timer);
	sd_event_source_disable_unref(d->wake);
	sd_event_unref(d->loop);
	settings_free(d->settings);
	free(d);
	return NULL;
}

int tcpwatchd_run(struct tcpwatchd *d)
{
	return sd_event_loop(d->loop);
}
