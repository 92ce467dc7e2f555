/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inih splits the lines; what it would pass over in silence is caught here, in the function that
 * hands it the lines: a line longer than its buffer (it goes on in the middle as if a new one
 * began), a NUL byte (it ends the line), a comment behind a value that starts with # (it would be
 * part of the value), a section without a key or with a long name (no call, or a name cut off), a
 * blank at the start of a line (it would be a further value of the key before). So the result does
 * not hang on how the library was built.
 */
#include "base/conf.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "base/conf_complaint.h"
#include "base/conf_value.h"
#include "base/util.h"

#define UTF8_BOM "\xef\xbb\xbf" /* some editors write it; inih steps over it */

/* What the keys of the section at hand are for. */
struct target {
	const struct conf_row *rows;
	size_t n_rows;
	void *values;
	const struct conf_group *group; /* NULL: of none */
};

/* What goes on while one file is read. */
struct reading {
	const struct conf_table *table;
	struct target target;
	const char *path;
	FILE *file;
	void *values;
	char *message;
	int line;  /* the one that inih has in hand, from 1 */
	int error; /* first one, negative errno */
	int error_line;
	uint64_t seen;  /* bit of a row that this file has set */
	uint64_t noted; /* bit of a group that has noted the file's path */
};

/* Messages. */

static void _printf_(2, 3) fail(struct reading *reading, const char *format, ...)
{
	size_t used;
	va_list arguments;

	if (reading->error < 0)
		return;
	reading->error = -EINVAL;
	reading->error_line = reading->line;
	snprintf(reading->message, CONF_MESSAGE_SIZE, "%s:%d: ", reading->path, reading->line);
	used = strlen(reading->message);
	va_start(arguments, format);
	vsnprintf(reading->message + used, CONF_MESSAGE_SIZE - used, format, arguments);
	va_end(arguments);
}

static void fail_section(struct reading *reading, const char *name, const char *word)
{
	char complaint[CONF_MESSAGE_SIZE];

	conf_complaint_section(reading->table, name, word, complaint);
	fail(reading, "%s", complaint);
}

/* section: a known one or "". */
static void fail_key(struct reading *reading, const char *section, const char *key)
{
	char complaint[CONF_MESSAGE_SIZE];

	if (section[0])
		conf_complaint_key(reading->table, reading->target.group, section, key, complaint);
	else
		conf_complaint_outside(reading->table, key, complaint);
	fail(reading, "%s", complaint);
}

static void fail_value(struct reading *reading, const struct conf_row *row, const char *value)
{
	char complaint[CONF_MESSAGE_SIZE];

	conf_complaint_value(row, value, complaint);
	fail(reading, "%s", complaint);
}

/* Reading. */

static const struct conf_row *find_row(const struct target *target, const char *section,
				       const char *key)
{
	for (size_t i = 0; i < target->n_rows; i++)
		if ((target->group || strcmp(target->rows[i].section, section) == 0) &&
		    strcmp(target->rows[i].key, key) == 0)
			return &target->rows[i];
	return NULL;
}

static struct conf_place place_of(const struct reading *reading)
{
	const struct conf_group *group = reading->target.group;
	const struct conf_members *members = conf_members_of(group, reading->values);

	return (struct conf_place){.file = (uint16_t)members->path_count,
				   .line = (uint16_t)reading->line};
}

/* Whether the file has not set it before. */
static bool note_set(struct reading *reading, const struct conf_row *row)
{
	uint64_t bit = UINT64_C(1) << (row - reading->target.rows);
	struct conf_place place, before;
	struct conf_member *member;
	bool first;

	if (!reading->target.group) {
		first = !(reading->seen & bit);
		reading->seen |= bit;
		return first;
	}
	member = reading->target.values;
	before = member->places[row - reading->target.rows];
	place = place_of(reading);
	member->places[row - reading->target.rows] = place;
	return before.file != place.file;
}

static void set(struct reading *reading, const struct conf_row *row, const char *text)
{
	struct conf_value value;
	int r;

	if (conf_value_parse(row, text, &value) < 0) {
		fail_value(reading, row, text);
		return;
	}
	r = conf_value_store(row, reading->target.values, &value, note_set(reading, row));
	if (r == -ENOSPC)
		fail(reading, "%s stands here more than %zu times, which is the limit", row->key,
		     row->slots);
	else if (r < 0)
		reading->error = r;
}

/* For inih: key = value. The section is a known one or "". */
static int on_value(void *userdata, const char *section, const char *key, const char *text)
{
	struct reading *reading = userdata;
	const struct conf_row *row = find_row(&reading->target, section, key);

	if (row)
		set(reading, row, text);
	else if (!key[0])
		fail(reading, "there is no key before the =");
	else
		fail_key(reading, section, key);
	return reading->error == 0;
}

