/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attach: what the daemon's programs at the tracepoint cost the connections that go on in the
 * network namespace that this runs in, and what programs that do nothing cost there. They are
 * attached and detached many times a second, so that all are measured at the same speed of the
 * machine. What they tell is thrown away: the daemon's own time is not in it.
 *
 * Prints a line of JSON at the end: segments handled a second, round by round, with each of them.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "base/util.h"
#include "bpf/transitions.skel.h"
#include "loopback.h"
#include "rates.h"
#include "source/rings.h"

#define SECONDS_MAX 120
#define SLICE_USEC 15000
#define SETTLE_USEC 3000    /* after a change */
#define ROUNDS_MAX 3000     /* in SECONDS_MAX */
#define RING_SIZE (1 << 20) /* more than a slice fills */
#define RINGS_MAX 64        /* a power of two */

enum contender { NONE, EMPTY, EMPTY_PAIR, TRANSITIONS, CONTENDERS };

static const char *const names[CONTENDERS] = {"none", "empty", "empty_pair", "transitions"};

/* In the order in which they are attached. */
struct pair {
	const struct bpf_program *first, *second; /* NULL: none */
};

static double rounds[ROUNDS_MAX][CONTENDERS];

static const struct bpf_program *load_empty(const char *path)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);

	if (!object || bpf_object__load(object) < 0)
		err(1, "cannot load %s", path);
	return bpf_object__next_program(object, NULL);
}

static void throw_away(const void *record, size_t size, void *userdata)
{
	(void)record;
	(void)size;
	(void)userdata;
}

/* The programs as the daemon has them, with a ring for each processor. */
static struct pair load_transitions(struct rings **ret)
{
	struct transitions_bpf *s = transitions_bpf__open();
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	int fds[RINGS_MAX];
	uint32_t count = 1;

	if (!s)
		err(1, "cannot open the daemon's programs");
	while (count < processors && count < RINGS_MAX)
		count *= 2;
	s->rodata->wake_bytes = RING_SIZE;
	s->rodata->ring_mask = count - 1;
	bpf_map__set_max_entries(s->maps.rings, count);
	bpf_map__set_max_entries(s->maps.cpus, (uint32_t)libbpf_num_possible_cpus());
	if (transitions_bpf__load(s) < 0)
		err(1, "cannot load the daemon's programs");
	for (uint32_t i = 0; i < count; i++) {
		fds[i] = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "ring", 0, 0, RING_SIZE, NULL);
		if (fds[i] < 0 ||
		    bpf_map_update_elem(bpf_map__fd(s->maps.rings), &i, &fds[i], BPF_ANY) < 0)
			err(1, "cannot make a ring buffer");
	}
	if (rings_new(fds, count, RING_SIZE, throw_away, NULL, ret) < 0)
		errx(1, "cannot map the ring buffers");
	return (struct pair){s->progs.transitions, s->progs.missed};
}

static struct bpf_link *attach(const struct bpf_program *program)
{
	struct bpf_link *link = program ? bpf_program__attach(program) : NULL;

	if (program && !link)
		err(1, "cannot attach a program");
	return link;
}

/* Segments handled a second. */
static double measure(const struct pair *pair, const struct opener_files *files)
{
	struct bpf_link *first = attach(pair->first), *second = attach(pair->second);
	double rate = rates_measure(files, SETTLE_USEC, SLICE_USEC);

	bpf_link__destroy(second);
	bpf_link__destroy(first);
	return rate;
}

static void shuffle(enum contender order[CONTENDERS])
{
	for (long i = CONTENDERS - 1; i > 0; i--) {
		long other = random() % (i + 1);
		enum contender kept = order[i];

		order[i] = order[other];
		order[other] = kept;
	}
}

static size_t measure_all(const char *empty, uint64_t seconds)
{
	const struct bpf_program *first = load_empty(empty), *second = load_empty(empty);
	struct rings *rings;
	const struct pair pairs[CONTENDERS] = {
		[EMPTY] = {first, NULL},
		[EMPTY_PAIR] = {first, second},
		[TRANSITIONS] = load_transitions(&rings),
	};
	enum contender order[CONTENDERS] = {NONE, EMPTY, EMPTY_PAIR, TRANSITIONS};
	uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + seconds * NSEC_PER_SEC;
	struct opener_files files;
	size_t count = 0;

	if (opener_files_open(false, NULL, &files) < 0)
		errx(1, "cannot open the namespace's files");
	for (; now_ns(CLOCK_MONOTONIC) < end_ns && count < ROUNDS_MAX; count++) {
		shuffle(order);
		for (size_t i = 0; i < CONTENDERS; i++)
			rounds[count][order[i]] = measure(&pairs[order[i]], &files);
		rings_consume(rings, now_ns(CLOCK_MONOTONIC), SIZE_MAX);
	}
	return count;
}

static const struct option options[] = {
	{"empty", required_argument, NULL, 'e'},
	{"seconds", required_argument, NULL, 's'},
	{"help", no_argument, NULL, 'h'},
	{},
};

static const char usage[] =
	"Usage: attach --empty FILE [--seconds N]\n"
	"Attaches the programs for transitions, and detaches them, while connections come and go.\n"
	"  --empty FILE  an object file with a program that does nothing\n"
	"  --seconds N   (20)\n";

int main(int argc, char **argv)
{
	const char *empty = NULL;
	uint64_t seconds = 20;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'e') {
			empty = optarg;
		} else if (c == 's') {
			seconds = loopback_number("--seconds", optarg, 1, SECONDS_MAX);
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (!empty)
		errx(2, "--empty FILE is missing");
	rates_print(names, CONTENDERS, &rounds[0][0], measure_all(empty, seconds));
	return 0;
}
