/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/nearest.h"
#include "base/util.h"

static const char *nearest(const char *word)
{
	static const char *const words[] = {"status", "list", "watch", "resync"};
	struct nearest n = nearest_to(word);

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		nearest_try(&n, words[i]);
	return n.best;
}

static void test_slips(void **state)
{
	(void)state;
	assert_string_equal(nearest("lst"), "list");
	assert_string_equal(nearest("LIST"), "list");
	assert_string_equal(nearest("wacht"), "watch");
	assert_string_equal(nearest("sync"), "resync");
}

static void test_other_words(void **state)
{
	(void)state;
	assert_null(nearest(""));
	assert_null(nearest("connections"));
	assert_null(nearest("a-word-that-is-longer-than-any-there-is"));
}

static void test_first_of_equals(void **state)
{
	struct nearest n = nearest_to("bat");

	(void)state;
	nearest_try(&n, "cat");
	nearest_try(&n, "hat");
	assert_string_equal(n.best, "cat");
	assert_int_equal(n.errors, 1);
}

static const char *filled(char *text, char first, size_t length)
{
	memset(text, 'x', length);
	text[0] = first;
	text[length] = '\0';
	return text;
}

static void test_length(void **state)
{
	char text[NEAREST_LENGTH_MAX + 2], candidate[NEAREST_LENGTH_MAX + 2];
	struct nearest n = nearest_to(filled(text, 'x', NEAREST_LENGTH_MAX));

	(void)state;
	nearest_try(&n, filled(candidate, 'y', NEAREST_LENGTH_MAX + 1));
	assert_null(n.best);
	nearest_try(&n, filled(candidate, 'y', NEAREST_LENGTH_MAX));
	assert_ptr_equal(n.best, candidate);
	n = nearest_to(filled(text, 'x', NEAREST_LENGTH_MAX + 1));
	nearest_try(&n, candidate);
	assert_null(n.best);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slips),
		cmocka_unit_test(test_other_words),
		cmocka_unit_test(test_first_of_equals),
		cmocka_unit_test(test_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
