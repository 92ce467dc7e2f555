/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/outbox.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"

struct outbox {
	char *messages[OUTBOX_MESSAGES]; /* the oldest first */
	size_t count;
	unsigned failures; /* of the first */
	uint64_t due_ns;   /* when it is tried next */
	bool trying;
};

int outbox_new(struct outbox **ret)
{
	struct outbox *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	*ret = o;
	return 0;
}

struct outbox *outbox_free(struct outbox *o)
{
	if (!o)
		return NULL;
	for (size_t i = 0; i < o->count; i++)
		free(o->messages[i]);
	free(o);
	return NULL;
}

static void remove_message(struct outbox *o, size_t at)
{
	free(o->messages[at]);
	o->count--;
	memmove(&o->messages[at], &o->messages[at + 1], (o->count - at) * sizeof(o->messages[0]));
}

static void remove_first(struct outbox *o)
{
	remove_message(o, 0);
	o->failures = 0;
	o->due_ns = 0;
	o->trying = false;
}

bool outbox_put(struct outbox *o, char *text)
{
	bool room = o->count < OUTBOX_MESSAGES;

	/* the one that is being tried is in somebody's hands */
	if (!room && o->trying)
		remove_message(o, 1);
	else if (!room)
		remove_message(o, 0);
	o->messages[o->count++] = text;
	return room;
}

size_t outbox_count(const struct outbox *o)
{
	return o->count;
}

uint64_t outbox_due_ns(const struct outbox *o)
{
	return o->count > 0 && !o->trying ? o->due_ns : OUTBOX_NEVER;
}

const char *outbox_take(struct outbox *o, uint64_t now_ns)
{
	if (outbox_due_ns(o) > now_ns)
		return NULL;
	o->trying = true;
	return o->messages[0];
}

void outbox_arrived(struct outbox *o)
{
	remove_first(o);
}

uint64_t outbox_pause_ns(unsigned failures, uint32_t chance)
{
	uint64_t pause = OUTBOX_PAUSE_NS;

	while (--failures > 0 && pause < OUTBOX_PAUSE_MAX_NS)
		pause *= 2;
	if (pause > OUTBOX_PAUSE_MAX_NS)
		pause = OUTBOX_PAUSE_MAX_NS;
	/* of the second half any part */
	return pause / 2 + pause / 2 * (chance >> 16) / UINT16_MAX;
}

bool outbox_failed(struct outbox *o, bool for_good, uint64_t now_ns, uint32_t chance)
{
	o->trying = false;
	o->failures++;
	o->due_ns = now_ns + outbox_pause_ns(o->failures, chance);
	if (!for_good && o->failures < OUTBOX_TRIES)
		return true;
	remove_first(o);
	return false;
}
