/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <err.h>
#include <stdio.h>
#include <unistd.h>

#include "base/util.h"
#include "rates.h"
#include "source/counters.h"

static uint64_t segments(const struct opener_files *files)
{
	uint64_t count;

	if (counters_segments(files, &count) < 0)
		errx(1, "the kernel does not say how many segments came");
	return count;
}

double rates_measure(const struct opener_files *files, unsigned settle_usec, unsigned slice_usec)
{
	uint64_t before, began_ns;

	usleep(settle_usec);
	began_ns = now_ns(CLOCK_MONOTONIC);
	before = segments(files);
	usleep(slice_usec);
	return (double)(segments(files) - before) * (double)NSEC_PER_SEC /
	       (double)(now_ns(CLOCK_MONOTONIC) - began_ns);
}

void rates_print(const char *const names[], size_t name_count, const double *rates, size_t rounds)
{
	for (size_t i = 0; i < name_count; i++) {
		printf("%s\"%s\":[", i ? "," : "{", names[i]);
		for (size_t j = 0; j < rounds; j++)
			printf("%s%.0f", j ? "," : "", rates[j * name_count + i]);
		fputs("]", stdout);
	}
	puts("}");
}
