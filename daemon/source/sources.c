/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "source/counters.h"
#include "source/inventory.h"
#include "source/limits.h"
#include "source/sources.h"
#include "source/syn.h"
#include "source/transitions.h"

#include <tcpwatch/tcp_state.h>

#define DRAIN_LIMIT 65536    /* transitions in one go: some 15 ms */
#define SCAN_NS NSEC_PER_SEC /* a namespace that nobody uses is kept alive no longer than this */
/* A scan waits for this many times what the last one took, and for less when it is known that there
 * is something to find. */
#define SCAN_COST_MAX 1000
#define SCAN_NOW_COST_MAX 10
/* A namespace in which nothing happens is counted once in so many ticks: transitions would tell. */
#define STILL_TICKS 8
#define STILL_TICKS_POLLING 2
#define NETSTAT_NS NSEC_PER_SEC
/* A look at all listeners costs some 0.5 ms for each thousand, so that few are: what no transition
 * and no number tells, as a socket's new owner, is known after ten seconds. */
#define LOOKS_AT_CHANGES 19
#define LIMITS_NS (10 * NSEC_PER_SEC) /* settings seldom change */
/* Of SYNs and their sources: every second tick, as a read of some thousand ports takes
 * milliseconds. */
#define WINDOW_NS (900 * NSEC_PER_MSEC)
#define QUIET_NS (10 * NSEC_PER_SEC) /* where nothing comes all is read as seldom as this */

struct sources {
	struct sources_options options;
	struct namespaces *namespaces;
	struct transitions *transitions; /* NULL: not followed */
	struct inventory *inventory;     /* NULL likewise */
	struct syn *syn;                 /* NULL: SYNs are not counted */
	uint64_t lost;                   /* as far as it was told */
	uint64_t told_by_second;         /* transitions for which the first program was not run */
	uint64_t not_run;                /* that neither told, as far as it was told */
	uint64_t missing;                /* since the last drain: perhaps still on the way */
	uint32_t last_netns;             /* of the last transition */
	bool scan_now;
	bool told_too_many, told_unhooked, told_uncounted;
	uint64_t scan_next_ns, scan_now_ns; /* not before */
	uint64_t window_ns;                 /* when the window of sources that goes on began */
	uint64_t ports_ns;                  /* when the ports were last read */
	uint64_t ports_next_ns;             /* none is added before */
	uint64_t stirred_ns; /* when somebody last wanted to connect, or waited for it */
	bool segments_came;  /* in the window before */
	bool ports_changed;  /* since they were last read */
	unsigned turn;       /* ticks, modulo 2^32 */
	/* Looks that may tell of those listeners alone of which something has changed, until one
	 * tells of all again. */
	unsigned looks_at_changes;
};

static void tell(const struct sources *s, enum tw_record_type type, const void *body)
{
	s->options.record(type, body, s->options.userdata);
}

/* A namespace of which nothing was known: opened at once, through the process if the event tells
 * it. */
static void meet_namespace(struct sources *s, const struct tw_event *event)
{
	s->last_netns = event->netns;
	if (namespaces_find(s->namespaces, event->netns))
		return;
	if (!event->pid || namespaces_open(s->namespaces, event->netns, event->pid) < 0)
		s->scan_now = true;
}

static void on_event(const struct tw_event *event, void *userdata)
{
	struct sources *s = userdata;
	bool gone;

	if (event->netns != s->last_netns)
		meet_namespace(s, event);
	s->told_by_second += !!(event->flags & TW_EVENT_MISSED);
	gone = event->old_state == TW_LISTEN && event->new_state == TW_CLOSE;
	s->ports_changed |= gone;
	if (gone || event->new_state == TW_LISTEN)
		s->looks_at_changes = 0;
	tell(s, TW_RECORD_EVENT, event);
}

static int open_transitions(struct sources *s, char reason[SOURCES_REASON_SIZE])
{
	uint32_t only_netns = 0;
	int error = s->options.opener ? 0 : namespaces_own(&only_netns);

	_Static_assert(SOURCES_REASON_SIZE >= TRANSITIONS_REASON_SIZE, "the reason is passed on");
	if (error < 0)
		return error;
	error = transitions_new(s->options.ring_size, only_netns, on_event, s, reason,
				&s->transitions);
	if (error < 0)
		return error;
	error = inventory_new(transitions_listeners_fd(s->transitions), &s->inventory);
	if (error < 0) {
		snprintf(reason, SOURCES_REASON_SIZE,
			 "the kernel does not take the BPF iterators: %s", strerror(-error));
		s->transitions = transitions_free(s->transitions);
	}
	return error;
}

