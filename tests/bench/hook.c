/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hook: what the daemon's program that counts SYNs costs a flood into the network namespace that
 * this runs in. The program is hooked in and taken out many times a second, so that both are
 * measured at the same speed of the machine, in pairs of which either comes first by chance.
 *
 * Prints a line of JSON at the end: segments handled a second, pair by pair; no pair where the
 * kernel does not take it (before Linux 6.4).
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "loopback.h"
#include "rates.h"
#include "source/syn.h"

#define SECONDS_MAX 120
#define SLICE_USEC 12000
#define SETTLE_USEC 2000
#define WINDOW_NSEC (500 * NSEC_PER_MSEC) /* the daemon's tick, in which it reads the sketch */
#define PAIRS_MAX 5000                    /* in SECONDS_MAX */

static const char *const names[] = {"without", "with"};

static double pairs[PAIRS_MAX][ARRAY_SIZE(names)];

/* Segments handled a second. Without the program all else is the same. */
static double measure(const struct opener_programs *programs)
{
	struct opener_files files;
	double rate;

	if (opener_files_open(false, programs, &files) < 0 ||
	    (programs && !opener_files_hooked(&files)))
		errx(1, "cannot hook the program in");
	rate = rates_measure(&files, SETTLE_USEC, SLICE_USEC);
	opener_files_close(&files);
	return rate;
}

static size_t measure_all(struct syn *syn, uint64_t seconds)
{
	struct opener_programs programs = {.older = -1};
	uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + seconds * NSEC_PER_SEC;
	uint64_t window_ns = now_ns(CLOCK_MONOTONIC);
	size_t count = 0;

	syn_programs(syn, programs.hooks);
	for (uint64_t now; (now = now_ns(CLOCK_MONOTONIC)) < end_ns && count < PAIRS_MAX; count++) {
		struct tw_source_summary summary;
		bool first = random() & 1;

		if (now - window_ns > WINDOW_NSEC) {
			syn_sources(syn, window_ns, now, &summary);
			window_ns = now;
		}
		pairs[count][first] = measure(first ? &programs : NULL);
		pairs[count][!first] = measure(first ? NULL : &programs);
	}
	return count;
}

static const struct option options[] = {
	{"port", required_argument, NULL, 'p'},
	{"seconds", required_argument, NULL, 's'},
	{"help", no_argument, NULL, 'h'},
	{},
};

static const char usage[] = "Usage: hook [--port PORT] [--seconds N]\n"
			    "Hooks the program that counts SYNs in and out while a flood comes.\n"
			    "  --port PORT   that it comes to (80)\n"
			    "  --seconds N   (20)\n";

int main(int argc, char **argv)
{
	uint64_t port = 80, seconds = 20;
	struct syn *syn;
	int c, error;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'p') {
			port = loopback_number("--port", optarg, 1, UINT16_MAX);
		} else if (c == 's') {
			seconds = loopback_number("--seconds", optarg, 1, SECONDS_MAX);
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
	error = syn_new(&syn);
	if (error < 0) {
		warnx("this kernel does not take the program: %s", strerror(-error));
		rates_print(names, ARRAY_SIZE(names), &pairs[0][0], 0);
		return 0;
	}
	if (syn_add(syn, loopback_netns(), (uint16_t)port) < 0)
		errx(1, "the port cannot be counted");
	rates_print(names, ARRAY_SIZE(names), &pairs[0][0], measure_all(syn, seconds));
	syn_free(syn);
	return 0;
}
