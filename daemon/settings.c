/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "settings.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include <tcpwatch/control.h>

#include "base/log.h"
#include "base/quantity.h"
#include "base/util.h"
#include "settings_groups.h"

#define ENDPOINT_SIZE                                                                           \
	64              /* "[", the 45 characters of the longest IPv6 address, "]:65535", a NUL \
			 */
#define DROPINS_MAX 256 /* files: more than any host's packages and people bring */

static const char *const mode_words[] = {
	[SETTINGS_MODE_AUTO] = "auto",
	[SETTINGS_MODE_EBPF] = "ebpf",
	[SETTINGS_MODE_DIAG] = "diag",
	NULL,
};
static const char *const namespaces_words[] = {
	[SETTINGS_NAMESPACES_ALL] = "all",
	[SETTINGS_NAMESPACES_HOST] = "host",
	NULL,
};
static const char *const seccomp_words[] = {
	[SETTINGS_SECCOMP_ENFORCE] = "enforce",
	[SETTINGS_SECCOMP_LOG] = "log",
	[SETTINGS_SECCOMP_OFF] = "off",
	NULL,
};
static const char *const syn_accounting_words[] = {"off", "auto", NULL};
static const char *const compat_words[] = {"none", "node_exporter", NULL};

static bool valid_path(struct conf_value value)
{
	return value.text[0] == '/';
}

static bool valid_ring(struct conf_value value)
{
	return (value.number & (value.number - 1)) == 0;
}

/* The kernel's and inet_pton(3)'s idea of a numeric address; no names, so that no start waits for
 * DNS. */
static bool valid_endpoint(struct conf_value value)
{
	char text[ENDPOINT_SIZE], *colon, *address = text;
	struct in6_addr binary;
	int family = AF_INET;
	uint64_t port;

	if (snprintf(text, sizeof(text), "%s", value.text) >= (int)sizeof(text))
		return false;
	colon = strrchr(text, ':');
	if (!colon || quantity_parse(QUANTITY_COUNT, colon + 1, &port) < 0 || port == 0 ||
	    port > UINT16_MAX)
		return false;
	*colon = '\0';
	if (text[0] == '[') {
		if (colon[-1] != ']')
			return false;
		colon[-1] = '\0';
		family = AF_INET6;
		address++;
	}
	return inet_pton(family, address, &binary) == 1;
}

