/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/util.h"
#include "source/opener_process.h"

#define NAMES "/run/netns"  /* of ip-netns(8) */
#define LINK_PREFIX "net:[" /* of what /proc/PID/ns/net leads to, before the inode number */
#define ENTRIES_SIZE 32768  /* bytes of a directory's entries, read at a time */
/* Namespaces that a scan tells once each, as a table that may be half full; a host that has more is
 * told some of them again and again, which costs time and does no harm. */
#define SEEN_SIZE 16384U
#define SERVE_EVERY 16 /* processes of a scan, some 30 us, between two looks for a request */

/* There is one opener in a process, and it is all that the process does. */
static struct {
	int socket;
	int proc;   /* /proc */
	int home;   /* the namespace that it started in */
	dev_t nsfs; /* the file system that namespace files are on */
	bool told;  /* which programs there are */
	struct opener_programs programs;
	uint32_t seen[SEEN_SIZE], seen_count;
	_Alignas(struct dirent64) char entries[ENTRIES_SIZE];
} opener;

/* Not exit(3): what the daemon registered there is not for this process. */
static _Noreturn void end(int status)
{
	_exit(status);
}

static void tell(const struct opener_message *message, const int *fds, size_t count)
{
	if (opener_message_send(opener.socket, message, fds, count, 0) < 0)
		end(EXIT_FAILURE);
}

/* Opening. */

static int open_place(const struct opener_place *place, int *ret)
{
	char path[sizeof(NAMES) + sizeof(place->name)];
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (place->pid)
		snprintf(path, sizeof(path), "/proc/%u/ns/net", place->pid);
	else
		snprintf(path, sizeof(path), NAMES "/%s", place->name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != opener.nsfs || (uint32_t)st.st_ino != place->inum)
		return -ESTALE;
	*ret = TAKE_FD(fd);
	return 0;
}

static int open_there(const struct opener_place *place, struct opener_files *ret)
{
	_cleanup_close_ int fd = -1;
	int error = open_place(place, &fd);

	if (error < 0)
		return error;
	if (setns(fd, CLONE_NEWNET) < 0)
		return -errno;
	error = opener_files_open(false, opener.told ? &opener.programs : NULL, ret);
	/* to stay would keep the namespace alive */
	if (setns(opener.home, CLONE_NEWNET) < 0)
		end(EXIT_FAILURE);
	return error;
}

static void answer_open(const struct opener_place *place)
{
	struct opener_message answer = {.verb = OPENER_OPENED, .place = *place};
	struct opener_files files = OPENER_FILES_NONE;
	const int *all = &files.diag;
	int fds[OPENER_FILES_COUNT];
	size_t count = 0;

	answer.error = open_there(place, &files);
	answer.hook_error = files.hook_error;
	for (size_t i = 0; i < OPENER_FILES_COUNT; i++) {
		if (all[i] < 0)
			continue;
		answer.files |= UINT64_C(1) << i;
		fds[count++] = all[i];
	}
	tell(&answer, fds, count);
	opener_files_close(&files);
}

/* Scanning. */

/* Whether this scan has met it before. */
static bool seen(uint32_t inum)
{
	uint32_t at = inum * UINT32_C(2654435761) % SEEN_SIZE; /* Knuth's multiplier */

	while (opener.seen[at] && opener.seen[at] != inum)
		at = (at + 1) % SEEN_SIZE;
	if (opener.seen[at])
		return true;
	if (opener.seen_count < SEEN_SIZE / 2) {
		opener.seen[at] = inum;
		opener.seen_count++;
	}
	return false;
}

static void tell_found(struct opener_place *place)
{
	const struct opener_message found = {.verb = OPENER_FOUND, .place = *place};

	if (!seen(place->inum))
		tell(&found, NULL, 0);
}

