/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One entry for each notice, in the journal's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL):
 * one datagram of NAME=VALUE lines. Not sd_journal_sendv(3), which waits for a journald that does
 * not read. Where there is no journal the notice is a line of the log.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "alert/journal.h"
#include "alert/notice_json.h"
#include "alert/outbox.h"
#include "alert/sink.h"
#include "base/log.h"
#include "base/util.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define MESSAGE_SIZE (NOTICE_NAME_SIZE + NOTICE_SUMMARY_SIZE + 32)

struct journal {
	struct sink sink;
	struct outbox *outbox; /* what journald had no room for */
	sd_event_source *timer;
	int fd;
};

static int priority_of(const struct notice *notice)
{
	static const int priorities[NOTICE_SEVERITY_COUNT] = {
		[NOTICE_INFO] = LOG_INFO,
		[NOTICE_WARNING] = LOG_WARNING,
		[NOTICE_CRITICAL] = LOG_CRIT,
	};
	int priority = priorities[notice->severity];

	return notice->status == NOTICE_FIRING || priority > LOG_NOTICE ? priority : LOG_NOTICE;
}

/* The value's lines become one, so that no value can pose as a field. */
static void put_field(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=", name);
	for (; *value; value++)
		putc(*value == '\n' ? ' ' : *value, out);
	putc('\n', out);
}

static void put_number(FILE *out, const char *name, double number)
{
	fprintf(out, "%s=%.10g\n", name, number);
}

static void put_time(FILE *out, const char *name, uint64_t unix_ns)
{
	char text[NOTICE_TIME_SIZE];

	notice_time(unix_ns, text);
	put_field(out, name, text);
}

static void put_target(FILE *out, const struct notice *notice)
{
	put_field(out, "TCPWATCH_SCOPE", notice->scope);
	put_field(out, "TCPWATCH_TARGET", notice->target);
	if (strcmp(notice->scope, "unit") == 0)
		put_field(out, "TCPWATCH_UNIT", notice->target);
	if (notice->pid)
		fprintf(out, "TCPWATCH_PID=%" PRIu32 "\n", notice->pid);
	if (notice->netns)
		fprintf(out, "TCPWATCH_NETNS=%" PRIu32 "\n", notice->netns);
	if (notice->port)
		fprintf(out, "TCPWATCH_PORT=%" PRIu16 "\n", notice->port);
}

/* All of it or none: half a document is of no use to anybody. */
static void put_evidence(FILE *out, const struct notice *notice, const char *file)
{
	_cleanup_free_ char *text = NULL;

	if (file)
		put_field(out, "TCPWATCH_EVIDENCE_FILE", file);
	if (notice->evidence)
		text = notice_json_text(notice->evidence);
	if (text && strlen(text) <= JOURNAL_EVIDENCE_MAX)
		put_field(out, "TCPWATCH_EVIDENCE", text);
}

static void write_message(const struct notice *notice, char message[static MESSAGE_SIZE])
{
	snprintf(message, MESSAGE_SIZE, "%s is %s%s: %s", notice->name,
		 notice->repeat ? "still " : "", notice_status_labels[notice->status],
		 notice->summary);
}

char *journal_entry(const struct notice *notice, const char *file)
{
	_cleanup_free_ char *text = NULL;
	char message[MESSAGE_SIZE];
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	write_message(notice, message);
	put_field(out, "MESSAGE", message);
	put_field(out, "MESSAGE_ID",
		  notice->status == NOTICE_FIRING ? JOURNAL_ID_FIRING : JOURNAL_ID_RESOLVED);
	fprintf(out, "PRIORITY=%d\n", priority_of(notice));
	put_field(out, "SYSLOG_IDENTIFIER", "tcpwatchd");
	put_field(out, "TCPWATCH_ALERT", notice->name);
	put_field(out, "TCPWATCH_STATUS", notice_status_labels[notice->status]);
	put_field(out, "TCPWATCH_SEVERITY", notice_severity_labels[notice->severity]);
	put_field(out, "TCPWATCH_SUMMARY", notice->summary);
	put_field(out, "TCPWATCH_SOURCE", notice->source);
	put_number(out, "TCPWATCH_VALUE", notice->value);
	put_number(out, "TCPWATCH_THRESHOLD", notice->threshold);
	put_time(out, "TCPWATCH_SINCE", notice->since_unix_ns);
	fprintf(out, "TCPWATCH_ID=%016" PRIx64 "\n", notice->id);
	fprintf(out, "TCPWATCH_HELD_BACK=%" PRIu64 "\n", notice->held_back);
	put_target(out, notice);
	put_evidence(out, notice, file);
	return fclose(out) == 0 ? TAKE_PTR(text) : NULL;
}

