/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hold: TCP sockets held open over the loopback of a network namespace of its own, in pairs: both
 * ends of a connection ESTABLISHED, or one in CLOSE_WAIT and the other, still held, in FIN_WAIT2. A
 * process may have only so many descriptors, so they are spread over as many as it takes, each with
 * one listener.
 *
 * Prints one line of JSON when all are there, and ends when stdin does; with it end all its
 * processes, even if it is killed, and with them the namespace. The sockets are closed by RST: an
 * end takes little time and leaves no TIME_WAIT.
 */
#include <err.h>
#include <getopt.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/util.h"
#include "loopback.h"

/* Some 10 GB of kernel memory: more than this bench has a use for. */
#define SOCKETS_MAX 4000000
/* Of a process, for all that is not a pair: stdio, pipes, the listener. */
#define DESCRIPTORS_SPARE 32
/* Of a process: well below the ephemeral ports to one address. */
#define PAIRS_MAX 30000
/* Connections are accepted one by one, as they are made. */
#define BACKLOG 16

struct plan {
	uint64_t pairs;
	uint64_t close_wait; /* of them */
	uint64_t pairs_each; /* of a process */
};

struct pipes {
	int ready[2]; /* a byte from each process that holds its share */
	int end[2];   /* closed by the parent's end */
};

static uint64_t at_most(uint64_t value, uint64_t limit)
{
	return value < limit ? value : limit;
}

/* As many as the hard limit allows. */
static uint64_t pairs_of_a_process(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		err(1, "cannot read RLIMIT_NOFILE");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		err(1, "cannot raise RLIMIT_NOFILE to its hard limit");
	if (limit.rlim_cur < DESCRIPTORS_SPARE + 2)
		errx(1, "RLIMIT_NOFILE is too low: %ju", (uintmax_t)limit.rlim_cur);
	return at_most((limit.rlim_cur - DESCRIPTORS_SPARE) / 2, PAIRS_MAX);
}

static void hold_pairs(uint32_t host, uint64_t pairs, uint64_t close_wait)
{
	int listener = loopback_listen(host, BACKLOG, true);

	for (uint64_t i = 0; i < pairs; i++) {
		int client = loopback_connect(host, true);

		loopback_accept(listener);
		if (i < close_wait && shutdown(client, SHUT_WR) < 0)
			err(1, "cannot shut down a connection's sending side");
	}
}

static int run_holder(const struct plan *plan, const struct pipes *pipes, uint32_t number)
{
	uint64_t first = number * plan->pairs_each;
	uint64_t pairs = at_most(plan->pairs - first, plan->pairs_each);
	uint64_t close_wait = plan->close_wait > first ? plan->close_wait - first : 0;
	char byte;

	close(pipes->ready[0]);
	close(pipes->end[1]);
	hold_pairs(1 + number, pairs, at_most(close_wait, pairs));
	if (write(pipes->ready[1], "r", 1) != 1)
		return 1;
	return read(pipes->end[0], &byte, 1) == 0 ? 0 : 1;
}

static void await_holders(int ready, uint32_t count)
{
	char byte;

	for (uint32_t i = 0; i < count; i++)
		if (read(ready, &byte, 1) != 1)
			errx(1, "%u of %u processes could not hold their sockets", count - i,
			     count);
}

static void hold(const struct plan *plan)
{
	uint32_t count = (uint32_t)((plan->pairs + plan->pairs_each - 1) / plan->pairs_each);
	struct pipes pipes;

	if (pipe(pipes.ready) < 0 || pipe(pipes.end) < 0)
		err(1, "cannot make a pipe");
	for (uint32_t number = 0; number < count; number++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "cannot start process %u of %u", number + 1, count);
		if (pid == 0)
			_exit(run_holder(plan, &pipes, number));
	}
	close(pipes.ready[1]);
	close(pipes.end[0]);
	await_holders(pipes.ready[0], count);
	printf("{\"netns\":%u,\"processes\":%u,\"sockets\":%ju,\"listen\":%u,\"established\":%ju,"
	       "\"close_wait\":%ju,\"fin_wait2\":%ju}\n",
	       loopback_netns(), count, (uintmax_t)plan->pairs * 2 + count, count,
	       (uintmax_t)(plan->pairs - plan->close_wait) * 2, (uintmax_t)plan->close_wait,
	       (uintmax_t)plan->close_wait);
	fflush(stdout);
	while (getchar() != EOF)
		;
	close(pipes.end[1]);
	while (wait(NULL) > 0)
		;
}

static const struct option options[] = {
	{"sockets", required_argument, NULL, 's'},
	{"close-wait", required_argument, NULL, 'c'},
	{"help", no_argument, NULL, 'h'},
	{},
};

static const char usage[] =
	"Usage: hold [--sockets N] [--close-wait N]\n"
	"Holds TCP connections in a network namespace of its own until stdin ends.\n"
	"  --sockets N     two for each connection (20000)\n"
	"  --close-wait N  of them in CLOSE_WAIT, and as many in FIN_WAIT2 (0)\n";

static void parse(int argc, char **argv, uint64_t *ret_sockets, uint64_t *ret_close_wait)
{
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's') {
			*ret_sockets = loopback_number("--sockets", optarg, 2, SOCKETS_MAX);
		} else if (c == 'c') {
			*ret_close_wait = loopback_number("--close-wait", optarg, 0,
							  SOCKETS_MAX / 2);
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
}

int main(int argc, char **argv)
{
	uint64_t sockets = 20000, close_wait = 0;
	struct plan plan;

	parse(argc, argv, &sockets, &close_wait);
	plan = (struct plan){
		.pairs = sockets / 2, .close_wait = close_wait, .pairs_each = pairs_of_a_process()};
	if (plan.close_wait > plan.pairs)
		errx(2, "--close-wait may be half of --sockets, not more: each has its other end "
			"in FIN_WAIT2");
	loopback_enter();
	hold(&plan);
	return 0;
}
