/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the numbers of a record may be, whether it comes from the kernel or from a file.
 */
#ifndef MODEL_VALID_H
#define MODEL_VALID_H

#include <stdbool.h>
#include <sys/socket.h>

#include <tcpwatch/tcp_state.h>

static inline bool valid_state(unsigned state)
{
	return state >= TW_STATE_FIRST && state <= TW_STATE_LAST;
}

static inline bool valid_family(unsigned family)
{
	return family == AF_INET || family == AF_INET6;
}

#endif
