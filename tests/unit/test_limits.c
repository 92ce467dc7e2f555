/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"
#include "source/limits.h"

#define NETNS 4026531833U
#define RANGE TW_SYSCTL_IP_LOCAL_PORT_RANGE
#define RESERVED TW_SYSCTL_IP_LOCAL_RESERVED_PORTS

static int file_with(const char *text)
{
	int fd = memfd_create("limits", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static struct tw_limits read_two(enum tw_sysctl first, const char *first_text,
				 enum tw_sysctl second, const char *second_text)
{
	struct opener_files files = OPENER_FILES_NONE;
	struct tw_limits l;

	files.sysctls[first] = file_with(first_text);
	if (second_text)
		files.sysctls[second] = file_with(second_text);
	limits_read(&files, NETNS, 77, &l);
	opener_files_close(&files);
	return l;
}

static struct tw_limits read_one(enum tw_sysctl sysctl, const char *text)
{
	return read_two(sysctl, text, sysctl, NULL);
}

static uint32_t reserved(const char *range, const char *list)
{
	struct tw_limits l = read_two(RANGE, range, RESERVED, list);

	assert_int_equal(l.known, TW_SYSCTL_BIT(RANGE) | TW_SYSCTL_BIT(RESERVED));
	return l.values[RESERVED];
}

static void test_numbers(void **state)
{
	struct tw_limits l = read_two(TW_SYSCTL_TCP_FIN_TIMEOUT, "60\n", TW_SYSCTL_SOMAXCONN,
				      "4096\n");

	(void)state;
	assert_int_equal(l.netns, NETNS);
	assert_int_equal(l.time_ns, 77);
	assert_int_equal(l.known, TW_SYSCTL_BIT(TW_SYSCTL_TCP_FIN_TIMEOUT) |
					  TW_SYSCTL_BIT(TW_SYSCTL_SOMAXCONN));
	assert_int_equal(l.values[TW_SYSCTL_TCP_FIN_TIMEOUT], 60);
	assert_int_equal(l.values[TW_SYSCTL_SOMAXCONN], 4096);
}

static void test_what_is_not_as_expected_is_not_known(void **state)
{
	static const struct {
		enum tw_sysctl sysctl;
		const char *text;
	} cases[] = {
		{TW_SYSCTL_SOMAXCONN, ""},
		{TW_SYSCTL_SOMAXCONN, "\n"},
		{TW_SYSCTL_SOMAXCONN, "-1\n"},
		{TW_SYSCTL_SOMAXCONN, "4096"},
		{TW_SYSCTL_SOMAXCONN, "4096 4096\n"},
		{TW_SYSCTL_SOMAXCONN, "4294967296\n"},
		{RANGE, "32768\n"},
		{RANGE, "32768\t65536\n"},
		{RANGE, "60999\t32768\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tw_limits l = read_one(cases[i].sysctl, cases[i].text);

		assert_int_equal(l.known, 0);
		assert_int_equal(l.values[cases[i].sysctl], 0);
		assert_int_equal(l.port_high, 0);
	}
}

static void test_range(void **state)
{
	struct tw_limits l = read_one(RANGE, "32768\t60999\n");

	(void)state;
	assert_int_equal(l.known, TW_SYSCTL_BIT(RANGE));
	assert_int_equal(l.port_low, 32768);
	assert_int_equal(l.port_high, 60999);
	assert_int_equal(l.values[RANGE], 28232);
	assert_int_equal(read_one(RANGE, "50000\t50000\n").values[RANGE], 1);
}

static void test_reserved_ports_of_the_range(void **state)
{
	(void)state;
	assert_int_equal(reserved("40000\t40009\n", "\n"), 0);
	assert_int_equal(reserved("40000\t40009\n", "8080,9000-9100\n"), 0);
	assert_int_equal(reserved("40000\t40009\n", "8080,40003,40005-40006\n"), 3);
	assert_int_equal(reserved("40000\t40009\n", "39990-40001,40009-50000\n"), 3);
	assert_int_equal(reserved("40000\t40009\n", "1-65535\n"), 10);
}

/* The kernel's list may be longer than what is read of it. */
static void test_reserved_list_cut_off(void **state)
{
	(void)state;
	assert_int_equal(reserved("40000\t50000\n", "40000,40002,4000"), 2);
	assert_int_equal(reserved("40000\t50000\n", "40000-40004,40"), 5);
}

static void test_orphans(void **state)
{
	struct opener_files files = OPENER_FILES_NONE;
	struct tw_limits l;

	(void)state;
	files.sockstat = file_with("sockets: used 292\n"
				   "TCP: inuse 17 orphan 3 tw 42 alloc 29 mem 5\n");
	limits_read(&files, NETNS, 77, &l);
	opener_files_close(&files);
	assert_int_equal(l.orphans, 3);
	assert_int_equal(l.known, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_what_is_not_as_expected_is_not_known),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_reserved_ports_of_the_range),
		cmocka_unit_test(test_reserved_list_cut_off),
		cmocka_unit_test(test_orphans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
