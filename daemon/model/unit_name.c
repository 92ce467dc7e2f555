/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/util.h"
#include "model/unit_name.h"

/*
 * Forms of names. Of capitals N is a number as %u writes it, E an address and a port, X a digit of
 * a hexadecimal number; all else is itself.
 */
#define UUID "XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX"
#define ID128 "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"

/*
 * Instances that systemd makes for Accept=yes: instance_from_socket() of its src/core/socket.c. A
 * serial number, in newer versions the socket's cookie, and both ends, of IPv6 (without brackets)
 * and AF_VSOCK too; of AF_UNIX the peer's pid, perhaps with the pidfd's inode, and uid, or
 * "unknown". None of these characters is escaped in a unit's name.
 */
static const char *const connection_forms[] = {
	"N-E-E",     "N-N-E-E",   /* AF_INET, AF_INET6, AF_VSOCK */
	"N-N-N",     "N-N-N-N",   /* AF_UNIX */
	"N-N_N-N",   "N-N-N_N-N", /* with a pidfd */
	"N-unknown", "N-N-unknown",
};

/* What systemd-run calls what it runs, make_unit_name() of src/run/run.c: by its name on the bus, a
 * random number, its pid and the pidfd's inode, or, in old versions, its pid. */
static const char *const run_forms[] = {"run-uN", "run-r" ID128, "run-pN-iN", "run-N"};

static size_t span(const char *text, const char *end, const char *set)
{
	size_t length = 0;

	while (text + length < end && strchr(set, text[length]))
		length++;
	return length;
}

static size_t take_number(const char *text, const char *end)
{
	size_t length = span(text, end, "0123456789");

	return length > 1 && *text == '0' ? 0 : length;
}

static size_t take_endpoint(const char *text, const char *end)
{
	size_t length = span(text, end, "0123456789abcdef.:");
	const char *colon = memrchr(text, ':', length);

	end = text + length;
	if (!colon || colon == text || colon + 1 == end)
		return 0;
	return colon + 1 + take_number(colon + 1, end) == end ? length : 0;
}

/* The length of what stands for the form's character, 0 for what does not. */
static size_t take(char form, const char *text, const char *end)
{
	switch (form) {
	case 'N':
		return take_number(text, end);
	case 'E':
		return take_endpoint(text, end);
	case 'X':
		return span(text, end, "0123456789abcdef") > 0;
	default:
		return text < end && *text == form;
	}
}

static bool has_form(const char *text, const char *end, const char *form)
{
	for (; *form; form++) {
		size_t length = take(*form, text, end);

		if (!length)
			return false;
		text += length;
	}
	return text == end;
}

static bool has_one_of(const char *text, const char *end, const char *const *forms, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (has_form(text, end, forms[i]))
			return true;
	return false;
}

/* Where a scope's name ends that desktops, snap, terminals and logins give, before the pid, the
 * UUID or the number. A machine's is its own: machine-42.scope. */
static char *end_of_scope(char *unit, char *type)
{
	char *dash = memrchr(unit, '-', (size_t)(type - unit));
	size_t uuid = strlen("-" UUID);

	if (!strncmp(unit, "machine-", strlen("machine-")))
		return type;
	if ((size_t)(type - unit) > uuid && has_form(type - uuid, type, "-" UUID))
		return type - uuid;
	if (has_form(unit, type, "session-cN") ||
	    (dash && dash != unit && has_form(dash, type, "-N")))
		return dash;
	return type;
}

void unit_name_shorten(char *unit)
{
	char *type = strrchr(unit, '.'), *at = strchr(unit, '@'), *end = type;
	bool service = type && !strcmp(type, ".service"), scope = type && !strcmp(type, ".scope");

	if (!service && !scope)
		return;
	if (has_one_of(unit, type, run_forms, ARRAY_SIZE(run_forms)))
		end = unit + strlen("run");
	else if (scope)
		end = end_of_scope(unit, type);
	else if (at && at < type &&
		 has_one_of(at + 1, type, connection_forms, ARRAY_SIZE(connection_forms)))
		end = at + 1;
	memmove(end, type, strlen(type) + 1);
}

bool unit_name_has_type(const char *name, size_t length)
{
	static const char *const types[] = {".service", ".scope", ".slice",
					    ".socket",  ".mount", ".swap"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		size_t end = strlen(types[i]);

		if (length > end && !memcmp(name + length - end, types[i], end))
			return true;
	}
	return false;
}
