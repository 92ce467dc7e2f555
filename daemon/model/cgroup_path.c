/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "model/cgroup_path.h"
#include "model/unit_name.h"

#define CONTAINER_ID_LENGTH 64U /* hexadecimal digits: docker, podman, cri-o, containerd */

/* A component of a path, without systemd's escape: a leading "_" (CGROUP_DELEGATION.md: names that
 * the kernel's attribute files could have). */
struct part {
	const char *text;
	size_t length;
};

static bool next(const char **path, struct part *ret)
{
	const char *text = *path + strspn(*path, "/");

	text += *text == '_';
	*ret = (struct part){.text = text, .length = strcspn(text, "/")};
	*path = text + ret->length;
	return ret->length || *text == '/';
}

static bool ends_with(const struct part *p, const char *suffix)
{
	size_t length = strlen(suffix);

	return p->length > length && !memcmp(p->text + p->length - length, suffix, length);
}

static bool starts_with(const struct part *p, const char *prefix)
{
	size_t length = strlen(prefix);

	return p->length > length && !memcmp(p->text, prefix, length);
}

/* Of the characters that systemd takes: unit_name_is_valid(). */
static bool is_name(const struct part *p)
{
	static const char valid[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    ":-_.\\@";

	return p->length < CGROUP_NAME_SIZE && strspn(p->text, valid) >= p->length;
}

static bool is_slice(const struct part *p)
{
	return is_name(p) && ends_with(p, ".slice");
}

static bool is_unit(const struct part *p)
{
	return is_name(p) && unit_name_has_type(p->text, p->length);
}

static void append(char ret[CGROUP_NAME_SIZE], const char *text, size_t length)
{
	size_t used = strlen(ret);

	if (length >= CGROUP_NAME_SIZE - used)
		length = CGROUP_NAME_SIZE - used - 1;
	memcpy(ret + used, text, length);
	ret[used + length] = '\0';
}

static void set(char ret[CGROUP_NAME_SIZE], const char *text, size_t length)
{
	*ret = '\0';
	append(ret, text, length);
}

/* Slices, and then the unit in them; what follows is the unit's own business. */
static const char *parse_units(const char *path, char slice[CGROUP_NAME_SIZE],
			       char unit[CGROUP_NAME_SIZE])
{
	struct part p;

	while (next(&path, &p) && is_slice(&p))
		set(slice, p.text, p.length);
	if (is_unit(&p))
		set(unit, p.text, p.length);
	return path;
}

static bool is_user_manager(const char *unit)
{
	return !strncmp(unit, "user@", strlen("user@"));
}

static size_t digits(const char *text, size_t length)
{
	size_t count = 0;

	while (count < length && memchr("0123456789abcdef", text[count], 16))
		count++;
	return count;
}

/* An id that no other digits or letters go on: /docker/ID, docker-ID.scope,
 * cri-containerd-ID.scope, libpod-ID.scope; but not the process that watches over it,
 * libpod-conmon-ID.scope. */
static void parse_container(const struct part *p, char ret[CGROUP_NAME_SIZE])
{
	bool monitor = ends_with(p, ".scope") && memmem(p->text, p->length, "-conmon-", 8);

	for (size_t i = 0; i < p->length && !monitor;) {
		size_t count = digits(p->text + i, p->length - i);
		bool begins = !i || strchr("-:_.", p->text[i - 1]);
		bool ends = i + count == p->length || strchr("-:_.", p->text[i + count]);

		if (count == CONTAINER_ID_LENGTH && begins && ends)
			set(ret, p->text + i, count);
		i += count + !count;
	}
}

static int hex(char c)
{
	const char *all = "0123456789abcdef", *at = c ? strchr(all, c) : NULL;

	return at ? (int)(at - all) : -1;
}

/* With systemd's escapes undone: "\x2d" is "-". */
static void set_unescaped(char ret[CGROUP_NAME_SIZE], const char *text, size_t length)
{
	size_t used = 0;

	for (size_t i = 0; i < length && used < CGROUP_NAME_SIZE - 1; used++) {
		bool escaped = length - i >= 4 && text[i] == '\\' && text[i + 1] == 'x' &&
			       hex(text[i + 2]) >= 0 && hex(text[i + 3]) >= 0;

		ret[used] = escaped ? (char)(hex(text[i + 2]) << 4 | hex(text[i + 3])) : text[i];
		i += escaped ? 4 : 1;
	}
	ret[used] = '\0';
}

/* Of systemd-machined, and of LXC. */
static void parse_machine(const struct part *p, const struct part *before,
			  char ret[CGROUP_NAME_SIZE])
{
	static const struct {
		const char *prefix, *suffix;
	} rules[] = {
		{"machine-", ".scope"},
		{"systemd-nspawn@", ".service"},
		{"lxc.payload.", ""},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		size_t prefix = strlen(rules[i].prefix), suffix = strlen(rules[i].suffix);

		if (starts_with(p, rules[i].prefix) && ends_with(p, rules[i].suffix) &&
		    p->length > prefix + suffix)
			set_unescaped(ret, p->text + prefix, p->length - prefix - suffix);
	}
	if (before->length == 3 && !memcmp(before->text, "lxc", 3))
		set(ret, p->text, p->length);
}

static bool is_container_id(const char *name)
{
	size_t length = strlen(name);

	return length == CONTAINER_ID_LENGTH && digits(name, length) == length;
}

/* Whose the unit is, a slash after it: a user's manager, or his slice of the system's. */
static void add_user(const struct cgroup_names *names, char ret[CGROUP_NAME_SIZE])
{
	const char *user = *names->user_unit ? names->unit : names->slice;

	if (!*names->user_unit && (is_user_manager(names->unit) || strncmp(user, "user-", 5) != 0))
		return;
	append(ret, user, (size_t)(strrchr(user, '.') - user));
	append(ret, "/", 1);
}

static void set_label(const struct cgroup_names *names, char ret[CGROUP_NAME_SIZE])
{
	const char *unit = *names->user_unit ? names->user_unit : names->unit;
	const char *container = names->container;
	char name[CGROUP_NAME_SIZE];

	if (*unit) {
		set(name, unit, strlen(unit));
		unit_name_shorten(name);
		add_user(names, ret);
		append(ret, name, strlen(name));
	} else if (*container) {
		if (!is_container_id(container))
			append(ret, "container/", strlen("container/"));
		append(ret, container, strlen(container));
	}
}

void cgroup_path_parse(const char *path, struct cgroup_names *ret)
{
	struct part p, before = {.text = "", .length = 0};
	const char *rest;

	*ret = (struct cgroup_names){0};
	rest = parse_units(path, ret->slice, ret->unit);
	if (is_user_manager(ret->unit))
		parse_units(rest, ret->slice, ret->user_unit);
	while (next(&path, &p) && !*ret->container) {
		parse_container(&p, ret->container);
		if (!*ret->container)
			parse_machine(&p, &before, ret->container);
		before = p;
	}
	set_label(ret, ret->label);
}
