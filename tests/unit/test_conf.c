/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/conf.h"
#include "base/quantity.h"
#include "base/util.h"

struct values {
	unsigned int colour;
	bool loud;
	uint64_t count;
	uint64_t size;
	uint64_t time;
	double share;
	char *text;
	char *list[3];
};

static const char *const colours[] = {"red", "green", "blue", NULL};
static const char *const volumes[] = {"no", "yes", NULL};

static bool even(struct conf_value value)
{
	return value.number % 2 == 0;
}

#define ROW(of_section, name, of_type, of_preset, ...)                                     \
	{                                                                                  \
		.section = of_section, .key = #name, .type = of_type, .preset = of_preset, \
		.offset = offsetof(struct values, name), __VA_ARGS__                       \
	}

static const struct conf_row rows[] = {
	ROW("paint", colour, CONF_WORD, "red", .words = colours),
	ROW("paint", loud, CONF_SWITCH, "no", .words = volumes),
	ROW("paint", count, CONF_COUNT, "4", .min = "2", .max = "100", .valid = even,
	    .expected = "an even number from 2 to 100"),
	ROW("paint", size, CONF_SIZE, "auto", .min = "4K", .max = "1G", .nothing = "auto"),
	ROW("other", time, CONF_TIME, "30s", .min = "10ms", .max = "7d"),
	ROW("other", share, CONF_SHARE, "0.5%", .min = "0.01%", .max = "100%"),
	ROW("other", text, CONF_TEXT, "words", .min = "0", .max = "40"),
	ROW("other", list, CONF_LIST, "a", .slots = 3, .min = "1", .max = "9", .nothing = "off"),
};

static const struct conf_table table = {.rows = rows, .n_rows = ARRAY_SIZE(rows)};

struct fixture {
	char path[32];
	char message[CONF_MESSAGE_SIZE];
	struct values values;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int fd;

	if (!f)
		return -1;
	snprintf(f->path, sizeof(f->path), "/tmp/test_conf.XXXXXX");
	fd = mkstemp(f->path);
	if (fd < 0)
		return -1;
	close(fd);
	*state = f;
	return conf_preset(&table, &f->values);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	conf_clear(&table, &f->values);
	unlink(f->path);
	free(f);
	return 0;
}

static int read_bytes(struct fixture *f, const void *bytes, size_t length)
{
	FILE *file = fopen(f->path, "we");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
	f->message[0] = '\0';
	return conf_read(&table, f->path, &f->values, f->message);
}

static int read_text(struct fixture *f, const char *text)
{
	return read_bytes(f, text, strlen(text));
}

static void takes(struct fixture *f, const char *text)
{
	int r = read_text(f, text);

	if (r != 0)
		print_error("%s\n", f->message);
	assert_int_equal(r, 0);
}

/* after: the message behind the path. */
static void refuses(struct fixture *f, const char *text, const char *after)
{
	assert_int_equal(read_text(f, text), -EINVAL);
	assert_int_equal(strncmp(f->message, f->path, strlen(f->path)), 0);
	assert_string_equal(f->message + strlen(f->path), after);
}

static void test_presets(void **state)
{
	struct values *v = &((struct fixture *)*state)->values;

	assert_int_equal(v->colour, 0);
	assert_false(v->loud);
	assert_int_equal(v->count, 4);
	assert_int_equal(v->size, 0);
	assert_int_equal(v->time, 30 * NSEC_PER_SEC);
	assert_true(v->share == 0.005);
	assert_string_equal(v->text, "words");
	assert_string_equal(v->list[0], "a");
	assert_null(v->list[1]);
}

static void test_each_type(void **state)
{
	struct fixture *f = *state;
	struct values *v = &f->values;

	takes(f, "[paint]\ncolour = blue\nloud = yes\ncount = 100\nsize = 8M\n"
		 "[other]\ntime = 7d\nshare = 99.99%\ntext = two words\nlist = x\nlist = y\n");
	assert_int_equal(v->colour, 2);
	assert_true(v->loud);
	assert_int_equal(v->count, 100);
	assert_int_equal(v->size, 8 << 20);
	assert_int_equal(v->time, 7 * 86400 * NSEC_PER_SEC);
	assert_true(v->share == 0.9999);
	assert_string_equal(v->text, "two words");
	assert_string_equal(v->list[0], "x");
	assert_string_equal(v->list[1], "y");
	assert_null(v->list[2]);
}

