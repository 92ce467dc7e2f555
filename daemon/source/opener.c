/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/util.h"
#include "source/opener.h"
#include "source/opener_process.h"

#define NAME "tcpwatch-opener" /* 15 characters, as many as there may be */
#define SOCKET 3               /* of the opener, behind those that every process has */

struct opener {
	int socket;
};

/* The new process. */

/* It ends with the daemon, and not when a terminal or a service manager tells all processes to: the
 * daemon would take that for a failure. */
static void ignore_signals(void)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		signal(signals[i], SIG_IGN);
}

static int close_others(int socket)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	for (int fd = 0; fd < SOCKET; fd++)
		if (dup2(null, fd) < 0)
			return -errno;
	if (socket != SOCKET && dup3(socket, SOCKET, O_CLOEXEC) < 0)
		return -errno;
	return close_range(SOCKET + 1, ~0U, 0) < 0 ? -errno : 0;
}

static int set_up(int socket, int (*confine)(void *userdata), void *userdata)
{
	int error;

	ignore_signals();
	prctl(PR_SET_NAME, NAME);
	error = close_others(socket);
	if (!error)
		error = opener_process_prepare();
	return error ? error : confine(userdata);
}

static _Noreturn void run(int socket, int (*confine)(void *userdata), void *userdata)
{
	struct opener_message hello = {.verb = OPENER_SCANNED};

	hello.error = set_up(socket, confine, userdata);
	opener_message_send(SOCKET, &hello, NULL, 0, 0);
	if (hello.error)
		_exit(EXIT_FAILURE);
	opener_process_run(SOCKET);
}

/* The daemon. */

/* The first message says how it started. */
static int wait_for_start(int socket)
{
	int fds[OPENER_FILES_COUNT], r;
	struct opener_message hello;
	size_t count;

	do
		r = opener_message_receive(socket, &hello, fds, &count, 0);
	while (r == -EINTR);
	if (r <= 0)
		return r < 0 ? r : -EPIPE;
	return hello.error;
}

int opener_start(int (*confine)(void *userdata), void *userdata, struct opener **ret)
{
	struct opener *o = calloc(1, sizeof(*o));
	int pair[2], error;
	pid_t pid;

	if (!o)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		free(o);
		return -errno;
	}
	pid = fork();
	if (!pid)
		run(pair[1], confine, userdata);
	error = pid < 0 ? -errno : 0;
	close(pair[1]);
	o->socket = pair[0];
	if (!error)
		error = wait_for_start(o->socket);
	if (error < 0) {
		opener_free(o);
		return error;
	}
	*ret = o;
	return 0;
}

struct opener *opener_free(struct opener *o)
{
	if (o)
		close(o->socket);
	free(o);
	return NULL;
}

int opener_fd(const struct opener *o)
{
	return o->socket;
}

int opener_set_programs(struct opener *o, const struct opener_programs *programs)
{
	const struct opener_message request = {.verb = OPENER_PROGRAMS};
	size_t count = programs->hooks[0] >= 0 ? OPENER_PROGRAMS_COUNT : 1;

	return opener_message_send(o->socket, &request, &programs->older, count, MSG_DONTWAIT);
}

int opener_scan(struct opener *o)
{
	const struct opener_message request = {.verb = OPENER_SCAN};

	return opener_message_send(o->socket, &request, NULL, 0, MSG_DONTWAIT);
}

int opener_open(struct opener *o, const struct opener_place *place)
{
	const struct opener_message request = {.verb = OPENER_OPEN, .place = *place};

	return opener_message_send(o->socket, &request, NULL, 0, MSG_DONTWAIT);
}

/* Each descriptor to its place. */
static void sort(const struct opener_message *message, const int *fds, size_t count,
		 struct opener_files *ret)
{
	int *all = &ret->diag;
	size_t next = 0;

	for (size_t i = 0; i < OPENER_FILES_COUNT && next < count; i++)
		if (message->files & UINT64_C(1) << i)
			all[i] = fds[next++];
	while (next < count)
		close(fds[next++]);
	ret->hook_error = message->hook_error;
}

int opener_receive(struct opener *o, struct opener_answer *ret)
{
	static const enum opener_answer_type types[] = {
		[OPENER_FOUND] = OPENER_ANSWER_FOUND,
		[OPENER_SCANNED] = OPENER_ANSWER_SCANNED,
		[OPENER_OPENED] = OPENER_ANSWER_OPENED,
	};
	struct opener_answer answer = {.files = OPENER_FILES_NONE};
	int fds[OPENER_FILES_COUNT], r;
	struct opener_message message;
	size_t count;

	r = opener_message_receive(o->socket, &message, fds, &count, MSG_DONTWAIT);
	if (!r || r == -ECONNRESET)
		return -EPIPE;
	if (r < 0 && r != -EMFILE)
		return r;
	if (message.verb < OPENER_FOUND || message.verb > OPENER_OPENED)
		return -EBADMSG;
	sort(&message, fds, count, &answer.files);
	answer.type = types[message.verb];
	answer.place = message.place;
	answer.error = r < 0 ? r : message.error;
	answer.cost_ns = message.cost_ns;
	*ret = answer;
	return 1;
}
