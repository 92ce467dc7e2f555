/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/conf_value.h"

#include <errno.h>
#include <string.h>

#include "base/quantity.h"
#include "base/util.h"

#define SECTION_SIZE (2 * CONF_SECTION_MAX + 4) /* a group's word and a name */

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

static int parse_level(const char *text, struct conf_value *ret)
{
	size_t length = strlen(text);

	ret->share = length > 0 && text[length - 1] == '%';
	return quantity_parse(ret->share ? QUANTITY_SHARE : QUANTITY_COUNT, text, &ret->number);
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
	else if (row->type == CONF_LEVEL)
		r = parse_level(text, &value);
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
	case CONF_LEVEL:
		*(struct conf_level *)field = (struct conf_level){.number = value->number,
								  .share = value->share};
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

int conf_preset_rows(const struct conf_row *rows, size_t n_rows, void *values)
{
	struct conf_value value;

	for (size_t i = 0; i < n_rows; i++) {
		int r;

		if (!rows[i].preset)
			continue;
		if (conf_value_parse(&rows[i], rows[i].preset, &value) < 0)
			return -EINVAL;
		r = conf_value_store(&rows[i], values, &value, true);
		if (r < 0)
			return r;
	}
	return 0;
}

int conf_preset(const struct conf_table *table, void *values)
{
	return conf_preset_rows(table->rows, table->n_rows, values);
}

static void clear_rows(const struct conf_row *rows, size_t n_rows, void *values)
{
	for (size_t i = 0; i < n_rows; i++) {
		if (rows[i].type == CONF_LIST)
			clear_list(&rows[i], field_of(&rows[i], values));
		else if (rows[i].type == CONF_TEXT)
			free(TAKE_PTR(*(char **)field_of(&rows[i], values)));
	}
}

const struct conf_members *conf_members_of(const struct conf_group *group, const void *values)
{
	return (const void *)((const char *)values + group->offset);
}

void *conf_member_at(const struct conf_group *group, const struct conf_members *members,
		     size_t index)
{
	return (char *)members->items + index * group->size;
}

static void clear_members(const struct conf_group *group, struct conf_members *members)
{
	for (size_t i = 0; i < members->count; i++)
		clear_rows(group->rows, group->n_rows, conf_member_at(group, members, i));
	for (size_t i = 0; i < members->path_count; i++)
		free(members->paths[i]);
	free(members->paths);
	free(members->items);
	*members = (struct conf_members){0};
}

void conf_clear(const struct conf_table *table, void *values)
{
	clear_rows(table->rows, table->n_rows, values);
	for (size_t i = 0; i < table->n_groups; i++)
		clear_members(&table->groups[i],
			      (struct conf_members *)conf_members_of(&table->groups[i], values));
}

bool conf_is_set(const struct conf_group *group, const struct conf_row *row, const void *member)
{
	return ((const struct conf_member *)member)->places[row - group->rows].file != 0;
}

/* Visiting: field to value. */

/* One value on its way to the visitor. */
struct visit {
	const char *section;
	conf_visitor visitor;
	void *userdata;
};

static void tell(const struct visit *visit, const struct conf_row *row, const char *text)
{
	visit->visitor(visit->section, row, text, visit->userdata);
}

static uint64_t number_of(const struct conf_row *row, const void *field)
{
	if (row->type == CONF_SHARE)
		return (uint64_t)(*(const double *)field * 1e6 + 0.5);
	return *(const uint64_t *)field;
}

static void visit_number(const struct visit *visit, const struct conf_row *row, const void *field)
{
	uint64_t number = number_of(row, field);
	char text[QUANTITY_TEXT_SIZE];

	quantity_format(kind_of(row), number, text);
	tell(visit, row, number == 0 && row->nothing ? row->nothing : text);
}

static void visit_level(const struct visit *visit, const struct conf_row *row,
			const struct conf_level *level)
{
	char text[QUANTITY_TEXT_SIZE];

	quantity_format(level->share ? QUANTITY_SHARE : QUANTITY_COUNT, level->number, text);
	tell(visit, row, text);
}

static void visit_list(const struct visit *visit, const struct conf_row *row, char *const *list)
{
	if (!list[0])
		tell(visit, row, row->nothing ? row->nothing : "");
	for (size_t i = 0; i < row->slots && list[i]; i++)
		tell(visit, row, list[i]);
}

static void visit_row(const struct visit *visit, const struct conf_row *row, const void *field)
{
	switch (row->type) {
	case CONF_WORD:
		tell(visit, row, row->words[*(const unsigned int *)field]);
		break;
	case CONF_SWITCH:
		tell(visit, row, row->words[*(const bool *)field]);
		break;
	case CONF_LEVEL:
		visit_level(visit, row, field);
		break;
	case CONF_TEXT:
		tell(visit, row, *(char *const *)field);
		break;
	case CONF_LIST:
		visit_list(visit, row, field);
		break;
	default:
		visit_number(visit, row, field);
	}
}

static void visit_member(const struct conf_group *group, const void *member, conf_visitor visitor,
			 void *userdata)
{
	char section[SECTION_SIZE];
	const struct visit visit = {section, visitor, userdata};

	snprintf(section, sizeof(section), "%s %s", group->section,
		 ((const struct conf_member *)member)->name);
	for (size_t i = 0; i < group->n_rows; i++)
		if (group->rows[i].preset || conf_is_set(group, &group->rows[i], member))
			visit_row(&visit, &group->rows[i], field_of(&group->rows[i], member));
}

static void visit_group(const struct conf_group *group, const void *values, conf_visitor visitor,
			void *userdata)
{
	const struct conf_members *members = conf_members_of(group, values);

	for (size_t i = 0; i < members->count; i++)
		visit_member(group, conf_member_at(group, members, i), visitor, userdata);
}

void conf_visit(const struct conf_table *table, const void *values, conf_visitor visitor,
		void *userdata)
{
	for (size_t i = 0; i < table->n_rows; i++) {
		const struct conf_row *row = &table->rows[i];
		const struct visit visit = {row->section, visitor, userdata};

		visit_row(&visit, row, field_of(row, values));
	}
	for (size_t i = 0; i < table->n_groups; i++)
		visit_group(&table->groups[i], values, visitor, userdata);
}

struct printing {
	FILE *out;
	char section[SECTION_SIZE]; /* "": none yet */
};

static void print_value(const char *section, const struct conf_row *row, const char *text,
			void *userdata)
{
	struct printing *printing = userdata;

	if (strcmp(printing->section, section) != 0)
		fprintf(printing->out, "%s[%s]\n", printing->section[0] ? "\n" : "", section);
	snprintf(printing->section, sizeof(printing->section), "%s", section);
	fprintf(printing->out, "%s =%s%s\n", row->key, text[0] ? " " : "", text);
}

void conf_print(const struct conf_table *table, const void *values, FILE *out)
{
	struct printing printing = {.out = out};

	conf_visit(table, values, print_value, &printing);
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

static const char *text_of(const void *field)
{
	const char *text = *(char *const *)field;

	return text ? text : "";
}

bool conf_equal(const struct conf_row *row, const void *values, const void *others)
{
	const void *a = field_of(row, values), *b = field_of(row, others);

	switch (row->type) {
	case CONF_WORD:
		return *(const unsigned int *)a == *(const unsigned int *)b;
	case CONF_SWITCH:
		return *(const bool *)a == *(const bool *)b;
	case CONF_LEVEL:
		return ((const struct conf_level *)a)->share ==
			       ((const struct conf_level *)b)->share &&
		       ((const struct conf_level *)a)->number ==
			       ((const struct conf_level *)b)->number;
	case CONF_TEXT:
		return strcmp(text_of(a), text_of(b)) == 0;
	case CONF_LIST:
		return equal_lists(row, a, b);
	default:
		return number_of(row, a) == number_of(row, b);
	}
}
