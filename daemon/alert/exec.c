/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a command for each notice: a few at once, the others wait. One that takes too long is
 * terminated, and then killed, with all that it has started.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include "alert/notice_json.h"
#include "alert/sink.h"
#include "alert/spawn.h"
#include "base/util.h"
#include "base/words.h"

#define RUNS_MAX 4     /* at once: commands that look at a host in trouble must not be the next */
#define WAITING_MAX 64 /* as in an outbox */
#define KILL_AFTER_USEC (2 * 1000 * 1000) /* between SIGTERM and SIGKILL */
#define ENVIRONMENT_MAX 16                /* PATH, LANG, a variable for each column of a row */

/* One notice: it waits, and then it runs. */
struct run {
	struct run *next;
	struct exec *exec;
	char *input;
	char *environment[ENVIRONMENT_MAX + 1];
	sd_event_source *child, *timer;
	pid_t pid;
	bool late; /* SIGTERM was sent */
};

struct exec {
	struct sink sink;
	char **words;
	struct run *waiting; /* the oldest first */
	size_t waiting_count;
	struct run *runs[RUNS_MAX]; /* with NULLs between them */
};

static struct run *run_free(struct run *run)
{
	if (!run)
		return NULL;
	sd_event_source_disable_unref(run->child);
	sd_event_source_disable_unref(run->timer);
	for (size_t i = 0; run->environment[i]; i++)
		free(run->environment[i]);
	free(run->input);
	free(run);
	return NULL;
}

static void run_freep(struct run **run)
{
	run_free(*run);
}

/* What a command is told. */

static int set(struct run *run, const char *format, ...) _printf_(2, 3);

static int set(struct run *run, const char *format, ...)
{
	va_list arguments;
	size_t at = 0;
	char *text;
	int n;

	while (run->environment[at])
		at++;
	if (at == ENVIRONMENT_MAX)
		return -E2BIG;
	va_start(arguments, format);
	n = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (n < 0)
		return -ENOMEM;
	run->environment[at] = text;
	return 0;
}

