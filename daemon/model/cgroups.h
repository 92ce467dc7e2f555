/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control groups that owners are in, by their cgroup v2 ids, with the names that somebody finds
 * for them. A name stays for as long as an owner refers to the group, which may be gone by then.
 *
 * Bounded: past CGROUPS_MAX groups or CGROUPS_BYTES_MAX of names the others have no names.
 */
#ifndef MODEL_CGROUPS_H
#define MODEL_CGROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/owners.h"

#define CGROUPS_MAX 4096U
#define CGROUPS_BYTES_MAX (1U << 20)

struct cgroups;

/* What is not there is empty. */
struct cgroup {
	uint64_t id;
	const char *path;      /* from the root of the hierarchy, any bytes */
	const char *unit;      /* of systemd's system manager */
	const char *user_unit; /* of a user's manager */
	const char *slice;
	const char *container; /* a container's id or a machine's name, any bytes */
	const char *label;     /* of struct cgroup_names */
};

int cgroups_new(struct cgroups **ret);
struct cgroups *cgroups_free(struct cgroups *c);

/* Follows the owners, once they have changed: meets the groups of new ones, forgets those that
 * nobody is in. O(owners). now_ns: CLOCK_MONOTONIC, as the records tell it. */
void cgroups_follow(struct cgroups *c, const struct owners *owners, uint64_t now_ns);
/* Whether it has been met, and has no name. */
bool cgroups_wants(const struct cgroups *c, uint64_t id);
/* path is copied. */
void cgroups_name(struct cgroups *c, uint64_t id, const char *path);
/* All groups that there were when somebody began to name them, on the clock that cgroups_follow()
 * is told, have been named: who had been met by then and has no name gets none, until new ones are
 * met. */
void cgroups_named(struct cgroups *c, uint64_t begun_ns);
/* How many have been met since it began, and have no name. */
size_t cgroups_unnamed(const struct cgroups *c);

/* Never NULL: of a group that is not known all is empty. Valid until the next record. */
const struct cgroup *cgroups_get(const struct cgroups *c, uint64_t id);
/* What to count it under: the label of struct cgroup_names, or else the path; empty for the root,
 * where nobody has been put. */
const char *cgroup_label(const struct cgroup *g);

#endif
