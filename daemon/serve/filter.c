/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/labels.h"
#include "base/util.h"
#include "serve/dimension.h"
#include "serve/filter.h"

#define QUOTED 60                           /* characters of a value that a message repeats */
#define NAMES_LENGTH 100                    /* of all parameters, with commas between */
#define OLDER_THAN_MAX UINT64_C(1000000000) /* seconds; some 30 years */
#define MAPPED_BITS 96                      /* of ::ffff:0:0/96, RFC 4291 section 2.5.5.2 */

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

/* Decimal digits and nothing else, min to max. */
static int parse_number(const char *s, size_t length, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!length)
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -EINVAL;
		value = value * 10 + (uint64_t)(s[i] - '0');
		if (value > max)
			return -EINVAL;
	}
	if (value < min)
		return -EINVAL;
	*ret = value;
	return 0;
}

static uint32_t state_bit(const char *label, size_t length)
{
	TW_FOR_EACH_STATE(state) {
		const char *known = labels_state[state];

		if (strlen(known) == length && !memcmp(known, label, length))
			return TW_STATE_BIT(state);
	}
	return 0;
}

static int parse_states(struct filter *f, const char *value)
{
	uint32_t mask = 0;

	for (const char *s = value;; s++) {
		size_t length = strcspn(s, ",");
		uint32_t bit = state_bit(s, length);

		if (!bit)
			return -EINVAL;
		mask |= bit;
		s += length;
		if (!*s)
			break;
	}
	f->states = mask;
	return 0;
}

static int parse_port(struct filter *f, const char *value)
{
	uint64_t port;

	if (parse_number(value, strlen(value), 1, UINT16_MAX, &port))
		return -EINVAL;
	f->port = (uint16_t)port;
	return 0;
}

static bool equal_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	uint8_t mask = (uint8_t)(0xff00U >> bits % 8);

	if (memcmp(a, b, bits / 8))
		return false;
	return !mask || !((a[bits / 8] ^ b[bits / 8]) & mask);
}

/* Whether no bit is set past the prefix: what has some is more often a slip than meant. */
static bool clean_past(const uint8_t *address, unsigned bits, unsigned size)
{
	static const uint8_t zero[16];

	if (bits % 8 && address[bits / 8] & (0xffU >> bits % 8))
		return false;
	bits = (bits + 7) / 8;
	return !memcmp(address + bits, zero, size - bits);
}

static int parse_remote(struct filter *f, const char *value)
{
	size_t length = strcspn(value, "/");
	int family = memchr(value, ':', length) ? AF_INET6 : AF_INET;
	unsigned size = family == AF_INET6 ? 16 : 4;
	char text[INET6_ADDRSTRLEN];
	uint8_t address[16] = {0};
	uint64_t bits = 8 * size;

	if (length >= sizeof(text))
		return -EINVAL;
	memcpy(text, value, length);
	text[length] = '\0';
	if (inet_pton(family, text, address) != 1)
		return -EINVAL;
	if (value[length] &&
	    parse_number(value + length + 1, strlen(value + length + 1), 0, bits, &bits))
		return -EINVAL;
	if (!clean_past(address, (unsigned)bits, size))
		return -EINVAL;
	memcpy(f->remote.address, address, sizeof(address));
	f->remote.family = family;
	f->remote.length = (unsigned)bits;
	return 0;
}

static int parse_owner(struct filter *f, const char *value)
{
	bool uid = !strncmp(value, "uid:", 4);
	const char *digits = uid ? value + 4 : value;
	uint64_t id;

	if (!parse_number(digits, strlen(digits), !uid, UINT32_MAX - 1, &id)) {
		f->owner = uid ? FILTER_OWNER_UID : FILTER_OWNER_PID;
		f->owner_id = (uint32_t)id;
		return 0;
	}
	if (uid || !*value || strlen(value) >= sizeof(f->owner_name))
		return -EINVAL;
	f->owner = FILTER_OWNER_NAME;
	memcpy(f->owner_name, value, strlen(value) + 1);
	return 0;
}

static int parse_netns(struct filter *f, const char *value)
{
	uint64_t inum;

	if (parse_number(value, strlen(value), 1, UINT32_MAX, &inum))
		return -EINVAL;
	f->netns = (uint32_t)inum;
	return 0;
}

/* Seconds with up to nine decimals. */
static int parse_older_than(struct filter *f, const char *value)
{
	size_t whole = strcspn(value, "."), decimals;
	uint64_t seconds, fraction = 0;

	if (parse_number(value, whole, 0, OLDER_THAN_MAX, &seconds))
		return -EINVAL;
	if (value[whole]) {
		decimals = strlen(value + whole + 1);
		if (decimals > 9 ||
		    parse_number(value + whole + 1, decimals, 0, UINT64_MAX, &fraction))
			return -EINVAL;
		for (; decimals < 9; decimals++)
			fraction *= 10;
	}
	f->older_than_ns = seconds * NSEC_PER_SEC + fraction;
	return 0;
}

static int parse_sort(struct filter *f, const char *value)
{
	if (strcmp(value, "age"))
		return -EINVAL;
	f->by_age = true;
	return 0;
}

static int parse_limit(struct filter *f, const char *value)
{
	return parse_number(value, strlen(value), 1, UINT32_MAX, &f->limit);
}

static int parse_brief(struct filter *f, const char *value)
{
	if (strcmp(value, "yes"))
		return -EINVAL;
	f->brief = true;
	return 0;
}