static const struct conf_row rows[] = {
	{
		.section = "daemon",
		.key = "mode",
		.type = CONF_WORD,
		.offset = offsetof(struct settings, mode),
		.preset = "auto",
		.words = mode_words,
		.restart = true,
	},
	{
		.section = "daemon",
		.key = "control_socket",
		.type = CONF_TEXT,
		.offset = offsetof(struct settings, control_socket),
		.preset = TW_CONTROL_SOCKET,
		.min = "2",
		.max = "107", /* sun_path of unix(7) with its NUL */
		.expected = "an absolute path of at most 107 characters",
		.valid = valid_path,
		.restart = true,
	},
	{
		.section = "daemon",
		.key = "control_group",
		.type = CONF_TEXT,
		.offset = offsetof(struct settings, control_group),
		.preset = "tcpwatch",
		.min = "0",
		.max = "32", /* the limit of groupadd(8) */
		.restart = true,
	},
	{
		.section = "daemon",
		.key = "user",
		.type = CONF_TEXT,
		.offset = offsetof(struct settings, user),
		.preset = SETTINGS_USER_AUTO,
		.min = "1",
		.max = "32", /* the limit of useradd(8) */
		.restart = true,
	},
	{
		.section = "daemon",
		.key = "seccomp",
		.type = CONF_WORD,
		.offset = offsetof(struct settings, seccomp),
		.preset = "enforce",
		.words = seccomp_words,
		.restart = true,
	},
	{
		.section = "daemon",
		.key = "namespaces",
		.type = CONF_WORD,
		.offset = offsetof(struct settings, namespaces),
		.preset = "all",
		.words = namespaces_words,
		.restart = true,
	},
	{
		.section = "daemon",
		.key = "max_connections",
		.type = CONF_COUNT,
		.offset = offsetof(struct settings, max_connections),
		.preset = "1000000",
		.min = "1",
		.max = "16777216",
		.restart = true,
	},
	{
		.section = "daemon",
		.key = "ring_size",
		.type = CONF_SIZE,
		.offset = offsetof(struct settings, ring_size),
		.preset = "auto",
		.min = "256K",
		.max = "1G",
		.nothing = "auto",
		.expected = "a power of two from 256K to 1G",
		.valid = valid_ring,
		.restart = true,
	},
	{
		.section = "daemon",
		.key = "resync_budget",
		.type = CONF_SHARE,
		.offset = offsetof(struct settings, resync_budget),
		.preset = "0.5%",
		.min = "0.01%",
		.max = "50%",
	},
	{
		.section = "daemon",
		.key = "syn_accounting",
		.type = CONF_SWITCH,
		.offset = offsetof(struct settings, syn_accounting),
		.preset = "auto",
		.words = syn_accounting_words,
		.restart = true,
	},
	{
		.section = "daemon",
		.key = "state_directory",
		.type = CONF_TEXT,
		.offset = offsetof(struct settings, state_directory),
		.preset = TW_STATE_DIRECTORY,
		.min = "2",
		.max = "1024", /* leaves room for names below it, of PATH_MAX */
		.expected = "an absolute path of at most 1024 characters",
		.valid = valid_path,
		.restart = true,
	},
	{
		.section = "daemon",
		.key = "evidence_files",
		.type = CONF_COUNT,
		.offset = offsetof(struct settings, evidence_files),
		.preset = "100",
		.min = "1",
		.max = "10000",
		.nothing = "off",
	},
	{
		.section = "daemon",
		.key = "evidence_size",
		.type = CONF_SIZE,
		.offset = offsetof(struct settings, evidence_size),
		.preset = "16M",
		.min = "64K",
		.max = "1G",
	},
	{
		.section = "metrics",
		.key = "listen",
		.type = CONF_LIST,
		.offset = offsetof(struct settings, listen),
		.slots = SETTINGS_LISTEN_MAX,
		.preset = "127.0.0.1:10924",
		.nothing = "off",
		.expected = "ADDRESS:PORT or [IPV6-ADDRESS]:PORT, such as 127.0.0.1:10924, "
			    "0.0.0.0:10924 or [::1]:10924",
		.valid = valid_endpoint,
		.restart = true,
	},
	{
		.section = "metrics",
		.key = "top",
		.type = CONF_COUNT,
		.offset = offsetof(struct settings, top),
		.preset = "10",
		.min = "1",
		.max = "100", /* SEGMENTS_SLOTS_MAX */
	},
	{
		.section = "metrics",
		.key = "compat",
		.type = CONF_SWITCH,
		.offset = offsetof(struct settings, compat_node_exporter),
		.preset = "none",
		.words = compat_words,
	},
};

static const struct conf_group groups[] = {
	{
		.section = "alert",
		.rows = settings_alert_rows,
		.n_rows = SETTINGS_ALERT_ROWS,
		.size = sizeof(struct settings_alert),
		.offset = offsetof(struct settings, alerts),
		.members_max = SETTINGS_ALERTS_MAX,
		.check = settings_check_alert,
	},
	{
		.section = "sink",
		.rows = settings_sink_rows,
		.n_rows = SETTINGS_SINK_ROWS,
		.size = sizeof(struct settings_sink),
		.offset = offsetof(struct settings, sinks),
		.members_max = SETTINGS_SINKS_MAX,
		.check = settings_check_sink,
	},
};

static const struct conf_table table = {
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
	.groups = groups,
	.n_groups = ARRAY_SIZE(groups),
};

_Static_assert(ARRAY_SIZE(rows) <= CONF_ROWS_MAX, "conf_read() has a bit for each row");
_Static_assert(SETTINGS_ALERT_ROWS <= CONF_GROUP_ROWS_MAX, "a member keeps the place of each");
_Static_assert(SETTINGS_SINK_ROWS <= CONF_GROUP_ROWS_MAX, "a member keeps the place of each");

