/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "source/ring.h"
#include "source/rings.h"

/* In place of the time of a ring's oldest record. */
#define TIME_BUSY 0
#define TIME_EMPTY UINT64_MAX

struct head {
	struct ring *ring;
	uint64_t time_ns; /* of its oldest record */
	const void *record;
	size_t size;
};

struct rings {
	rings_record_fn *on_record;
	void *userdata;
	bool behind;
	size_t count;
	struct head heads[];
};

int rings_new(const int map_fds[], size_t count, size_t size, rings_record_fn *on_record,
	      void *userdata, struct rings **ret)
{
	struct rings *r = calloc(1, sizeof(*r) + count * sizeof(r->heads[0]));
	int error;

	if (!r)
		return -ENOMEM;
	r->on_record = on_record;
	r->userdata = userdata;
	for (; r->count < count; r->count++) {
		error = ring_new(map_fds[r->count], size, &r->heads[r->count].ring);
		if (error < 0) {
			rings_free(r);
			return error;
		}
	}
	*ret = r;
	return 0;
}

struct rings *rings_free(struct rings *r)
{
	for (size_t i = 0; r && i < r->count; i++)
		ring_free(r->heads[i].ring);
	free(r);
	return NULL;
}

static void peek(struct head *h)
{
	enum ring_head head;

	while ((head = ring_peek(h->ring, &h->record, &h->size)) == RING_RECORD &&
	       h->size < sizeof(h->time_ns))
		ring_take(h->ring); /* no record of ours */
	if (head == RING_RECORD)
		memcpy(&h->time_ns, h->record, sizeof(h->time_ns));
	else
		h->time_ns = head == RING_BUSY ? TIME_BUSY : TIME_EMPTY;
}

/* The ring with the oldest record, and when the oldest of the others was made. */
static struct head *oldest(struct rings *r, uint64_t *ret_others_ns)
{
	struct head *first = &r->heads[0];

	*ret_others_ns = TIME_EMPTY;
	for (size_t i = 1; i < r->count; i++) {
		struct head *h = &r->heads[i];

		if (h->time_ns < first->time_ns) {
			*ret_others_ns = first->time_ns;
			first = h;
		} else if (h->time_ns < *ret_others_ns) {
			*ret_others_ns = h->time_ns;
		}
	}
	return first;
}

/* What of one ring comes before all that the others have. */
static size_t consume(struct rings *r, struct head *h, uint64_t until_ns, size_t limit)
{
	size_t count = 0;

	while (count < limit && h->time_ns != TIME_BUSY && h->time_ns <= until_ns) {
		r->on_record(h->record, h->size, r->userdata);
		ring_take(h->ring);
		peek(h);
		count++;
	}
	return count;
}

size_t rings_consume(struct rings *r, uint64_t until_ns, size_t limit)
{
	uint64_t others_ns;
	size_t count = 0, taken;

	for (size_t i = 0; i < r->count; i++) {
		ring_open(r->heads[i].ring);
		peek(&r->heads[i]);
	}
	do {
		struct head *h = oldest(r, &others_ns);

		taken = consume(r, h, others_ns < until_ns ? others_ns : until_ns, limit - count);
		count += taken;
	} while (taken);
	r->behind = oldest(r, &others_ns)->time_ns <= until_ns;
	for (size_t i = 0; i < r->count; i++)
		ring_close(r->heads[i].ring);
	return count;
}

bool rings_behind(const struct rings *r)
{
	return r->behind;
}
