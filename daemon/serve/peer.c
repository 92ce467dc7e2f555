/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <grp.h>
#include <sys/socket.h>

#include "base/util.h"
#include "serve/peer.h"

#define NO_GROUP ((gid_t)-1)
#define GROUPS_MAX 65536 /* NGROUPS_MAX of the kernel */

void peers_init(struct peers *ret, const char *name)
{
	const struct group *group = *name ? getgrnam(name) : NULL;

	*ret = (struct peers){.user = geteuid(), .group = group ? group->gr_gid : NO_GROUP};
}

/* SO_PEERGROUPS of socket(7): the supplementary ones. */
static bool is_member(int fd, gid_t group)
{
	_cleanup_free_ gid_t *groups = NULL;
	socklen_t size = 0;

	/* without room the kernel says how much it takes */
	getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size);
	if (!size || size > GROUPS_MAX * sizeof(*groups))
		return false;
	groups = malloc(size);
	if (!groups || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size))
		return false;
	for (size_t i = 0; i < size / sizeof(*groups); i++)
		if (groups[i] == group)
			return true;
	return false;
}

bool peers_may_change(const struct peers *peers, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return false;
	if (!peer.uid || peer.uid == peers->user)
		return true;
	if (peers->group == NO_GROUP)
		return false;
	return peer.gid == peers->group || is_member(fd, peers->group);
}
