/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <sys/socket.h>

#include "base/log.h"
#include "base/util.h"
#include "directory.h"
#include "random.h"
#include "recording.h"

#include <tcpwatch/tcp_state.h>

#define RECORDS 100
#define BODY_MAX sizeof(struct tw_process)
#define FILE_MAX 65536
#define END_SIZE (sizeof(struct tw_record_header) + sizeof(struct tw_recording_end))

static const struct {
	enum tw_record_type type;
	size_t size;
} types[] = {
	{TW_RECORD_EVENT, sizeof(struct tw_event)},
	{TW_RECORD_ROUND_BEGIN, sizeof(struct tw_round)},
	{TW_RECORD_DUMP_BEGIN, sizeof(struct tw_dump)},
	{TW_RECORD_SOCKET, sizeof(struct tw_socket)},
	{TW_RECORD_DUMP_END, sizeof(struct tw_dump)},
	{TW_RECORD_ROUND_END, sizeof(struct tw_round)},
	{TW_RECORD_COUNTERS, sizeof(struct tw_counters)},
	{TW_RECORD_NETNS_GONE, sizeof(struct tw_dump)},
	{TW_RECORD_LOST, sizeof(struct tw_lost)},
	{TW_RECORD_TICK, sizeof(struct tw_tick)},
	{TW_RECORD_PASS_BEGIN, sizeof(struct tw_pass)},
	{TW_RECORD_HOLDER, sizeof(struct tw_holder)},
	{TW_RECORD_PROCESS, sizeof(struct tw_process)},
};

struct fixture {
	struct directory directory;
	char path[64];
	_Alignas(
		8) uint8_t bodies[RECORDS][BODY_MAX]; /* of the type types[i % ARRAY_SIZE(types)] */
	size_t read;                                  /* how many have come back */
	bool wrong;                                   /* one of them was another */
	char told[1024];                              /* what was logged */
};

/* Random, but for what can be told to be wrong. */
static void make_body(enum tw_record_type type, uint8_t body[BODY_MAX], uint64_t *random)
{
	struct tw_event *event = (void *)body;
	struct tw_socket *socket = (void *)body;

	for (size_t k = 0; k < BODY_MAX; k++)
		body[k] = (uint8_t)random_next(random);
	if (type == TW_RECORD_EVENT) {
		event->old_state = TW_SYN_SENT;
		event->new_state = TW_ESTABLISHED;
		event->family = AF_INET6;
	} else if (type == TW_RECORD_SOCKET) {
		socket->state = TW_LISTEN;
		socket->kind = TW_SOCKET_FULL;
		socket->family = AF_INET;
	}
}

static void make_bodies(struct fixture *f)
{
	uint64_t random = 1;

	for (size_t i = 0; i < RECORDS; i++)
		make_body(types[i % ARRAY_SIZE(types)].type, f->bodies[i], &random);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || directory_make(&f->directory, "test_recording") < 0)
		return -1;
	directory_name(&f->directory, "recording", f->path, sizeof(f->path));
	make_bodies(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	directory_remove(&f->directory);
	free(f);
	return 0;
}

