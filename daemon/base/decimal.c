/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/decimal.h"

static size_t digits_of(uint64_t number)
{
	size_t digits = 1;

	while (number >= 10) {
		number /= 10;
		digits++;
	}
	return digits;
}

size_t decimal(char text[static DECIMAL_SIZE], uint64_t number)
{
	size_t length = digits_of(number), at = length;

	text[length] = '\0';
	do {
		text[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (at > 0);
	return length;
}