static int parse_by(struct filter *f, const char *value)
{
	for (unsigned i = 0; i < DIMENSION_COUNT; i++)
		if (!strcmp(value, dimension_words[i])) {
			f->by = i;
			return 0;
		}
	return -EINVAL;
}

#define IN_ALL (1U << FILTER_LIST | 1U << FILTER_WATCH | 1U << FILTER_LISTENERS)
#define IN_TRAFFIC (1U << FILTER_LIST | 1U << FILTER_WATCH)
#define IN_LIST (1U << FILTER_LIST)
#define IN_TOP (1U << FILTER_TOP)

static const struct parameter {
	const char *name;
	unsigned sets; /* mask of 1 << enum filter_set */
	int (*parse)(struct filter *f, const char *value);
	const char *right;
} parameters[] = {
	{"by", IN_TOP, parse_by, "one of unit, process, user, port, remote, prefix and netns"},
	{"state", IN_TRAFFIC | IN_TOP, parse_states,
	 "states separated by commas, of established, syn_sent, syn_recv, fin_wait1, fin_wait2, "
	 "time_wait, close, close_wait, last_ack, listen and closing"},
	{"port", IN_ALL, parse_port, "a number from 1 to 65535"},
	{"remote", IN_TRAFFIC, parse_remote,
	 "an address such as 192.0.2.1 or a prefix such as 10.0.0.0/8, with no bit set past it"},
	{"owner", IN_ALL, parse_owner,
	 "the name of a process, a unit or a container, a pid, or uid: and a number"},
	{"netns", IN_ALL, parse_netns, "the inode number of a network namespace, as lsns shows it"},
	{"older_than", IN_LIST, parse_older_than, "a number of seconds, such as 60 or 0.5"},
	{"sort", IN_LIST, parse_sort, "age"},
	{"brief", IN_LIST, parse_brief, "yes"},
	{"limit", IN_LIST | IN_TOP, parse_limit, "a number of rows, from 1 on"},
};

static const struct parameter *find(enum filter_set set, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		if (!strcmp(parameters[i].name, name) && parameters[i].sets & 1U << set)
			return &parameters[i];
	}
	return NULL;
}

/* "state, port and netns", of those that the set has. */
static void name_all(enum filter_set set, char text[FILTER_ERROR_SIZE])
{
	const char *last = "";
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(parameters); i++) {
		if (!(parameters[i].sets & 1U << set))
			continue;
		if (*last)
			used += (size_t)snprintf(text + used, FILTER_ERROR_SIZE - used, "%s%s",
						 used ? ", " : "", last);
		last = parameters[i].name;
	}
	snprintf(text + used, FILTER_ERROR_SIZE - used, "%s%s", used ? " and " : "", last);
}

int filter_parse(struct filter *f, enum filter_set set, const char *name, const char *value,
		 char error[FILTER_ERROR_SIZE])
{
	const struct parameter *p = find(set, name);
	char names[FILTER_ERROR_SIZE];

	if (!p) {
		name_all(set, names);
		snprintf(error, FILTER_ERROR_SIZE,
			 "there is no parameter '%.*s' here: %.*s would be right", QUOTED, name,
			 NAMES_LENGTH, names);
		return -EINVAL;
	}
	if (p->parse(f, value ? value : "")) {
		snprintf(error, FILTER_ERROR_SIZE, "%s: '%.*s' is not %s", name, QUOTED,
			 value ? value : "", p->right);
		return -EINVAL;
	}
	return 0;
}

/* An IPv4 prefix takes what an IPv6 socket speaks to over IPv4 as well. */
static bool remote_matches(const struct filter *f, const struct filter_subject *s)
{
	const uint8_t *address = s->remote;

	if (!f->remote.family)
		return true;
	if (f->remote.family == AF_INET && s->family == AF_INET6) {
		if (!equal_bits(address, mapped_prefix, MAPPED_BITS))
			return false;
		address += sizeof(mapped_prefix);
	} else if (f->remote.family != s->family) {
		return false;
	}
	return equal_bits(address, f->remote.address, f->remote.length);
}

/* The process's name, the unit's or the container's, and what the sums by unit call it. */
static bool name_matches(const struct filter *f, const struct filter_subject *s,
			 const struct cgroups *cgroups)
{
	char shown[DIMENSION_NAME_SIZE];
	const struct cgroup *g;

	if (!strncmp(f->owner_name, s->comm, TW_COMM_SIZE))
		return true;
	g = cgroups_get(cgroups, s->cgroup);
	if (!strcmp(f->owner_name, g->unit) || !strcmp(f->owner_name, g->user_unit) ||
	    !strcmp(f->owner_name, g->container))
		return true;
	dimension_unit(g, s->comm, shown);
	return !strcmp(f->owner_name, shown);
}

static bool owner_matches(const struct filter *f, const struct filter_subject *s,
			  const struct cgroups *cgroups)
{
	switch (f->owner) {
	case FILTER_OWNER_NAME:
		return name_matches(f, s, cgroups);
	case FILTER_OWNER_PID:
		return f->owner_id == s->pid;
	case FILTER_OWNER_UID:
		return f->owner_id == s->uid;
	default:
		return true;
	}
}

bool filter_matches(const struct filter *f, const struct filter_subject *s,
		    const struct cgroups *cgroups)
{
	if (f->port && f->port != s->local_port && f->port != s->remote_port)
		return false;
	if (f->netns && f->netns != s->netns)
		return false;
	return owner_matches(f, s, cgroups) && remote_matches(f, s);
}
