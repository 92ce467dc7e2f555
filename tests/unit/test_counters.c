/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"
#include "source/counters.h"

#define SOCKSTAT                                        \
	"sockets: used 292\n"                           \
	"TCP: inuse 17 orphan 3 tw 42 alloc 29 mem 5\n" \
	"UDP: inuse 6 mem 2\n"                          \
	"UDPLITE: inuse 0\n"                            \
	"RAW: inuse 1\n"                                \
	"FRAG: inuse 0 memory 0\n"
#define SOCKSTAT6             \
	"TCP6: inuse 5\n"     \
	"UDP6: inuse 4\n"     \
	"UDPLITE6: inuse 0\n" \
	"RAW6: inuse 0\n"     \
	"FRAG6: inuse 0 memory 0\n"
#define SNMP_BEFORE                                             \
	"Ip: Forwarding DefaultTTL InReceives\nIp: 1 64 8811\n" \
	"Icmp: InMsgs InErrors\nIcmp: 13 0\n"                   \
	"IcmpMsg: InType3 OutType3\nIcmpMsg: 13 13\n"
#define SNMP_AFTER "Udp: InDatagrams NoPorts\nUdp: 100 3\n"
#define SNMP                                                                             \
	SNMP_BEFORE                                                                      \
	"Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails " \
	"EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors\n" \
	"Tcp: 1 200 120000 -1 316 297 2 19 8 12345678901 6789 7 0 21 0\n" SNMP_AFTER

static int file_with(const char *text)
{
	int fd = memfd_create("counters", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

/* NULL: there is no sockstat6. */
static int read_texts(const char *sockstat, const char *sockstat6, struct tw_counters *ret)
{
	struct opener_files files = OPENER_FILES_NONE;
	int error;

	files.sockstat = file_with(sockstat);
	if (sockstat6)
		files.sockstat6 = file_with(sockstat6);
	error = counters_read(&files, 4026531833U, 77, ret);
	opener_files_close(&files);
	return error;
}

static int segments(const char *snmp, uint64_t *ret)
{
	struct opener_files files = OPENER_FILES_NONE;
	int error;

	files.snmp = file_with(snmp);
	error = counters_segments(&files, ret);
	opener_files_close(&files);
	return error;
}

static int established(const char *snmp, uint32_t *ret)
{
	struct opener_files files = OPENER_FILES_NONE;
	int error;

	files.snmp = file_with(snmp);
	error = counters_established(&files, ret);
	opener_files_close(&files);
	return error;
}

static void test_sockstat(void **state)
{
	struct tw_counters c;

	(void)state;
	assert_int_equal(read_texts(SOCKSTAT, SOCKSTAT6, &c), 0);
	assert_int_equal(c.in_use, 17 + 5);
	assert_int_equal(c.time_wait, 42);
	assert_int_equal(c.netns, 4026531833U);
	assert_int_equal(c.time_ns, 77);
	assert_int_equal(c.established, TW_NOT_READ);
}

static void test_without_ipv6(void **state)
{
	struct tw_counters c;

	(void)state;
	assert_int_equal(read_texts(SOCKSTAT, NULL, &c), 0);
	assert_int_equal(c.in_use, 17);
}

/* The files are read from the start each time. */
static void test_read_again(void **state)
{
	struct opener_files files = OPENER_FILES_NONE;
	struct tw_counters c;

	(void)state;
	files.sockstat = file_with(SOCKSTAT);
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(counters_read(&files, 1, 1, &c), 0);
		assert_int_equal(c.time_wait, 42);
	}
	opener_files_close(&files);
}

static void test_malformed_sockstat(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"sockets: used 292\n",
		"sockets: used 292\nTCP:\n",
		"TCP: inuse 17\n",
		"TCP: inuse 17 orphan 3 tw\n",
		"TCP: inuse 17 orphan 3 tw \n",
		"TCP: inuse many orphan 3 tw 42\n",
		"TCP: orphan 3 tw 42\nUDP: inuse 6\n",
		"TCP: inuse 3 orphan 3\nUDP: inuse 6 tw 42\n",
		"MPTCP: inuse 17 tw 42\n",
	};
	struct tw_counters c = {.in_use = 5};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(read_texts(texts[i], NULL, &c), -EBADMSG);
	assert_int_equal(read_texts(SOCKSTAT, "", &c), -EBADMSG);
	assert_int_equal(read_texts(SOCKSTAT, "TCP6: \nUDP6: inuse 4\n", &c), -EBADMSG);
	assert_int_equal(c.in_use, 5);
}

