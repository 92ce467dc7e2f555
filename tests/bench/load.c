/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load: TCP connections over loopback, as many as two threads can make: connect, one byte each way,
 * close. Prints a line with its network namespace once it is ready, and a line of JSON with the
 * rate at its end.
 *
 * Each connection is ten transitions, always the same: the client closes first, and the server
 * closes only on reading that. One after the other the connections wait for wake-ups as much as
 * they work; with --ahead the client opens as many more before it reads the first one's answer, so
 * that the threads seldom wait.
 *
 * Each run has a namespace of its own, so it starts without a single TIME_WAIT and all runs are
 * alike. Every connection leaves one, which is part of the load; HOSTS destination addresses times
 * the port range are tuples enough for all that a run may make, so none is used twice.
 */
#include <err.h>
#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "base/util.h"
#include "loopback.h"

/* 127.0.0.1 to 127.0.0.64, with 64,512 ports each */
#define HOSTS 64
/* Less than HOSTS times the ports, and than LOOPBACK_TIME_WAIT_MAX. */
#define CONNECTIONS_MAX 4000000
#define SECONDS_MAX 600
#define AHEAD_MAX 64
/* More than can be under way, so that no SYN is ever dropped and sent again a second later. */
#define BACKLOG 128
/* Connections between two looks at the clock. */
#define CHECK_EVERY 64
/* Of one connection: five at each end. */
#define TRANSITIONS 10
/* To LISTEN and, at the program's end, to CLOSE. */
#define TRANSITIONS_LISTENER 2

struct settings {
	uint64_t seconds;
	uint64_t connections;
	uint64_t ahead;
	bool wait;
};

/* The descriptors under way, in order: those of the last ahead + 1 connections. */
struct window {
	uint64_t ahead;
	uint64_t begun, finished;
	void (*finish)(int fd);
	int fds[AHEAD_MAX + 1];
};

struct server {
	int listener;
	struct window window;
};

static void send_byte(int fd)
{
	if (write(fd, "x", 1) != 1)
		err(1, "cannot send a byte");
}

static void expect(int fd, ssize_t expected)
{
	char byte;
	ssize_t got = read(fd, &byte, 1);

	if (got < 0)
		err(1, "cannot read");
	if (got != expected)
		errx(1, "read %zd bytes where %zd were due", got, expected);
}

static void window_finish_one(struct window *w)
{
	w->finish(w->fds[w->finished % (w->ahead + 1)]);
	w->finished++;
}

static void window_add(struct window *w, int fd)
{
	w->fds[w->begun % (w->ahead + 1)] = fd;
	w->begun++;
	if (w->begun - w->finished > w->ahead)
		window_finish_one(w);
}

static void window_drain(struct window *w)
{
	while (w->finished < w->begun)
		window_finish_one(w);
}

static void server_finish(int fd)
{
	expect(fd, 0);
	close(fd);
}

/* The connection that brings no byte is the client's word that there will be no other. */
static bool serve_next(int listener, int *ret_fd)
{
	char byte;
	int fd = loopback_accept(listener);

	if (read(fd, &byte, 1) != 1) {
		close(fd);
		return false;
	}
	send_byte(fd);
	*ret_fd = fd;
	return true;
}

static void *serve(void *userdata)
{
	struct server *server = userdata;
	int fd;

	while (serve_next(server->listener, &fd))
		window_add(&server->window, fd);
	window_drain(&server->window);
	return NULL;
}

static void client_finish(int fd)
{
	expect(fd, 1);
	close(fd);
}

/* Connects until the time or the count is up; the number of connections made. */
static uint64_t run_client(const struct settings *settings, uint64_t end_ns)
{
	struct window window = {.ahead = settings->ahead, .finish = client_finish};

	while (window.begun < settings->connections) {
		int fd;

		if (window.begun % CHECK_EVERY == 0 && now_ns(CLOCK_MONOTONIC) >= end_ns)
			break;
		fd = loopback_connect(1 + (uint32_t)(window.begun % HOSTS), false);
		send_byte(fd);
		window_add(&window, fd);
	}
	window_drain(&window);
	close(loopback_connect(1, false));
	return window.begun;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void report(uint64_t made, double seconds)
{
	uint64_t transitions = (made + 1) * TRANSITIONS + TRANSITIONS_LISTENER;

	printf("{\"connections\":%ju,\"transitions\":%ju,\"seconds\":%.6f,\"per_second\":%.1f,"
	       "\"cpu_seconds\":%.3f}\n",
	       (uintmax_t)made, (uintmax_t)transitions, seconds, (double)made / seconds,
	       cpu_seconds());
}

static void run(const struct settings *settings, int listener)
{
	struct server server = {
		.listener = listener,
		.window = {.ahead = settings->ahead, .finish = server_finish},
	};
	uint64_t start_ns = now_ns(CLOCK_MONOTONIC), made;
	pthread_t thread;

	if (pthread_create(&thread, NULL, serve, &server) != 0)
		errx(1, "cannot start the server's thread");
	made = run_client(settings, start_ns + settings->seconds * NSEC_PER_SEC);
	pthread_join(thread, NULL);
	if (server.window.begun != made)
		errx(1, "the client made %ju connections and the server saw %ju", (uintmax_t)made,
		     (uintmax_t)server.window.begun);
	report(made, (double)(now_ns(CLOCK_MONOTONIC) - start_ns) / 1e9);
}

static const struct option options[] = {
	{"seconds", required_argument, NULL, 's'}, {"connections", required_argument, NULL, 'c'},
	{"ahead", required_argument, NULL, 'a'},   {"wait", no_argument, NULL, 'w'},
	{"help", no_argument, NULL, 'h'},          {},
};

static const char usage[] =
	"Usage: load [--seconds N] [--connections N] [--ahead N] [--wait]\n"
	"Makes TCP connections over the loopback of a network namespace of its own, and prints how "
	"many.\n"
	"  --seconds N      end after N seconds (3)\n"
	"  --connections N  end after N connections (4000000)\n"
	"  --ahead N        open N more before the first is closed (0)\n"
	"  --wait           begin at the first line on stdin; end without one when stdin ends\n";

static void parse(int argc, char **argv, struct settings *ret)
{
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's') {
			ret->seconds = loopback_number("--seconds", optarg, 1, SECONDS_MAX);
		} else if (c == 'c') {
			ret->connections = loopback_number("--connections", optarg, 1,
							   CONNECTIONS_MAX);
		} else if (c == 'a') {
			ret->ahead = loopback_number("--ahead", optarg, 0, AHEAD_MAX);
		} else if (c == 'w') {
			ret->wait = true;
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
}

int main(int argc, char **argv)
{
	struct settings settings = {.seconds = 3, .connections = CONNECTIONS_MAX};
	int listener;

	parse(argc, argv, &settings);
	loopback_enter();
	listener = loopback_listen(LOOPBACK_ANY, BACKLOG, false);
	printf("{\"netns\":%u}\n", loopback_netns());
	fflush(stdout);
	if (settings.wait && getchar() == EOF)
		return 0;
	run(&settings, listener);
	return 0;
}
