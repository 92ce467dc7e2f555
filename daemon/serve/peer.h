/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is at the other end of a Unix socket, as the kernel noted when they connected: whether they
 * may change what the daemon does, and not only look. The socket's mode lets in who may look.
 */
#ifndef SERVE_PEER_H
#define SERVE_PEER_H

#include <stdbool.h>
#include <sys/types.h>

/* Those who may change things, besides root. */
struct peers {
	uid_t user;  /* who started the daemon */
	gid_t group; /* the control group; (gid_t)-1: none */
};

/* group: by name; "", or one that does not exist: none. */
void peers_init(struct peers *ret, const char *group);
/* fd: a connected Unix socket. */
bool peers_may_change(const struct peers *peers, int fd);

#endif
