/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/util.h"
#include "directory.h"
#include "model/table.h"
#include "settings.h"

/* A directory of its own with tcpwatchd.conf and tcpwatchd.conf.d in it. */
struct fixture {
	struct directory directory;
	char file[64];
	char dropins[64];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || directory_make(&f->directory, "test_settings") < 0)
		return -1;
	directory_name(&f->directory, "tcpwatchd.conf", f->file, sizeof(f->file));
	directory_name(&f->directory, "tcpwatchd.conf.d", f->dropins, sizeof(f->dropins));
	*state = f;
	return mkdir(f->dropins, 0700);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	directory_remove(&f->directory);
	free(f);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void write_dropin(const struct fixture *f, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->dropins, name);
	write_file(path, text);
}

static struct settings *load(const struct fixture *f, const char *text)
{
	struct settings *s = NULL;

	write_file(f->file, text);
	assert_int_equal(settings_load(f->file, &s), 0);
	return s;
}

static void refuses(const struct fixture *f, const char *text)
{
	struct settings *s = NULL;

	write_file(f->file, text);
	assert_int_equal(settings_load(f->file, &s), -EINVAL);
	assert_null(s);
}

static char *print(const struct settings *s)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	settings_print(s, out);
	fclose(out);
	return text;
}

static void test_presets(void **state)
{
	_cleanup_(settings_freep) struct settings *s = load(*state, "");

	assert_int_equal(s->mode, SETTINGS_MODE_AUTO);
	assert_string_equal(s->control_socket, "/run/tcpwatch/control.sock");
	assert_string_equal(s->control_group, "tcpwatch");
	assert_int_equal(s->namespaces, SETTINGS_NAMESPACES_ALL);
	assert_int_equal(s->max_connections, 1000000);
	assert_int_equal(s->ring_size, 0);
	assert_true(s->resync_budget == 0.005);
	assert_true(s->syn_accounting);
	assert_string_equal(s->listen[0], "127.0.0.1:10924");
	assert_null(s->listen[1]);
	assert_int_equal(s->top, 10);
	assert_false(s->compat_node_exporter);
}

static const char everything[] = "[daemon]\n"
				 "mode = diag\n"
				 "control_socket = /tmp/x.sock\n"
				 "control_group =\n"
				 "user = somebody\n"
				 "seccomp = log\n"
				 "namespaces = host\n"
				 "max_connections = 16777216\n"
				 "ring_size = 8M\n"
				 "resync_budget = 12.5%\n"
				 "syn_accounting = off\n"
				 "state_directory = /tmp/x\n"
				 "evidence_files = off\n"
				 "evidence_size = 64K\n"
				 "\n"
				 "[metrics]\n"
				 "listen = 0.0.0.0:1\n"
				 "listen = [::1]:65535\n"
				 "top = 100\n"
				 "compat = node_exporter\n"
				 "\n"
				 "[sink mail]\n"
				 "type = exec\n"
				 "command = /usr/bin/mail -s 'a b' root\n"
				 "min_severity = critical\n"
				 "timeout = 30s\n";

static void check_mail(const struct settings_sink *sink)
{
	assert_string_equal(sink->member.name, "mail");
	assert_int_equal(sink->type, SETTINGS_SINK_EXEC);
	assert_string_equal(sink->command, "/usr/bin/mail -s 'a b' root");
	assert_null(sink->url);
	assert_int_equal(sink->min_severity, SETTINGS_SEVERITY_CRITICAL);
	assert_true(sink->timeout == UINT64_C(30000000000));
}

static void test_every_key(void **state)
{
	_cleanup_(settings_freep) struct settings *s = load(*state, everything);

	assert_int_equal(s->mode, SETTINGS_MODE_DIAG);
	assert_string_equal(s->control_socket, "/tmp/x.sock");
	assert_string_equal(s->control_group, "");
	assert_int_equal(s->namespaces, SETTINGS_NAMESPACES_HOST);
	assert_int_equal(s->max_connections,
			 TABLE_CAPACITY_MAX); /* the most that may stand there */
	assert_int_equal(s->ring_size, 8 << 20);
	assert_true(s->resync_budget == 0.125);
	assert_false(s->syn_accounting);
	assert_string_equal(s->listen[0], "0.0.0.0:1");
	assert_string_equal(s->listen[1], "[::1]:65535");
	assert_null(s->listen[2]);
	assert_int_equal(s->top, 100);
	assert_string_equal(s->user, "somebody");
	assert_int_equal(s->seccomp, SETTINGS_SECCOMP_LOG);
	assert_true(s->compat_node_exporter);
	assert_string_equal(s->state_directory, "/tmp/x");
	assert_int_equal(s->evidence_files, 0);
	assert_int_equal(s->evidence_size, 65536);
	assert_int_equal(s->sinks.count, 1);
	check_mail(s->sinks.items);
}

