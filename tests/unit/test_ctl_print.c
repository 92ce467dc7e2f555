/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "ctl/filters.h"
#include "ctl/options.h"
#include "ctl/print.h"

static void test_age(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {
		{0, "0.0s"},
		{0.05, "0.0s"},
		{12.34, "12.3s"},
		{59.999, "59.9s"},
		{60, "1m00s"},
		{250.9, "4m10s"},
		{3599.9, "59m59s"},
		{3600, "1h00m"},
		{7512, "2h05m"},
		{86399, "23h59m"},
		{86400, "1d00h"},
		{273600, "3d04h"},
		{365 * 86400.0, "365d00h"},
		{9223372036.0, "106751d23h"},
		{9223459200.0, "-"},
		{-0.001, "-"},
		{DBL_MAX, "-"},
		{(double)INFINITY, "-"},
		{(double)NAN, "-"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[PRINT_AGE_SIZE];

		print_age(text, cases[i].seconds);
		assert_string_equal(text, cases[i].text);
	}
}

static void test_clean(void **state)
{
	static const char hostile[] = "a\033[31m\r\n\t\177\x9b\xc2\x9b~ \0z";
	char copy[32], small[4];

	(void)state;
	assert_string_equal(print_clean(copy, sizeof(copy), hostile, sizeof(hostile) - 1),
			    "a?[31m???????~ ?z");
	assert_string_equal(print_clean(small, sizeof(small), "abcdef", 6), "abc");
	assert_string_equal(print_clean(small, sizeof(small), "abc", 3), "abc");
	assert_string_equal(print_clean(small, sizeof(small), "", 0), "");
}

static void assert_json(const char *json, const char *expected)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(print_json(out, json, strlen(json)), 0);
	fclose(out);
	assert_string_equal(text, expected);
}

static void test_json(void **state)
{
	(void)state;
	assert_json("{\"a\":\"x\\u001b\"}", "{\"a\":\"x\\u001b\"}");
	assert_json("\"\033[2J\177\"", "\"\\u001b[2J\\u007f\"");
	assert_json("\"\xc2\x80 \xc2\x9b \xc2\x9f \xc2\xa0\"",
		    "\"\\u0080 \\u009b \\u009f \xc2\xa0\"");
	assert_json("\"\xe2\x82\xac \xf0\x9f\x98\x80\"", "\"\xe2\x82\xac \xf0\x9f\x98\x80\"");
	assert_json("\"\x9b \xff\"", "\"\xef\xbf\xbd \xef\xbf\xbd\"");
	assert_json("\"\xc2", "\"\xef\xbf\xbd");
}

/* What the calls of a test wrote. */
static char *written;
static size_t written_size;

static struct print open_print(bool color)
{
	return (struct print){.out = open_memstream(&written, &written_size), .color = color};
}

static void assert_written(struct print *p, const char *expected)
{
	fclose(p->out);
	assert_string_equal(written, expected);
	free(TAKE_PTR(written));
}

static void test_columns(void **state)
{
	static const char *const rows[][3] = {{"a", "1", "b"}, {"abcde", "12", "c"}, {"", "", "d"}};
	struct print p = open_print(false);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		print_cell(&p, PRINT_BOLD, -5, "%s", rows[i][0]);
		print_cell(&p, PRINT_PLAIN, 3, "%s", rows[i][1]);
		print_cell(&p, PRINT_PLAIN, 0, "%s", rows[i][2]);
		print_end(&p);
	}
	assert_written(&p, "a       1 b\nabcde  12 c\n          d\n");
}

static void test_without_format(void **state)
{
	struct print p = open_print(false);

	(void)state;
	print_count(&p, PRINT_PLAIN, 40, 1234567);
	print_text(&p, PRINT_PLAIN, -40, "100%s");
	print_count(&p, PRINT_PLAIN, 0, 0);
	print_end(&p);
	assert_written(&p, "                                 1234567 "
			   "100%s                                    0\n");
}

static void test_column_too_narrow(void **state)
{
	struct print p = open_print(false);

	(void)state;
	print_cell(&p, PRINT_PLAIN, -5, "abcdefgh");
	print_cell(&p, PRINT_PLAIN, -5, "12");
	print_cell(&p, PRINT_PLAIN, 0, "end");
	print_end(&p);
	assert_written(&p, "abcdefgh 12 end\n");
}

static void test_color(void **state)
{
	struct print p = open_print(true);

	(void)state;
	print_cell(&p, PRINT_RED, -5, "a");
	print_cell(&p, PRINT_PLAIN, 0, "b");
	print_end(&p);
	assert_written(&p, "\033[31ma\033[0m     b\n");
}

static void test_entry(void **state)
{
	struct print p = open_print(false);
	char word[PRINT_WIDTH + 10], text[2 * PRINT_WIDTH + 40], expected[2 * PRINT_WIDTH + 60];

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	snprintf(text, sizeof(text), "one  two %s three", word);
	snprintf(expected, sizeof(expected), "label one two\n      %s\n      three\n", word);
	print_entry(&p, 6, "label", text, PRINT_PLAIN);
	assert_written(&p, expected);
}

static int run_nothing(const struct invocation *in)
{
	(void)in;
	return 0;
}

static const struct command commands[] = {
	{"list", "", filter_list_options, run_nothing},
	{"listeners", "", filter_listeners_options, run_nothing},
	{"status", "", NULL, run_nothing},
	{},
};

