/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one command whose exit codes are not tcpwatchctl's own, also where it is used wrongly.
 */
#ifndef CTL_CHECK_H
#define CTL_CHECK_H

/* Says so on stdout, where a monitoring system looks; what is wrong stands on stderr. The exit
 * code. */
int check_misused(void);

#endif