static void test_what_is_printed_loads_again(void **state)
{
	_cleanup_(settings_freep) struct settings *s = load(*state, everything);
	_cleanup_(settings_freep) struct settings *presets = NULL, *again = NULL;
	_cleanup_free_ char *text = print(s), *of_presets = NULL, *twice = NULL;

	assert_string_equal(text, everything);
	presets = load(*state, "");
	of_presets = print(presets);
	again = load(*state, of_presets);
	twice = print(again);
	assert_string_equal(of_presets, twice);
	assert_null(settings_needs_restart(presets, again));
}

static void test_dropins_in_order_of_name(void **state)
{
	_cleanup_(settings_freep) struct settings *s = NULL;
	struct fixture *f = *state;

	write_dropin(f, "20.conf", "[daemon]\nmax_connections = 20\n");
	write_dropin(f, "10.conf",
		     "[daemon]\nmax_connections = 10\nmode = diag\n"
		     "[metrics]\nlisten = 127.0.0.1:10\n");
	write_dropin(f, "README", "nonsense\n");
	write_dropin(f, ".30.conf", "nonsense\n");
	s = load(f, "[daemon]\nmode = ebpf\nring_size = 1M\n"
		    "[metrics]\nlisten = 127.0.0.1:1\nlisten = 127.0.0.1:2\n");
	assert_int_equal(s->max_connections, 20);
	assert_int_equal(s->mode, SETTINGS_MODE_DIAG);
	assert_int_equal(s->ring_size, 1 << 20);
	assert_string_equal(s->listen[0], "127.0.0.1:10");
	assert_null(s->listen[1]);
	settings_free(TAKE_PTR(s));

	/* By bytes, so 9 comes after 20. */
	write_dropin(f, "9.conf", "[daemon]\nmax_connections = 9\n");
	s = load(f, "");
	assert_int_equal(s->max_connections, 9);
}

static void test_a_bad_dropin(void **state)
{
	write_dropin(*state, "10.conf", "[daemon]\nmode = fast\n");
	refuses(*state, "");
}

static void test_missing_files(void **state)
{
	struct fixture *f = *state;
	struct settings *s = NULL;

	assert_int_equal(settings_load(f->file, &s), -ENOENT);
	assert_int_equal(settings_load(f->directory.path, &s), -EISDIR);
	rmdir(f->dropins);
	s = load(f, "");
	settings_free(s);
}

static void test_listen(void **state)
{
	static const char *const good[] = {
		"127.0.0.1:1", "0.0.0.0:10924",
		"[::]:10924",  "[2001:db8:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
		"off",
	};
	static const char *const bad[] = {
		"",
		"10924",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:0",
		"127.0.0.1:65536",
		"localhost:80",
		"127.1:80",
		"::1:10924",
		"[::1]",
		"[::1]10924",
		"[::1:10924",
		"[127.0.0.1]:80",
		":10924",
		"*:10924",
		"127.0.0.1:80 x",
		"[]:80",
		"[:80",
		"127.0.0.1:+80",
		"on",
	};
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(text, sizeof(text), "[metrics]\nlisten = %s\n", good[i]);
		settings_free(load(*state, text));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "[metrics]\nlisten = %s\n", bad[i]);
		refuses(*state, text);
	}
}

static void test_listen_off(void **state)
{
	_cleanup_(settings_freep) struct settings *s = load(*state, "[metrics]\nlisten = off\n");
	_cleanup_free_ char *text = print(s);

	assert_null(s->listen[0]);
	assert_non_null(strstr(text, "\nlisten = off\n"));
}

