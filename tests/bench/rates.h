/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many segments the kernel of a network namespace handles, in slices of time: for what puts BPF
 * programs in and takes them out many times a second, so that all are measured at the same speed of
 * the machine.
 */
#ifndef BENCH_RATES_H
#define BENCH_RATES_H

#include <stddef.h>

#include "source/opener_files.h"

/* Segments a second in a slice that begins after so long: what is on its way passes first. Ends the
 * program on failure. */
double rates_measure(const struct opener_files *files, unsigned settle_usec, unsigned slice_usec);

/* A line of JSON: an array for each name. rates: round by round, in each a rate for each name. */
void rates_print(const char *const names[], size_t name_count, const double *rates, size_t rounds);

#endif
