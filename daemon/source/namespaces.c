/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>

#include "base/util.h"
#include "source/namespaces.h"

#define STEP 16U
/* With that many namespaces the settings of more are not followed: each takes nine descriptors, and
 * a process may be limited to some thousands, which its sockets need first. */
#define SYSCTLS_MAX 250
/* For all there is to open at the start: a millisecond is long for one. What takes longer comes
 * later. */
#define START_NS (10 * NSEC_PER_SEC)

/* Whoever may make namespaces can make many: each event and each scan looks for one in a list. */
#define NAMESPACES_MAX 4096U
_Static_assert(NAMESPACES_MAX <= TW_PORT_RESTS_MAX, "SYNs of each are counted");
/* In which the opener may owe an answer, and say nothing: the longest scan takes seconds. Ticks and
 * not time, as that goes on while the host is suspended or the daemon stopped. */
#define SILENT_TICKS_MAX 60U
/* Descriptors that are not for namespaces: who asks must be heard, however many of these there are.
 */
#define DESCRIPTORS_LEFT 256

struct namespaces {
	struct opener *opener;               /* NULL: the daemon's own alone */
	size_t descriptors, descriptors_max; /* of the namespaces' files */
	struct namespace *entries;
	size_t count, allocated;
	size_t pending;  /* asked for, not answered */
	uint64_t serial; /* of the last one */
	unsigned silent; /* ticks since it last said something, or owed nothing */
	bool scanning;
	enum namespaces_limit full; /* one was left out since it was last told */
};

static size_t descriptors_max(void)
{
	struct rlimit limit = {.rlim_cur = FD_SETSIZE}; /* of old, if it is not told */

	getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur > DESCRIPTORS_LEFT ? limit.rlim_cur - DESCRIPTORS_LEFT : 0;
}

static struct namespace *add(struct namespaces *n, uint32_t inum)
{
	if (n->count == n->allocated) {
		size_t allocated = n->allocated + STEP;
		struct namespace *entries = realloc(n->entries, allocated * sizeof(*entries));

		if (!entries)
			return NULL;
		n->entries = entries;
		n->allocated = allocated;
	}
	n->entries[n->count] = (struct namespace){
		.inum = inum,
		.serial = ++n->serial,
		.files = OPENER_FILES_NONE,
		.error = -EINPROGRESS,
		.found = true,
	};
	return &n->entries[n->count++];
}

int namespaces_own(uint32_t *ret)
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st) < 0)
		return -errno;
	*ret = (uint32_t)st.st_ino;
	return 0;
}

/* For that nobody is asked. */
static int open_own(struct namespaces *n, const struct opener_programs *programs)
{
	struct namespace *own;
	uint32_t inum;
	int error = namespaces_own(&inum);

	if (error < 0)
		return error;
	own = add(n, inum);
	if (!own)
		return -ENOMEM;
	own->error = opener_files_open(true, programs, &own->files);
	n->descriptors += opener_files_count(&own->files);
	own->fresh = !own->error;
	return own->error;
}

int namespaces_new(struct opener *opener, const struct opener_programs *programs,
		   struct namespaces **ret)
{
	struct namespaces *n = calloc(1, sizeof(*n));
	int error;

	if (!n)
		return -ENOMEM;
	n->opener = opener;
	n->descriptors_max = descriptors_max();
	error = open_own(n, programs);
	if (!error && opener && programs)
		error = opener_set_programs(opener, programs);
	if (error < 0) {
		namespaces_free(n);
		return error;
	}
	*ret = n;
	return 0;
}

struct namespaces *namespaces_free(struct namespaces *n)
{
	if (!n)
		return NULL;
	for (size_t i = 0; i < n->count; i++)
		opener_files_close(&n->entries[i].files);
	free(n->entries);
	free(n);
	return NULL;
}

size_t namespaces_count(const struct namespaces *n)
{
	return n->count;
}

struct namespace *namespaces_at(const struct namespaces *n, size_t index)
{
	return &n->entries[index];
}

struct namespace *namespaces_find(const struct namespaces *n, uint32_t inum)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->entries[i].inum == inum)
			return &n->entries[i];
	return NULL;
}

void namespaces_close(struct namespaces *n, size_t index)
{
	n->descriptors -= opener_files_count(&n->entries[index].files);
	opener_files_close(&n->entries[index].files);
	n->count--;
	for (size_t i = index; i < n->count; i++)
		n->entries[i] = n->entries[i + 1];
}

