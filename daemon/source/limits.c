/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/util.h"
#include "source/counters.h"
#include "source/limits.h"

#define PORT_MAX UINT16_MAX
/* The list of reserved ports may be longer: what does not fit is not counted. */
#define TEXT_MAX 8192

/* A number, and *at behind it. */
static bool take_number(const char **at, uint64_t most, uint64_t *ret)
{
	unsigned long long number;
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;
	errno = 0;
	number = strtoull(*at, &end, 10);
	if (errno || number > most)
		return false;
	*at = end;
	*ret = number;
	return true;
}

static bool read_number(const char *text, struct tw_limits *l, enum tw_sysctl sysctl)
{
	uint64_t number;

	if (!take_number(&text, UINT32_MAX, &number) || *text != '\n')
		return false;
	l->values[sysctl] = (uint32_t)number;
	return true;
}

/* "32768	60999" */
static bool read_range(const char *text, struct tw_limits *l, enum tw_sysctl sysctl)
{
	uint64_t low, high;

	if (!take_number(&text, PORT_MAX, &low) || *text++ != '\t' ||
	    !take_number(&text, PORT_MAX, &high) || *text != '\n' || low > high)
		return false;
	l->port_low = (uint16_t)low;
	l->port_high = (uint16_t)high;
	l->values[sysctl] = (uint32_t)(high - low) + 1;
	return true;
}

static uint32_t overlap(uint64_t low, uint64_t high, const struct tw_limits *l)
{
	if (low < l->port_low)
		low = l->port_low;
	if (high > l->port_high)
		high = l->port_high;
	return low <= high ? (uint32_t)(high - low) + 1 : 0;
}

/* "8080,9000-9100", in ascending order, or nothing. */
static bool read_reserved(const char *text, struct tw_limits *l, enum tw_sysctl sysctl)
{
	uint64_t low, high;
	uint32_t count = 0;

	while (take_number(&text, PORT_MAX, &low)) {
		high = low;
		if (*text == '-' && (text++, !take_number(&text, PORT_MAX, &high)))
			return false;
		if (*text != ',' && 0)
			break; /* cut off within the number */
		count += overlap(low, high, l);
		text += *text == ',';
	}
	l->values[sysctl] = count;
	return true;
}

static bool read_one(int fd, enum tw_sysctl sysctl, struct tw_limits *l)
{
	static bool (*const readers[TW_SYSCTL_COUNT])(const char *, struct tw_limits *,
						      enum tw_sysctl) = {
		[TW_SYSCTL_IP_LOCAL_PORT_RANGE] = read_range,
		[TW_SYSCTL_IP_LOCAL_RESERVED_PORTS] = read_reserved,
	};
	char text[TEXT_MAX];
	ssize_t length = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

	if (length < 0)
		return false;
	text[length] = '\0';
	return (readers[sysctl] ? readers[sysctl] : read_number)(text, l, sysctl);
}

void limits_read(const struct opener_files *files, uint32_t netns, uint64_t time_ns,
		 struct tw_limits *ret)
{
	struct tw_limits l = {.time_ns = time_ns, .netns = netns};

	_Static_assert((int)TW_SYSCTL_IP_LOCAL_PORT_RANGE < (int)TW_SYSCTL_IP_LOCAL_RESERVED_PORTS,
		       "the reserved ports are counted in the range");
	for (unsigned i = 0; i < TW_SYSCTL_COUNT; i++)
		if (read_one(files->sysctls[i], (enum tw_sysctl)i, &l))
			l.known |= TW_SYSCTL_BIT(i);
	counters_orphans(files, &l.orphans);
	*ret = l;
}
