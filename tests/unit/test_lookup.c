/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions about single sockets, answers made by hand that lie directly before a page that must
 * not be read, and the kernel's own about sockets of this process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <tcpwatch/tcp_state.h>

#include "base/util.h"
#include "random.h"
#include "source/lookup.h"

#define COOKIE UINT64_C(0x1234567890abcdef)
#define ANSWER_MAX 1024U
#define TIMER_RETRANSMIT 1
#define TIMER_KEEPALIVE 2

static const struct lookup_key keys[2] = {
	{.cookie = 1, .family = AF_INET},
	{.cookie = COOKIE,
	 .family = AF_INET6,
	 .sport = 443,
	 .dport = 4000,
	 .saddr = {0x20, 1, [15] = 1},
	 .daddr = {0x20, 1, [15] = 2}},
};

struct answer {
	struct nlmsghdr header;
	struct inet_diag_msg message;
	struct rtattr attribute;
	struct tcp_info info;
} __attribute__((packed));

static struct answer answer_of(unsigned state)
{
	return (struct answer){
		.header = {.nlmsg_len = sizeof(struct answer),
			   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			   .nlmsg_seq = 1},
		.message = {.idiag_family = AF_INET6,
			    .idiag_state = (uint8_t)state,
			    .id.idiag_cookie = {(uint32_t)COOKIE, (uint32_t)(COOKIE >> 32)},
			    .idiag_rqueue = 7,
			    .idiag_wqueue = 8,
			    .idiag_inode = 9},
		.attribute = {.rta_len = RTA_LENGTH(sizeof(struct tcp_info)),
			      .rta_type = INET_DIAG_INFO},
	};
}

/* The bytes at the end of what may be read. */
static struct lookup_answer decode(const void *bytes, size_t length)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *pages = mmap(NULL, ANSWER_MAX + page + page, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t room = (ANSWER_MAX + page - 1) / page * page;
	struct lookup_answer answers[2] = {0};

	assert_true(pages != MAP_FAILED);
	assert_int_equal(mprotect(pages + room, page, PROT_NONE), 0);
	memcpy(pages + room - length, bytes, length);
	lookup_decode(pages + room - length, length, keys, ARRAY_SIZE(keys), answers);
	munmap(pages, ANSWER_MAX + page + page);
	assert_false(answers[0].found);
	return answers[1];
}

static void test_request(void **state)
{
	uint8_t bytes[LOOKUP_BATCH * LOOKUP_MESSAGE_SIZE];
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
	} request;

	(void)state;
	assert_int_equal(lookup_encode(keys, 2, true, bytes), 2 * sizeof(request));
	memcpy(&request, bytes + sizeof(request), sizeof(request));
	assert_int_equal(request.header.nlmsg_len, sizeof(request));
	assert_int_equal(request.header.nlmsg_flags, NLM_F_REQUEST);
	assert_int_equal(request.header.nlmsg_seq, 1);
	assert_int_equal(request.body.sdiag_family, AF_INET6);
	assert_int_equal(request.body.sdiag_protocol, IPPROTO_TCP);
	assert_int_equal(request.body.idiag_ext, 1 << (INET_DIAG_INFO - 1));
	assert_int_equal(request.body.id.idiag_sport, htons(443));
	assert_int_equal(request.body.id.idiag_dport, htons(4000));
	assert_memory_equal(request.body.id.idiag_src, keys[1].saddr, 16);
	assert_memory_equal(request.body.id.idiag_dst, keys[1].daddr, 16);
	assert_int_equal(request.body.id.idiag_cookie[0], (uint32_t)COOKIE);
	assert_int_equal(request.body.id.idiag_cookie[1], (uint32_t)(COOKIE >> 32));
	lookup_encode(keys, 2, false, bytes);
	memcpy(&request, bytes, sizeof(request));
	assert_int_equal(request.body.idiag_ext, 0);
}

static void test_answer(void **state)
{
	struct answer a = answer_of(TW_CLOSE_WAIT);
	struct lookup_answer got;

	(void)state;
	a.info.tcpi_last_ack_recv = 90000;
	got = decode(&a, sizeof(a));
	assert_true(got.found);
	assert_int_equal(got.state, TW_CLOSE_WAIT);
	assert_int_equal(got.receive_queue, 7);
	assert_int_equal(got.send_queue, 8);
	assert_int_equal(got.inode, 9);
	assert_int_equal(got.age_ms, 90000);
}