static int is_dropin(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > strlen(".conf") &&
	       strcmp(entry->d_name + length - strlen(".conf"), ".conf") == 0;
}

/* Not alphasort(3): the order must not hang on the locale. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_file(const char *path, struct settings *s)
{
	char message[CONF_MESSAGE_SIZE];
	int r = conf_read(&table, path, s, message);

	if (r < 0)
		log_error("%s", message);
	return r;
}

static int read_dropin(const char *directory, const char *name, struct settings *s)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s", directory, name) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return read_file(path, s);
}

static int list_dropins(const char *directory, struct dirent ***ret_names)
{
	int n = scandir(directory, ret_names, is_dropin, compare_names);

	if (n >= 0)
		return n;
	if (errno == ENOENT)
		return 0;
	n = -errno;
	log_error("%s: cannot be read: %s", directory, strerror(-n));
	return n;
}

static int read_dropins(const char *file, struct settings *s)
{
	_cleanup_free_ struct dirent **names = NULL;
	_cleanup_free_ char *directory = NULL;
	int n, r = 0;

	if (asprintf(&directory, "%s.d", file) < 0) {
		directory = NULL;
		return -ENOMEM;
	}
	n = list_dropins(directory, &names);
	if (n < 0)
		return n;
	if (n > DROPINS_MAX) {
		log_error("%s: %d files, but at most %d are read; put them together", directory, n,
			  DROPINS_MAX);
		r = -EINVAL;
	}
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = read_dropin(directory, names[i]->d_name, s);
		free(names[i]);
	}
	return r;
}

/* A host without the default file runs on the presets; a file that was asked for by name must be
 * there. */
static bool may_be_missing(const char *file)
{
	return strcmp(file, TW_CONFIG_FILE) == 0 && access(file, F_OK) < 0 && errno == ENOENT;
}

/* What no line by itself can say. */
static int check(const struct settings *s)
{
	char message[CONF_MESSAGE_SIZE];
	int r = conf_check(&table, s, message);
	const struct settings_alert *alert;

	if (r < 0) {
		log_error("%s", message);
		return r;
	}
	alert = settings_check_ages(s);
	if (!alert)
		return 0;
	log_error("%s:%d: [alert %s]: more than %d rules for its state have an older_than, which "
		  "is the limit: take one away",
		  s->alerts.paths[alert->member.place.file - 1], alert->member.place.line,
		  alert->member.name, SETTINGS_AGES_MAX);
	return -EINVAL;
}

int settings_load(const char *file, struct settings **ret)
{
	_cleanup_(settings_freep) struct settings *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = conf_preset(&table, s);
	if (r < 0)
		return r;
	if (!may_be_missing(file)) {
		r = read_file(file, s);
		if (r < 0)
			return r;
	}
	r = read_dropins(file, s);
	if (r < 0)
		return r;
	r = check(s);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

struct settings *settings_free(struct settings *s)
{
	if (!s)
		return NULL;
	conf_clear(&table, s);
	free(s);
	return NULL;
}

void settings_print(const struct settings *s, FILE *out)
{
	conf_print(&table, s, out);
}

void settings_visit(const struct settings *s, conf_visitor visitor, void *userdata)
{
	conf_visit(&table, s, visitor, userdata);
}

bool settings_have_commands(const struct settings *s)
{
	const struct settings_sink *sinks = s->sinks.items;

	for (size_t i = 0; i < s->sinks.count; i++)
		if (sinks[i].type == SETTINGS_SINK_EXEC)
			return true;
	return false;
}

const char *settings_needs_restart(const struct settings *now, const struct settings *then)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].restart && !conf_equal(&rows[i], now, then))
			return rows[i].key;
	if (settings_have_commands(then) && !settings_have_commands(now))
		return "that there is a sink of type = exec";
	return NULL;
}