static int set_environment(struct run *run, const struct notice *n, const char *file)
{
	int r = set(run, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

	r = r ? r : set(run, "LANG=C.UTF-8");
	r = r ? r : set(run, "TCPWATCH_ALERT=%s", n->name);
	r = r ? r : set(run, "TCPWATCH_STATUS=%s", notice_status_labels[n->status]);
	r = r ? r : set(run, "TCPWATCH_SEVERITY=%s", notice_severity_labels[n->severity]);
	r = r ? r : set(run, "TCPWATCH_SCOPE=%s", n->scope);
	r = r ? r : set(run, "TCPWATCH_TARGET=%s", n->target);
	r = r ? r : set(run, "TCPWATCH_SOURCE=%s", n->source);
	r = r ? r : set(run, "TCPWATCH_VALUE=%.10g", n->value);
	r = r ? r : set(run, "TCPWATCH_THRESHOLD=%.10g", n->threshold);
	r = r ? r : set(run, "TCPWATCH_SUMMARY=%s", n->summary);
	r = r ? r : set(run, "TCPWATCH_ID=%016" PRIx64, n->id);
	if (file)
		r = r ? r : set(run, "TCPWATCH_EVIDENCE_FILE=%s", file);
	return r;
}

static int make_run(struct exec *e, const struct notice *notice, const char *file, struct run **ret)
{
	_cleanup_(run_freep) struct run *run = calloc(1, sizeof(*run));
	struct json_object *row;
	int r;

	if (!run)
		return -ENOMEM;
	run->exec = e;
	row = notice_json_abroad(notice, e->sink.place->host, file);
	run->input = row ? notice_json_text(row) : NULL;
	json_object_put(row);
	if (!run->input)
		return -ENOMEM;
	r = set_environment(run, notice, file);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(run);
	return 0;
}

/* Its life. */

static void go_on(struct exec *e);

static void judge(struct exec *e, const struct run *run, const siginfo_t *info)
{
	char why[64];

	if (info->si_code == CLD_EXITED && info->si_status == 0 && !run->late) {
		sink_works(&e->sink, 1);
		return;
	}
	if (run->late)
		snprintf(why, sizeof(why), "the command ran past its timeout");
	else if (info->si_code == CLD_EXITED)
		snprintf(why, sizeof(why), "the command ended with exit code %d", info->si_status);
	else
		snprintf(why, sizeof(why), "the command was ended by signal %d", info->si_status);
	sink_fails(&e->sink, why);
	sink_drops(&e->sink, 1, why);
}

/* The process is still a zombie, so that its number, and its group's, are nobody else's. */
static int on_end(sd_event_source *source, const siginfo_t *info, void *userdata)
{
	struct run *run = userdata;
	struct exec *e = run->exec;

	(void)source;
	if (run->late)
		kill(-run->pid, SIGKILL);
	judge(e, run, info);
	for (size_t i = 0; i < RUNS_MAX; i++)
		if (e->runs[i] == run)
			e->runs[i] = NULL;
	run_free(run);
	go_on(e);
	return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct run *run = userdata;

	(void)usec;
	kill(-run->pid, run->late ? SIGKILL : SIGTERM);
	if (run->late)
		return 0;
	run->late = true;
	sd_event_source_set_time_relative(source, KILL_AFTER_USEC);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int start(struct run *run)
{
	const struct sink *s = &run->exec->sink;
	int r = spawn(run->exec->words, run->environment, run->input, &run->pid);

	if (r < 0)
		return r;
	r = sd_event_add_child(s->place->loop, &run->child, run->pid, WEXITED, on_end, run);
	if (r >= 0)
		r = sd_event_add_time_relative(s->place->loop, &run->timer, CLOCK_MONOTONIC,
					       s->options.timeout_ns / NSEC_PER_USEC, 0, on_timeout,
					       run);
	if (r >= 0)
		/* whoever lets go of it ends it */
		r = sd_event_source_set_child_process_own(run->child, true);
	if (r >= 0)
		return 0;
	kill(-run->pid, SIGKILL);
	waitpid(run->pid, NULL, 0);
	return r;
}

static struct run **free_slot(struct exec *e)
{
	for (size_t i = 0; i < RUNS_MAX; i++)
		if (!e->runs[i])
			return &e->runs[i];
	return NULL;
}

static void go_on(struct exec *e)
{
	struct run **slot, *run;
	int r;

	while ((run = e->waiting) && (slot = free_slot(e))) {
		e->waiting = run->next;
		e->waiting_count--;
		r = start(run);
		if (r >= 0) {
			*slot = run;
			continue;
		}
		sink_fails(&e->sink, strerror(-r));
		sink_drops(&e->sink, 1, strerror(-r));
		run_free(run);
	}
}

static int exec_open(struct sink *s)
{
	struct exec *e = (struct exec *)s;
	sigset_t mask;

	/* as sd_event_add_child(3) wants it */
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	return words_split(s->options.command, &e->words);
}

static void drop_oldest(struct exec *e)
{
	struct run *run = e->waiting;

	sink_drops(&e->sink, 1, "too many are waiting already");
	e->waiting = run->next;
	e->waiting_count--;
	run_free(run);
}

static void exec_tell(struct sink *s, const struct notice *notice, const char *file)
{
	struct exec *e = (struct exec *)s;
	struct run *run, **last = &e->waiting;

	if (make_run(e, notice, file, &run) < 0) {
		sink_drops(s, 1, "out of memory");
		return;
	}
	if (e->waiting_count == WAITING_MAX)
		drop_oldest(e);
	while (*last)
		last = &(*last)->next;
	*last = run;
	e->waiting_count++;
	go_on(e);
}

static size_t exec_waiting(const struct sink *s)
{
	const struct exec *e = (const struct exec *)s;
	size_t count = e->waiting_count;

	for (size_t i = 0; i < RUNS_MAX; i++)
		count += e->runs[i] != NULL;
	return count;
}

static void exec_close(struct sink *s)
{
	struct exec *e = (struct exec *)s;

	for (size_t i = 0; i < RUNS_MAX; i++) {
		if (e->runs[i])
			kill(-e->runs[i]->pid, SIGKILL);
		run_free(e->runs[i]);
	}
	while (e->waiting) {
		struct run *run = e->waiting;

		e->waiting = run->next;
		run_free(run);
	}
	free(e->words);
}

const struct sink_kind sink_exec = {
	.size = sizeof(struct exec),
	.open = exec_open,
	.tell = exec_tell,
	.waiting = exec_waiting,
	.close = exec_close,
};
