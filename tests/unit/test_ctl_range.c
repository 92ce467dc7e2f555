/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "ctl/range.h"

/* The values of -1, 0, 9, 10, 15, 20, 21 that are to be told: '!' for each of them. */
static void test_ranges(void **state)
{
	static const double values[] = {-1, 0, 9, 10, 15, 20, 21};
	static const struct {
		const char *range, *told;
	} cases[] = {
		{"10", "!...!!!"},    {"10:", "!!!...."},    {"~:10", "....!!!"},
		{"10:20", "!!!...!"}, {"@10:20", "...!!!."}, {"@10", ".!!!..."},
		{"0", "!.!!!!!"},     {"~:", "......."},     {"@~:", "!!!!!!!"},
		{"-1:9", "...!!!!"},  {"9.5", "!..!!!!"},    {"10:10", "!!!.!!!"},
		{"@10:", "...!!!!"},  {"@~:0", "!!....."},   {"-5:-1", ".!!!!!!"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct range range;
		char told[ARRAY_SIZE(values) + 1] = "";

		assert_int_equal(range_parse(cases[i].range, &range), 0);
		for (size_t j = 0; j < ARRAY_SIZE(values); j++)
			told[j] = range_alerts(&range, values[j]) ? '!' : '.';
		if (strcmp(told, cases[i].told) != 0)
			fail_msg("%s: %s and not %s", cases[i].range, told, cases[i].told);
	}
}

static void test_no_ranges(void **state)
{
	static const char *const cases[] = {
		"",     "@",    ":",   ":10",   "~",   "~10", "10:x",   "x",     "1e3",
		"0x10", "nan",  "inf", "20:10", " 10", "10 ", "10::",   "1.2.3", "--1",
		"+1",   "10:~", "@@1", "10%",   ".",   "-",   "~:-inf", "1:2:3",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct range range = {.start = 7};

		if (range_parse(cases[i], &range) != -EINVAL)
			fail_msg("'%s' is taken", cases[i]);
		assert_true(range.start == 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_no_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
