/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/conf_value.h"

#include <errno.h>
#include <string.h>

#include "base/quantity.h"
#include "base/util.h"

static void *field_of(const struct conf_row *row, const void *values)
{
	return (char *)values + row->offset;
}

static enum quantity_kind kind_of(const struct conf_row *row)
{
	switch (row->type) {
	case CONF_SIZE:
		return QUANTITY_SIZE;
	case CONF_TIME:
		return QUANTITY_TIME;
	case CONF_SHARE:
		return QUANTITY_SHARE;
	default:
		return QUANTITY_COUNT;
	}
}

bool conf_has_words(const struct conf_row *row)
{
	return row->type == CONF_WORD || row->type == CONF_SWITCH;
}

bool conf_has_text(const struct conf_row *row)
{
	return row->type == CONF_TEXT || row->type == CONF_LIST;
}

static bool is_nothing(const struct conf_row *row, const char *text)
{
	return row->nothing && strcmp(text, row->nothing) == 0;
}

static int parse_word(const struct conf_row *row, const char *text, uint64_t *ret)
{
	for (size_t i = 0; row->words[i]; i++)
		if (strcmp(text, row->words[i]) == 0) {
			*ret = i;
			return 0;
		}
	return -EINVAL;
}

static bool in_limits(const struct conf_row *row, uint64_t number)
{
	enum quantity_kind kind = kind_of(row);
	uint64_t limit;

	if (row->min && (quantity_parse(kind, row->min, &limit) < 0 || number < limit))
		return false;
	if (row->max && (quantity_parse(kind, row->max, &limit) < 0 || number > limit))
		return false;
	return true;
}

int conf_value_parse(const struct conf_row *row, const char *text, struct conf_value *ret)
{
	struct conf_value value = {.text = text};
	int r = 0;

	if (is_nothing(row, text)) {
		*ret = value;
		return 0;
	}
	if (conf_has_words(row))
		r = parse_word(row, text, &value.number);
	else if (conf_has_text(row))
		value.number = strlen(text);
	else
		r = quantity_parse(kind_of(row), text, &value.number);
	if (r < 0)
		return r;
	if (!conf_has_words(row) && !in_limits(row, value.number))
		return -ERANGE;
	if (row->valid && !row->valid(value))
		return -EINVAL;
	*ret = value;
	return 0;
}

/* Storing: value to field. */

static void clear_list(const struct conf_row *row, void *field)
{
	char **list = field;

	for (size_t i = 0; i < row->slots; i++) {
		free(list[i]);
		list[i] = NULL;
	}
}

