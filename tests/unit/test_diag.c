/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Batches of sock_diag rows made by hand, which lie directly before a page that must not be read;
 * and one real dump.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <tcpwatch/tcp_state.h>

#include "base/util.h"
#include "random.h"
#include "source/diag.h"

#define NETNS 4026531833U
#define BATCH_MAX 4096U
#define ROWS_MAX 512
#define TIMER_TIME_WAIT 3

struct fixture {
	uint8_t batch[BATCH_MAX];
	size_t length;
	uint8_t *pages; /* BATCH_MAX bytes, and a page that is not there */
	size_t page;
	struct tw_socket rows[ROWS_MAX];
	size_t count;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	*state = f;
	f->page = (size_t)sysconf(_SC_PAGESIZE);
	f->pages = mmap(NULL, BATCH_MAX + f->page, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f->pages == MAP_FAILED)
		return -1;
	return mprotect(f->pages + BATCH_MAX, f->page, PROT_NONE);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	munmap(f->pages, BATCH_MAX + f->page);
	free(f);
	return 0;
}

/* What a batch is made of. */

static void add_bytes(struct fixture *f, const void *bytes, size_t size)
{
	assert_true(f->length + NLMSG_ALIGN(size) <= BATCH_MAX);
	memcpy(f->batch + f->length, bytes, size);
	f->length += NLMSG_ALIGN(size);
}

static size_t begin(struct fixture *f, uint16_t type, uint16_t flags)
{
	const struct nlmsghdr header = {.nlmsg_type = type, .nlmsg_flags = flags};
	size_t at = f->length;

	add_bytes(f, &header, sizeof(header));
	return at;
}

static void end(struct fixture *f, size_t at)
{
	uint32_t length = (uint32_t)(f->length - at);

	memcpy(f->batch + at, &length, sizeof(length));
}

static void add_attribute(struct fixture *f, uint16_t type, const void *value, size_t size)
{
	const struct rtattr attribute = {.rta_len = (uint16_t)RTA_LENGTH(size), .rta_type = type};

	add_bytes(f, &attribute, sizeof(attribute));
	add_bytes(f, value, size);
}

static struct inet_diag_msg message(uint8_t family, uint8_t state)
{
	struct inet_diag_msg m = {
		.idiag_family = family,
		.idiag_state = state,
		.idiag_expires = 1234,
		.idiag_uid = 33,
		.idiag_inode = 4711,
		.idiag_retrans = 2,
		.id = {.idiag_sport = htons(80),
		       .idiag_dport = htons(40000),
		       .idiag_cookie = {0x89abcdef, 0x01234567}},
	};

	for (uint32_t i = 0; i < 4; i++) {
		m.id.idiag_src[i] = htonl(0x0a000000 + i);
		m.id.idiag_dst[i] = htonl(0x0b000000 + i);
	}
	return m;
}

static void add_full(struct fixture *f, uint16_t flags)
{
	const struct inet_diag_msg m = message(AF_INET, TW_ESTABLISHED);
	const uint64_t cgroup = 9876543210;
	size_t at = begin(f, TCPDIAG_GETSOCK, flags);

	add_bytes(f, &m, sizeof(m));
	add_attribute(f, INET_DIAG_SHUTDOWN, "\3", 1);
	add_attribute(f, INET_DIAG_CGROUP_ID, &cgroup, sizeof(cgroup));
	end(f, at);
}

static void add_bare(struct fixture *f, const struct inet_diag_msg *m)
{
	size_t at = begin(f, TCPDIAG_GETSOCK, NLM_F_MULTI);

	add_bytes(f, m, sizeof(*m));
	end(f, at);
}

static void add_done(struct fixture *f, uint16_t flags, int error)
{
	size_t at = begin(f, NLMSG_DONE, flags);

	add_bytes(f, &error, sizeof(error));
	end(f, at);
}

static void add_error(struct fixture *f, int error)
{
	const struct nlmsgerr body = {.error = error};
	size_t at = begin(f, NLMSG_ERROR, 0);

	add_bytes(f, &body, sizeof(body));
	end(f, at);
}

/* What comes of it. */

