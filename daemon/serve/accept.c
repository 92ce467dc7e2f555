/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "serve/exposition.h"

/* A media range of the header, such as "application/openmetrics-text;version=1.0.0;q=0.5". */
struct range {
	const char *type;
	size_t length;
	bool version_known; /* that of the parameter is one we write, or there is no such parameter
			     */
	unsigned quality;   /* thousandths */
};

static const char *skip_space(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

/* RFC 9110 section 12.4.2: 0 to 1, at most three decimals. What is not so counts as 0. */
static unsigned parse_quality(const char *s, size_t length)
{
	unsigned value, unit = 1000;

	if (!length || (s[0] != '0' && s[0] != '1') || (length > 1 && s[1] != '.') || length > 5)
		return 0;
	value = (unsigned)(s[0] - '0') * unit;
	for (size_t i = 2; i < length; i++) {
		if (!isdigit((unsigned char)s[i]))
			return 0;
		value += (unsigned)(s[i] - '0') * (unit /= 10);
	}
	return value <= 1000 ? value : 0;
}

static bool version_is_known(const char *value, size_t length)
{
	static const char *const versions[] = {"1.0.0", "0.0.1", "0.0.4"};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (length == strlen(versions[i]) && !memcmp(value, versions[i], length))
			return true;
	}
	return false;
}

/* One parameter, from its name on; returns what comes after it. */
static const char *parse_parameter(const char *s, struct range *range)
{
	size_t name = strcspn(s, "=;, \t"), value;
	const char *start = s + name;

	if (*start != '=')
		return start + strcspn(start, ";,");
	start++;
	value = strcspn(start, ";, \t");
	if (name == 1 && (*s == 'q' || *s == 'Q'))
		range->quality = parse_quality(start, value);
	else if (name == 7 && !strncasecmp(s, "version", name))
		range->version_known = version_is_known(start, value);
	return start + value + strcspn(start + value, ";,");
}

static const char *parse_range(const char *s, struct range *ret)
{
	struct range range = {.type = s, .version_known = true, .quality = 1000};

	range.length = strcspn(s, ";, \t");
	s += range.length + strcspn(s + range.length, ";,");
	while (*s == ';')
		s = parse_parameter(skip_space(s + 1), &range);
	*ret = range;
	return s;
}

static bool is_type(const struct range *range, const char *type)
{
	return range->length == strlen(type) && !strncasecmp(range->type, type, range->length);
}

enum exposition_format exposition_format_of(const char *accept)
{
	unsigned text = 0, openmetrics = 0;
	struct range range;

	for (const char *s = accept; s && *s; s += *s == ',') {
		s = parse_range(skip_space(s), &range);
		if (!range.version_known)
			continue;
		if (is_type(&range, "application/openmetrics-text"))
			openmetrics = range.quality > openmetrics ? range.quality : openmetrics;
		else if (is_type(&range, "text/plain") || is_type(&range, "text/*") ||
			 is_type(&range, "*/*"))
			text = range.quality > text ? range.quality : text;
	}
	return openmetrics > text ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
}