static int store_text(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

/* -ENOSPC when the list is full. */
static int add_to_list(const struct conf_row *row, char **list, const char *text)
{
	for (size_t i = 0; i < row->slots; i++)
		if (!list[i])
			return store_text(&list[i], text);
	return -ENOSPC;
}

static int store_list(const struct conf_row *row, char **list, const char *text, bool first)
{
	if (first || is_nothing(row, text))
		clear_list(row, list);
	if (is_nothing(row, text))
		return 0;
	return add_to_list(row, list, text);
}

int conf_value_store(const struct conf_row *row, void *values, const struct conf_value *value,
		     bool first)
{
	void *field = field_of(row, values);

	switch (row->type) {
	case CONF_WORD:
		*(unsigned int *)field = (unsigned int)value->number;
		return 0;
	case CONF_SWITCH:
		*(bool *)field = value->number != 0;
		return 0;
	case CONF_SHARE:
		*(double *)field = (double)value->number / 1e6;
		return 0;
	case CONF_TEXT:
		return store_text(field, value->text);
	case CONF_LIST:
		return store_list(row, field, value->text, first);
	default:
		*(uint64_t *)field = value->number;
		return 0;
	}
}

int conf_preset(const struct conf_row *rows, size_t n_rows, void *values)
{
	struct conf_value value;

	for (size_t i = 0; i < n_rows; i++) {
		int r;

		if (conf_value_parse(&rows[i], rows[i].preset, &value) < 0)
			return -EINVAL;
		r = conf_value_store(&rows[i], values, &value, true);
		if (r < 0)
			return r;
	}
	return 0;
}

void conf_clear(const struct conf_row *rows, size_t n_rows, void *values)
{
	for (size_t i = 0; i < n_rows; i++) {
		if (rows[i].type == CONF_LIST)
			clear_list(&rows[i], field_of(&rows[i], values));
		else if (rows[i].type == CONF_TEXT)
			free(TAKE_PTR(*(char **)field_of(&rows[i], values)));
	}
}

static uint64_t number_of(const struct conf_row *row, const void *field)
{
	if (row->type == CONF_SHARE)
		return (uint64_t)(*(const double *)field * 1e6 + 0.5);
	return *(const uint64_t *)field;
}

static void visit_number(const struct conf_row *row, const void *field, conf_visitor visitor,
			 void *userdata)
{
	uint64_t number = number_of(row, field);
	char text[QUANTITY_TEXT_SIZE];

	quantity_format(kind_of(row), number, text);
	visitor(row, number == 0 && row->nothing ? row->nothing : text, userdata);
}

static void visit_list(const struct conf_row *row, char *const *list, conf_visitor visitor,
		       void *userdata)
{
	if (!list[0])
		visitor(row, row->nothing ? row->nothing : "", userdata);
	for (size_t i = 0; i < row->slots && list[i]; i++)
		visitor(row, list[i], userdata);
}

static void visit_row(const struct conf_row *row, const void *field, conf_visitor visitor,
		      void *userdata)
{
	switch (row->type) {
	case CONF_WORD:
		visitor(row, row->words[*(const unsigned int *)field], userdata);
		break;
	case CONF_SWITCH:
		visitor(row, row->words[*(const bool *)field], userdata);
		break;
	case CONF_TEXT:
		visitor(row, *(char *const *)field, userdata);
		break;
	case CONF_LIST:
		visit_list(row, field, visitor, userdata);
		break;
	default:
		visit_number(row, field, visitor, userdata);
	}
}

void conf_visit(const struct conf_row *rows, size_t n_rows, const void *values,
		conf_visitor visitor, void *userdata)
{
	for (size_t i = 0; i < n_rows; i++)
		visit_row(&rows[i], field_of(&rows[i], values), visitor, userdata);
}

struct printing {
	FILE *out;
	const char *section;
};

static void print_value(const struct conf_row *row, const char *text, void *userdata)
{
	struct printing *printing = userdata;

	if (!printing->section || strcmp(printing->section, row->section) != 0)
		fprintf(printing->out, "%s[%s]\n", printing->section ? "\n" : "", row->section);
	printing->section = row->section;
	fprintf(printing->out, "%s =%s%s\n", row->key, text[0] ? " " : "", text);
}

void conf_print(const struct conf_row *rows, size_t n_rows, const void *values, FILE *out)
{
	struct printing printing = {.out = out};

	conf_visit(rows, n_rows, values, print_value, &printing);
}

static bool equal_lists(const struct conf_row *row, char *const *list, char *const *other)
{
	for (size_t i = 0; i < row->slots; i++) {
		if (!list[i] || !other[i])
			return list[i] == other[i];
		if (strcmp(list[i], other[i]) != 0)
			return false;
	}
	return true;
}

bool conf_equal(const struct conf_row *row, const void *values, const void *others)
{
	const void *a = field_of(row, values), *b = field_of(row, others);

	switch (row->type) {
	case CONF_WORD:
		return *(const unsigned int *)a == *(const unsigned int *)b;
	case CONF_SWITCH:
		return *(const bool *)a == *(const bool *)b;
	case CONF_TEXT:
		return strcmp(*(char *const *)a, *(char *const *)b) == 0;
	case CONF_LIST:
		return equal_lists(row, a, b);
	default:
		return number_of(row, a) == number_of(row, b);
	}
}
