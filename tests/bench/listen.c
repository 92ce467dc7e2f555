/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listen: listeners on many ports in many network namespaces, a process in each. Prints a line of
 * JSON when all are there, and ends when stdin does; with it end all its processes, even if it is
 * killed, and with them the namespaces.
 */
#include <arpa/inet.h>
#include <err.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/util.h"
#include "loopback.h"

#define NAMESPACES_MAX 1000
#define LISTENERS_MAX 10000 /* in each: half the descriptors that a process may have */
#define PORT_FIRST 2000
#define BACKLOG 128

struct pipes {
	int ready[2]; /* a byte from each process that listens */
	int end[2];   /* closed by the parent's end */
};

static void listen_at(uint16_t port)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons(port),
					    .sin_addr.s_addr = htonl(INADDR_ANY)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, BACKLOG) < 0)
		err(1, "cannot listen on port %u", port);
}

static int run_process(const struct pipes *pipes, uint64_t listeners)
{
	char byte;

	close(pipes->ready[0]);
	close(pipes->end[1]);
	loopback_enter();
	for (uint64_t i = 0; i < listeners; i++)
		listen_at((uint16_t)(PORT_FIRST + i));
	if (write(pipes->ready[1], "r", 1) != 1)
		return 1;
	return read(pipes->end[0], &byte, 1) == 0 ? 0 : 1;
}

static void start(const struct pipes *pipes, uint64_t namespaces, uint64_t listeners)
{
	for (uint64_t i = 0; i < namespaces; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "cannot start process %ju of %ju", (uintmax_t)i + 1,
			    (uintmax_t)namespaces);
		if (pid == 0)
			_exit(run_process(pipes, listeners));
	}
}

static void listen_all(uint64_t namespaces, uint64_t listeners)
{
	struct pipes pipes;
	char byte;

	if (pipe(pipes.ready) < 0 || pipe(pipes.end) < 0)
		err(1, "cannot make a pipe");
	start(&pipes, namespaces, listeners);
	close(pipes.ready[1]);
	close(pipes.end[0]);
	for (uint64_t i = 0; i < namespaces; i++)
		if (read(pipes.ready[0], &byte, 1) != 1)
			errx(1, "%ju of %ju processes could not listen",
			     (uintmax_t)(namespaces - i), (uintmax_t)namespaces);
	printf("{\"namespaces\":%ju,\"listeners\":%ju}\n", (uintmax_t)namespaces,
	       (uintmax_t)(namespaces * listeners));
	fflush(stdout);
	while (getchar() != EOF)
		;
	close(pipes.end[1]);
	while (wait(NULL) > 0)
		;
}

static const struct option options[] = {
	{"namespaces", required_argument, NULL, 'n'},
	{"listeners", required_argument, NULL, 'l'},
	{"help", no_argument, NULL, 'h'},
	{},
};

static const char usage[] = "Usage: listen [--namespaces N] [--listeners N]\n"
			    "Listens in network namespaces of its own until stdin ends.\n"
			    "  --namespaces N  (50)\n"
			    "  --listeners N   in each, on as many ports (100)\n";

int main(int argc, char **argv)
{
	uint64_t namespaces = 50, listeners = 100;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'n') {
			namespaces = loopback_number("--namespaces", optarg, 1, NAMESPACES_MAX);
		} else if (c == 'l') {
			listeners = loopback_number("--listeners", optarg, 1, LISTENERS_MAX);
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
	listen_all(namespaces, listeners);
	return 0;
}
