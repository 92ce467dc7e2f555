/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "model/cgroups.h"

struct fixture {
	struct owners *owners;
	struct cgroups *cgroups;
	uint64_t now_ns; /* goes on each time that the owners are followed */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || owners_new(&f->owners) < 0 || cgroups_new(&f->cgroups) < 0)
		return -1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	owners_free(f->owners);
	cgroups_free(f->cgroups);
	free(f);
	return 0;
}

static uint32_t come(struct fixture *f, uint64_t cgroup, uint32_t pid)
{
	const struct owner owner = {.uid = 33, .cgroup = cgroup, .pid = pid};
	uint32_t index = owners_take(f->owners, &owner);

	cgroups_follow(f->cgroups, f->owners, ++f->now_ns);
	return index;
}

static void go(struct fixture *f, uint32_t index)
{
	owners_drop(f->owners, index);
	cgroups_follow(f->cgroups, f->owners, ++f->now_ns);
}

static const char *path(const struct fixture *f, uint64_t id)
{
	return cgroups_get(f->cgroups, id)->path;
}

static void test_named(void **state)
{
	struct fixture *f = *state;

	assert_false(cgroups_wants(f->cgroups, 5));
	come(f, 5, 1);
	assert_true(cgroups_wants(f->cgroups, 5));
	assert_int_equal(cgroups_unnamed(f->cgroups), 1);
	assert_string_equal(path(f, 5), "");
	cgroups_name(f->cgroups, 5, "/user.slice/user-1.slice/user@1.service/a.service");
	assert_false(cgroups_wants(f->cgroups, 5));
	assert_int_equal(cgroups_unnamed(f->cgroups), 0);
	assert_string_equal(cgroups_get(f->cgroups, 5)->unit, "user@1.service");
	assert_string_equal(cgroups_get(f->cgroups, 5)->user_unit, "a.service");
	assert_string_equal(cgroups_get(f->cgroups, 5)->slice, "user-1.slice");
	assert_string_equal(cgroup_label(cgroups_get(f->cgroups, 5)), "user@1/a.service");
	cgroups_name(f->cgroups, 5, "/other");
	assert_string_equal(cgroup_label(cgroups_get(f->cgroups, 5)), "user@1/a.service");
}

static void test_nobody_asked(void **state)
{
	struct fixture *f = *state;

	cgroups_name(f->cgroups, 5, "/a");
	assert_string_equal(path(f, 5), "");
	come(f, 0, 1);
	assert_int_equal(cgroups_unnamed(f->cgroups), 0);
	assert_string_equal(cgroup_label(cgroups_get(f->cgroups, 0)), "");
}

/* A name lasts as long as the last owner. */
static void test_forgotten(void **state)
{
	struct fixture *f = *state;
	uint32_t first = come(f, 5, 1), second = come(f, 5, 2);

	cgroups_name(f->cgroups, 5, "/a");
	go(f, first);
	assert_string_equal(path(f, 5), "/a");
	go(f, second);
	assert_string_equal(path(f, 5), "");
	come(f, 5, 3);
	assert_true(cgroups_wants(f->cgroups, 5));
}

/* One that cannot be found is not looked for again by itself, but taken when it is met. */
static void test_looked_for_in_vain(void **state)
{
	struct fixture *f = *state;

	come(f, 5, 1);
	cgroups_named(f->cgroups, f->now_ns);
	assert_int_equal(cgroups_unnamed(f->cgroups), 0);
	assert_true(cgroups_wants(f->cgroups, 5));
	come(f, 6, 1);
	assert_int_equal(cgroups_unnamed(f->cgroups), 1);
	cgroups_name(f->cgroups, 5, "/late");
	assert_int_equal(cgroups_unnamed(f->cgroups), 1);
	assert_string_equal(path(f, 5), "/late");
}

/* Its directory may be where the walk had come by: only what was there before it began counts. */
static void test_met_while_others_are_named(void **state)
{
	struct fixture *f = *state;
	uint64_t begun_ns;

	come(f, 5, 1);
	come(f, 6, 1);
	begun_ns = f->now_ns;
	come(f, 7, 1);
	come(f, 8, 1);
	cgroups_name(f->cgroups, 6, "/a");
	cgroups_name(f->cgroups, 8, "/b");
	cgroups_named(f->cgroups, begun_ns);
	assert_int_equal(cgroups_unnamed(f->cgroups), 1);
	cgroups_named(f->cgroups, f->now_ns);
	assert_int_equal(cgroups_unnamed(f->cgroups), 0);
	assert_true(cgroups_wants(f->cgroups, 5));
	assert_true(cgroups_wants(f->cgroups, 7));
	cgroups_named(f->cgroups, f->now_ns);
	assert_int_equal(cgroups_unnamed(f->cgroups), 0);
}

static void test_label(void **state)
{
	struct fixture *f = *state;

	come(f, 5, 1);
	cgroups_name(f->cgroups, 5, "/lxc/web");
	assert_string_equal(cgroup_label(cgroups_get(f->cgroups, 5)), "container/web");
	come(f, 6, 1);
	cgroups_name(f->cgroups, 6, "/some/path");
	assert_string_equal(cgroup_label(cgroups_get(f->cgroups, 6)), "/some/path");
	come(f, 7, 1);
	cgroups_name(f->cgroups, 7, "/a.slice/b.service");
	assert_string_equal(cgroup_label(cgroups_get(f->cgroups, 7)), "b.service");
	come(f, 8, 1);
	cgroups_name(f->cgroups, 8, "/");
	assert_string_equal(cgroup_label(cgroups_get(f->cgroups, 8)), "");
}

static void test_too_many(void **state)
{
	struct fixture *f = *state;
	uint32_t first = come(f, 1, 1);

	for (uint64_t id = 2; id <= CGROUPS_MAX + 5; id++)
		come(f, id, 1);
	assert_int_equal(cgroups_unnamed(f->cgroups), CGROUPS_MAX);
	assert_false(cgroups_wants(f->cgroups, CGROUPS_MAX + 1));
	/* a place that is free goes to one that found none */
	go(f, first);
	cgroups_follow(f->cgroups, f->owners, ++f->now_ns);
	come(f, CGROUPS_MAX + 1, 2);
	assert_true(cgroups_wants(f->cgroups, CGROUPS_MAX + 1));
}

static void test_too_long(void **state)
{
	struct fixture *f = *state;
	char text[4096];
	size_t named = 0;

	memset(text, 'x', sizeof(text));
	text[0] = '/';
	text[sizeof(text) - 1] = '\0';
	for (uint64_t id = 1; id <= 1000; id++) {
		come(f, id, 1);
		cgroups_name(f->cgroups, id, text);
		named += !!*path(f, id);
	}
	assert_in_range(named, CGROUPS_BYTES_MAX / 4200, CGROUPS_BYTES_MAX / 4096);
}

#define test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_named),
		test(test_nobody_asked),
		test(test_forgotten),
		test(test_looked_for_in_vain),
		test(test_met_while_others_are_named),
		test(test_label),
		test(test_too_many),
		test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