static void open_syn(struct sources *s)
{
	int error = syn_new(&s->syn);

	if (error < 0)
		log_notice("SYNs are not counted: this kernel has no BPF netfilter programs (%s; "
			   "Linux 6.4 "
			   "brings them); SYN cookies and drops are told all the same",
			   strerror(-error));
}

/* Once, and only at the start: one that comes later is as far out of reach. */
static void warn_of_unreachable(const struct sources *s)
{
	size_t count = 0;

	for (size_t i = 0; i < namespaces_count(s->namespaces); i++)
		count += namespaces_at(s->namespaces, i)->error == -EPERM;
	if (count)
		log_warning("%zu network namespaces cannot be entered (%s), and their sockets not "
			    "be seen: grant CAP_SYS_ADMIN, or set namespaces = host",
			    count, strerror(EPERM));
}

/* Once: how many there are may change from moment to moment. */
static void warn_of_too_many(struct sources *s, enum namespaces_limit limit)
{
	if (!s->told_too_many)
		log_warning(
			"there are more network namespaces than can be followed, and the sockets "
			"of some are not seen: %zu are; %s",
			namespaces_count(s->namespaces),
			limit == NAMESPACES_LIMIT_FILES ? "raise LimitNOFILE= or ulimit -n"
							: "tcpwatchd never follows more");
	s->told_too_many = true;
}

/* Once likewise. A hook that is refused is not tried again while the namespace is there. */
static void warn_of_unhooked(struct sources *s)
{
	const struct namespace *first = NULL;
	char reason[128];
	size_t count = 0;

	if (!s->syn || s->told_unhooked)
		return;
	for (size_t i = 0; i < namespaces_count(s->namespaces); i++) {
		const struct namespace *n = namespaces_at(s->namespaces, i);

		if (!n->files.hook_error)
			continue;
		first = first ? first : n;
		count++;
	}
	if (!first)
		return;
	s->told_unhooked = true;
	if (first->files.hook_error == -EBUSY)
		snprintf(reason, sizeof(reason), "others hold the priorities %d to %d",
			 OPENER_PRIORITY_FIRST, OPENER_PRIORITY_LAST);
	else
		snprintf(reason, sizeof(reason), "%s", strerror(-first->files.hook_error));
	log_warning("SYNs are not counted in %zu network namespaces, the first net:[%u]: the "
		    "netfilter program cannot be hooked in (%s); tcpwatchctl doctor says how many "
		    "they are later",
		    count, first->inum, reason);
}

static int open_namespaces(struct sources *s)
{
	struct opener_programs programs = {.hooks = {-1, -1}};
	int error;

	if (s->inventory)
		programs.older = inventory_older(s->inventory);
	if (s->syn)
		syn_programs(s->syn, programs.hooks);
	error = namespaces_new(s->options.opener, s->inventory ? &programs : NULL, &s->namespaces);
	if (error < 0)
		log_error("sock_diag cannot be opened: %s; the kernel needs CONFIG_INET_DIAG",
			  strerror(-error));
	if (error < 0)
		return error;
	error = namespaces_wait(s->namespaces);
	if (error < 0)
		log_warning("the network namespaces are not all open yet: %s; the others follow",
			    strerror(-error));
	warn_of_unreachable(s);
	warn_of_unhooked(s);
	return 0;
}

int sources_new(const struct sources_options *options, char reason[SOURCES_REASON_SIZE],
		struct sources **ret)
{
	struct sources *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->options = *options;
	*reason = '\0';
	/* transitions first: what happens while the rest opens is not missed */
	if (options->transitions && !open_transitions(s, reason) && options->syns)
		open_syn(s);
	error = open_namespaces(s);
	if (error < 0) {
		sources_free(s);
		return error;
	}
	*ret = s;
	return 0;
}

struct sources *sources_free(struct sources *s)
{
	if (!s)
		return NULL;
	namespaces_free(s->namespaces);
	syn_free(s->syn);
	inventory_free(s->inventory);
	transitions_free(s->transitions);
	free(s);
	return NULL;
}

bool sources_following(const struct sources *s)
{
	return s->transitions;
}

