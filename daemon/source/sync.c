/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "source/diag.h"
#include "source/sync.h"

/*
 * A transition that came before a row may still be on its way through the ring when the row is
 * read: the round ends this much after its last dump. A reservation is held for less than a
 * microsecond.
 */
#define SETTLE_USEC (10 * 1000)
#define TRIES_MAX 3 /* for a dump that failed, or that the kernel says was interrupted */

struct sync {
	struct namespaces *namespaces;
	struct sync_calls calls;
	sd_event_source *step;   /* enabled while dumps go on */
	sd_event_source *settle; /* enabled between the last dump and the round's end */
	bool active;
	uint32_t states;
	uint32_t *inums;
	size_t count, next;
	uint64_t
		requested; /* serial of the namespace whose batches follow; 0: no request is sent */
	uint32_t number;   /* of the last request to the kernel */
	unsigned tries;
	uint64_t cost_ns;
	uint8_t buffer[DIAG_BUFFER_SIZE];
};

static void tell_round(const struct sync *s, enum tw_record_type type)
{
	const struct tw_round round = {.time_ns = now_ns(CLOCK_MONOTONIC), .states = s->states};

	s->calls.record(type, &round, s->calls.userdata);
}

static void tell_dump(const struct sync *s, enum tw_record_type type, bool complete)
{
	const struct tw_dump dump = {.time_ns = now_ns(CLOCK_MONOTONIC),
				     .netns = s->inums[s->next],
				     .complete = complete};

	s->calls.record(type, &dump, s->calls.userdata);
}

static void tell_socket(const struct tw_socket *row, void *userdata)
{
	const struct sync *s = userdata;

	s->calls.record(TW_RECORD_SOCKET, row, s->calls.userdata);
}

static void finish_dump(struct sync *s, bool complete)
{
	tell_dump(s, TW_RECORD_DUMP_END, complete);
	s->requested = 0;
	s->tries = 0;
	s->next++;
}

static void fail_dump(struct sync *s, int error)
{
	log_warning("the sockets of network namespace %u cannot be read (%s); its counts rest on "
		    "transitions alone until the next resync",
		    s->inums[s->next], strerror(-error));
	finish_dump(s, false);
}

static void request(struct sync *s, const struct namespace *n)
{
	int error;

	tell_dump(s, TW_RECORD_DUMP_BEGIN, false);
	error = diag_request(n->files.diag, s->states, ++s->number);
	if (error < 0)
		fail_dump(s, error);
	else
		s->requested = n->serial;
}

static void receive(struct sync *s, const struct namespace *n)
{
	int length = diag_receive(n->files.diag, s->buffer), more = length;

	s->calls.drain(s->calls.userdata);
	if (length >= 0)
		more = diag_parse(s->buffer, length, s->number, n->inum, tell_socket, s);
	if (more == -EBUSY || (more < 0 && ++s->tries < TRIES_MAX))
		s->requested = 0; /* again */
	else if (more < 0)
		fail_dump(s, more);
	else if (!more)
		finish_dump(s, true);
}

static int on_step(sd_event_source *source, void *userdata)
{
	struct sync *s = userdata;
	uint64_t started = now_ns(CLOCK_THREAD_CPUTIME_ID);
	const struct namespace *n = namespaces_find(s->namespaces, s->inums[s->next]);

	if (!n || n->error || (s->requested && s->requested != n->serial))
		finish_dump(s, false); /* it is gone, or another one has its number */
	else if (!s->requested)
		request(s, n);
	else
		receive(s, n);
	s->cost_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - started;
	if (s->next < s->count)
		return 0;
	sd_event_source_set_time_relative(s->settle, SETTLE_USEC);
	sd_event_source_set_enabled(s->settle, SD_EVENT_ONESHOT);
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static int on_settled(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct sync *s = userdata;
	uint64_t started = now_ns(CLOCK_THREAD_CPUTIME_ID);

	(void)source, (void)usec;
	s->calls.drain(s->calls.userdata);
	tell_round(s, TW_RECORD_ROUND_END);
	s->active = false;
	s->cost_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - started;
	s->calls.done(s->cost_ns, s->calls.userdata);
	return 0;
}

int sync_new(sd_event *loop, struct namespaces *namespaces, const struct sync_calls *calls,
	     struct sync **ret)
{
	struct sync *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->namespaces = namespaces;
	s->calls = *calls;
	error = sd_event_add_defer(loop, &s->step, on_step, s);
	if (error >= 0)
		error = sd_event_source_set_enabled(s->step, SD_EVENT_OFF);
	/* requests and transitions go first: a dump takes what is left of the loop's time */
	if (error >= 0)
		error = sd_event_source_set_priority(s->step, SD_EVENT_PRIORITY_IDLE);
	if (error >= 0)
		error = sd_event_add_time(loop, &s->settle, CLOCK_MONOTONIC, 0, 1000, on_settled,
					  s);
	if (error >= 0)
		error = sd_event_source_set_enabled(s->settle, SD_EVENT_OFF);
	if (error < 0) {
		sync_free(s);
		return error;
	}
	*ret = s;
	return 0;
}

struct sync *sync_free(struct sync *s)
{
	if (!s)
		return NULL;
	sd_event_source_disable_unref(s->step);
	sd_event_source_disable_unref(s->settle);
	free(s->inums);
	free(s);
	return NULL;
}

bool sync_active(const struct sync *s)
{
	return s->active;
}

int sync_start(struct sync *s, uint32_t states, const uint32_t *inums, size_t count)
{
	uint32_t *copy;

	if (s->active)
		return -EBUSY;
	copy = malloc((count + 1) * sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	memcpy(copy, inums, count * sizeof(*copy));
	copy[count] = 0; /* no namespace: a round of none has a step too */
	free(s->inums);
	s->inums = copy;
	s->count = count;
	s->next = 0;
	s->requested = 0;
	s->states = states;
	s->cost_ns = 0;
	s->active = true;
	tell_round(s, TW_RECORD_ROUND_BEGIN);
	return sd_event_source_set_enabled(s->step, SD_EVENT_ON);
}