static void write_recording(struct fixture *f, size_t count)
{
	struct recording *r;

	assert_int_equal(recording_create(f->path, &r), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(
			recording_write(r, types[i % ARRAY_SIZE(types)].type, f->bodies[i]), 0);
	recording_close(r);
}

static size_t load(const struct fixture *f, uint8_t bytes[FILE_MAX])
{
	_cleanup_fclose_ FILE *file = fopen(f->path, "re");

	assert_non_null(file);
	return fread(bytes, 1, FILE_MAX, file);
}

static void store(const struct fixture *f, const uint8_t *bytes, size_t size)
{
	FILE *file = fopen(f->path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void on_record(enum tw_record_type type, const void *body, void *userdata)
{
	struct fixture *f = userdata;
	size_t kind = f->read % ARRAY_SIZE(types);

	f->wrong |= type != types[kind].type || (uintptr_t)body % 8 ||
		    memcmp(body, f->bodies[f->read], types[kind].size) != 0;
	f->read++;
}

/* Whatever is wrong with a recording is logged in one line, with its path. */
static void check_log(struct fixture *f, int log, bool expected)
{
	ssize_t length = pread(log, f->told, sizeof(f->told) - 1, 0);

	assert_true(length >= 0);
	f->told[length] = '\0';
	if (!expected) {
		assert_string_equal(f->told, "");
		return;
	}
	assert_non_null(strstr(f->told, f->path));
	assert_ptr_equal(strchr(f->told, '\n'), f->told + length - 1);
}

static int read_recording(struct fixture *f)
{
	_cleanup_close_ int log = memfd_create("log", MFD_CLOEXEC), stderr_fd = dup(STDERR_FILENO);
	int error;

	f->read = 0;
	assert_true(dup2(log, STDERR_FILENO) >= 0);
	error = recording_read(f->path, on_record, f);
	dup2(stderr_fd, STDERR_FILENO);
	check_log(f, log, error < 0);
	assert_false(f->wrong);
	return error;
}

static void test_round_trip(void **state)
{
	struct fixture *f = *state;

	write_recording(f, RECORDS);
	assert_int_equal(read_recording(f), 0);
	assert_int_equal(f->read, RECORDS);
}

static void test_empty(void **state)
{
	struct fixture *f = *state;

	write_recording(f, 0);
	assert_int_equal(read_recording(f), 0);
	assert_int_equal(f->read, 0);
}

/* Where the record of that number begins in a recording that has one of each type. */
static size_t start_of(size_t number)
{
	size_t start = TW_RECORDING_MAGIC_SIZE;

	for (size_t i = 0; i < number; i++)
		start += sizeof(struct tw_record_header) + types[i].size;
	return start;
}

/* The record that has the byte; ARRAY_SIZE(types) is the end. */
static size_t record_at(size_t byte)
{
	size_t number = 0;

	while (number < ARRAY_SIZE(types) && start_of(number + 1) <= byte)
		number++;
	return number;
}

/* The log says where the record of that number begins. */
static void assert_told_of(const struct fixture *f, size_t number)
{
	char place[32];

	snprintf(place, sizeof(place), ": byte %zu: ", start_of(number));
	assert_non_null(strstr(f->told, place));
}

/* Whole records come, and that more was to come is told, wherever the cut is. */
static void test_truncated(void **state)
{
	uint8_t bytes[FILE_MAX];
	struct fixture *f = *state;
	size_t size;

	write_recording(f, ARRAY_SIZE(types));
	size = load(f, bytes);
	assert_int_equal(size, start_of(ARRAY_SIZE(types)) + END_SIZE);
	for (size_t cut = TW_RECORDING_MAGIC_SIZE; cut < size; cut++) {
		store(f, bytes, cut);
		assert_int_equal(read_recording(f), -ENODATA);
		assert_int_equal(f->read, record_at(cut));
		assert_told_of(f, record_at(cut));
	}
	for (size_t cut = 0; cut < TW_RECORDING_MAGIC_SIZE; cut++) {
		store(f, bytes, cut);
		assert_int_equal(read_recording(f), -EBADMSG);
	}
}

/* No byte can be another one: the records before its own come, and the place is told. */
static void test_changed(void **state)
{
	uint8_t bytes[FILE_MAX];
	struct fixture *f = *state;
	size_t size;

	write_recording(f, ARRAY_SIZE(types));
	size = load(f, bytes);
	for (size_t at = TW_RECORDING_MAGIC_SIZE; at < size; at++) {
		bytes[at] ^= 1;
		store(f, bytes, size);
		assert_int_equal(read_recording(f), -EBADMSG);
		assert_int_equal(f->read, record_at(at));
		assert_told_of(f, record_at(at));
		bytes[at] ^= 1;
	}
}

/* Each record by itself is as it was written, but not each that was written is there, once. */
static void test_left_out_and_repeated(void **state)
{
	uint8_t bytes[FILE_MAX], changed[FILE_MAX];
	struct fixture *f = *state;
	size_t size;

	write_recording(f, ARRAY_SIZE(types));
	size = load(f, bytes);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		size_t start = start_of(i), next = start_of(i + 1);

		memcpy(changed, bytes, start);
		memcpy(changed + start, bytes + next, size - next);
		store(f, changed, size - (next - start));
		assert_int_equal(read_recording(f), -EBADMSG);
		assert_int_equal(f->read, i);
		assert_told_of(f, i);

		memcpy(changed, bytes, next);
		memcpy(changed + next, bytes + start, size - start);
		store(f, changed, size + (next - start));
		assert_int_equal(read_recording(f), -EBADMSG);
		assert_int_equal(f->read, i + 1);
		assert_told_of(f, i + 1);
	}
}

static void test_after_the_end(void **state)
{
	uint8_t bytes[FILE_MAX] = {0};
	struct fixture *f = *state;
	size_t size;

	write_recording(f, ARRAY_SIZE(types));
	size = load(f, bytes);
	store(f, bytes, size + 1);
	assert_int_equal(read_recording(f), -EBADMSG);
	assert_told_of(f, ARRAY_SIZE(types));
}

/* What would be right is told. */
static void test_other_format(void **state)
{
	struct fixture *f = *state;

	store(f, (const uint8_t *)"TCPWREC\1", TW_RECORDING_MAGIC_SIZE);
	assert_int_equal(read_recording(f), -EBADMSG);
	assert_non_null(strstr(f->told, "in format 1, and this tcpwatchd reads format 3"));
}

static void test_not_a_recording(void **state)
{
	static const char *const contents[] = {"", "TCPWREC", "tcpwrec\3", "#!/bin/sh\nexit 0\n"};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
		store(f, (const uint8_t *)contents[i], strlen(contents[i]));
		assert_int_equal(read_recording(f), -EBADMSG);
		assert_int_equal(f->read, 0);
	}
}

static void test_unknown_records(void **state)
{
	static const struct tw_record_header headers[] = {
		{.type = 0, .size = 0},
		{.type = 0, .size = sizeof(struct tw_event)},
		{.type = TW_RECORD_TICK + 1, .size = sizeof(struct tw_tick)},
		{.type = UINT16_MAX, .size = sizeof(struct tw_tick)},
		{.type = TW_RECORD_TICK, .size = 0},
		{.type = TW_RECORD_TICK, .size = sizeof(struct tw_tick) - 1},
		{.type = TW_RECORD_TICK, .size = sizeof(struct tw_tick) + 1},
		{.type = TW_RECORD_EVENT, .size = UINT16_MAX},
	};
	uint8_t bytes[FILE_MAX];
	struct fixture *f = *state;
	size_t size;

	write_recording(f, 3);
	size = load(f, bytes) - END_SIZE;
	memset(bytes + size, 0, FILE_MAX - size);
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		memcpy(bytes + size, &headers[i], sizeof(headers[i]));
		store(f, bytes, size + 1000);
		assert_int_equal(read_recording(f), -EBADMSG);
		assert_int_equal(f->read, 3);
	}
}