static void ignore_listener(const struct tw_listener *row, void *userdata)
{
	(void)row, (void)userdata;
}

static void ignore_queued(uint64_t cookie, void *userdata)
{
	(void)cookie, (void)userdata;
}

bool sources_blind(const struct sources *s)
{
	return s->inventory && inventory_listeners(s->inventory, false, ignore_listener,
						   ignore_queued, NULL) == -EPERM;
}

bool sources_counting_syns(const struct sources *s)
{
	if (!s->syn)
		return false;
	for (size_t i = 0; i < namespaces_count(s->namespaces); i++)
		if (opener_files_hooked(&namespaces_at(s->namespaces, i)->files))
			return true;
	return false;
}

bool sources_passed(const struct sources *s)
{
	return s->inventory && inventory_passed(s->inventory);
}

bool sources_listing(const struct sources *s)
{
	return s->inventory && inventory_listing(s->inventory);
}

int sources_fd(const struct sources *s)
{
	return s->transitions ? transitions_fd(s->transitions) : -1;
}

struct inventory *sources_inventory(const struct sources *s)
{
	return s->inventory;
}

struct namespaces *sources_namespaces(const struct sources *s)
{
	return s->namespaces;
}

/*
 * Of the transitions for which the first program was not run, those that the second did not
 * tell either. After a drain to the end: a record may still be on its way then, so only what is
 * missing twice is lost.
 */
static uint64_t count_not_run(struct sources *s, uint64_t first_not_run)
{
	uint64_t told = s->told_by_second + s->not_run, missing, lost;

	missing = first_not_run > told ? first_not_run - told : 0;
	lost = missing < s->missing ? missing : s->missing;
	s->missing = missing - lost;
	s->not_run += lost;
	return lost;
}

size_t sources_drain(struct sources *s)
{
	struct tw_lost lost = {.time_ns = now_ns(CLOCK_MONOTONIC)};
	uint64_t first_not_run;
	size_t count;

	if (!s->transitions)
		return 0;
	first_not_run = transitions_not_run(s->transitions);
	count = transitions_drain(s->transitions, DRAIN_LIMIT);
	lost.ring_full = transitions_lost(s->transitions) - s->lost;
	s->lost += lost.ring_full;
	/* the programs are run for all namespaces, but tell of what they were not run for as little
	 * as of others; and a process that is held up amid its record keeps back those behind it */
	if (s->options.opener && !transitions_behind(s->transitions))
		lost.not_run = count_not_run(s, first_not_run);
	if (lost.ring_full || lost.not_run) {
		s->looks_at_changes = 0; /* as below */
		tell(s, TW_RECORD_LOST, &lost);
	}
	return count;
}

static void count(struct sources *s, struct namespace *n, enum sources_stir stir, uint64_t time_ns)
{
	struct tw_counters counters;

	if (n->error || counters_read(&n->files, n->inum, time_ns, &counters) < 0)
		return;
	if (stir == SOURCES_SETTLED)
		counters_established(&n->files, &counters.established);
	/* the next tick counts what stirs again, for the model to compare what nothing has changed
	 * between */
	n->still = stir == SOURCES_STILL && counters.in_use == n->in_use && !counters.time_wait;
	n->in_use = counters.in_use;
	tell(s, TW_RECORD_COUNTERS, &counters);
}

void sources_count(struct sources *s)
{
	uint64_t time_ns = now_ns(CLOCK_MONOTONIC);

	for (size_t i = 0; i < namespaces_count(s->namespaces); i++)
		count(s, namespaces_at(s->namespaces, i), SOURCES_STIRS, time_ns);
}

/* Where nothing ends by itself and nothing came or went, some of the ticks will do: in each, some
 * of these. */
void sources_count_stirring(struct sources *s, sources_stir_fn *stirs, void *userdata)
{
	unsigned ticks = s->transitions ? STILL_TICKS : STILL_TICKS_POLLING;
	uint64_t time_ns = now_ns(CLOCK_MONOTONIC);

	s->turn++;
	for (size_t i = 0; i < namespaces_count(s->namespaces); i++) {
		struct namespace *n = namespaces_at(s->namespaces, i);
		enum sources_stir stir = stirs(n->inum, userdata);

		if (stir != SOURCES_STILL || !n->still || i % ticks == s->turn % ticks)
			count(s, n, stir, time_ns);
	}
}