static void test_limits(void **state)
{
	static const char *const bad[] = {
		"control_socket = run/x",
		"control_socket = /",
		"control_socket =",
		"max_connections = 0",
		"max_connections = 1M",
		"max_connections = 16777217",
		"ring_size = 128K",
		"ring_size = 2G",
		"ring_size = 3M",
		"ring_size = 0",
		"resync_budget = 0%",
		"resync_budget = 51%",
		"resync_budget = 0.5",
		"mode = EBPF",
		"namespaces = ns1",
		"control_group = a_name_that_is_longer_than_32_characters",
	};
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "[daemon]\n%s\n", bad[i]);
		refuses(*state, text);
	}
	snprintf(text, sizeof(text), "[daemon]\ncontrol_socket = /%0106d\n", 0);
	settings_free(load(*state, text));
	snprintf(text, sizeof(text), "[daemon]\ncontrol_socket = /%0107d\n", 0);
	refuses(*state, text);
}

static void test_top(void **state)
{
	refuses(*state, "[metrics]\ntop = 0\n");
	refuses(*state, "[metrics]\ntop = 101\n");
	refuses(*state, "[metrics]\ntop = all\n");
}

static void test_sinks(void **state)
{
	static const char *const good[] = {
		"type = journal",
		"type = exec\ncommand = /bin/true",
		"type = webhook\nurl = http://a",
		"type = webhook\nurl = https://a.example:8443/b/c?d=e%20f",
		"type = webhook\nurl = http://[::1]:80/x@y",
		"type = alertmanager\nurl = http://localhost:9093/",
	};
	static const char *const bad[] = {
		"",
		"type = mail",
		"type = exec",
		"type = webhook",
		"type = alertmanager",
		"type = journal\nurl = http://a",
		"type = journal\ncommand = /bin/true",
		"type = exec\ncommand = /bin/true\nurl = http://a",
		"type = webhook\nurl = http://a\ncommand = /bin/true",
		"type = exec\ncommand = true",
		"type = exec\ncommand = /bin/echo 'a",
		"type = exec\ncommand =",
		"type = webhook\nurl = ftp://a",
		"type = webhook\nurl = file:///etc/passwd",
		"type = webhook\nurl = a:80",
		"type = webhook\nurl = http://",
		"type = webhook\nurl = http://:80/",
		"type = webhook\nurl = http:///x",
		"type = webhook\nurl = http://user:password@a/",
		"type = webhook\nurl = http://a/b c",
		"type = webhook\nurl = http://a/\x01",
		"type = journal\nmin_severity = warn",
		"type = journal\ntimeout = 0s",
		"type = journal\ntimeout = 11m",
	};
	char text[256];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(text, sizeof(text), "[sink a]\n%s\n", good[i]);
		settings_free(load(*state, text));
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "[sink a]\n%s\n", bad[i]);
		refuses(*state, text);
	}
}

static void test_needs_restart(void **state)
{
	static const struct {
		const char *text, *key;
	} cases[] = {
		{"[daemon]\nmode = diag\n", "mode"},
		{"[daemon]\ncontrol_socket = /x.sock\n", "control_socket"},
		{"[daemon]\ncontrol_group = adm\n", "control_group"},
		{"[daemon]\nnamespaces = host\n", "namespaces"},
		{"[daemon]\nmax_connections = 2\n", "max_connections"},
		{"[daemon]\nring_size = 1M\n", "ring_size"},
		{"[daemon]\nresync_budget = 1%\n", NULL},
		{"[metrics]\nlisten = off\n", "listen"},
		{"[metrics]\nlisten = 127.0.0.1:10924\nlisten = 127.0.0.1:2\n", "listen"},
		{"[metrics]\ntop = 20\n", NULL},
		{"[daemon]\nstate_directory = /x\n", "state_directory"},
		{"[daemon]\nevidence_files = 7\n", NULL},
		{"[sink a]\ntype = journal\n", NULL},
		{"[sink a]\ntype = exec\ncommand = /bin/true\n",
		 "that there is a sink of type = exec"},
		{"[metrics]\ncompat = node_exporter\n", NULL},
	};
	_cleanup_(settings_freep) struct settings *now = load(*state, "");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(settings_freep) struct settings *then = load(*state, cases[i].text);
		const char *key = settings_needs_restart(now, then);

		if (cases[i].key)
			assert_string_equal(key, cases[i].key);
		else
			assert_null(key);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_presets),
		TEST(test_every_key),
		TEST(test_what_is_printed_loads_again),
		TEST(test_dropins_in_order_of_name),
		TEST(test_a_bad_dropin),
		TEST(test_missing_files),
		TEST(test_listen),
		TEST(test_listen_off),
		TEST(test_limits),
		TEST(test_top),
		TEST(test_sinks),
		TEST(test_needs_restart),
	};

	log_open("test_settings");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
