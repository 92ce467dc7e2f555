/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The addresses of peers as keys of 16 bytes, by which they are compared and counted. An IPv4
 * address is the same, whichever socket has it: v4-mapped, as in RFC 4291. It knows neither
 * connections nor alerts. Pure.
 */
#ifndef ALERT_REMOTE_H
#define ALERT_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

#include <netinet/in.h>

#define REMOTE_TEXT_SIZE (INET6_ADDRSTRLEN + 4) /* a prefix, and a NUL */

/* address: in network byte order; of IPv4 the first four bytes count. */
void remote_key(bool ipv6, const uint8_t address[16], uint64_t ret[2]);
/* Of the /24, or of the /64 of IPv6, that it is in. */
void remote_prefix(const uint64_t key[2], uint64_t ret[2]);

/* "192.0.2.1", perhaps with words behind it. */
bool remote_parse(const char *text, uint64_t ret[2]);
/* "192.0.2.1"; of a prefix "192.0.2.0/24". */
void remote_format(const uint64_t key[2], char text[static REMOTE_TEXT_SIZE]);
void remote_format_prefix(const uint64_t key[2], char text[static REMOTE_TEXT_SIZE]);

#endif
