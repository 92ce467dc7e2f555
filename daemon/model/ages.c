/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "model/ages.h"

#define SECOND_NS UINT64_C(1000000000)

const uint64_t age_bounds_seconds[AGE_BOUNDS] = {1, 10, 60, 300, 3600, 86400};

_Static_assert(AGE_BOUNDS < TABLE_MARKS_MAX, "a state has marks left for others");

void ages_init(struct ages *a, struct table *t)
{
	TW_FOR_EACH_STATE(state)
		for (unsigned i = 0; i < AGE_BOUNDS && state != TW_CLOSE; i++) {
			a->marks[state][i].age_ns = age_bounds_seconds[i] * SECOND_NS;
			table_mark_add(t, state, &a->marks[state][i]);
		}
}

uint32_t ages_older(const struct ages *a, unsigned state, unsigned bound)
{
	return a->marks[state][bound].count;
}
