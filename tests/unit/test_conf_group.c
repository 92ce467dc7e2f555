/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/conf.h"
#include "base/util.h"

#define BOXES_MAX 3

struct box {
	struct conf_member member;
	bool open;
	struct conf_level above;
	struct conf_level below;
	char *label;
	char *list[3];
};

struct values {
	uint64_t count;
	struct conf_members boxes;
};

static const char *const volumes[] = {"no", "yes", NULL};

static bool up_to_all(struct conf_value value)
{
	return !value.share || value.number <= 1000000;
}

static const struct conf_row rows[] = {
	{
		.section = "main",
		.key = "count",
		.type = CONF_COUNT,
		.offset = offsetof(struct values, count),
		.preset = "4",
		.min = "2",
		.max = "100",
	},
};

#define ROW(name, of_type, of_preset, ...)                                            \
	{                                                                             \
		.section = "box", .key = #name, .type = of_type, .preset = of_preset, \
		.offset = offsetof(struct box, name), __VA_ARGS__                     \
	}

static const struct conf_row box_rows[] = {
	ROW(open, CONF_SWITCH, "yes", .words = volumes),
	ROW(above, CONF_LEVEL, NULL, .expected = "a number, or a share up to 100%",
	    .valid = up_to_all),
	ROW(below, CONF_LEVEL, NULL, .expected = "a number, or a share up to 100%",
	    .valid = up_to_all),
	ROW(label, CONF_TEXT, "", .min = "0", .max = "20"),
	ROW(list, CONF_LIST, "off", .slots = 3, .min = "1", .max = "9", .nothing = "off"),
};

static const char *check_box(const void *member, const char **ret_key);

static const struct conf_group group = {
	.section = "box",
	.rows = box_rows,
	.n_rows = ARRAY_SIZE(box_rows),
	.size = sizeof(struct box),
	.offset = offsetof(struct values, boxes),
	.members_max = BOXES_MAX,
	.check = check_box,
};

static const struct conf_table table = {rows, ARRAY_SIZE(rows), &group, 1};

static const char *check_box(const void *member, const char **ret_key)
{
	const struct box *box = member;

	if (!conf_is_set(&group, &box_rows[1], box))
		return "it wants above = N";
	*ret_key = "below";
	return box->below.number > box->above.number ? "is greater than above" : NULL;
}

struct fixture {
	char path[40], other[40];
	char message[CONF_MESSAGE_SIZE];
	struct values values;
};

