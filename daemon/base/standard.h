/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Standard input, output and error, 0 to 2, which whoever starts a program may have closed.
 */
#ifndef BASE_STANDARD_H
#define BASE_STANDARD_H

/*
 * Before anything else is opened: takes the place of those that are closed, so that no other file
 * gets their numbers, and with them what is meant for a reader or a log. To read or write there
 * fails with EBADF, as it would have. 0, or a negative errno, logged.
 */
int standard_fill(void);

#endif
