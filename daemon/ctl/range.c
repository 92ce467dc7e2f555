/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/range.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Digits and a point, with a sign before: what strtod(3) takes besides is no number here. */
static int take_number(const char **at, double *ret)
{
	size_t sign = **at == '-', length = sign + strspn(*at + sign, "0123456789.");
	char *end;

	if (!isdigit((unsigned char)(*at)[sign]))
		return -EINVAL;
	*ret = strtod(*at, &end);
	if (end != *at + length || !isfinite(*ret))
		return -EINVAL;
	*at = end;
	return 0;
}

/* The end, which may be missing: then there is none. */
static int take_end(const char *at, double *ret)
{
	*ret = INFINITY;
	if (!*at)
		return 0;
	return take_number(&at, ret) < 0 || *at ? -EINVAL : 0;
}

int range_parse(const char *text, struct range *ret)
{
	struct range range = {.inside = *text == '@'};
	const char *at = text + range.inside;

	if (*at == '~' && at[1] == ':') {
		range.start = -INFINITY;
		at++;
	} else if (take_number(&at, &range.start) < 0) {
		return -EINVAL;
	}
	if (*at == ':') {
		if (take_end(at + 1, &range.end) < 0)
			return -EINVAL;
	} else if (*at) {
		return -EINVAL;
	} else {
		range.end = range.start;
		range.start = 0;
	}
	if (range.start > range.end)
		return -EINVAL;
	*ret = range;
	return 0;
}

bool range_alerts(const struct range *range, double value)
{
	bool in = value >= range->start && value <= range->end;

	return in == range->inside;
}
