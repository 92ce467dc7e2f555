/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/util.h"
#include "source/cgroups.h"

#define MOUNTS "/proc/self/mounts"
#define PIECE_NS (5 * NSEC_PER_MSEC) /* the loop waits no longer */
#define REST 100                     /* times what a walk cost, between it and the next */
/* Paths of directories yet to be walked: some 40,000 of the usual length. What is below those that
 * come on top is left to the next walk. */
#define PENDING_MAX (4U << 20)

struct cgroups_walk {
	struct cgroups_walk_calls calls;
	sd_event_source *step; /* enabled while a walk goes on */
	int root;              /* of the hierarchy; -1: it is not known */
	bool active;
	bool whole;    /* nothing was left out so far */
	char *pending; /* paths that each end with a NUL, walked from the last one on */
	size_t used, allocated;
	uint64_t begun_ns, cost_ns, next_ns;
};

/* With a directory below the root of the hierarchy, or "" for the root itself. */
static bool push(struct cgroups_walk *w, const char *path)
{
	size_t size = strlen(path) + 1;

	if (w->used + size > w->allocated) {
		size_t allocated = w->allocated * 2 + TW_CGROUP_PATH_SIZE;
		char *pending = allocated > PENDING_MAX ? NULL : realloc(w->pending, allocated);

		if (!pending) {
			w->whole = false;
			return false;
		}
		w->pending = pending;
		w->allocated = allocated;
	}
	memcpy(w->pending + w->used, path, size);
	w->used += size;
	return true;
}

static void pop(struct cgroups_walk *w, char ret[TW_CGROUP_PATH_SIZE])
{
	size_t start = w->used - 1;

	while (start && w->pending[start - 1])
		start--;
	memcpy(ret, w->pending + start, w->used - start);
	w->used = start;
}

/* /sys/fs/cgroup, or /sys/fs/cgroup/unified beside hierarchies of version 1. */
static int open_root(void)
{
	FILE *mounts = setmntent(MOUNTS, "re");
	char text[2 * TW_CGROUP_PATH_SIZE];
	struct mntent mount;
	int fd = -ENOENT;

	if (!mounts)
		return -errno;
	while (fd < 0 && getmntent_r(mounts, &mount, text, sizeof(text)))
		if (!strcmp(mount.mnt_type, "cgroup2")) {
			fd = open(mount.mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (fd < 0)
				fd = -errno;
		}
	endmntent(mounts);
	return fd;
}

static void tell(const struct cgroups_walk *w, uint64_t id, const char *path)
{
	struct tw_cgroup cgroup = {.id = id};

	if (!w->calls.wanted(id, w->calls.userdata))
		return;
	snprintf(cgroup.path, sizeof(cgroup.path), "/%s", path);
	w->calls.record(TW_RECORD_CGROUP, &cgroup, w->calls.userdata);
}

static void meet(struct cgroups_walk *w, const char *parent, const struct dirent *entry)
{
	char path[TW_CGROUP_PATH_SIZE];
	int length;

	if (entry->d_type != DT_DIR || !strcmp(entry->d_name, "..") || !strcmp(entry->d_name, "."))
		return;
	length = snprintf(path, sizeof(path), "%s%s%s", parent, *parent ? "/" : "", entry->d_name);
	if ((size_t)length >= sizeof(path) - 1)
		return; /* with the slash that it is to begin with */
	tell(w, entry->d_ino, path);
	push(w, path);
}

static void walk_one(struct cgroups_walk *w)
{
	char path[TW_CGROUP_PATH_SIZE];
	const struct dirent *entry;
	DIR *directory;
	int fd;

	pop(w, path);
	fd = openat(w->root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	directory = fd < 0 ? NULL : fdopendir(fd);
	if (!directory) {
		if (fd >= 0)
			close(fd);
		return; /* it was removed meanwhile */
	}
	while ((entry = readdir(directory)))
		meet(w, path, entry);
	closedir(directory);
}

/* What was met meanwhile may be where the walk had come by, and is looked for again. */
static void finish(struct cgroups_walk *w)
{
	const struct tw_tick begun = {.time_ns = w->begun_ns};

	w->active = false;
	w->next_ns = now_ns(CLOCK_MONOTONIC) + REST * w->cost_ns;
	if (w->whole)
		w->calls.record(TW_RECORD_CGROUPS, &begun, w->calls.userdata);
}

static int on_step(sd_event_source *source, void *userdata)
{
	struct cgroups_walk *w = userdata;
	uint64_t started = now_ns(CLOCK_THREAD_CPUTIME_ID), spent = 0;

	while (w->used && spent < PIECE_NS) {
		walk_one(w);
		spent = now_ns(CLOCK_THREAD_CPUTIME_ID) - started;
	}
	w->cost_ns += spent;
	if (w->used)
		return 0;
	finish(w);
	return sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

int cgroups_walk_new(sd_event *loop, const struct cgroups_walk_calls *calls,
		     struct cgroups_walk **ret)
{
	struct cgroups_walk *w = calloc(1, sizeof(*w));
	int error;

	if (!w)
		return -ENOMEM;
	w->calls = *calls;
	w->root = open_root();
	if (w->root < 0)
		log_notice("units and containers are not named: there is no cgroup v2 hierarchy "
			   "(%s); mount one at /sys/fs/cgroup/unified",
			   strerror(-w->root));
	error = sd_event_add_defer(loop, &w->step, on_step, w);
	if (error >= 0)
		error = sd_event_source_set_enabled(w->step, SD_EVENT_OFF);
	if (error >= 0)
		error = sd_event_source_set_priority(w->step, SD_EVENT_PRIORITY_IDLE);
	if (error < 0) {
		cgroups_walk_free(w);
		return error;
	}
	*ret = w;
	return 0;
}

struct cgroups_walk *cgroups_walk_free(struct cgroups_walk *w)
{
	if (!w)
		return NULL;
	sd_event_source_disable_unref(w->step);
	if (w->root >= 0)
		close(w->root);
	free(w->pending);
	free(w);
	return NULL;
}

void cgroups_walk_start(struct cgroups_walk *w)
{
	struct stat st;

	if (w->active || w->root < 0 || now_ns(CLOCK_MONOTONIC) < w->next_ns ||
	    fstat(w->root, &st) < 0)
		return;
	w->active = true;
	w->whole = true;
	w->begun_ns = now_ns(CLOCK_MONOTONIC);
	w->cost_ns = 0;
	w->used = 0;
	tell(w, st.st_ino, "");
	if (push(w, ""))
		sd_event_source_set_enabled(w->step, SD_EVENT_ON);
	else
		finish(w);
}
