/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wrong with a configuration, and what would be right, in words made of the table:
 * where it stands, and that it is wrong at all, is the reader's to know. For conf.c alone.
 */
#ifndef BASE_CONF_COMPLAINT_H
#define BASE_CONF_COMPLAINT_H

#include "base/conf.h"

/* name: as between [ and ]; word: up to its first blank. */
void conf_complaint_section(const struct conf_table *table, const char *name, const char *word,
			    char text[static CONF_MESSAGE_SIZE]);
/* section: a known one, of the group, or of the table where that is NULL. */
void conf_complaint_key(const struct conf_table *table, const struct conf_group *group,
			const char *section, const char *key, char text[static CONF_MESSAGE_SIZE]);
/* A key before the first section. */
void conf_complaint_outside(const struct conf_table *table, const char *key,
			    char text[static CONF_MESSAGE_SIZE]);
void conf_complaint_value(const struct conf_row *row, const char *value,
			  char text[static CONF_MESSAGE_SIZE]);

#endif
