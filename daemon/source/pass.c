/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "source/pass.h"

/* The loop waits no longer for a piece; a read of the kernel's, of some 700 rows, takes 0.3 ms. */
#define PIECE_NS (5 * NSEC_PER_MSEC)

struct pass {
	struct inventory *inventory;
	struct pass_calls calls;
	sd_event_source *step; /* enabled while a pass goes on */
	bool active;
	uint64_t cost_ns;
	struct inventory_reader reader;
};

static void tell_pass(const struct pass *p, enum tw_record_type type, struct tw_pass pass)
{
	pass.time_ns = now_ns(CLOCK_MONOTONIC);
	p->calls.record(type, &pass, p->calls.userdata);
}

static void on_process(const struct tw_holder *row, const struct tw_executable *executable,
		       void *userdata)
{
	struct tw_process process = {.pid = row->pid, .executable = *executable};
	const struct pass *p = userdata;

	memcpy(process.comm, row->comm, sizeof(process.comm));
	p->calls.record(TW_RECORD_PROCESS, &process, p->calls.userdata);
}

static void on_row(const struct tw_holder *row, void *userdata)
{
	const struct pass *p = userdata;

	p->calls.record(TW_RECORD_HOLDER, row, p->calls.userdata);
}

static void finish(struct pass *p, int error)
{
	if (error < 0)
		log_warning("the processes' descriptors cannot be read (%s); who holds which "
			    "connection is known as far as transitions tell",
			    strerror(-error));
	inventory_holders_end(p->inventory, &p->reader, !error);
	tell_pass(
		p, TW_RECORD_PASS_END,
		(struct tw_pass){.complete = !error, .unlisted = !inventory_listing(p->inventory)});
	p->active = false;
}

static int on_step(sd_event_source *source, void *userdata)
{
	struct pass *p = userdata;
	uint64_t started = now_ns(CLOCK_THREAD_CPUTIME_ID), spent = 0;
	int more;

	p->calls.drain(p->calls.userdata);
	do {
		more = inventory_reader_read(&p->reader, on_process, on_row, p);
		spent = now_ns(CLOCK_THREAD_CPUTIME_ID) - started;
	} while (more > 0 && spent < PIECE_NS);
	if (more <= 0)
		finish(p, more);
	p->cost_ns += now_ns(CLOCK_THREAD_CPUTIME_ID) - started;
	if (p->active)
		return 0;
	p->calls.done(p->cost_ns, p->calls.userdata);
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

int pass_new(sd_event *loop, struct inventory *inventory, const struct pass_calls *calls,
	     struct pass **ret)
{
	struct pass *p = calloc(1, sizeof(*p));
	int error;

	if (!p)
		return -ENOMEM;
	p->inventory = inventory;
	p->calls = *calls;
	p->reader.fd = -1;
	error = sd_event_add_defer(loop, &p->step, on_step, p);
	if (error >= 0)
		error = sd_event_source_set_enabled(p->step, SD_EVENT_OFF);
	/* requests and transitions go first, as with dumps */
	if (error >= 0)
		error = sd_event_source_set_priority(p->step, SD_EVENT_PRIORITY_IDLE);
	if (error < 0) {
		pass_free(p);
		return error;
	}
	*ret = p;
	return 0;
}

struct pass *pass_free(struct pass *p)
{
	if (!p)
		return NULL;
	sd_event_source_disable_unref(p->step);
	inventory_reader_close(&p->reader);
	free(p);
	return NULL;
}

bool pass_active(const struct pass *p)
{
	return p->active;
}

int pass_start(struct pass *p)
{
	int error = p->active ? -EBUSY : inventory_holders(p->inventory, &p->reader);

	if (error < 0)
		return error;
	p->active = true;
	p->cost_ns = 0;
	tell_pass(p, TW_RECORD_PASS_BEGIN, (struct tw_pass){0});
	return sd_event_source_set_enabled(p->step, SD_EVENT_ON);
}