static int make_file(char *path, size_t size)
{
	int fd;

	snprintf(path, size, "/tmp/test_conf_group.XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	if (!f || make_file(f->path, sizeof(f->path)) || make_file(f->other, sizeof(f->other)))
		return -1;
	return conf_preset(&table, &f->values);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	conf_clear(&table, &f->values);
	unlink(f->path);
	unlink(f->other);
	free(f);
	return 0;
}

static int read_into(struct fixture *f, const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	f->message[0] = '\0';
	return conf_read(&table, path, &f->values, f->message);
}

static void takes(struct fixture *f, const char *text)
{
	int r = read_into(f, f->path, text);

	if (r != 0)
		print_error("%s\n", f->message);
	assert_int_equal(r, 0);
}

static void complains(const struct fixture *f, const char *path, const char *after)
{
	assert_int_equal(strncmp(f->message, path, strlen(path)), 0);
	assert_string_equal(f->message + strlen(path), after);
}

static void refuses(struct fixture *f, const char *text, const char *after)
{
	assert_int_equal(read_into(f, f->path, text), -EINVAL);
	complains(f, f->path, after);
}

static const struct box *box_at(const struct fixture *f, size_t index)
{
	assert_true(index < f->values.boxes.count);
	return (const struct box *)f->values.boxes.items + index;
}

static void test_members(void **state)
{
	struct fixture *f = *state;

	takes(f, "[main]\ncount = 9\n[box one]\nabove = 1000 ; or so\nlabel = a b\n"
		 "[box two-2.x]\nabove = 80%\nbelow = 0.5%\nopen = no\n[main]\ncount = 10\n");
	assert_int_equal(f->values.count, 10);
	assert_int_equal(f->values.boxes.count, 2);
	assert_string_equal(box_at(f, 0)->member.name, "one");
	assert_int_equal(box_at(f, 0)->above.number, 1000);
	assert_false(box_at(f, 0)->above.share);
	assert_string_equal(box_at(f, 0)->label, "a b");
	assert_true(box_at(f, 0)->open);
	assert_string_equal(box_at(f, 1)->member.name, "two-2.x");
	assert_int_equal(box_at(f, 1)->above.number, 800000);
	assert_true(box_at(f, 1)->above.share);
	assert_int_equal(box_at(f, 1)->below.number, 5000);
	assert_string_equal(box_at(f, 1)->label, "");
	assert_false(box_at(f, 1)->open);
	assert_int_equal(conf_check(&table, &f->values, f->message), 0);
}

static void test_a_later_file_goes_on_with_a_member(void **state)
{
	struct fixture *f = *state;

	takes(f, "[box one]\nabove = 5\nlist = a\nlist = b\n[box two]\nabove = 6\n[box one]\nlist "
		 "= c\n");
	assert_string_equal(box_at(f, 0)->list[2], "c");
	assert_int_equal(read_into(f, f->other, "[box one]\nopen = no\nlist = d\n"), 0);
	assert_int_equal(f->values.boxes.count, 2);
	assert_false(box_at(f, 0)->open);
	assert_int_equal(box_at(f, 0)->above.number, 5);
	assert_string_equal(box_at(f, 0)->list[0], "d");
	assert_null(box_at(f, 0)->list[1]);
}

static void test_bad_sections(void **state)
{
	static const struct {
		const char *text, *after;
	} cases[] = {
		{"[box]\n", ":1: [box] wants a name of letters, digits, and - _ . after a letter "
			    "or a digit: [box NAME]"},
		{"[box a b]\n", ":1: [box a b] wants a name of letters, digits, and - _ . after a "
				"letter or a digit: [box NAME]"},
		{"[box -a]\n", ":1: [box -a] wants a name of letters, digits, and - _ . after a "
			       "letter or a digit: [box NAME]"},
		{"[bix one]\n", ":1: unknown section [bix one]; did you mean [box one]?"},
		{"[wallpaper one]\n",
		 ":1: unknown section [wallpaper one]; the sections are [main], [box NAME]"},
		{"[box one] above = 3\n",
		 ":1: nothing but a comment can follow [box one] on its line"},
		{"[box one]\nabowe = 3\n",
		 ":2: unknown key \"abowe\" in [box one]; did you mean \"above\"?"},
		{"[box one]\ncount = 3\n", ":2: \"count\" is a key of [main], not of [box one]"},
		{"[main]\nabove = 3\n", ":2: \"above\" is a key of [box], not of [main]"},
		{"above = 3\n", ":1: \"above\" stands outside a section; put [box] before it"},
		{"[box one]\nabove = 101%\n",
		 ":2: above = 101%: expected a number, or a share up to 100%"},
		{"[box one]\nabove = -1\n",
		 ":2: above = -1: expected a number, or a share up to 100%"},
		{"[box one]\nabove = %\n",
		 ":2: above = %: expected a number, or a share up to 100%"},
		{"[box one]\n[box b]\n[box c]\n[box d]\n",
		 ":4: there are more than 3 sections [box NAME], which is the limit"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		refuses(*state, cases[i].text, cases[i].after);
}

/* A contradiction is told where it stands, whichever file brought it in. */
static void test_contradictions(void **state)
{
	struct fixture *f = *state;

	takes(f, "[box one]\nabove = 5\nbelow = 2\n");
	assert_int_equal(conf_check(&table, &f->values, f->message), 0);
	assert_int_equal(read_into(f, f->other, "# mine\n[box one]\n\nbelow = 9\n"), 0);
	assert_int_equal(conf_check(&table, &f->values, f->message), -EINVAL);
	complains(f, f->other, ":4: [box one]: below is greater than above");
	assert_int_equal(read_into(f, f->other, "[box one]\nbelow = 1\n[box new]\nopen = no\n"), 0);
	assert_int_equal(conf_check(&table, &f->values, f->message), -EINVAL);
	complains(f, f->other, ":3: [box new]: it wants above = N");
}

static void test_what_is_printed_loads_again(void **state)
{
	struct fixture *f = *state;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	takes(f, "[box one]\nabove = 1\n[box two]\nabove = 12.5%\nlist = x\nlist = y\n");
	conf_print(&table, &f->values, out);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, "[main]\ncount = 4\n\n[box one]\nopen = yes\nabove = 1\nlabel =\n"
				  "list = off\n\n[box two]\nopen = yes\nabove = 12.5%\nlabel =\n"
				  "list = x\nlist = y\n");
	takes(f, text);
	assert_int_equal(f->values.boxes.count, 2);
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_members),
		TEST(test_a_later_file_goes_on_with_a_member),
		TEST(test_bad_sections),
		TEST(test_contradictions),
		TEST(test_what_is_printed_loads_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
