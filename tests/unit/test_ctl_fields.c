/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "ctl/fields.h"

static void assert_syns(const char *status, const char *expected)
{
	struct json_object *object = json_tokener_parse(status);
	char text[FIELD_SYNS_SIZE];

	assert_string_equal(field_syns(object, text), expected);
	json_object_put(object);
}

static void test_syns(void **state)
{
	(void)state;
	assert_syns("{\"syn\":{\"rate\":12000.4,\"prefixes\":1,\"top_prefix\":\"192.0.2.0/24\","
		    "\"top_share\":0.98}}",
		    "12000/s from about 1 network, most from 192.0.2.0/24");
	assert_syns("{\"syn\":{\"rate\":3.25,\"prefixes\":20,\"top_prefix\":\"192.0.2.0/24\","
		    "\"top_share\":0.5}}",
		    "3.2/s from about 20 networks");
	assert_syns("{\"syn\":{\"rate\":9.0,\"prefixes\":2,\"top_prefix\":null,"
		    "\"top_share\":null}}",
		    "9.0/s from about 2 networks");
	assert_syns("{\"syn\":{\"rate\":1e300,\"prefixes\":18446744073709551615}}", "not counted");
	assert_syns("{\"syn\":{\"rate\":0.0,\"prefixes\":0,\"top_prefix\":null,"
		    "\"top_share\":null}}",
		    "none");
	assert_syns("{\"syn\":{\"rate\":null,\"prefixes\":0}}", "not counted");
	assert_syns("{}", "not counted");
}

static void assert_owner(const char *owner, const char *expected)
{
	_cleanup_free_ char *text = NULL;
	struct json_object *row = json_object_new_object();
	size_t size;
	struct print p = {.out = open_memstream(&text, &size)};

	json_object_object_add(row, "owner", json_tokener_parse(owner));
	field_print_owner(&p, row);
	fclose(p.out);
	assert_string_equal(text, expected);
	json_object_put(row);
}

static void test_owner(void **state)
{
	(void)state;
	assert_owner("{\"kind\":\"process\",\"pid\":77,\"comm\":\"nginx\",\"uid\":33}", "nginx/77");
	assert_owner("{\"kind\":\"process\",\"pid\":77,\"comm\":null,\"uid\":33}", "?/77");
	assert_owner("{\"kind\":\"unknown\",\"pid\":null,\"comm\":null,\"uid\":33}", "uid:33");
	assert_owner("{\"kind\":\"unknown\",\"pid\":null,\"comm\":null,\"uid\":null}", "-");
	assert_owner("{\"kind\":\"kernel\",\"pid\":null,\"comm\":null,\"uid\":null}", "(kernel)");
	assert_owner("{}", "-");
	assert_owner("7", "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syns),
		cmocka_unit_test(test_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
