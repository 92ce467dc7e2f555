/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory that the process itself takes, apart from what it holds for others. */
#ifndef BASE_RESIDENT_H
#define BASE_RESIDENT_H

/*
 * Gives back what only the start needed: pages of the program and its libraries that nobody has
 * written to. The kernel maps those again that are still needed, from its page cache
 * (madvise(2), MADV_DONTNEED).
 */
void resident_trim(void);

#endif
