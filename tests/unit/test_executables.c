/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "model/executables.h"

static int set_up(void **state)
{
	return executables_new((struct executables **)state);
}

static int tear_down(void **state)
{
	executables_free(*state);
	return 0;
}

static void learn(struct executables *e, uint32_t pid, const char *comm, const char *path)
{
	struct tw_process process = {.pid = pid};

	memcpy(process.comm, comm, strnlen(comm, sizeof(process.comm)));
	memcpy(process.executable.path, path, strnlen(path, sizeof(process.executable.path)));
	executables_learn(e, &process);
}

static uint32_t number(const struct executables *e, uint32_t pid, const char *comm)
{
	char name[TW_COMM_SIZE] = {0};

	memcpy(name, comm, strnlen(comm, sizeof(name) - 1));
	return executables_of(e, pid, name);
}

static const char *path(const struct executables *e, uint32_t pid, const char *comm)
{
	return executables_path(e, number(e, pid, comm));
}

/* The pid of one that has ended is somebody else's, who is called otherwise. */
static void test_of_whom(void **state)
{
	struct executables *e = *state;

	assert_string_equal(path(e, 7, "worker"), "");
	learn(e, 7, "worker", "/a/worker");
	assert_string_equal(path(e, 7, "worker"), "/a/worker");
	assert_string_equal(path(e, 7, "other"), "");
	assert_string_equal(path(e, 8, "worker"), "");
	learn(e, 7, "worker", "/b/worker");
	assert_string_equal(path(e, 7, "worker"), "/b/worker");
	learn(e, 7, "worker", "");
	assert_string_equal(path(e, 7, "worker"), "");
	learn(e, 0, "", "/a/worker");
	assert_string_equal(path(e, 0, ""), "");
}

/* Of processes that share a set, those that are met go on being known, and those that have ended
 * give way. */
static void test_many_pids(void **state)
{
	enum { SETS = 512, SET_SIZE = 8, PASSES = 5 };
	struct executables *e = *state;

	for (uint32_t pass = 0; pass < PASSES; pass++) {
		for (uint32_t i = 1; i < SET_SIZE; i++)
			learn(e, i * SETS, "worker", "/a/worker");
		learn(e, (SET_SIZE + pass) * SETS, "worker", "/b/worker");
		for (uint32_t i = 1; i < SET_SIZE; i++)
			assert_string_equal(path(e, i * SETS, "worker"), "/a/worker");
		assert_string_equal(path(e, (SET_SIZE + pass) * SETS, "worker"), "/b/worker");
	}
	assert_string_equal(path(e, SET_SIZE * SETS, "worker"), "");
	for (uint32_t pid = 1; pid <= SETS * SET_SIZE; pid++)
		learn(e, pid, "worker", "/c/worker");
	for (uint32_t pid = 1; pid <= SETS * SET_SIZE; pid++)
		assert_string_equal(path(e, pid, "worker"), "/c/worker");
}

static void test_a_path_has_one_number(void **state)
{
	struct executables *e = *state;

	learn(e, 1, "a", "/usr/bin/python3");
	learn(e, 2, "b", "/usr/bin/python3");
	learn(e, 3, "c", "/usr/bin/python4");
	assert_int_equal(number(e, 1, "a"), number(e, 2, "b"));
	assert_int_not_equal(number(e, 1, "a"), number(e, 3, "c"));
	assert_int_not_equal(number(e, 1, "a"), EXECUTABLE_UNKNOWN);
}

/* Of what ends in no NUL the rest is cut. */
static void test_hostile(void **state)
{
	struct executables *e = *state;
	char comm[TW_COMM_SIZE + 1] = {0}, name[TW_EXECUTABLE_SIZE + 1] = {0};

	memset(comm, '\n', TW_COMM_SIZE);
	memset(name, '\xff', TW_EXECUTABLE_SIZE);
	learn(e, UINT32_MAX, comm, name);
	name[TW_EXECUTABLE_SIZE - 1] = '\0';
	assert_string_equal(path(e, UINT32_MAX, comm), name);
}

static void learn_many(struct executables *e, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++) {
		char name[TW_EXECUTABLE_SIZE];

		snprintf(name, sizeof(name), "/bin/%u", i);
		learn(e, i, "many", name);
	}
}

/* Past the bound a file is not known; those that are stay so. */
static void test_bound(void **state)
{
	struct executables *e = *state;
	uint32_t known = 0;

	learn_many(e, 1, EXECUTABLES_MAX / 2 - 1);
	assert_false(executables_crowded(e));
	learn_many(e, EXECUTABLES_MAX / 2, EXECUTABLES_MAX / 2);
	assert_true(executables_crowded(e));
	assert_string_equal(path(e, EXECUTABLES_MAX - 1, "many"), "/bin/4095");
	learn(e, EXECUTABLES_MAX, "many", "/bin/one-more");
	assert_string_equal(path(e, EXECUTABLES_MAX, "many"), "");
	learn(e, EXECUTABLES_MAX, "many", "/bin/1");
	assert_string_equal(path(e, EXECUTABLES_MAX, "many"), "/bin/1");
	for (uint32_t pid = 1; pid < EXECUTABLES_MAX; pid++)
		known += *path(e, pid, "many") != '\0';
	assert_int_equal(known, EXECUTABLES_MAX - 1);
}

static void test_sweep(void **state)
{
	struct executables *e = *state;
	bool used[EXECUTABLES_MAX] = {0};
	uint32_t kept;

	learn_many(e, 1, EXECUTABLES_MAX - 1);
	kept = number(e, 1000, "many");
	used[kept] = used[EXECUTABLE_UNKNOWN] = true;
	executables_sweep(e, used);
	assert_false(executables_crowded(e));
	assert_string_equal(executables_path(e, kept), "/bin/1000");
	assert_string_equal(path(e, 1000, "many"), ""); /* until it is met again */
	for (uint32_t i = 0; i < EXECUTABLES_MAX; i++)
		assert_true(i == kept || !*executables_path(e, i));
	learn_many(e, EXECUTABLES_MAX + 1, EXECUTABLES_MAX - 2);
	learn(e, 1000, "many", "/bin/1000");
	assert_int_equal(number(e, 1000, "many"), kept);
	assert_string_equal(path(e, EXECUTABLES_MAX + 1, "many"), "/bin/4097");
}

#define test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_of_whom), test(test_many_pids), test(test_a_path_has_one_number),
		test(test_hostile), test(test_bound),     test(test_sweep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