static void test_comments_and_blanks(void **state)
{
	struct fixture *f = *state;
	struct values *v = &f->values;

	takes(f,
	      "# one\n; two\n\n  \t\n[paint] ; three\n  colour=green   # four\ncount = 6 ; five\n"
	      "\tloud = yes\r\n[other]\r\n   text = a#b;c # six ; seven\n# [nonsense\n#x\n"
	      "time = 1s");
	assert_int_equal(v->colour, 1);
	assert_int_equal(v->count, 6);
	assert_true(v->loud);
	assert_string_equal(v->text, "a#b;c");
	assert_int_equal(v->time, NSEC_PER_SEC);
}

static void test_byte_order_mark(void **state)
{
	struct fixture *f = *state;

	takes(f, "\xef\xbb\xbf[paint]\ncolour = blue\n");
	assert_int_equal(f->values.colour, 2);
	refuses(f, "\xef\xbb\xbf[pain]\n", ":1: unknown section [pain]; did you mean [paint]?");
}

static void test_an_empty_text(void **state)
{
	struct fixture *f = *state;

	takes(f, "[other]\ntext =\n");
	assert_string_equal(f->values.text, "");
}

static void test_a_later_value_replaces(void **state)
{
	struct fixture *f = *state;
	struct values *v = &f->values;

	takes(f, "[other]\nlist = x\ntext = x\n[paint]\ncount = 8\n[other]\nlist = y\ntext = y\n");
	assert_string_equal(v->list[1], "y");
	assert_string_equal(v->text, "y");
	takes(f, "[other]\nlist = z\n");
	assert_string_equal(v->list[0], "z");
	assert_null(v->list[1]);
	assert_int_equal(v->count, 8);
	takes(f, "[other]\nlist = off\n");
	assert_null(v->list[0]);
	takes(f, "[paint]\nsize = 4K\n");
	takes(f, "[paint]\nsize = auto\n");
	assert_int_equal(v->size, 0);
}

static void test_a_full_list(void **state)
{
	struct fixture *f = *state;

	takes(f, "[other]\nlist = 1\nlist = 2\nlist = 3\n");
	assert_string_equal(f->values.list[2], "3");
	refuses(f, "[other]\nlist = 1\nlist = 2\nlist = 3\nlist = 4\n",
		":5: list stands here more than 3 times, which is the limit");
}