/* The kernel's name of the namespace says which it is, at half the cost of a stat(2). */
static void on_process(int proc, const char *name)
{
	struct opener_place place = {0};
	char path[64], link[32] = "", *end;
	ssize_t length;

	place.pid = (uint32_t)strtoul(name, &end, 10);
	if (!place.pid || *end)
		return;
	snprintf(path, sizeof(path), "%u/ns/net", place.pid);
	length = readlinkat(proc, path, link, sizeof(link) - 1);
	if (length <= (ssize_t)strlen(LINK_PREFIX) ||
	    strncmp(link, LINK_PREFIX, strlen(LINK_PREFIX)) != 0)
		return; /* it has ended, or is not ours to look at */
	place.inum = (uint32_t)strtoul(link + strlen(LINK_PREFIX), NULL, 10);
	tell_found(&place);
}

static void on_name(int names, const char *name)
{
	struct opener_place place = {0};
	struct stat st;

	if (strlen(name) >= sizeof(place.name) || fstatat(names, name, &st, 0) < 0 ||
	    !S_ISREG(st.st_mode) || st.st_dev != opener.nsfs)
		return;
	memcpy(place.name, name, strlen(name));
	place.inum = (uint32_t)st.st_ino;
	tell_found(&place);
}

static void serve(int flags);

/* Each entry of a directory; between them, what the daemon asks for meanwhile. */
static int walk(int directory, void (*on_entry)(int directory, const char *name))
{
	unsigned count = 0;
	ssize_t length;

	if (lseek(directory, 0, SEEK_SET) < 0)
		return -errno;
	while ((length = getdents64(directory, opener.entries, sizeof(opener.entries))) > 0)
		for (ssize_t at = 0; at < length;) {
			const struct dirent64 *entry = (const struct dirent64 *)(opener.entries +
										 at);

			on_entry(directory, entry->d_name);
			at += entry->d_reclen;
			if (++count % SERVE_EVERY == 0)
				serve(MSG_DONTWAIT);
		}
	return length < 0 ? -errno : 0;
}

static void answer_scan(void)
{
	struct opener_message answer = {.verb = OPENER_SCANNED};
	uint64_t started = now_ns(CLOCK_THREAD_CPUTIME_ID);
	/* there only when a namespace has, or had, a name */
	_cleanup_close_ int names = open(NAMES, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	memset(opener.seen, 0, sizeof(opener.seen));
	opener.seen_count = 0;
	answer.error = walk(opener.proc, on_process);
	if (names >= 0)
		walk(names, on_name);
	answer.cost_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - started;
	tell(&answer, NULL, 0);
}

/* The socket. */

static void take_programs(const int *fds, size_t count)
{
	if (opener.told || (count != 1 && count != OPENER_PROGRAMS_COUNT))
		end(EXIT_FAILURE);
	opener.programs = (struct opener_programs){.hooks = {-1, -1}};
	memcpy(&opener.programs.older, fds, count * sizeof(*fds));
	opener.told = true;
}

/* One request, if there is one or if it is to be waited for. */
static void serve(int flags)
{
	static bool scanning;
	struct opener_message request;
	int fds[OPENER_FILES_COUNT], r;
	size_t count;

	r = opener_message_receive(opener.socket, &request, fds, &count, flags);
	if (r == -EAGAIN || r == -EINTR)
		return;
	if (r <= 0)
		end(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	if (count && request.verb != OPENER_PROGRAMS)
		end(EXIT_FAILURE);
	request.place.name[sizeof(request.place.name) - 1] = '\0';
	switch (request.verb) {
	case OPENER_PROGRAMS:
		take_programs(fds, count);
		break;
	case OPENER_OPEN:
		if (strchr(request.place.name, '/'))
			end(EXIT_FAILURE);
		answer_open(&request.place);
		break;
	case OPENER_SCAN:
		if (scanning)
			end(EXIT_FAILURE);
		scanning = true;
		answer_scan();
		scanning = false;
		break;
	default:
		end(EXIT_FAILURE);
	}
}

int opener_process_prepare(void)
{
	struct stat st;

	opener.proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	opener.home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (opener.proc < 0 || opener.home < 0 || fstat(opener.home, &st) < 0)
		return -errno;
	opener.nsfs = st.st_dev;
	return 0;
}

_Noreturn void opener_process_run(int socket)
{
	opener.socket = socket;
	for (;;)
		serve(0);
}
