/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What include/tcpwatch/ numbers, in the words that JSON, metrics and messages have for it: TCP
 * states and the kernel's settings. And a walk over the states.
 */
#ifndef BASE_LABELS_H
#define BASE_LABELS_H

#include <tcpwatch/record.h>
#include <tcpwatch/tcp_state.h>

extern const char *const labels_state[TW_STATE_SLOTS];   /* "close_wait"; slot 0: NULL */
extern const char *const labels_sysctl[TW_SYSCTL_COUNT]; /* "net.ipv4.tcp_tw_reuse" */

#endif
