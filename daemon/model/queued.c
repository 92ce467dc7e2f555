/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "model/queued.h"

#define STEP 64U

void queued_clear(struct queued *q)
{
	free(q->cookies);
	*q = (struct queued){0};
}

bool queued_add(struct queued *q, uint64_t cookie)
{
	if (q->count == QUEUED_MAX)
		return false;
	if (q->count == q->allocated) {
		size_t allocated = q->allocated * 2 + STEP;
		uint64_t *cookies = realloc(q->cookies, allocated * sizeof(*cookies));

		if (!cookies)
			return false;
		q->cookies = cookies;
		q->allocated = allocated;
	}
	q->cookies[q->count++] = cookie;
	return true;
}