static void on_listener(const struct tw_listener *row, void *userdata)
{
	struct sources *s = userdata;

	if (row->syn_queue || row->accept_queue)
		s->stirred_ns = now_ns(CLOCK_MONOTONIC);
	/* the pass over all descriptors has met those of every namespace */
	if (s->options.opener || namespaces_find(s->namespaces, row->netns))
		tell(s, TW_RECORD_LISTENER, row);
}

static void on_queued(uint64_t cookie, void *userdata)
{
	const struct tw_queued queued = {.cookie = cookie};

	tell(userdata, TW_RECORD_QUEUED, &queued);
}

static void on_port(const struct tw_port *port, const struct tw_port_count *count, void *userdata)
{
	const struct tw_port_record record = {.port = *port, .count = *count};

	tell(userdata, TW_RECORD_PORT, &record);
}

static void look_at_ports(struct sources *s, bool came, uint64_t time_ns)
{
	/* when nothing came any more that has to be told once */
	if (!came && !s->segments_came && !s->ports_changed && time_ns - s->ports_ns < QUIET_NS)
		return;
	s->ports_changed = false;
	s->ports_ns = time_ns;
	syn_read(s->syn, on_port, s);
}

static void look_at_segments(struct sources *s, uint64_t time_ns)
{
	struct tw_source_summary summary = {.time_ns = time_ns};
	bool came;

	if (time_ns - s->window_ns < WINDOW_NS)
		return;
	came = syn_came(s->syn);
	look_at_ports(s, came, time_ns);
	/* where nothing came there is nothing to read, but the window has ended */
	summary.duration_ns = time_ns - s->window_ns;
	if (!(came || s->segments_came) || !syn_sources(s->syn, s->window_ns, time_ns, &summary))
		tell(s, TW_RECORD_SOURCES, &summary);
	s->window_ns = time_ns;
	s->segments_came = came;
	if (came)
		s->stirred_ns = time_ns;
}

/* Its counters are of what becomes of segments that want to connect. */
static bool netstat_due(const struct sources *s, const struct namespace *n, uint64_t time_ns)
{
	if (time_ns < n->netstat_ns + NETSTAT_NS)
		return false;
	return !s->syn || n->netstat_ns < s->stirred_ns + NETSTAT_NS ||
	       time_ns >= n->netstat_ns + QUIET_NS;
}

static void look_at_netstat(struct sources *s, uint64_t time_ns)
{
	for (size_t i = 0; i < namespaces_count(s->namespaces); i++) {
		struct namespace *n = namespaces_at(s->namespaces, i);
		struct tw_netstat netstat;

		if (n->error || !netstat_due(s, n, time_ns))
			continue;
		n->netstat_ns = time_ns;
		if (!counters_netstat(&n->files, n->inum, time_ns, &netstat))
			tell(s, TW_RECORD_NETSTAT, &netstat);
	}
}

static void look_at_limits(struct sources *s, uint64_t time_ns, uint64_t interval_ns)
{
	for (size_t i = 0; i < namespaces_count(s->namespaces); i++) {
		struct namespace *n = namespaces_at(s->namespaces, i);
		struct tw_limits limits;

		if (n->error || time_ns < n->limits_ns + interval_ns)
			continue;
		n->limits_ns = time_ns;
		limits_read(&n->files, n->inum, time_ns, &limits);
		tell(s, TW_RECORD_LIMITS, &limits);
	}
}

void sources_limits(struct sources *s)
{
	look_at_limits(s, now_ns(CLOCK_MONOTONIC), 0);
}

static int tell_listeners(struct sources *s, bool all)
{
	bool only_changes = !all && s->looks_at_changes;

	if (!sources_listing(s))
		return -EOPNOTSUPP;
	return inventory_listeners(s->inventory, only_changes, on_listener, on_queued, s);
}

static void look_at_listeners(struct sources *s, bool all, const struct tw_tick *tick)
{
	int told = tell_listeners(s, all);

	if (told < 0)
		s->looks_at_changes = 0;
	else if (told)
		s->looks_at_changes--;
	else
		s->looks_at_changes = LOOKS_AT_CHANGES;
	if (told >= 0)
		tell(s, told ? TW_RECORD_LISTENERS_CHANGED : TW_RECORD_LISTENERS, tick);
}