static void assert_damaged(struct fixture *f, enum tw_record_type type, const void *body)
{
	struct recording *r;

	remove(f->path);
	assert_int_equal(recording_create(f->path, &r), 0);
	assert_int_equal(recording_write(r, type, body), 0);
	recording_close(r);
	assert_int_equal(read_recording(f), -EBADMSG);
	assert_int_equal(f->read, 0);
}

static void test_impossible_bodies(void **state)
{
	struct fixture *f = *state;
	struct tw_event event = {.old_state = TW_CLOSE, .new_state = TW_LISTEN, .family = AF_INET};
	struct tw_socket socket = {.state = TW_LISTEN, .family = AF_INET};

	event.new_state = TW_STATE_LAST + 1;
	assert_damaged(f, TW_RECORD_EVENT, &event);
	event.new_state = TW_LISTEN;
	event.old_state = 0;
	assert_damaged(f, TW_RECORD_EVENT, &event);
	event.old_state = TW_CLOSE;
	event.family = AF_UNIX;
	assert_damaged(f, TW_RECORD_EVENT, &event);
	socket.kind = TW_SOCKET_MINI + 1;
	assert_damaged(f, TW_RECORD_SOCKET, &socket);
	assert_damaged(f, TW_RECORD_LISTENER, &(struct tw_listener){.family = AF_UNIX});
}

static void test_no_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_recording(f), -ENOENT);
}

/* Neither a pipe that nobody writes to nor a directory is waited for. */
static void test_no_ordinary_file(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_int_equal(read_recording(f), -EBADMSG);
	unlink(f->path);
	assert_int_equal(mkdir(f->path, 0700), 0);
	assert_int_equal(read_recording(f), -EBADMSG);
	rmdir(f->path);
}

/* Somebody's file is left as it is. */
static void test_existing_file(void **state)
{
	struct fixture *f = *state;
	struct recording *r = NULL;
	uint8_t bytes[FILE_MAX];

	store(f, (const uint8_t *)"precious", 8);
	assert_int_equal(recording_create(f->path, &r), -EEXIST);
	assert_null(r);
	assert_int_equal(load(f, bytes), 8);
	assert_memory_equal(bytes, "precious", 8);
}

/* Addresses and names of programs are in it. */
static void test_is_private(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	write_recording(f, 1);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void count_record(enum tw_record_type type, const void *body, void *userdata)
{
	(void)type, (void)body;
	++*(size_t *)userdata;
}

/* Told once, and then nothing more is written: what is there can be read. */
static void test_full_disk(void **state)
{
	const struct rlimit limit = {.rlim_cur = 8192, .rlim_max = RLIM_INFINITY};
	struct rlimit before;
	struct fixture *f = *state;
	unsigned errors = 0;
	size_t count = 0;
	struct recording *r;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(recording_create(f->path, &r), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (unsigned i = 0; i < 1000; i++) {
		int error = recording_write(r, TW_RECORD_EVENT, f->bodies[0]);

		assert_true(!error || error == -EFBIG);
		errors += error != 0;
	}
	recording_close(r);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(errors, 1);
	assert_int_equal(recording_read(f->path, count_record, &count), -ENODATA);
	assert_true(count > 0);
}

#define test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_round_trip),
		test(test_empty),
		test(test_truncated),
		test(test_changed),
		test(test_left_out_and_repeated),
		test(test_after_the_end),
		test(test_other_format),
		test(test_not_a_recording),
		test(test_unknown_records),
		test(test_impossible_bodies),
		test(test_no_file),
		test(test_no_ordinary_file),
		test(test_existing_file),
		test(test_is_private),
		test(test_full_disk),
	};

	log_open("test_recording");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
