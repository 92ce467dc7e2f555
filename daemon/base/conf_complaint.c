/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/conf_complaint.h"

#include <stdio.h>
#include <string.h>

#include "base/conf_value.h"
#include "base/nearest.h"
#include "base/util.h"

#define LIMITS_SIZE 256 /* what a row expects, in words */

static void append(char *text, size_t size, const char *more)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s", more);
}

static bool first_of_section(const struct conf_table *table, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(table->rows[j].section, table->rows[i].section) == 0)
			return false;
	return true;
}

/* What might have been meant, and else all that there is. */
struct guessing {
	struct nearest nearest;
	char known[LIMITS_SIZE];
};

static void guess(struct guessing *guessing, const char *before, const char *candidate,
		  const char *behind)
{
	const char *const parts[] = {guessing->known[0] ? ", " : "", before, candidate, behind};

	nearest_try(&guessing->nearest, candidate);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		append(guessing->known, sizeof(guessing->known), parts[i]);
}

void conf_complaint_section(const struct conf_table *table, const char *name, const char *word,
			    char text[static CONF_MESSAGE_SIZE])
{
	struct guessing guessing = {.nearest = nearest_to(word)};

	for (size_t i = 0; i < table->n_rows; i++)
		if (first_of_section(table, i))
			guess(&guessing, "[", table->rows[i].section, "]");
	for (size_t i = 0; i < table->n_groups; i++)
		guess(&guessing, "[", table->groups[i].section, " NAME]");
	if (guessing.nearest.best)
		snprintf(text, CONF_MESSAGE_SIZE, "unknown section [%s]; did you mean [%s%s]?",
			 name, guessing.nearest.best, name + strlen(word));
	else
		snprintf(text, CONF_MESSAGE_SIZE, "unknown section [%s]; the sections are %s", name,
			 guessing.known);
}

/* The section of which it is a key, or NULL. */
static const char *section_with_key(const struct conf_table *table, const char *key)
{
	for (size_t i = 0; i < table->n_rows; i++)
		if (strcmp(table->rows[i].key, key) == 0)
			return table->rows[i].section;
	for (size_t i = 0; i < table->n_groups; i++)
		for (size_t j = 0; j < table->groups[i].n_rows; j++)
			if (strcmp(table->groups[i].rows[j].key, key) == 0)
				return table->groups[i].section;
	return NULL;
}

void conf_complaint_key(const struct conf_table *table, const struct conf_group *group,
			const char *section, const char *key, char text[static CONF_MESSAGE_SIZE])
{
	const struct conf_row *rows = group ? group->rows : table->rows;
	size_t n_rows = group ? group->n_rows : table->n_rows;
	const char *elsewhere = section_with_key(table, key);
	struct guessing guessing = {.nearest = nearest_to(key)};

	for (size_t i = 0; i < n_rows; i++)
		if (group || strcmp(rows[i].section, section) == 0)
			guess(&guessing, "", rows[i].key, "");
	if (elsewhere)
		snprintf(text, CONF_MESSAGE_SIZE, "\"%s\" is a key of [%s], not of [%s]", key,
			 elsewhere, section);
	else if (guessing.nearest.best)
		snprintf(text, CONF_MESSAGE_SIZE,
			 "unknown key \"%s\" in [%s]; did you mean \"%s\"?", key, section,
			 guessing.nearest.best);
	else
		snprintf(text, CONF_MESSAGE_SIZE, "unknown key \"%s\" in [%s]; its keys are %s",
			 key, section, guessing.known);
}

void conf_complaint_outside(const struct conf_table *table, const char *key,
			    char text[static CONF_MESSAGE_SIZE])
{
	const char *section = section_with_key(table, key);

	if (section)
		snprintf(text, CONF_MESSAGE_SIZE,
			 "\"%s\" stands outside a section; put [%s] before it", key, section);
	else
		snprintf(text, CONF_MESSAGE_SIZE,
			 "\"%s\" stands outside a section; put [%s] or the like before it", key,
			 table->rows[0].section);
}

static const char *const type_names[] = {
	[CONF_COUNT] = "a number",
	[CONF_SIZE] = "a size such as 8M,",
	[CONF_TIME] = "a time such as 500ms, 30s, 5m, 1h or 7d,",
	[CONF_SHARE] = "a share such as 0.5%,",
	[CONF_LEVEL] = "a number such as 1000, or a share such as 80%,",
	[CONF_TEXT] = "a text with a length",
	[CONF_LIST] = "a text with a length",
};

static void append_words(const struct conf_row *row, char *text, size_t size)
{
	for (size_t i = 0; row->words[i]; i++) {
		if (i > 0)
			append(text, size, row->words[i + 1] ? ", " : " or ");
		append(text, size, row->words[i]);
	}
}

static void append_limits(const struct conf_row *row, char *text, size_t size)
{
	append(text, size, type_names[row->type]);
	append(text, size, " from ");
	append(text, size, row->min);
	append(text, size, " to ");
	append(text, size, row->max);
}

void conf_complaint_value(const struct conf_row *row, const char *value,
			  char text[static CONF_MESSAGE_SIZE])
{
	char expected[LIMITS_SIZE] = "";

	if (row->expected)
		append(expected, sizeof(expected), row->expected);
	else if (conf_has_words(row))
		append_words(row, expected, sizeof(expected));
	else
		append_limits(row, expected, sizeof(expected));
	if (row->nothing) {
		append(expected, sizeof(expected), ", or ");
		append(expected, sizeof(expected), row->nothing);
	}
	if (value[0])
		snprintf(text, CONF_MESSAGE_SIZE, "%s = %s: expected %s", row->key, value,
			 expected);
	else
		snprintf(text, CONF_MESSAGE_SIZE, "%s has no value: expected %s", row->key,
			 expected);
}
