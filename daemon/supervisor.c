/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/labels.h"
#include "base/util.h"
#include "supervisor.h"

#define LINE_EVERY_NS (5 * NSEC_PER_SEC) /* each line is a message to the manager and to D-Bus */

void supervisor_ready(void)
{
	sd_notify(0, "READY=1");
}

/* MONOTONIC_USEC= is for Type=notify-reload of systemd 253 and later. */
void supervisor_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)(now_ns(CLOCK_MONOTONIC) / NSEC_PER_USEC));
}

void supervisor_reloaded(void)
{
	sd_notify(0, "READY=1");
}

void supervisor_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

/* Where the text is to go on; it is cut at the end of the line. */
_printf_(3, 4) static size_t append(char *line, size_t used, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(line + used, SUPERVISOR_LINE_SIZE - used, format, arguments);
	va_end(arguments);
	used += length > 0 ? (size_t)length : 0;
	return used < SUPERVISOR_LINE_SIZE ? used : SUPERVISOR_LINE_SIZE - 1;
}

static uint64_t count(const struct model *m, unsigned state)
{
	uint64_t sum = 0;

	for (unsigned family = 0; family < NETNS_FAMILIES; family++)
		sum += model_connections(m, state, family);
	return sum;
}

static size_t append_states(const struct model *m, char *line, size_t used)
{
	const char *before = " (";

	TW_FOR_EACH_STATE(state) {
		uint64_t n = count(m, state);

		if (!n)
			continue;
		used = append(line, used, "%s%llu %s", before, (unsigned long long)n,
			      labels_state[state]);
		before = ", ";
	}
	return *before == ',' ? append(line, used, ")") : used;
}

static size_t count_namespaces(const struct netns_table *namespaces)
{
	size_t found = 0;

	for (size_t i = 0; i < netns_count(namespaces); i++)
		found += netns_at(namespaces, i)->inum != 0;
	return found;
}

void supervisor_describe(const struct model *m, bool polling, size_t firing,
			 char ret[SUPERVISOR_LINE_SIZE])
{
	size_t namespaces = count_namespaces(model_netns(m)), used;
	uint64_t sum = 0;

	TW_FOR_EACH_STATE(state)
		sum += count(m, state);
	used = append(ret, 0, "%llu connection%s", (unsigned long long)sum, sum == 1 ? "" : "s");
	used = append_states(m, ret, used);
	used = append(ret, used, " in %zu network namespace%s", namespaces,
		      namespaces == 1 ? "" : "s");
	if (firing)
		used = append(ret, used, ", %zu alert%s firing", firing, firing == 1 ? "" : "s");
	if (polling)
		append(ret, used, ", by polling");
}

void supervisor_alive(struct supervisor *s, const struct model *m, bool polling, size_t firing,
		      uint64_t now_ns)
{
	char line[SUPERVISOR_LINE_SIZE];

	sd_notify(0, "WATCHDOG=1");
	if (!model_known(m) || (*s->line && now_ns - s->told_ns < LINE_EVERY_NS))
		return;
	supervisor_describe(m, polling, firing, line);
	if (strcmp(line, s->line) == 0)
		return;
	sd_notifyf(0, "STATUS=%s", line);
	memcpy(s->line, line, sizeof(line));
	s->told_ns = now_ns;
}
