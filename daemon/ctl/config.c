/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "ctl/answer.h"
#include "ctl/commands.h"
#include "ctl/fields.h"

#include <tcpwatch/control.h>

#define VALUE_SIZE 4097 /* the longest is a path, of PATH_MAX bytes */

static void put_text(struct print *p, const char *key, const char *value)
{
	char clean_key[FIELD_TEXT_SIZE], clean_value[VALUE_SIZE];

	fprintf(p->out, "%s = %s\n", print_clean(clean_key, sizeof(clean_key), key, strlen(key)),
		print_clean(clean_value, sizeof(clean_value), value, strlen(value)));
}

static void put_value(struct print *p, const char *key, struct json_object *value)
{
	put_text(p, key, value ? json_object_get_string(value) : ""); /* of any type */
}

static void put_key(struct print *p, const char *key, struct json_object *value)
{
	size_t length;

	if (!json_object_is_type(value, json_type_array)) {
		put_value(p, key, value);
		return;
	}
	length = json_object_array_length(value);
	if (length == 0)
		put_text(p, key, "off"); /* so it is written in the configuration */
	for (size_t i = 0; i < length; i++)
		put_value(p, key, json_object_array_get_idx(value, i));
}

static int print_config(struct print *p, struct json_object *config)
{
	char text[FIELD_TEXT_SIZE];
	bool first = true;

	json_object_object_foreach(config, section, keys) {
		if (!json_object_is_type(keys, json_type_object))
			return -EBADMSG;
		if (!first)
			print_end(p);
		first = false;
		print_clean(text, sizeof(text), section, strlen(section));
		print_cell(p, PRINT_BOLD, 0, "[%s]", text);
		print_end(p);
		json_object_object_foreach(keys, key, value) {
			put_key(p, key, value);
		}
	}
	return 0;
}

int command_config(const struct invocation *in)
{
	return answer_document(in, false, TW_PATH_CONFIG, print_config);
}
