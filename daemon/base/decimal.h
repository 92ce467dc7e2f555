/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole number in decimal digits, where rows are written by the thousand: printf(3) reads its
 * format anew for each of them.
 */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

#define DECIMAL_SIZE 21 /* 2^64 - 1 and a NUL */

/* Writes the number and a NUL, and returns how many digits there are. */
size_t decimal(char text[static DECIMAL_SIZE], uint64_t number);

#endif