static void on_socket(const struct tw_socket *row, void *userdata)
{
	struct fixture *f = userdata;

	assert_true(f->count < ROWS_MAX);
	f->rows[f->count++] = *row;
}

/* The first bytes of it, the last of which is the last before the page. */
static int parse_cut(struct fixture *f, const uint8_t *batch, size_t length)
{
	uint8_t *start = f->pages + BATCH_MAX - NLMSG_ALIGN(length);

	memcpy(start, batch, length);
	f->count = 0;
	return diag_parse(start, (int)length, 0, NETNS, on_socket, f);
}

static int parse(struct fixture *f)
{
	return parse_cut(f, f->batch, f->length);
}

static void test_full(void **state)
{
	struct fixture *f = *state;
	const struct tw_socket *row = f->rows;

	add_full(f, NLM_F_MULTI);
	assert_int_equal(parse(f), 1);
	assert_int_equal(f->count, 1);
	assert_true(row->cookie == 0x0123456789abcdef);
	assert_true(row->cgroup == 9876543210);
	assert_int_equal(row->netns, NETNS);
	assert_int_equal(row->uid, 33);
	assert_int_equal(row->inode, 4711);
	assert_int_equal(row->expires_ms, 1234);
	assert_int_equal(row->sport, 80);
	assert_int_equal(row->dport, 40000);
	assert_int_equal(row->family, AF_INET);
	assert_int_equal(row->state, TW_ESTABLISHED);
	assert_int_equal(row->kind, TW_SOCKET_FULL);
	assert_int_equal(row->retransmits, 2);
	/* IPv4 has the first four bytes, whatever the kernel's other ones are */
	assert_memory_equal(row->saddr, "\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	assert_memory_equal(row->daddr, "\x0b\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
}

static void test_ipv6(void **state)
{
	const struct inet_diag_msg m = message(AF_INET6, TW_CLOSE_WAIT);
	struct fixture *f = *state;

	add_bare(f, &m);
	assert_int_equal(parse(f), 1);
	assert_int_equal(f->rows[0].family, AF_INET6);
	assert_memory_equal(f->rows[0].saddr, "\x0a\0\0\0\x0a\0\0\1\x0a\0\0\2\x0a\0\0\3", 16);
	assert_memory_equal(f->rows[0].daddr, "\x0b\0\0\0\x0b\0\0\1\x0b\0\0\2\x0b\0\0\3", 16);
}

static void test_kinds(void **state)
{
	struct inet_diag_msg request = message(AF_INET, TW_SYN_RECV);
	struct inet_diag_msg mini = message(AF_INET, TW_FIN_WAIT2);
	struct fixture *f = *state;

	request.idiag_timer = 1;
	mini.idiag_timer = TIMER_TIME_WAIT;
	add_bare(f, &request);
	add_bare(f, &mini);
	add_full(f, NLM_F_MULTI);
	assert_int_equal(parse(f), 1);
	assert_int_equal(f->count, 3);
	assert_int_equal(f->rows[0].kind, TW_SOCKET_REQUEST);
	assert_int_equal(f->rows[1].kind, TW_SOCKET_MINI);
	assert_int_equal(f->rows[1].state, TW_FIN_WAIT2);
	assert_int_equal(f->rows[2].kind, TW_SOCKET_FULL);
	assert_int_equal(f->rows[0].cgroup, 0);
}

static void test_short_attributes(void **state)
{
	const struct inet_diag_msg m = message(AF_INET, TW_LISTEN);
	struct fixture *f = *state;
	size_t at = begin(f, TCPDIAG_GETSOCK, NLM_F_MULTI);

	add_bytes(f, &m, sizeof(m));
	add_attribute(f, INET_DIAG_CGROUP_ID, "1234567", 7);
	add_attribute(f, INET_DIAG_MEMINFO, "", 0);
	add_attribute(f, INET_DIAG_SHUTDOWN, "", 0);
	end(f, at);
	assert_int_equal(parse(f), 1);
	assert_int_equal(f->rows[0].cgroup, 0);
	assert_int_equal(f->rows[0].kind, TW_SOCKET_FULL);
}

static void test_done(void **state)
{
	struct fixture *f = *state;

	add_full(f, NLM_F_MULTI);
	add_full(f, NLM_F_MULTI);
	add_done(f, NLM_F_MULTI, 0);
	add_full(f, NLM_F_MULTI); /* of no one */
	assert_int_equal(parse(f), 0);
	assert_int_equal(f->count, 2);
}

/* A dump that the kernel gave up ends with a word of why: netlink_dump_done(). */
static void test_done_with_error(void **state)
{
	struct fixture *f = *state;

	add_done(f, NLM_F_MULTI, -ENOENT); /* no tcp_diag */
	assert_int_equal(parse(f), -ENOENT);
	f->length = 0;
	add_done(f, NLM_F_MULTI | NLM_F_DUMP_INTR, -ENOMEM);
	assert_int_equal(parse(f), -ENOMEM);
}

/* Any message of the batch may have the flag. */
static void test_interrupted(void **state)
{
	struct fixture *f = *state;

	add_full(f, NLM_F_MULTI);
	add_done(f, NLM_F_MULTI | NLM_F_DUMP_INTR, 0);
	assert_int_equal(parse(f), -EINTR);
	assert_int_equal(f->count, 1);
	f->length = 0;
	add_full(f, NLM_F_MULTI | NLM_F_DUMP_INTR);
	add_full(f, NLM_F_MULTI);
	add_done(f, NLM_F_MULTI, 0);
	assert_int_equal(parse(f), -EINTR);
	assert_int_equal(f->count, 2);
}

static void test_error(void **state)
{
	struct fixture *f = *state;

	add_full(f, 0);
	add_error(f, -EPERM);
	assert_int_equal(parse(f), -EPERM);
	assert_int_equal(f->count, 1);
	f->length = 0;
	add_error(f, 0); /* an acknowledgement, which nobody asked for */
	assert_int_equal(parse(f), -EBADMSG);
	f->length = 0;
	add_error(f, 5);
	assert_int_equal(parse(f), -EBADMSG);
	f->length = 0;
	end(f, begin(f, NLMSG_ERROR, 0)); /* without its body */
	assert_int_equal(parse(f), -EBADMSG);
}

static void test_short_row(void **state)
{
	struct inet_diag_msg m = message(AF_INET, TW_LISTEN);
	struct fixture *f = *state;
	size_t at = begin(f, TCPDIAG_GETSOCK, NLM_F_MULTI);

	add_bytes(f, &m, sizeof(m) - 4);
	end(f, at);
	assert_int_equal(parse(f), -EBADMSG);
	assert_int_equal(f->count, 0);
}

static void test_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(parse(f), 1);
	assert_int_equal(f->count, 0);
}

