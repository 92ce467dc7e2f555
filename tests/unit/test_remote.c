/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>

#include "alert/remote.h"

static void assert_remote(const char *target, const char *address, const char *prefix)
{
	char text[REMOTE_TEXT_SIZE];
	uint64_t key[2], network[2];

	assert_true(remote_parse(target, key));
	remote_format(key, text);
	assert_string_equal(text, address);
	remote_prefix(key, network);
	remote_format_prefix(network, text);
	assert_string_equal(text, prefix);
}

static void test_addresses(void **state)
{
	(void)state;
	assert_remote("192.0.2.129", "192.0.2.129", "192.0.2.0/24");
	assert_remote("192.0.2.1 netns 4026531840", "192.0.2.1", "192.0.2.0/24");
	assert_remote("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64");
	assert_remote("::ffff:198.51.100.7", "198.51.100.7", "198.51.100.0/24");
	assert_remote("::1", "::1", "::/64");
}

static void test_no_addresses(void **state)
{
	static const char *const texts[] = {
		"",        " ",        "host",
		"192.0.2", "[::1]:80", "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111"};
	uint64_t key[2];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(remote_parse(texts[i], key));
}

/* Whichever socket has it. */
static void test_ipv4_is_one(void **state)
{
	uint8_t plain[16] = {192, 0, 2, 1, [12] = 9}, mapped[16];
	uint64_t one[2], other[2];

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", mapped), 1);
	remote_key(false, plain, one);
	remote_key(true, mapped, other);
	assert_memory_equal(one, other, sizeof(one));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_no_addresses),
		cmocka_unit_test(test_ipv4_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
