/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ground that the bench's generators stand on: a network namespace of their own, which ends
 * with the last process in it, and plain TCP sockets on its loopback. It knows nothing of what is
 * measured.
 */
#ifndef BENCH_LOOPBACK_H
#define BENCH_LOOPBACK_H

#include <stdbool.h>
#include <stdint.h>

#define LOOPBACK_ANY 0 /* a listener's host: all addresses */
/* Any port outside LOOPBACK_PORT_RANGE: each listener has it to itself, at an address of its own.
 */
#define LOOPBACK_PORT 1023
#define LOOPBACK_PORT_RANGE "1024 65535"
/* TIME_WAIT sockets that the namespace may hold: past it the kernel leaves them out, which is
 * another load. */
#define LOOPBACK_TIME_WAIT_MAX "4194304"

/* Enters a new network namespace, with the loopback up and the limits above. Ends the program on
 * failure. */
void loopback_enter(void);
/* The inode number of the network namespace that the program is in, as lsns(8) shows it. */
uint32_t loopback_netns(void);

/*
 * Sockets; the address is 127.0.0.0 + host. abortive: it and those accepted from it are closed by
 * RST, which leaves no TIME_WAIT. Each returns a descriptor, or ends the program with the reason.
 */
int loopback_listen(uint32_t host, int backlog, bool abortive);
int loopback_connect(uint32_t host, bool abortive);
int loopback_accept(int listener);

/* A whole number from min to max, or the program ends with a message that names the option. */
uint64_t loopback_number(const char *option, const char *text, uint64_t min, uint64_t max);

#endif
