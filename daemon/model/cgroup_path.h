/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the path of a control group says of who runs in it, by the names that systemd and container
 * runtimes give: no look at the system, so it is as right as they keep to their rules. Pure.
 */
#ifndef MODEL_CGROUP_PATH_H
#define MODEL_CGROUP_PATH_H

#define CGROUP_NAME_SIZE                                                         \
	256 /* bytes of a unit's name: UNIT_NAME_MAX of systemd, and of any file \
	     */

/* Each is empty where the path names none. */
struct cgroup_names {
	char unit[CGROUP_NAME_SIZE];      /* of the system's manager: "nginx.service" */
	char user_unit[CGROUP_NAME_SIZE]; /* of a user's, below user@UID.service */
	char slice[CGROUP_NAME_SIZE];     /* the innermost one around the unit */
	char container[CGROUP_NAME_SIZE]; /* a container's id, or a machine's name; any bytes */
	/*
	 * What to count together, cut to what fits: "nginx.service", "sshd@.service" of any of its
	 * connections, "user@1000/nginx.service" of a user's manager, "user-1000/session.scope" in
	 * a user's slice; of what is in no unit the container's id, or "container/" and its name.
	 * Each such form is of nobody else: a unit's name has no slash, and a path begins with one.
	 */
	char label[CGROUP_NAME_SIZE];
};

/* path: from the root of the hierarchy, any bytes. */
void cgroup_path_parse(const char *path, struct cgroup_names *ret);

#endif
