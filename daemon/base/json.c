/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/json.h"

#include <stdio.h>

void json_add(struct json_object *object, const char *key, struct json_object *value)
{
	json_object_object_add_ex(object, key, value,
				  JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

void json_add_text(struct json_object *object, const char *key, const char *text)
{
	json_add(object, key, json_object_new_string(text));
}

void json_add_number(struct json_object *object, const char *key, uint64_t number)
{
	json_add(object, key, json_object_new_uint64(number));
}

void json_add_decimal(struct json_object *object, const char *key, int digits, double value)
{
	json_add(object, key, json_decimal(digits, value));
}

void json_add_known_text(struct json_object *object, const char *key, const char *text)
{
	json_add(object, key, text && *text ? json_object_new_string(text) : NULL);
}

void json_add_known(struct json_object *object, const char *key, uint64_t number)
{
	json_add(object, key, number ? json_object_new_uint64(number) : NULL);
}

struct json_object *json_decimal(int digits, double value)
{
	char text[48];

	snprintf(text, sizeof(text), "%.*f", digits, value);
	return json_object_new_double_s(value, text);
}
