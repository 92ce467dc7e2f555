/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The settings of a network namespace that bound its connections, from the files below
 * /proc/sys/net: a microsecond each. What they mean is for others.
 */
#ifndef SOURCE_LIMITS_H
#define SOURCE_LIMITS_H

#include <stdint.h>

#include "source/opener.h"

#include <tcpwatch/record.h>

/* time_ns: now. What cannot be read, or is not as expected, is not among the known. */
void limits_read(const struct opener_files *files, uint32_t netns, uint64_t time_ns,
		 struct tw_limits *ret);

#endif
