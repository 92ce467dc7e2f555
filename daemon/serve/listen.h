/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens listening sockets: non-blocking, close-on-exec. It knows nothing of what is spoken on them.
 */
#ifndef SERVE_LISTEN_H
#define SERVE_LISTEN_H

#include <sys/types.h>

/*
 * address: "ADDRESS:PORT" or "[ADDRESS]:PORT", numeric. An IPv6 address takes IPv6 only, so that
 * 0.0.0.0 and [::] can stand side by side. 0; -EINVAL: no such address; -EADDRINUSE; or another
 * negative errno of bind(2).
 */
int listen_tcp(const char *address, int *ret_fd);

/*
 * The listening TCP sockets that the service manager handed over, sd_listen_fds(3), made
 * non-blocking; the caller's own, and told of once. Their number, 0 if there are none; -EINVAL: one
 * is something else; -E2BIG: there are more than max. On failure all are closed.
 */
int listen_passed(int ret_fds[], int max);

/*
 * A Unix stream socket with the mode, and the group where one of that name exists ("": none
 * wanted). The file that a dead daemon left is replaced. 0; -EADDRINUSE: a live one answers;
 * -EEXIST: something else than a socket is there; -ENAMETOOLONG; or another negative errno.
 */
int listen_unix(const char *path, const char *group, mode_t mode, int *ret_fd);
/* Removes the socket's file, unless someone answers there: by then it is someone else's. */
void listen_unix_remove(const char *path);

#endif
