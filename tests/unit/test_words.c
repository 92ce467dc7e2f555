/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "base/words.h"

static void test_words(void **state)
{
	static const struct {
		const char *text, *words[5];
	} cases[] = {
		{"/bin/true", {"/bin/true"}},
		{"  /bin/a \t b  ", {"/bin/a", "b"}},
		{"/bin/a 'b c' \"d e\"", {"/bin/a", "b c", "d e"}},
		{"/bin/a '' \"\"", {"/bin/a", "", ""}},
		{"/bin/a b\\ c \\'d\\\\", {"/bin/a", "b c", "'d\\"}},
		{"/bin/a 'b\\' \"c\\d\\\"\\\\\"", {"/bin/a", "b\\", "c\\d\"\\"}},
		{"/bin/a x'y'\"z\" '\"' \"'\"", {"/bin/a", "xyz", "\"", "'"}},
		{"/bin/a $HOME * `id` ;|>", {"/bin/a", "$HOME", "*", "`id`", ";|>"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char **words = NULL;
		size_t count = 0;

		assert_int_equal(words_split(cases[i].text, &words), 0);
		for (; words[count]; count++)
			assert_string_equal(words[count], cases[i].words[count]);
		assert_true(count == ARRAY_SIZE(cases[i].words) || !cases[i].words[count]);
	}
}

static void test_what_is_no_command(void **state)
{
	static const char *const bad[] = {"", " \t", "'", "/bin/a 'b", "/bin/a \"b\\\"", "a\\"};
	char **words = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(words_split(bad[i], &words), -EINVAL);
	assert_null(words);
}

static void test_the_limit(void **state)
{
	_cleanup_free_ char **words = NULL;
	char text[2 * WORDS_MAX + 3];
	char **none = NULL;

	(void)state;
	for (size_t i = 0; i < WORDS_MAX + 1; i++)
		memcpy(text + 2 * i, "w ", 2);
	text[2 * WORDS_MAX] = '\0';
	assert_int_equal(words_split(text, &words), 0);
	assert_null(words[WORDS_MAX]);
	text[2 * WORDS_MAX] = 'w';
	text[2 * WORDS_MAX + 2] = '\0';
	assert_int_equal(words_split(text, &none), -E2BIG);
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_what_is_no_command),
		cmocka_unit_test(test_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