static int parse(struct invocation *in, const char *a, const char *b, const char *c)
{
	char *argv[] = {(char *)"ctl", (char *)a, (char *)b, (char *)c, NULL};
	int argc = 1;

	while (argv[argc])
		argc++;
	*in = (struct invocation){};
	return options_parse(in, commands, argc, argv);
}

static void test_values(void **state)
{
	static const struct {
		const char *option, *value, *taken;
	} cases[] = {
		{"--older-than", "90", "90"},
		{"--older-than", "90s", "90"},
		{"--older-than", "5m", "300"},
		{"--older-than", "2h", "7200"},
		{"--older-than", "1d", "86400"},
		{"--older-than", "1500ms", "1.500"},
		{"--older-than", "0", "0"},
		{"--older-than", "", NULL},
		{"--older-than", "-5", NULL},
		{"--older-than", "5 m", NULL},
		{"--older-than", "5y", NULL},
		{"--older-than", "99999999999999999999", NULL},
		{"--port", "1", "1"},
		{"--port", "65535", "65535"},
		{"--port", "0", NULL},
		{"--port", "65536", NULL},
		{"--port", "http", NULL},
		{"--limit", "0", NULL},
		{"--netns", "4026531833", "4026531833"},
		{"--netns", "4294967296", NULL},
		{"--state", "close_wait,fin_wait2", "close_wait,fin_wait2"},
		{"--state", "close_wait,", NULL},
		{"--state", ",", NULL},
		{"--state", "", NULL},
		{"--state", "CLOSE_WAIT", NULL},
		{"--remote", "10.0.0.0/8", "10.0.0.0/8"},
		{"--remote", "10.0.0.0/33", NULL},
		{"--remote", "10.0.0/8", NULL},
		{"--remote", "2001:db8::/32", "2001:db8::/32"},
		{"--remote", "2001:db8::/129", NULL},
		{"--remote", "::ffff:192.168.100.200", "::ffff:192.168.100.200"},
		{"--remote", "10.0.0.0/", NULL},
		{"--remote", "example.org", NULL},
		{"--owner", "Web Content", "Web Content"},
		{"--owner", "uid:33", "uid:33"},
		{"--owner", "uid:www", NULL},
		{"--owner", "", NULL},
		{"--sort", "age", "age"},
		{"--sort", "age,age", NULL},
		{"--sort", "size", NULL},
	};
	struct invocation in;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int r = parse(&in, "list", cases[i].option, cases[i].value);

		if (!cases[i].taken) {
			assert_int_equal(r, -EINVAL);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(options_get(&in, cases[i].option + 2), cases[i].taken);
	}
}

static void test_value_too_long(void **state)
{
	char states[2 * OPTION_VALUE_SIZE] = "close";
	struct invocation in;

	(void)state;
	while (strlen(states) < OPTION_VALUE_SIZE)
		memcpy(states + strlen(states), ",close", 7);
	assert_int_equal(parse(&in, "list", "--state", states), -EINVAL);
}

static void test_places(void **state)
{
	struct invocation in;

	(void)state;
	assert_int_equal(parse(&in, "--json", "list", "--port=7"), 0);
	assert_ptr_equal(in.command, &commands[0]);
	assert_string_equal(options_get(&in, "port"), "7");
	assert_non_null(options_get(&in, "json"));
	assert_int_equal(parse(&in, "status", "--json", "--json"), 0);
	assert_non_null(options_get(&in, "json"));
	assert_int_equal(parse(&in, "--port=7", "list", NULL), -EINVAL);
	assert_int_equal(parse(&in, "status", "--port", "7"), -EINVAL);
	assert_int_equal(parse(&in, "list", "--port", NULL), -EINVAL);
	assert_int_equal(parse(&in, "list", "--port=7", "--port=7"), -EINVAL);
	assert_int_equal(parse(&in, "list", "status", NULL), -EINVAL);
	assert_int_equal(parse(&in, "list", "--json=1", NULL), -EINVAL);
	assert_int_equal(parse(&in, "list", "--", NULL), -EINVAL);
	assert_int_equal(parse(&in, "listeners", "--watch", "--port=7"), 0);
	assert_string_equal(options_get(&in, "watch"), "");
	assert_int_equal(parse(&in, "listeners", "--watch=1", NULL), -EINVAL);
	assert_int_equal(parse(&in, "listeners", "--state=listen", NULL), -EINVAL);
	assert_int_equal(parse(&in, NULL, NULL, NULL), 0);
	assert_null(in.command);
}

static void test_target(void **state)
{
	_cleanup_free_ char *plain = NULL, *query = NULL;
	struct invocation in;

	(void)state;
	assert_int_equal(parse(&in, "list", "--json", NULL), 0);
	assert_int_equal(options_target(&in, "/v1/x", &plain), 0);
	assert_string_equal(plain, "/v1/x");
	assert_int_equal(parse(&in, "list", "--owner=a&b=c d+%\xc3\xa4/~", "--remote=::/0"), 0);
	assert_int_equal(options_target(&in, "/v1/x", &query), 0);
	assert_string_equal(query, "/v1/x?owner=a%26b%3Dc%20d%2B%25%C3%A4%2F~&remote=%3A%3A%2F0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_without_format),
		cmocka_unit_test(test_column_too_narrow),
		cmocka_unit_test(test_color),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_value_too_long),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_target),
	};

	log_open("test_ctl_print");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
