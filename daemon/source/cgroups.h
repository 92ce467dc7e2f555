/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds the paths of control groups by their cgroup v2 ids, which are the inode numbers of their
 * directories: by walking the hierarchy, piece by piece from the event loop, and only when somebody
 * wants a name. No privilege is needed. A group that is gone by then is not found.
 */
#ifndef SOURCE_CGROUPS_H
#define SOURCE_CGROUPS_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include <tcpwatch/record.h>

struct cgroups_walk;

struct cgroups_walk_calls {
	bool (*wanted)(uint64_t id, void *userdata);
	/* TW_RECORD_CGROUP* TW_RECORD_CGROUPS, the latter with the time at which the walk began;
	 * not after one that left something out */
	void (*record)(enum tw_record_type type, const void *body, void *userdata);
	void *userdata;
};

/* calls is copied. Where no cgroup v2 hierarchy is mounted walks find nothing. 0, or a negative
 * errno. */
int cgroups_walk_new(sd_event *loop, const struct cgroups_walk_calls *calls,
		     struct cgroups_walk **ret);
struct cgroups_walk *cgroups_walk_free(struct cgroups_walk *w);

/* Some group that is wanted has no name: starts a walk, unless one goes on or the last one was not
 * long ago for what it cost. */
void cgroups_walk_start(struct cgroups_walk *w);

#endif