static void make_mixed(struct fixture *f)
{
	struct inet_diag_msg request = message(AF_INET6, TW_SYN_RECV);

	add_full(f, NLM_F_MULTI);
	add_bare(f, &request);
	add_full(f, NLM_F_MULTI);
	add_done(f, NLM_F_MULTI, 0);
}

/* Whole rows come, those cut off do not, and nothing is read that is not there. */
static void test_truncated(void **state)
{
	struct fixture *f = *state;

	make_mixed(f);
	for (size_t length = 0; length < f->length; length++) {
		int result = parse_cut(f, f->batch, length);

		assert_int_equal(result, 1);
		assert_true(f->count <= 3);
	}
	assert_int_equal(parse(f), 0);
	assert_int_equal(f->count, 3);
}

/* Damage of all kinds, most of it in lengths and types. */
static void test_garbage(void **state)
{
	uint64_t seed = seed_first(), random = seed;
	uint8_t damaged[BATCH_MAX];
	struct fixture *f = *state;

	make_mixed(f);
	for (unsigned round = 0; round < 200000; round++) {
		memcpy(damaged, f->batch, f->length);
		for (unsigned i = random_below(&random, 4) + 1; i; i--) {
			uint32_t at = random_below(&random, (uint32_t)f->length);

			damaged[random_percent(&random, 50) ? at & ~3U : at] = (uint8_t)
				random_below(&random, random_percent(&random, 50) ? 256 : 32);
		}
		parse_cut(f, damaged, random_below(&random, (uint32_t)f->length + 1));
		assert_seeded(seed, f->count <= f->length / NLMSG_LENGTH(0));
	}
}

