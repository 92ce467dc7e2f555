/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/filters.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/quantity.h"
#include "base/util.h"

#include <tcpwatch/tcp_state.h>

const char *const filter_states[] = {
#define X(number, name, label) label,
	TW_TCP_STATES(X)
#undef X
		NULL,
};

static const char *const by_words[] = {"unit",   "process", "user",  "port",
				       "remote", "prefix",  "netns", NULL};
static const char *const sort_words[] = {"age", NULL};

int filter_check_states(const char *value, char *ret)
{
	const char *at = value;

	for (;; at++) {
		size_t length = strcspn(at, ",");

		if (!option_is_word(at, length, filter_states))
			return -EINVAL;
		at += length;
		if (!*at)
			break;
	}
	snprintf(ret, OPTION_VALUE_SIZE, "%s", value);
	return 0;
}

static int check_sort(const char *value, char *ret)
{
	if (!option_is_word(value, strlen(value), sort_words))
		return -EINVAL;
	snprintf(ret, OPTION_VALUE_SIZE, "%s", value);
	return 0;
}

static int check_by(const char *value, char *ret)
{
	if (!option_is_word(value, strlen(value), by_words))
		return -EINVAL;
	snprintf(ret, OPTION_VALUE_SIZE, "%s", value);
	return 0;
}

static int check_number(const char *value, uint64_t max, char *ret)
{
	uint64_t number;

	if (quantity_parse(QUANTITY_COUNT, value, &number) < 0 || number < 1 || number > max)
		return -EINVAL;
	snprintf(ret, OPTION_VALUE_SIZE, "%" PRIu64, number);
	return 0;
}

static int check_port(const char *value, char *ret)
{
	return check_number(value, UINT16_MAX, ret);
}

static int check_u32(const char *value, char *ret)
{
	return check_number(value, UINT32_MAX, ret);
}

static int check_remote(const char *value, char *ret)
{
	char address[INET6_ADDRSTRLEN];
	size_t length = strcspn(value, "/");
	struct in6_addr binary;
	uint64_t prefix = 0, bits = 128;

	if (length >= sizeof(address))
		return -EINVAL;
	snprintf(address, sizeof(address), "%.*s", (int)length, value);
	if (inet_pton(AF_INET, address, &binary) == 1)
		bits = 32;
	else if (inet_pton(AF_INET6, address, &binary) != 1)
		return -EINVAL;
	if (value[length] == '/' &&
	    (quantity_parse(QUANTITY_COUNT, value + length + 1, &prefix) < 0 || prefix > bits))
		return -EINVAL;
	snprintf(ret, OPTION_VALUE_SIZE, "%s", value);
	return 0;
}

static int check_owner(const char *value, char *ret)
{
	uint64_t uid;

	if (!*value)
		return -EINVAL;
	if (strncmp(value, "uid:", 4) == 0 &&
	    (quantity_parse(QUANTITY_COUNT, value + 4, &uid) < 0 || uid > UINT32_MAX))
		return -EINVAL;
	snprintf(ret, OPTION_VALUE_SIZE, "%s", value);
	return 0;
}

/* The daemon takes seconds. */
static int check_time(const char *value, char *ret)
{
	uint64_t seconds, ns, rest = 0;

	if (quantity_parse(QUANTITY_COUNT, value, &seconds) < 0) {
		if (quantity_parse(QUANTITY_TIME, value, &ns) < 0)
			return -EINVAL;
		seconds = ns / NSEC_PER_SEC;
		rest = ns % NSEC_PER_SEC / NSEC_PER_MSEC;
	}
	if (rest)
		snprintf(ret, OPTION_VALUE_SIZE, "%" PRIu64 ".%03" PRIu64, seconds, rest);
	else
		snprintf(ret, OPTION_VALUE_SIZE, "%" PRIu64, seconds);
	return 0;
}

#define STATE_ROW(text)                                                                       \
	{                                                                                     \
		.name = "state", .argument = "STATES", .help = text, .parameter = "state",    \
		.check = filter_check_states,                                                 \
		.wanted = "one or more of the states that --help lists, with commas between", \
		.words = filter_states,                                                       \
	}

/* What several of the commands have in common. */
#define PORT_ROW(text)                                                                 \
	{                                                                              \
		.name = "port", .argument = "PORT", .help = text, .parameter = "port", \
		.check = check_port, .wanted = "a number from 1 to 65535",             \
	}
#define REMOTE_ROW                                                                  \
	{                                                                           \
		.name = "remote", .argument = "CIDR",                               \
		.help = "whose peer has this address, or one in this network",      \
		.parameter = "remote", .check = check_remote,                       \
		.wanted = "an address or a network, such as 10.0.0.0/8 or fe80::1", \
	}
#define OWNER_ROW                                                                          \
	{                                                                                  \
		.name = "owner", .argument = "OWNER",                                      \
		.help = "held by this process, unit or container, a pid, or uid:N",        \
		.parameter = "owner", .check = check_owner,                                \
		.wanted = "the name of a process, a unit or a container, a pid, or uid:N", \
	}
#define NETNS_ROW                                                                         \
	{                                                                                 \
		.name = "netns", .argument = "NUMBER",                                    \
		.help = "in this network namespace; 'lsns -t net' shows the numbers",     \
		.parameter = "netns", .check = check_u32,                                 \
		.wanted = "the number of a network namespace, as 'lsns -t net' shows it", \
	}

#define LIMIT_ROW(text)                                                                    \
	{                                                                                  \
		.name = "limit", .argument = "NUMBER", .help = text, .parameter = "limit", \
		.check = check_u32, .wanted = "a number from 1 to 4294967295",             \
	}
#define WATCH_ROW                                                             \
	{                                                                     \
		.name = "watch", .help = "again every second, until stopped", \
	}

const struct option_row filter_list_options[] = {
	STATE_ROW("in one of these states"),
	PORT_ROW("with this local or remote port"),
	REMOTE_ROW,
	OWNER_ROW,
	NETNS_ROW,
	{
		.name = "older-than",
		.argument = "TIME",
		.help = "at least this long in the state: 90, 90s, 5m, 2h, 1d",
		.parameter = "older_than",
		.check = check_time,
		.wanted = "seconds, or a number with a unit, such as 90s, 5m, 2h or 1d",
	},
	{
		.name = "sort",
		.argument = "age",
		.help = "oldest first, across the states",
		.parameter = "sort",
		.check = check_sort,
		.wanted = "'age'",
		.words = sort_words,
	},
	LIMIT_ROW("this many rows at most"),
	{},
};

const struct option_row filter_listeners_options[] = {
	PORT_ROW("on this port"), OWNER_ROW, NETNS_ROW, WATCH_ROW, {},
};

const struct option_row filter_top_options[] = {
	{
		.name = "by",
		.argument = "WHAT",
		.help = "unit, process, user, port (local), remote (address), prefix (IPv4 /24, "
			"IPv6 /64) or netns; unit if it is not given",
		.parameter = "by",
		.check = check_by,
		.wanted = "unit, process, user, port, remote, prefix or netns",
		.words = by_words,
	},
	STATE_ROW("in one of these states"),
	LIMIT_ROW("this many rows, and one for all others; 10 if it is not given"),
	WATCH_ROW,
	{},
};

const struct option_row filter_watch_options[] = {
	STATE_ROW("that leave or enter one of these states"),
	PORT_ROW("with this local or remote port"),
	REMOTE_ROW,
	OWNER_ROW,
	NETNS_ROW,
	{},
};