void sources_look(struct sources *s, bool all)
{
	struct tw_tick tick = {.time_ns = now_ns(CLOCK_MONOTONIC)};

	look_at_listeners(s, all, &tick);
	if (s->syn)
		look_at_segments(s, tick.time_ns);
	look_at_netstat(s, tick.time_ns);
	look_at_limits(s, tick.time_ns, LIMITS_NS);
}

/* Once: how many there are may change from moment to moment. */
static void warn_of_uncounted(struct sources *s, int error)
{
	if (s->told_uncounted)
		return;
	s->told_uncounted = true;
	if (error == -ENOSPC)
		log_warning("there are listeners on more ports than the %d that SYNs are counted "
			    "for one by one: what comes for the others is counted together",
			    TW_PORTS_MAX);
	else
		log_warning("the kernel does not take all ports that SYNs are to be counted for: "
			    "%s; what comes for the others is counted together, if at all",
			    strerror(-error));
}

void sources_add_port(struct sources *s, uint32_t netns, uint16_t port)
{
	const struct namespace *n = namespaces_find(s->namespaces, netns);
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	int error;

	if (!s->syn || !n || !opener_files_hooked(&n->files) || now < s->ports_next_ns)
		return;
	error = syn_add(s->syn, netns, port);
	if (error < 0)
		warn_of_uncounted(s, error);
	else
		s->ports_changed = true;
	if (error < 0 && error != -ENOSPC)
		s->ports_next_ns = now + QUIET_NS;
}

void sources_remove_port(struct sources *s, uint32_t netns, uint16_t port)
{
	const struct tw_port gone = {.netns = netns, .port = port};

	if (!syn_remove(s->syn, netns, port))
		tell(s, TW_RECORD_PORT_GONE, &gone);
}

static void close_unused(struct sources *s)
{
	for (size_t i = namespaces_count(s->namespaces); i-- > 1;) {
		const struct namespace *n = namespaces_at(s->namespaces, i);
		struct tw_counters counters = {0};
		struct tw_dump gone;

		if (n->found)
			continue;
		/* no process and no name leads there, but a process elsewhere may hold a socket of
		 * it */
		if (!n->error &&
		    (counters_read(&n->files, n->inum, 0, &counters) < 0 || counters.in_use))
			continue;
		gone = (struct tw_dump){.time_ns = now_ns(CLOCK_MONOTONIC),
					.netns = n->inum,
					.complete = !n->error};
		namespaces_close(s->namespaces, i);
		s->last_netns = 0;
		s->looks_at_changes = 0; /* a listener that is told brings it back */
		tell(s, TW_RECORD_NETNS_GONE, &gone);
	}
}

bool sources_scan_due(const struct sources *s)
{
	return s->scan_now;
}

void sources_scan(struct sources *s)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	if (now < (s->scan_now ? s->scan_now_ns : s->scan_next_ns))
		return;
	if (namespaces_scan(s->namespaces) < 0)
		return; /* it stays due */
	s->scan_now = false;
	s->scan_next_ns = now + SCAN_NS;
}

int sources_opener_fd(const struct sources *s)
{
	return s->options.opener ? opener_fd(s->options.opener) : -1;
}

static void end_scan(struct sources *s, uint64_t cost_ns)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	close_unused(s);
	s->scan_now_ns = now + cost_ns * SCAN_NOW_COST_MAX;
	if (cost_ns * SCAN_COST_MAX > SCAN_NS)
		s->scan_next_ns = now + cost_ns * SCAN_COST_MAX;
}

int sources_receive(struct sources *s)
{
	struct namespaces_news news;
	int error = namespaces_receive(s->namespaces, &news);

	if (news.full)
		warn_of_too_many(s, news.full);
	if (news.missed)
		s->scan_now = true; /* another process may lead there */
	if (news.scanned)
		end_scan(s, news.cost_ns);
	warn_of_unhooked(s);
	return error;
}

int sources_tick(struct sources *s)
{
	return namespaces_tick(s->namespaces);
}

size_t sources_costs(const struct sources *s, struct transitions_cost ret[TRANSITIONS_PROGRAMS])
{
	struct transitions_cost costs[TRANSITIONS_PROGRAMS];

	if (!s->transitions || transitions_costs(s->transitions, costs) < 0 || !costs[0].runs)
		return 0;
	memcpy(ret, costs, sizeof(costs));
	return TRANSITIONS_PROGRAMS;
}