void namespaces_older(struct namespaces *n, struct namespace *entry, bool list)
{
	int fd = TAKE_FD(entry->files.older);
	uint8_t end;

	if (fd < 0)
		return;
	while (list && read(fd, &end, sizeof(end)) < 0 && errno == EAGAIN)
		; /* it rests after a million objects */
	close(fd);
	n->descriptors--;
}

/* What leaves no room for one more, beside some that the opener is at. */
static enum namespaces_limit limit(const struct namespaces *n, size_t pending)
{
	size_t each = OPENER_FILES_COUNT - (n->count > SYSCTLS_MAX ? TW_SYSCTL_COUNT : 0);

	if (n->count >= NAMESPACES_MAX)
		return NAMESPACES_LIMIT_COUNT;
	if (n->descriptors + (pending + 1) * each > n->descriptors_max)
		return NAMESPACES_LIMIT_FILES;
	return NAMESPACES_NO_LIMIT;
}

/* A namespace that a place leads to; one try to open it in each scan. */
static int meet(struct namespaces *n, const struct opener_place *place)
{
	struct namespace *entry = namespaces_find(n, place->inum);
	enum namespaces_limit full;

	if (entry && (entry->files.diag >= 0 || entry->asked)) {
		entry->found = true;
		return 0;
	}
	if (limit(n, n->pending)) {
		full = limit(n, 0);
		if (!full)
			return -EAGAIN;
		n->full = full; /* and another try is in vain */
		return 0;
	}
	if (!entry)
		entry = add(n, place->inum);
	if (!entry)
		return -ENOMEM;
	entry->found = true;
	entry->error = opener_open(n->opener, place);
	if (entry->error)
		return entry->error;
	entry->error = -EINPROGRESS;
	entry->asked = true;
	n->pending++;
	return 0;
}

int namespaces_open(struct namespaces *n, uint32_t inum, uint32_t pid)
{
	const struct opener_place place = {.inum = inum, .pid = pid};

	return n->opener ? meet(n, &place) : 0;
}

int namespaces_scan(struct namespaces *n)
{
	int error;

	if (!n->opener)
		return 0;
	if (n->scanning)
		return -EBUSY;
	error = opener_scan(n->opener);
	if (error < 0)
		return error;
	n->scanning = true;
	for (size_t i = 1; i < n->count; i++)
		n->entries[i].found = false;
	return 0;
}

/* Whether the place did not lead to the namespace any more. */
static bool take(struct namespaces *n, struct opener_answer *answer)
{
	struct namespace *entry = namespaces_find(n, answer->place.inum);

	if (!entry || !entry->asked) {
		opener_files_close(&answer->files);
		return false;
	}
	n->pending--;
	entry->asked = false;
	entry->error = answer->error;
	entry->files = answer->files;
	entry->fresh = !entry->error;
	if (n->count > SYSCTLS_MAX)
		opener_sysctls_close(&entry->files);
	n->descriptors += opener_files_count(&entry->files);
	return entry->error == -ENOENT || entry->error == -ESTALE;
}

int namespaces_receive(struct namespaces *n, struct namespaces_news *ret)
{
	struct opener_answer answer;
	int r;

	*ret = (struct namespaces_news){.full = TAKE(n->full, NAMESPACES_NO_LIMIT)};
	while (n->opener && (r = opener_receive(n->opener, &answer)) != -EAGAIN) {
		if (r < 0)
			return r;
		n->silent = 0;
		switch (answer.type) {
		case OPENER_ANSWER_FOUND:
			ret->missed |= meet(n, &answer.place) == -EAGAIN;
			break;
		case OPENER_ANSWER_OPENED:
			ret->missed |= take(n, &answer);
			break;
		case OPENER_ANSWER_SCANNED:
			n->scanning = false;
			ret->scanned = true;
			ret->cost_ns = answer.cost_ns;
			break;
		}
	}
	return 0;
}

int namespaces_tick(struct namespaces *n)
{
	n->silent = n->scanning || n->pending ? n->silent + 1 : 0;
	return n->silent > SILENT_TICKS_MAX ? -ETIMEDOUT : 0;
}

int namespaces_wait(struct namespaces *n)
{
	uint64_t until = now_ns(CLOCK_MONOTONIC) + START_NS, now;
	struct namespaces_news news;
	int error = namespaces_scan(n);

	while (!error && (n->scanning || n->pending)) {
		struct pollfd waiting = {.fd = opener_fd(n->opener), .events = POLLIN};

		now = now_ns(CLOCK_MONOTONIC);
		if (now >= until)
			return -ETIMEDOUT;
		if (poll(&waiting, 1, (int)((until - now) / NSEC_PER_MSEC) + 1) < 0 &&
		    errno != EINTR)
			return -errno;
		error = namespaces_receive(n, &news);
	}
	return error;
}