static bool known_section(const struct conf_table *table, const char *name)
{
	for (size_t i = 0; i < table->n_rows; i++)
		if (strcmp(table->rows[i].section, name) == 0)
			return true;
	return false;
}

/* What stands in front of the first blank; text is cut there. NULL when no group is called so. */
static const struct conf_group *find_group(const struct conf_table *table, char *text)
{
	text[strcspn(text, " \t")] = '\0';
	for (size_t i = 0; i < table->n_groups; i++)
		if (strcmp(table->groups[i].section, text) == 0)
			return &table->groups[i];
	return NULL;
}

static int note_path(struct reading *reading, const struct conf_group *group,
		     struct conf_members *members)
{
	uint64_t bit = UINT64_C(1) << (group - reading->table->groups);
	char **paths;

	if (reading->noted & bit)
		return 0;
	if (members->path_count == CONF_FILES_MAX)
		return -ENOSPC;
	paths = realloc(members->paths, (members->path_count + 1) * sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	members->paths = paths;
	paths[members->path_count] = strdup(reading->path);
	if (!paths[members->path_count])
		return -ENOMEM;
	members->path_count++;
	reading->noted |= bit;
	return 0;
}

static int add_member(const struct conf_group *group, struct conf_members *members,
		      const char *name, struct conf_member **ret)
{
	struct conf_member *member;
	void *items = realloc(members->items, (members->count + 1) * group->size);
	int r;

	if (!items)
		return -ENOMEM;
	members->items = items;
	member = conf_member_at(group, members, members->count);
	memset(member, 0, group->size);
	snprintf(member->name, sizeof(member->name), "%s", name);
	members->count++;
	r = conf_preset_rows(group->rows, group->n_rows, member);
	if (r < 0)
		return r;
	*ret = member;
	return 0;
}

static struct conf_member *find_member(const struct conf_group *group,
				       const struct conf_members *members, const char *name)
{
	for (size_t i = 0; i < members->count; i++) {
		struct conf_member *member = conf_member_at(group, members, i);

		if (strcmp(member->name, name) == 0)
			return member;
	}
	return NULL;
}

static void aim_at_member(struct reading *reading, const struct conf_group *group, const char *name)
{
	struct conf_members *members = (struct conf_members *)conf_members_of(group,
									      reading->values);
	struct conf_member *member = find_member(group, members, name);
	int r = note_path(reading, group, members);

	if (!r && !member && members->count == group->members_max) {
		fail(reading, "there are more than %zu sections [%s NAME], which is the limit",
		     group->members_max, group->section);
		return;
	}
	reading->target = (struct target){group->rows, group->n_rows, NULL, group};
	if (!r && !member) {
		r = add_member(group, members, name, &member);
		if (!r)
			member->place = place_of(reading);
	}
	reading->target.values = member;
	if (r == -ENOSPC)
		fail(reading, "more than %d files are read", CONF_FILES_MAX);
	else if (r < 0)
		reading->error = r;
}

/* Names go into metrics, paths and messages as they are. */
static bool good_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";

	return isalnum((unsigned char)name[0]) && name[strspn(name, allowed)] == '\0';
}

static void aim(struct reading *reading, const char *section)
{
	char word[CONF_SECTION_MAX + 1];
	const struct conf_group *group;
	const char *name;

	snprintf(word, sizeof(word), "%s", section);
	group = find_group(reading->table, word);
	name = section + strlen(word);
	name += *name != '\0';
	if (known_section(reading->table, section))
		reading->target = (struct target){reading->table->rows, reading->table->n_rows,
						  reading->values, NULL};
	else if (!group)
		fail_section(reading, section, word);
	else if (!good_name(name))
		fail(reading,
		     "[%s] wants a name of letters, digits, and - _ . after a letter or a digit: "
		     "[%s NAME]",
		     section, group->section);
	else
		aim_at_member(reading, group, name);
}

/* line: starts with a [. One without the ] is left to inih. */
static void check_section(struct reading *reading, const char *line)
{
	_cleanup_free_ char *name = NULL;
	const char *end = strchr(line, ']');
	const char *rest;

	if (!end)
		return;
	name = strndup(line + 1, (size_t)(end - line - 1));
	if (!name) {
		reading->error = -ENOMEM;
		return;
	}
	rest = end + 1 + strspn(end + 1, " \t\r\n");
	if (strlen(name) > CONF_SECTION_MAX)
		fail(reading, "the section's name is longer than %d characters", CONF_SECTION_MAX);
	else
		aim(reading, name);
	if (rest[0])
		fail(reading, "nothing but a comment can follow [%s] on its line", name);
}