/* A FIN of this side: not older than its retransmissions say, nor than the peer's last word. */
static void test_age_of_a_fin(void **state)
{
	struct answer a = answer_of(TW_FIN_WAIT1);

	(void)state;
	a.info.tcpi_last_ack_recv = 90000;
	a.info.tcpi_rto = 1600000;
	a.info.tcpi_backoff = 3; /* 200 + 400 + 800 ms, and 600 of the next 1600 */
	a.message.idiag_timer = TIMER_RETRANSMIT;
	a.message.idiag_expires = 1000;
	assert_int_equal(decode(&a, sizeof(a)).age_ms, 2000);
	a.info.tcpi_last_ack_recv = 1500;
	assert_int_equal(decode(&a, sizeof(a)).age_ms, 1500);
	a.message.idiag_timer = TIMER_KEEPALIVE;
	a.info.tcpi_last_ack_recv = 90000;
	assert_int_equal(decode(&a, sizeof(a)).age_ms, 90000);
	a.message.idiag_timer = TIMER_RETRANSMIT;
	a.info.tcpi_backoff = 255;
	a.message.idiag_expires = UINT32_MAX;
	assert_int_equal(decode(&a, sizeof(a)).age_ms, 1600);
}

/* Of another socket, of another question, or none at all. */
static void test_wrong_answers(void **state)
{
	const struct answer right = answer_of(TW_CLOSE_WAIT);
	struct answer a = right;

	(void)state;
	a.message.id.idiag_cookie[1]++;
	assert_false(decode(&a, sizeof(a)).found);
	a = right;
	a.header.nlmsg_seq = 2;
	assert_false(decode(&a, sizeof(a)).found);
	a = right;
	a.header.nlmsg_type = NLMSG_ERROR;
	assert_false(decode(&a, sizeof(a)).found);
	a = right;
	a.header.nlmsg_len = NLMSG_LENGTH(sizeof(a.message)) - 1;
	assert_false(decode(&a, sizeof(a)).found);
	a = right;
	a.header.nlmsg_len = NLMSG_LENGTH(sizeof(a.message)); /* without tcp_info */
	assert_true(decode(&a, sizeof(a)).found);
	assert_int_equal(decode(&a, sizeof(a)).age_ms, LOOKUP_AGE_UNKNOWN);
	a = right;
	a.attribute.rta_len = RTA_LENGTH(8); /* with a part of it */
	assert_int_equal(decode(&a, sizeof(a)).age_ms, LOOKUP_AGE_UNKNOWN);
}

/* Cut off everywhere, and with bytes that are any: nothing beyond the end is read. */
static void test_malformed_answers(void **state)
{
	const struct answer right = answer_of(TW_CLOSE_WAIT);
	uint64_t seed = seed_first();

	(void)state;
	for (size_t length = 0; length < sizeof(right); length += NLMSG_ALIGNTO)
		assert_false(decode(&right, length).found);
	for (unsigned i = 0; i < 2000; i++) {
		uint8_t bytes[sizeof(right)];

		memcpy(bytes, &right, sizeof(right));
		for (unsigned flips = 1 + random_below(&seed, 8); flips; flips--)
			bytes[random_below(&seed, sizeof(bytes))] = (uint8_t)random_next(&seed);
		decode(bytes, sizeof(bytes));
	}
}

static struct lookup_key key_of(int fd)
{
	struct sockaddr_in local, remote = {0};
	socklen_t size = sizeof(local), cookie_size = sizeof(uint64_t);
	struct lookup_key key = {.family = AF_INET};

	assert_int_equal(getsockname(fd, (struct sockaddr *)&local, &size), 0);
	getpeername(fd, (struct sockaddr *)&remote, &size);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &key.cookie, &cookie_size), 0);
	key.sport = ntohs(local.sin_port);
	key.dport = ntohs(remote.sin_port);
	memcpy(key.saddr, &local.sin_addr, 4);
	memcpy(key.daddr, &remote.sin_addr, 4);
	return key;
}

static void test_real_sockets(void **state)
{
	_cleanup_close_ int diag = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM, 0);
	_cleanup_close_ int client = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct lookup_key batch[LOOKUP_BATCH];
	struct lookup_answer answers[LOOKUP_BATCH];
	socklen_t size = sizeof(address);
	_cleanup_close_ int child = -1;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(listener, 5), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, size), 0);
	child = accept(listener, NULL, NULL);
	assert_int_equal(send(client, "hello", 5, 0), 5);
	shutdown(client, SHUT_WR);
	for (size_t i = 0; i < LOOKUP_BATCH; i++)
		batch[i] = key_of(i % 2 ? child : listener);
	batch[3].cookie++; /* another had its addresses */
	assert_int_equal(lookup_sockets(diag, batch, LOOKUP_BATCH, true, answers), 0);
	for (size_t i = 0; i < LOOKUP_BATCH; i++) {
		assert_int_equal(answers[i].found, i != 3);
		if (i == 3)
			continue;
		assert_int_equal(answers[i].state, i % 2 ? TW_CLOSE_WAIT : TW_LISTEN);
		assert_true(answers[i].inode);
		assert_int_equal(answers[i].receive_queue, i % 2 ? 6 : 0); /* the FIN counts */
		assert_int_equal(answers[i].send_queue, i % 2 ? 0 : 5);
		if (i % 2)
			assert_true(answers[i].age_ms < 60000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),           cmocka_unit_test(test_answer),
		cmocka_unit_test(test_age_of_a_fin),      cmocka_unit_test(test_wrong_answers),
		cmocka_unit_test(test_malformed_answers), cmocka_unit_test(test_real_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
