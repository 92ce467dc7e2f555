/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "source/counters.h"

#define FILE_MAX 8192 /* snmp has about 1,300 bytes */

static int read_file(int fd, char text[FILE_MAX])
{
	ssize_t length = pread(fd, text, FILE_MAX - 1, 0);

	if (length < 0)
		return -errno;
	text[length] = '\0';
	return 0;
}

/* The number after " name " in the line that starts with "line:" (sockstat: names and values
 * alternate). */
static int field_named(const char *text, const char *line, const char *name, uint32_t *ret)
{
	char pattern[32];
	const char *at, *end;
	unsigned value;

	at = strstr(text, line);
	if (!at || (at != text && at[-1] != '\n'))
		return -EBADMSG;
	end = strchr(at, '\n');
	snprintf(pattern, sizeof(pattern), " %s ", name);
	at = strstr(at, pattern);
	if (!at || (end && at > end) || sscanf(at + strlen(pattern), "%u", &value) != 1)
		return -EBADMSG;
	*ret = value;
	return 0;
}

int counters_read(const struct opener_files *files, uint32_t netns, uint64_t time_ns,
		  struct tw_counters *ret)
{
	struct tw_counters c = {.time_ns = time_ns, .netns = netns};
	uint32_t in_use6 = 0;
	char text[FILE_MAX];
	int error;

	error = read_file(files->sockstat, text);
	if (error < 0)
		return error;
	if (field_named(text, "TCP:", "inuse", &c.in_use) < 0 ||
	    field_named(text, "TCP:", "tw", &c.time_wait) < 0)
		return -EBADMSG;
	if (files->sockstat6 >= 0) {
		error = read_file(files->sockstat6, text);
		if (error < 0)
			return error;
		if (field_named(text, "TCP6:", "inuse", &in_use6) < 0)
			return -EBADMSG;
	}
	c.in_use += in_use6;
	*ret = c;
	return 0;
}

/* snmp has a line of names and a line of values, both starting with "Tcp:". */
int counters_segments(const struct opener_files *files, uint64_t *ret)
{
	char text[FILE_MAX], *names, *values, *name, *value, *name_rest, *value_rest;
	unsigned long long number;
	int error;

	error = read_file(files->snmp, text);
	if (error < 0)
		return error;
	names = strstr(text, "\nTcp:");
	values = names ? strstr(names + 1, "\nTcp:") : NULL;
	if (!values)
		return -EBADMSG;
	*values = '\0';
	for (name = strtok_r(names, " \n", &name_rest),
	    value = strtok_r(values + 1, " \n", &value_rest);
	     name && value;
	     name = strtok_r(NULL, " \n", &name_rest), value = strtok_r(NULL, " \n", &value_rest))
		if (!strcmp(name, "InSegs") && sscanf(value, "%llu", &number) == 1) {
			*ret = number;
			return 0;
		}
	return -EBADMSG;
}