static bool starts_comment(const char *line, int length, int c)
{
	return (c == '#' || c == ';') && (length == 0 || isspace((unsigned char)line[length - 1]));
}

/* A character that stands on the line, and neither before its text nor in a comment. */
static int take_character(struct reading *reading, char *line, int size, int *length, int c)
{
	if (*length == 0 && isspace(c))
		return 0;
	if (*length >= size - 2) {
		fail(reading, "the line is longer than %d characters", size - 2);
		return reading->error;
	}
	line[(*length)++] = (char)c;
	return 0;
}

/*
 * One line without its comment, ended by a newline. inih would leave a comment that starts with #
 * behind a value, and count the length of every comment. 1, 0 at the end of the file, or a negative
 * errno.
 */
static int take_line(struct reading *reading, char *line, int size)
{
	bool comment = false;
	int length = 0, c, r;

	while ((c = getc(reading->file)) != EOF && c != '\n') {
		if (c == '\0') {
			fail(reading, "a NUL byte: this is not a text file");
			return reading->error;
		}
		comment = comment || starts_comment(line, length, c);
		r = comment ? 0 : take_character(reading, line, size, &length, c);
		if (r < 0)
			return r;
	}
	if (ferror(reading->file)) {
		fail(reading, "cannot read on: %s", strerror(errno));
		reading->error = -EIO;
		return reading->error;
	}
	line[length] = '\n';
	line[length + 1] = '\0';
	return c != EOF || length > 0;
}

/* For inih, as fgets() for it: the next line, or NULL to end. */
static char *next_line(char *line, int size, void *userdata)
{
	struct reading *reading = userdata;
	const char *text;

	if (reading->error < 0)
		return NULL;
	reading->line++;
	if (take_line(reading, line, size) <= 0)
		return NULL;
	if (reading->line > CONF_LINES_MAX)
		fail(reading, "the file has more than %d lines", CONF_LINES_MAX);
	text = line + (reading->line == 1 && strncmp(line, UTF8_BOM, 3) == 0 ? 3 : 0);
	if (text[0] == '[')
		check_section(reading, text);
	return reading->error < 0 ? NULL : line;
}

/* fopen() opens directories too, and the read would fail with a puzzling line number. */
static int open_file(const char *path, FILE **ret)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	struct stat st;

	if (!file)
		return -errno;
	if (fstat(fileno(file), &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	*ret = TAKE_PTR(file);
	return 0;
}

int conf_read(const struct conf_table *table, const char *path, void *values,
	      char message[static CONF_MESSAGE_SIZE])
{
	_cleanup_fclose_ FILE *file = NULL;
	struct reading reading = {.table = table, .path = path, .values = values};
	int r;

	r = open_file(path, &file);
	if (r < 0) {
		snprintf(message, CONF_MESSAGE_SIZE, "%s: cannot be read: %s", path, strerror(-r));
		return r;
	}
	reading.file = file;
	reading.message = message;
	r = ini_parse_stream(next_line, &reading, on_value, &reading);

	/* inih gives the first line that it could not split, or that on_value() refused. */
	if (r > 0 && (reading.error == 0 || r < reading.error_line)) {
		reading.error = 0;
		reading.line = r;
		fail(&reading, "expected [section], key = value, or a comment that starts with #");
	}
	if (r < 0)
		reading.error = -ENOMEM;
	if (reading.error == -ENOMEM)
		snprintf(message, CONF_MESSAGE_SIZE, "%s: out of memory", path);
	return reading.error;
}

static int check_member(const struct conf_group *group, const struct conf_members *members,
			const struct conf_member *member, char *message)
{
	const char *key = NULL, *complaint = group->check(member, &key);
	struct conf_place place = member->place;

	if (!complaint)
		return 0;
	for (size_t i = 0; i < group->n_rows; i++)
		if (key && strcmp(group->rows[i].key, key) == 0 && member->places[i].file)
			place = member->places[i];
	snprintf(message, CONF_MESSAGE_SIZE, "%s:%d: [%s %s]: %s%s%s",
		 members->paths[place.file - 1], place.line, group->section, member->name,
		 key ? key : "", key ? " " : "", complaint);
	return -EINVAL;
}

int conf_check(const struct conf_table *table, const void *values,
	       char message[static CONF_MESSAGE_SIZE])
{
	for (size_t i = 0; i < table->n_groups; i++) {
		const struct conf_group *group = &table->groups[i];
		const struct conf_members *members = conf_members_of(group, values);

		for (size_t j = 0; group->check && j < members->count; j++) {
			int r = check_member(group, members, conf_member_at(group, members, j),
					     message);

			if (r < 0)
				return r;
		}
	}
	return 0;
}
