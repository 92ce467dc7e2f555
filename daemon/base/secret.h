/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers that nobody else knows: with them in its hashes, who chooses the addresses that a table
 * holds does not know which of them meet in it.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdint.h>

#define SECRET_WORDS 2

/* From the random bytes that the kernel gives a process at its start (AT_RANDOM, getauxval(3)): the
 * same each time. */
void secret_words(uint64_t ret[SECRET_WORDS]);

#endif
