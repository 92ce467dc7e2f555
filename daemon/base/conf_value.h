/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One value of one row: from text to the caller's struct. For conf*.c alone; conf_value.c also has
 * those functions of conf.h that touch no file.
 */
#ifndef BASE_CONF_VALUE_H
#define BASE_CONF_VALUE_H

#include "base/conf.h"

bool conf_has_words(const struct conf_row *row);
bool conf_has_text(const struct conf_row *row);

/* ret->text points into text. -EINVAL, or -ERANGE outside the limits. */
int conf_value_parse(const struct conf_row *row, const char *text, struct conf_value *ret);
int conf_preset_rows(const struct conf_row *rows, size_t n_rows, void *values);
const struct conf_members *conf_members_of(const struct conf_group *group, const void *values);
void *conf_member_at(const struct conf_group *group, const struct conf_members *members,
		     size_t index);
/* first: the row's first value in this file. -ENOMEM, or -ENOSPC when the list is full. */
int conf_value_store(const struct conf_row *row, void *values, const struct conf_value *value,
		     bool first);

#endif
