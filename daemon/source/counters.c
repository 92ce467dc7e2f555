/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdbool.h>
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
	struct tw_counters c = {.time_ns = time_ns, .netns = netns, .established = TW_NOT_READ};
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

int counters_orphans(const struct opener_files *files, uint32_t *ret)
{
	char text[FILE_MAX];
	int error = read_file(files->sockstat, text);

	return error < 0 ? error : field_named(text, "TCP:", "orphan", ret);
}

struct pick {
	const char *name;
	uint64_t value;
	bool found; /* not every kernel has every counter */
};

/* The next line that starts with the protocol's name, as "TcpExt:"; ended by a NUL. NULL when there
 * is none. */
static char *take_line(char **text, const char *protocol)
{
	char *line;

	while ((line = strsep(text, "\n")))
		if (!strncmp(line, protocol, strlen(protocol)))
			return line;
	return NULL;
}

/* snmp and netstat have a line of names and a line of values for each protocol. The text is taken
 * apart. */
static int pick_values(char *text, const char *protocol, struct pick *picks, size_t count)
{
	char *names = take_line(&text, protocol), *values = take_line(&text, protocol);
	char *name, *value, *end;

	while ((name = strsep(&names, " ")) && (value = strsep(&values, " ")))
		for (size_t i = 0; i < count; i++) {
			if (strcmp(name, picks[i].name) != 0)
				continue;
			picks[i].value = strtoull(value, &end, 10);
			if (end == value || *end)
				return -EBADMSG;
			picks[i].found = true;
		}
	return names || values ? -EBADMSG : 0;
}

static int read_snmp(const struct opener_files *files, const char *name, uint64_t *ret)
{
	struct pick pick = {.name = name};
	char text[FILE_MAX];
	int error = read_file(files->snmp, text);

	if (!error)
		error = pick_values(text, "Tcp:", &pick, 1);
	if (!error && !pick.found)
		error = -EBADMSG;
	if (!error)
		*ret = pick.value;
	return error;
}

int counters_established(const struct opener_files *files, uint32_t *ret)
{
	uint64_t value;
	int error = read_snmp(files, "CurrEstab", &value);

	if (error)
		return error;
	if (value >= TW_NOT_READ)
		return -EBADMSG;
	*ret = (uint32_t)value;
	return 0;
}

int counters_segments(const struct opener_files *files, uint64_t *ret)
{
	return read_snmp(files, "InSegs", ret);
}

int counters_netstat(const struct opener_files *files, uint32_t netns, uint64_t time_ns,
		     struct tw_netstat *ret)
{
	struct pick picks[] = {
#define X(counter, field) {.name = counter},
		TW_NETSTAT(X)
#undef X
	};
	struct tw_netstat n = {.time_ns = time_ns, .netns = netns};
	char text[FILE_MAX];
	int error = read_file(files->netstat, text);
	size_t i = 0;

	if (!error)
		error = pick_values(text, "TcpExt:", picks, ARRAY_SIZE(picks));
	if (error)
		return error;
#define X(counter, field) n.field = picks[i++].value;
	TW_NETSTAT(X)
#undef X
	*ret = n;
	return 0;
}
