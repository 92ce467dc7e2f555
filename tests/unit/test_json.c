/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json.h"

static void assert_written(struct json_object *object, const char *expected)
{
	assert_string_equal(json_object_to_json_string_ext(object, JSON_TEXT), expected);
	json_object_put(object);
}

static void test_values(void **state)
{
	struct json_object *object = json_object_new_object();

	(void)state;
	json_add(object, "a", json_object_new_boolean(1));
	json_add(object, "b", NULL);
	json_add_text(object, "c", "a/b");
	json_add_text(object, "d", "");
	json_add_number(object, "e", UINT64_MAX);
	json_add_decimal(object, "f", 3, 1.0 / 3);
	json_add_decimal(object, "g", 1, 100);
	assert_written(object, "{\"a\":true,\"b\":null,\"c\":\"a/b\",\"d\":\"\","
			       "\"e\":18446744073709551615,\"f\":0.333,\"g\":100.0}");
}

static void test_what_is_not_known(void **state)
{
	struct json_object *object = json_object_new_object();

	(void)state;
	json_add_known_text(object, "a", NULL);
	json_add_known_text(object, "b", "");
	json_add_known_text(object, "c", "x");
	json_add_known(object, "d", 0);
	json_add_known(object, "e", 1);
	assert_written(object, "{\"a\":null,\"b\":null,\"c\":\"x\",\"d\":null,\"e\":1}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_what_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