static void test_unreadable(void **state)
{
	struct opener_files files = OPENER_FILES_NONE;
	uint64_t number;
	struct tw_counters c;

	(void)state;
	assert_int_equal(counters_read(&files, 1, 1, &c), -EBADF);
	assert_int_equal(counters_segments(&files, &number), -EBADF);
	assert_int_equal(counters_established(&files, &c.established), -EBADF);
}

static void test_snmp(void **state)
{
	uint64_t number = 0;
	uint32_t sum = 0;

	(void)state;
	assert_int_equal(segments(SNMP, &number), 0);
	assert_true(number == UINT64_C(12345678901));
	/* the place follows the name */
	assert_int_equal(segments("Ip: x\nIp: 1\nTcp: InSegs\nTcp: 9\n", &number), 0);
	assert_int_equal(number, 9);
	assert_int_equal(established(SNMP, &sum), 0);
	assert_int_equal(sum, 8);
}

static void test_malformed_snmp(void **state)
{
	static const char *const texts[] = {
		"",
		SNMP_BEFORE SNMP_AFTER,
		SNMP_BEFORE "Tcp: RtoAlgorithm InSegs\n",
		SNMP_BEFORE "Tcp: RtoAlgorithm InSegs\n" SNMP_AFTER,
		SNMP_BEFORE "Tcp: RtoAlgorithm InSegs\nTcp: 1\n" SNMP_AFTER,
		SNMP_BEFORE "Tcp: RtoAlgorithm InSegs\nTcp: 1 x\n" SNMP_AFTER,
		SNMP_BEFORE "Tcp: RtoAlgorithm OutSegs\nTcp: 1 2\n" SNMP_AFTER,
		SNMP_BEFORE "Tcp:\nTcp:\n" SNMP_AFTER,
	};
	uint64_t number = 5;
	uint32_t sum = 5;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_int_equal(segments(texts[i], &number), -EBADMSG);
	assert_int_equal(number, 5);
	/* no sum, and none that a process could have made */
	assert_int_equal(established("Tcp: InSegs\nTcp: 9\n", &sum), -EBADMSG);
	assert_int_equal(established("Tcp: CurrEstab\nTcp: 4294967295\n", &sum), -EBADMSG);
	assert_int_equal(established("Tcp: CurrEstab\nTcp: -1\n", &sum), -EBADMSG);
	assert_int_equal(sum, 5);
	assert_int_equal(established("Tcp: CurrEstab\nTcp: 4294967294\n", &sum), 0);
	assert_true(sum == 4294967294U);
}

/* A file longer than what is read of it is cut, not read beyond. */
static void test_long_files(void **state)
{
	char text[20000];
	struct tw_counters c;
	uint64_t number;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(read_texts(text, NULL, &c), -EBADMSG);
	assert_int_equal(segments(text, &number), -EBADMSG);
	memcpy(text, SOCKSTAT, strlen(SOCKSTAT));
	assert_int_equal(read_texts(text, NULL, &c), 0);
	assert_int_equal(c.in_use, 17);
}

/* And those of the kernel that runs this test. */
static void test_real_files(void **state)
{
	struct opener_files files = OPENER_FILES_NONE;
	struct tw_counters c;
	uint64_t number;

	(void)state;
	files.sockstat = open("/proc/self/net/sockstat", O_RDONLY | O_CLOEXEC);
	files.sockstat6 = open("/proc/self/net/sockstat6", O_RDONLY | O_CLOEXEC);
	files.snmp = open("/proc/self/net/snmp", O_RDONLY | O_CLOEXEC);
	assert_int_equal(counters_read(&files, 1, 1, &c), 0);
	assert_int_equal(counters_segments(&files, &number), 0);
	assert_int_equal(counters_established(&files, &c.established), 0);
	opener_files_close(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sockstat),       cmocka_unit_test(test_without_ipv6),
		cmocka_unit_test(test_read_again),     cmocka_unit_test(test_malformed_sockstat),
		cmocka_unit_test(test_unreadable),     cmocka_unit_test(test_snmp),
		cmocka_unit_test(test_malformed_snmp), cmocka_unit_test(test_long_files),
		cmocka_unit_test(test_real_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