static void test_bad_values(void **state)
{
	static const struct {
		const char *text, *after;
	} cases[] = {
		{"[paint]\ncolour = pink\n", ":2: colour = pink: expected red, green or blue"},
		{"[paint]\ncolour = Red\n", ":2: colour = Red: expected red, green or blue"},
		{"[paint]\n\ncolour =\n", ":3: colour has no value: expected red, green or blue"},
		{"[paint]\nloud = true\n", ":2: loud = true: expected no or yes"},
		{"[paint]\ncount = 7\n", ":2: count = 7: expected an even number from 2 to 100"},
		{"[paint]\ncount = 102\n",
		 ":2: count = 102: expected an even number from 2 to 100"},
		{"[paint]\nsize = 8Q\n",
		 ":2: size = 8Q: expected a size such as 8M, from 4K to 1G, or auto"},
		{"[paint]\nsize = 99999999999G\n",
		 ":2: size = 99999999999G: expected a size such as 8M, from 4K to 1G, or auto"},
		{"[other]\ntime = 30\n", ":2: time = 30: expected a time such as 500ms, 30s, 5m, "
					 "1h or 7d, from 10ms to 7d"},
		{"[other]\nshare = 101%\n",
		 ":2: share = 101%: expected a share such as 0.5%, from 0.01% to 100%"},
		{"[other]\ntext = 12345678901234567890123456789012345678901\n",
		 ":2: text = 12345678901234567890123456789012345678901: expected a text with a "
		 "length from 0 to 40"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		refuses(*state, cases[i].text, cases[i].after);
}

static void test_unknown_words(void **state)
{
	static const struct {
		const char *text, *after;
	} cases[] = {
		{"[paint]\ncolor = red\n",
		 ":2: unknown key \"color\" in [paint]; did you mean \"colour\"?"},
		{"[paint]\nwallpaper = red\n", ":2: unknown key \"wallpaper\" in [paint]; its "
					       "keys are colour, loud, count, size"},
		{"[paint]\ntime = 3s\n", ":2: \"time\" is a key of [other], not of [paint]"},
		{"[ohter]\n", ":1: unknown section [ohter]; did you mean [other]?"},
		{"\n[wallpaper]\n#time = 3s\n",
		 ":2: unknown section [wallpaper]; the sections are [paint], [other]"},
		{"[Paint]\ncolour = red\n", ":1: unknown section [Paint]; did you mean [paint]?"},
		{"[]\n", ":1: unknown section []; the sections are [paint], [other]"},
		{"time = 3s\n", ":1: \"time\" stands outside a section; put [other] before it"},
		{"x = 3s\n",
		 ":1: \"x\" stands outside a section; put [paint] or the like before it"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		refuses(*state, cases[i].text, cases[i].after);
}

static void test_lines_that_are_nothing(void **state)
{
	static const char hint[] =
		": expected [section], key = value, or a comment that starts with #";
	struct fixture *f = *state;
	char after[128];

	snprintf(after, sizeof(after), ":2%s", hint);
	refuses(f, "[paint]\nnonsense\ncolour = pink\n", after);
	refuses(f, "[paint]\n[other\n", after);
	/* The first of two is told, whichever it is. */
	refuses(f, "[paint]\ncolour = pink\nnonsense\n",
		":2: colour = pink: expected red, green or blue");
	refuses(f, "[paint]\n= 3\n", ":2: there is no key before the =");
	refuses(f, "[paint] colour = red\n",
		":1: nothing but a comment can follow [paint] on its line");
}

/* inih 55 as packaged has room for 200 bytes; a build with more may take more, but none splits. */
static void test_long_lines(void **state)
{
	struct fixture *f = *state;
	char text[4096];

	for (int length = 150; length < 260; length++) {
		int r;

		snprintf(text, sizeof(text), "[other]\ntext = a%*s\nshare = 3%%\n", length, "");
		f->values.share = 0;
		r = read_text(f, text);
		if (r == 0) {
			assert_string_equal(f->values.text, "a");
			assert_true(f->values.share == 0.03);
		} else {
			assert_int_equal(r, -EINVAL);
			assert_non_null(strstr(f->message, ":2: the line is longer than "));
			assert_true(f->values.share == 0);
		}
	}
	snprintf(text, sizeof(text), "[%060d]\n", 0);
	refuses(f, text, ":1: the section's name is longer than 48 characters");
}

static void test_long_comments(void **state)
{
	struct fixture *f = *state;
	char text[4096];

	snprintf(text, sizeof(text), "# %01000d\n[paint]\ncount = 6 ; %0500d\nloud = yes\n", 0, 0);
	takes(f, text);
	assert_int_equal(f->values.count, 6);
	assert_true(f->values.loud);
}

static void test_bytes_that_are_no_text(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(read_bytes(f, "[paint]\ncolour = red\0dish\n", 26), -EINVAL);
	assert_string_equal(f->message + strlen(f->path),
			    ":2: a NUL byte: this is not a text file");
	assert_int_equal(conf_read(&table, "/dev/zero", &f->values, f->message), -EINVAL);
	assert_string_equal(f->message, "/dev/zero:1: a NUL byte: this is not a text file");
}

static void test_too_many_lines(void **state)
{
	static char text[CONF_LINES_MAX + 2];
	struct fixture *f = *state;

	memset(text, '\n', CONF_LINES_MAX);
	takes(f, text);
	text[CONF_LINES_MAX] = '\n';
	refuses(f, text, ":10001: the file has more than 10000 lines");
}

static void test_files_that_cannot_be_read(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(conf_read(&table, "/nonexistent/x", &f->values, f->message), -ENOENT);
	assert_string_equal(f->message,
			    "/nonexistent/x: cannot be read: No such file or directory");
	assert_int_equal(conf_read(&table, "/tmp", &f->values, f->message), -EISDIR);
	assert_string_equal(f->message, "/tmp: cannot be read: Is a directory");
}

static void test_a_long_message_is_cut(void **state)
{
	struct fixture *f = *state;
	char text[256];

	snprintf(text, sizeof(text), "[paint]\ncolour = %0180d\n", 0);
	assert_int_equal(read_text(f, text), -EINVAL);
	assert_true(strlen(f->message) < CONF_MESSAGE_SIZE);
}

static void test_what_is_printed_loads_again(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *first = NULL, *second = NULL;
	size_t size;
	FILE *out;

	takes(f, "[paint]\ncolour = blue\nsize = 12K\n"
		 "[other]\ntime = 1500ms\nshare = 0.0123%\ntext =\nlist = p\nlist = q\n");
	out = open_memstream(&first, &size);
	conf_print(&table, &f->values, out);
	fclose(out);
	assert_string_equal(first, "[paint]\ncolour = blue\nloud = no\ncount = 4\nsize = 12K\n"
				   "\n[other]\ntime = 1500ms\nshare = 0.0123%\ntext =\n"
				   "list = p\nlist = q\n");
	conf_clear(&table, &f->values);
	memset(&f->values, 0, sizeof(f->values));
	assert_int_equal(conf_preset(&table, &f->values), 0);
	takes(f, first);
	out = open_memstream(&second, &size);
	conf_print(&table, &f->values, out);
	fclose(out);
	assert_string_equal(first, second);
	takes(f, "[paint]\nsize = auto\n[other]\nlist = off\n");
}

static void test_equal(void **state)
{
	struct fixture *f = *state;
	struct values other = {0};

	assert_int_equal(conf_preset(&table, &other), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_true(conf_equal(&rows[i], &f->values, &other));
	takes(f, "[paint]\ncolour = blue\nloud = yes\ncount = 100\nsize = 8M\n"
		 "[other]\ntime = 7d\nshare = 99.99%\ntext = two words\nlist = a\nlist = y\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_false(conf_equal(&rows[i], &f->values, &other));
	conf_clear(&table, &other);
}

static void test_a_preset_that_its_row_refuses(void **state)
{
	static const struct conf_row bad[] = {
		ROW("paint", count, CONF_COUNT, "1", .min = "2", .max = "9")};
	struct values values = {0};

	(void)state;
	assert_int_equal(conf_preset(&(struct conf_table){bad, ARRAY_SIZE(bad), NULL, 0}, &values),
			 -EINVAL);
}

static void test_quantities(void **state)
{
	static const struct {
		enum quantity_kind kind;
		const char *text;
		int result;
		uint64_t value;
	} cases[] = {
		{QUANTITY_COUNT, "0", 0, 0},
		{QUANTITY_COUNT, "18446744073709551615", 0, UINT64_MAX},
		{QUANTITY_COUNT, "18446744073709551616", -ERANGE, 0},
		{QUANTITY_COUNT, "", -EINVAL, 0},
		{QUANTITY_COUNT, "-1", -EINVAL, 0},
		{QUANTITY_COUNT, "+1", -EINVAL, 0},
		{QUANTITY_COUNT, " 1", -EINVAL, 0},
		{QUANTITY_COUNT, "0x10", -EINVAL, 0},
		{QUANTITY_COUNT, "1e3", -EINVAL, 0},
		{QUANTITY_COUNT, "1M", -EINVAL, 0},
		{QUANTITY_SIZE, "1023", 0, 1023},
		{QUANTITY_SIZE, "16K", 0, 16384},
		{QUANTITY_SIZE, "3G", 0, UINT64_C(3) << 30},
		{QUANTITY_SIZE, "17179869184G", -ERANGE, 0},
		{QUANTITY_SIZE, "8 M", -EINVAL, 0},
		{QUANTITY_SIZE, "8MB", -EINVAL, 0},
		{QUANTITY_TIME, "500ms", 0, 500 * NSEC_PER_MSEC},
		{QUANTITY_TIME, "5m", 0, 300 * NSEC_PER_SEC},
		{QUANTITY_TIME, "2h", 0, 7200 * NSEC_PER_SEC},
		{QUANTITY_TIME, "5", -EINVAL, 0},
		{QUANTITY_TIME, "1h30m", -EINVAL, 0},
		{QUANTITY_SHARE, "80%", 0, 800000},
		{QUANTITY_SHARE, "0.5%", 0, 5000},
		{QUANTITY_SHARE, "0.0001%", 0, 1},
		{QUANTITY_SHARE, "0.00001%", -EINVAL, 0},
		{QUANTITY_SHARE, "0.5", -EINVAL, 0},
		{QUANTITY_SHARE, ".5%", -EINVAL, 0},
		{QUANTITY_SHARE, "5.%", -EINVAL, 0},
		{QUANTITY_SHARE, "1.5.5%", -EINVAL, 0},
		{QUANTITY_SHARE, "18446744073709551615%", -ERANGE, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[QUANTITY_TEXT_SIZE];
		uint64_t value = 77;

		assert_int_equal(quantity_parse(cases[i].kind, cases[i].text, &value),
				 cases[i].result);
		assert_int_equal(value, cases[i].result < 0 ? 77 : cases[i].value);
		if (cases[i].result < 0)
			continue;
		quantity_format(cases[i].kind, value, text);
		assert_string_equal(text, cases[i].text);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_presets),
		TEST(test_each_type),
		TEST(test_comments_and_blanks),
		TEST(test_byte_order_mark),
		TEST(test_an_empty_text),
		TEST(test_a_later_value_replaces),
		TEST(test_a_full_list),
		TEST(test_bad_values),
		TEST(test_unknown_words),
		TEST(test_lines_that_are_nothing),
		TEST(test_long_lines),
		TEST(test_long_comments),
		TEST(test_bytes_that_are_no_text),
		TEST(test_too_many_lines),
		TEST(test_files_that_cannot_be_read),
		TEST(test_a_long_message_is_cut),
		TEST(test_what_is_printed_loads_again),
		TEST(test_equal),
		cmocka_unit_test(test_a_preset_that_its_row_refuses),
		cmocka_unit_test(test_quantities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