/* A real dump. */

static uint64_t cookie_of(int fd)
{
	socklen_t size = sizeof(uint64_t);
	uint64_t cookie;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
	return cookie;
}

struct wanted {
	uint64_t cookie;
	struct tw_socket row;
};

static void look_for(const struct tw_socket *row, void *userdata)
{
	struct wanted *wanted = userdata;

	if (row->cookie == wanted->cookie)
		wanted->row = *row;
}

static uint32_t request(int fd, uint32_t states)
{
	static uint32_t number;

	assert_int_equal(diag_request(fd, states, ++number), 0);
	return number;
}

static int receive(int fd, uint32_t number, diag_socket_fn *on_row, void *userdata)
{
	static _Alignas(8) uint8_t buffer[DIAG_BUFFER_SIZE];
	struct pollfd waiting = {.fd = fd, .events = POLLIN};
	int length;

	assert_int_equal(poll(&waiting, 1, 5000), 1);
	length = diag_receive(fd, buffer);
	assert_true(length > 0);
	return diag_parse(buffer, length, number, NETNS, on_row, userdata);
}

static int dump(int fd, uint32_t states, struct wanted *wanted)
{
	uint32_t number = request(fd, states);
	int more;

	while ((more = receive(fd, number, look_for, wanted)) > 0)
		;
	return more;
}

static void test_real_dump(void **state)
{
	_cleanup_close_ int diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
					  NETLINK_SOCK_DIAG);
	_cleanup_close_ int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(address);
	struct wanted wanted = {.cookie = cookie_of(listener)};

	(void)state;
	assert_true(diag >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(dump(diag, TW_STATE_BIT(TW_LISTEN), &wanted), 0);
	assert_true(wanted.row.cookie == wanted.cookie);
	assert_int_equal(wanted.row.state, TW_LISTEN);
	assert_int_equal(wanted.row.kind, TW_SOCKET_FULL);
	assert_int_equal(wanted.row.sport, ntohs(address.sin_port));
	assert_int_equal(wanted.row.uid, getuid());
	assert_int_not_equal(wanted.row.inode, 0);
	assert_memory_equal(wanted.row.saddr, &address.sin_addr, 4);
	/* and not among others */
	wanted.row.cookie = 0;
	assert_int_equal(dump(diag, TW_STATE_BIT(TW_SYN_SENT), &wanted), 0);
	assert_int_equal(wanted.row.cookie, 0);
}

#define MANY 600 /* sockets: more than two batches */

static void count_listening(const struct tw_socket *row, void *userdata)
{
	assert_int_equal(row->state, TW_LISTEN);
	++*(size_t *)userdata;
}

static void ignore(const struct tw_socket *row, void *userdata)
{
	(void)row, (void)userdata;
}

/* A dump that is given up in its midst goes on in the kernel, and must not be taken for the next.
 */
static void test_given_up(void **state)
{
	_cleanup_close_ int diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
					  NETLINK_SOCK_DIAG);
	int sockets[MANY], more;
	size_t count = 0;
	uint32_t number;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(listen(sockets[i], 1), 0);
	}
	number = request(diag, TW_STATES_ALL);
	assert_int_equal(receive(diag, number, ignore, NULL), 1);
	do {
		number = request(diag, TW_STATE_BIT(TW_LISTEN));
		count = 0;
		while ((more = receive(diag, number, count_listening, &count)) > 0)
			;
	} while (more == -EBUSY);
	assert_int_equal(more, 0);
	assert_true(count >= MANY);
	for (int i = 0; i < MANY; i++)
		close(sockets[i]);
}

#define test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_full),
		test(test_ipv6),
		test(test_kinds),
		test(test_short_attributes),
		test(test_done),
		test(test_done_with_error),
		test(test_interrupted),
		test(test_error),
		test(test_short_row),
		test(test_nothing),
		test(test_truncated),
		test(test_garbage),
		cmocka_unit_test(test_real_dump),
		cmocka_unit_test(test_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
