/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"

static void assert_decimal(uint64_t number)
{
	char text[DECIMAL_SIZE], expected[DECIMAL_SIZE];

	snprintf(expected, sizeof(expected), "%" PRIu64, number);
	assert_int_equal(decimal(text, number), strlen(expected));
	assert_string_equal(text, expected);
}

static void test_each_length(void **state)
{
	uint64_t power = 1;

	(void)state;
	assert_decimal(0);
	for (int digits = 1; digits < DECIMAL_SIZE; digits++) {
		assert_decimal(power - 1);
		assert_decimal(power);
		assert_decimal(power + 1);
		power *= 10;
	}
	assert_decimal(UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