/* 0, -EAGAIN while journald does not read, or another negative errno. */
static int send_entry(const struct journal *j, const char *entry)
{
	static const struct sockaddr_un address = {.sun_family = AF_UNIX,
						   .sun_path = JOURNAL_SOCKET};
	ssize_t sent = sendto(j->fd, entry, strlen(entry), MSG_DONTWAIT | MSG_NOSIGNAL,
			      (const struct sockaddr *)&address, sizeof(address));

	if (sent >= 0)
		return 0;
	return errno == ENOBUFS ? -EAGAIN : -errno;
}

static void set_timer(struct journal *j)
{
	uint64_t due = outbox_due_ns(j->outbox);

	if (due == OUTBOX_NEVER)
		return;
	sd_event_source_set_time(j->timer, due / NSEC_PER_USEC + 1);
	sd_event_source_set_enabled(j->timer, SD_EVENT_ONESHOT);
}

/* What is left in the outbox is for the timer. */
static void send_waiting(struct journal *j)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	const char *entry;
	int r = 0;

	while (r == 0 && (entry = outbox_take(j->outbox, now))) {
		r = send_entry(j, entry);
		if (r == 0) {
			outbox_arrived(j->outbox);
			sink_works(&j->sink, 1);
			continue;
		}
		sink_fails(&j->sink, "the journal does not take entries; is journald stopped?");
		if (!outbox_failed(j->outbox, r != -EAGAIN, now, sink_chance()))
			sink_drops(&j->sink, 1, strerror(-r));
	}
	set_timer(j);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	send_waiting(userdata);
	return 0;
}

static int journal_open(struct sink *s)
{
	struct journal *j = (struct journal *)s;
	int r;

	j->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (j->fd < 0)
		return -errno;
	r = outbox_new(&j->outbox);
	if (r < 0)
		return r;
	r = sd_event_add_time(s->place->loop, &j->timer, CLOCK_MONOTONIC, 0, 0, on_timer, j);
	return r < 0 ? r : sd_event_source_set_enabled(j->timer, SD_EVENT_OFF);
}

static void say(struct sink *s, const struct notice *notice)
{
	char message[MESSAGE_SIZE];

	write_message(notice, message);
	log_message(priority_of(notice), "%s", message);
	sink_works(s, 1);
}

static void journal_tell(struct sink *s, const struct notice *notice, const char *file)
{
	struct journal *j = (struct journal *)s;
	_cleanup_free_ char *entry = journal_entry(notice, file);
	int r = 0;

	if (!entry) {
		sink_drops(s, 1, "out of memory");
		return;
	}
	/* those that wait go first */
	if (outbox_count(j->outbox) == 0)
		r = send_entry(j, entry);
	if (r < 0 && r != -EAGAIN) {
		say(s, notice);
		return;
	}
	if (r == 0 && outbox_count(j->outbox) == 0) {
		sink_works(s, 1);
		return;
	}
	if (!outbox_put(j->outbox, TAKE_PTR(entry)))
		sink_drops(s, 1, "too many are waiting already");
	send_waiting(j);
}

static size_t journal_waiting(const struct sink *s)
{
	const struct journal *j = (const struct journal *)s;

	return outbox_count(j->outbox);
}

static void journal_close(struct sink *s)
{
	struct journal *j = (struct journal *)s;

	if (j->fd >= 0)
		close(j->fd);
	outbox_free(j->outbox);
	sd_event_source_disable_unref(j->timer);
}

const struct sink_kind sink_journal = {
	.size = sizeof(struct journal),
	.open = journal_open,
	.tell = journal_tell,
	.waiting = journal_waiting,
	.close = journal_close,
};
