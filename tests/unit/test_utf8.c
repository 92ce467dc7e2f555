/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/utf8.h"
#include "base/util.h"

#define BAD "\xef\xbf\xbd"

static void check(const char *in, const char *expected)
{
	char out[UTF8_CLEAN_SIZE(64)];
	size_t length = utf8_clean(in, strlen(in), out, sizeof(out));

	assert_string_equal(out, expected);
	assert_int_equal(length, strlen(expected));
}

static void test_well_formed_stays(void **state)
{
	(void)state;
	check("", "");
	check("nginx: worker", "nginx: worker");
	check("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa7",
	      "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa7");
	check("\x01\x1b\x7f", "\x01\x1b\x7f");
	check("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
}

static void test_each_bad_byte_is_replaced(void **state)
{
	(void)state;
	check("\xff", BAD);
	check("a\x80z", "a" BAD "z");
	check("\xc0\xaf", BAD BAD);                 /* overlong "/" */
	check("\xe0\x80\xaf", BAD BAD BAD);         /* overlong */
	check("\xed\xa0\x80", BAD BAD BAD);         /* a surrogate */
	check("\xf4\x90\x80\x80", BAD BAD BAD BAD); /* past U+10FFFF */
	check("\xf5\x80\x80\x80", BAD BAD BAD BAD);
	check("\xc3\xc3\xa9", BAD "\xc3\xa9"); /* the second starts anew */
}

static void test_cut_off_at_the_end(void **state)
{
	char out[8];

	(void)state;
	check("abc\xe2\x82", "abc" BAD BAD);
	check("\xf0\x9f\x90", BAD BAD BAD);
	/* what stands behind the end is not part of it */
	assert_int_equal(utf8_clean("a\xc3\xa9", 2, out, sizeof(out)), 4);
	assert_string_equal(out, "a" BAD);
}

static void test_nul_is_a_character(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(utf8_clean("a\0b", 3, out, sizeof(out)), 3);
	assert_memory_equal(out, "a\0b", 4);
}

static void test_no_room_leaves_whole_characters(void **state)
{
	char out[5];

	(void)state;
	assert_int_equal(utf8_clean("abcdef", 6, out, sizeof(out)), 4);
	assert_string_equal(out, "abcd");
	assert_int_equal(utf8_clean("ab\xe2\x82\xac", 5, out, sizeof(out)), 2);
	assert_string_equal(out, "ab");
	assert_int_equal(utf8_clean("\xff\xff", 2, out, sizeof(out)), 3);
	assert_string_equal(out, BAD);
	assert_int_equal(utf8_clean("a", 1, out, 1), 0);
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_well_formed_stays),
		cmocka_unit_test(test_each_bad_byte_is_replaced),
		cmocka_unit_test(test_cut_off_at_the_end),
		cmocka_unit_test(test_nul_is_a_character),
		cmocka_unit_test(test_no_room_leaves_whole_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
