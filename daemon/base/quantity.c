/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/quantity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"

#define SHARE_DECIMALS 4
#define SHARE_PER_CENT 10000 /* millionths: 10 to the power of SHARE_DECIMALS */

struct unit {
	const char *name;
	uint64_t factor;
};

/* From the smallest up; ended by a NULL. */
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};
static const struct unit size_units[] = {
	{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0},
};
static const struct unit time_units[] = {
	{"ms", NSEC_PER_MSEC},      {"s", NSEC_PER_SEC},         {"m", 60 * NSEC_PER_SEC},
	{"h", 3600 * NSEC_PER_SEC}, {"d", 86400 * NSEC_PER_SEC}, {NULL, 0},
};

static const struct unit *const units_of[] = {
	[QUANTITY_COUNT] = count_units,
	[QUANTITY_SIZE] = size_units,
	[QUANTITY_TIME] = time_units,
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Takes the digits at *text, at least one, and moves *text behind them. */
static int take_digits(const char **text, uint64_t *ret)
{
	const char *p = *text;
	uint64_t value = 0;

	if (!is_digit(*p))
		return -EINVAL;
	for (; is_digit(*p); p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	*text = p;
	*ret = value;
	return 0;
}

static int parse_share(const char *text, uint64_t *ret)
{
	uint64_t whole, millionths, part = 0, place = SHARE_PER_CENT;
	int r = take_digits(&text, &whole);

	if (r < 0)
		return r;
	if (*text == '.') {
		text++;
		if (!is_digit(*text))
			return -EINVAL;
		for (; is_digit(*text); text++) {
			place /= 10;
			if (place == 0)
				return -EINVAL;
			part += (uint64_t)(*text - '0') * place;
		}
	}
	if (strcmp(text, "%") != 0)
		return -EINVAL;
	if (__builtin_mul_overflow(whole, SHARE_PER_CENT, &millionths) ||
	    __builtin_add_overflow(millionths, part, &millionths))
		return -ERANGE;
	*ret = millionths;
	return 0;
}

int quantity_parse(enum quantity_kind kind, const char *text, uint64_t *ret)
{
	uint64_t value;
	int r;

	if (kind == QUANTITY_SHARE)
		return parse_share(text, ret);
	r = take_digits(&text, &value);
	if (r < 0)
		return r;
	for (const struct unit *unit = units_of[kind]; unit->name; unit++) {
		if (strcmp(text, unit->name) != 0)
			continue;
		if (__builtin_mul_overflow(value, unit->factor, &value))
			return -ERANGE;
		*ret = value;
		return 0;
	}
	return -EINVAL;
}

static void format_share(uint64_t millionths, char *text)
{
	unsigned int part = millionths % SHARE_PER_CENT;
	int length = snprintf(text, QUANTITY_TEXT_SIZE, "%" PRIu64 ".%0*u",
			      millionths / SHARE_PER_CENT, SHARE_DECIMALS, part);

	while (text[length - 1] == '0')
		length--;
	if (text[length - 1] == '.')
		length--;
	text[length++] = '%';
	text[length] = '\0';
}

void quantity_format(enum quantity_kind kind, uint64_t value, char text[static QUANTITY_TEXT_SIZE])
{
	const struct unit *best;

	if (kind == QUANTITY_SHARE) {
		format_share(value, text);
		return;
	}
	best = units_of[kind];
	for (const struct unit *unit = best; unit->name; unit++)
		if (value >= unit->factor && value % unit->factor == 0)
			best = unit;
	snprintf(text, QUANTITY_TEXT_SIZE, "%" PRIu64 "%s", value / best->factor, best->name);
}
