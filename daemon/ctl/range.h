/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ranges of the monitoring plug-ins' guidelines: what a value should be in, "N", "N:", "~:N",
 * "N:M", or with '@' before it what it should be out of. Both ends are in the range.
 */
#ifndef CTL_RANGE_H
#define CTL_RANGE_H

#include <stdbool.h>

struct range {
	double start, end; /* or infinite */
	bool inside;       /* a value inside is to be told, and not one outside */
};

/* 0, or -EINVAL. */
int range_parse(const char *text, struct range *ret);
/* Whether the value is to be told. */
bool range_alerts(const struct range *range, double value);

#endif
