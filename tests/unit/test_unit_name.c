/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "model/unit_name.h"
#include "random.h"

#define UUID "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
#define ID128 "0123456789abcdef0123456789abcdef"

static const struct {
	const char *name, *shortened;
} shortened[] = {
	/* Accept=yes, as systemd names them, with the socket's cookie and without */
	{"sshd@3-10.0.0.5:22-192.0.2.7:51234.service", "sshd@.service"},
	{"sshd@3-8204-10.0.0.5:22-192.0.2.7:51234.service", "sshd@.service"},
	{"sshd@0-2001:db8::5:22-2001:db8::7:51234.service", "sshd@.service"},
	{"sshd@12-8204-fe80::1:22-::ffff:1.2.3.4:1.service", "sshd@.service"},
	{"sshd-vsock@1-4294967295:22-2:1023.service", "sshd-vsock@.service"},
	{"foo@1-1234-0.service", "foo@.service"},
	{"foo@1-8204-1234-1000.service", "foo@.service"},
	{"foo@1-8204-1234_5678-1000.service", "foo@.service"},
	{"foo@1-unknown.service", "foo@.service"},
	{"foo@1-8204-unknown.service", "foo@.service"},
	/* one for each process, by its pid, or by a random id */
	{"app-gnome-firefox-12345.scope", "app-gnome-firefox.scope"},
	{"app-gnome-org.gnome.Terminal-1.scope", "app-gnome-org.gnome.Terminal.scope"},
	{"app-snap\\x2duserd-77.scope", "app-snap\\x2duserd.scope"},
	{"vte-spawn-" UUID ".scope", "vte-spawn.scope"},
	{"snap.firefox.firefox-" UUID ".scope", "snap.firefox.firefox.scope"},
	{"run-r" ID128 ".scope", "run.scope"},
	{"run-r" ID128 ".service", "run.service"},
	{"run-u1234.service", "run.service"},
	{"run-p4711-i9000.scope", "run.scope"},
	{"run-4711.service", "run.service"},
	/* one for each login */
	{"session-3.scope", "session.scope"},
	{"session-c2.scope", "session.scope"},
};

static const char *const kept[] = {
	"nginx.service",
	"getty@tty1.service",
	"postgresql@15-main.service",
	"redis@6379.service",
	"foo@1-2.service",
	"foo@.service",
	"foo@2024-01-15.service", /* no number has a zero before it */
	"sshd@3-10.0.0.5:22-192.0.2.7:51234.socket",
	"sshd@3-10.0.0.5:22-192.0.2.7.service",
	"sshd@3-10.0.0.5:22-192.0.2.7:.service",
	"sshd@3-10.0.0.5:22-:51234.service",
	"sshd@3-10.0.0.5:22-192.0.2.7:51234-1.service",
	"sshd@x-10.0.0.5:22-192.0.2.7:51234.service",
	"foo@1-unknown2.service",
	"foo-1234.service",
	"run-user-1000.mount",
	"run-u12a.service",
	"run-rust.service",
	"run-r" ID128 "0.service",
	"init.scope",
	"-1.scope",
	"app-firefox.scope",
	"app-firefox-1x.scope",
	"machine-42.scope",
	"machine-qemu\\x2d1\\x2dvm.scope",
	"docker-" ID128 ID128 ".scope",
	"vte-spawn-" UUID "0.scope",
	"",
	"no type",
};

static void test_shortened(void **state)
{
	char name[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(shortened); i++) {
		snprintf(name, sizeof(name), "%s", shortened[i].name);
		unit_name_shorten(name);
		assert_string_equal(name, shortened[i].shortened);
		unit_name_shorten(name);
		assert_string_equal(name, shortened[i].shortened);
	}
}

static void test_kept(void **state)
{
	char name[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		snprintf(name, sizeof(name), "%s", kept[i]);
		unit_name_shorten(name);
		assert_string_equal(name, kept[i]);
	}
}

static void test_types(void **state)
{
	(void)state;
	assert_true(unit_name_has_type("a.service", 9));
	assert_true(unit_name_has_type("a.scope", 7));
	assert_true(unit_name_has_type("a.slice", 7));
	assert_false(unit_name_has_type(".service", 8));
	assert_false(unit_name_has_type("a.services", 10));
	assert_false(unit_name_has_type("", 0));
}

/* Whatever the pieces: nothing beyond the name is touched, which the sanitizers see. */
static void test_any_name(void **state)
{
	static const char *const pieces[] = {"@",       "-",         ".",      ":",
					     "1",       UUID,        "_",      "run-",
					     "unknown", "session-c", ".scope", ".service"};
	uint64_t random = seed_first();

	(void)state;
	for (unsigned run = 0; run < 20000; run++) {
		char text[512] = "";
		_cleanup_free_ char *name = NULL;

		for (uint32_t n = random_below(&random, 12), used = 0; n; n--)
			used += (uint32_t)snprintf(
				text + used, sizeof(text) - used, "%s",
				pieces[random_below(&random, ARRAY_SIZE(pieces))]);
		name = strdup(text);
		unit_name_shorten(name);
		assert_true(strlen(name) <= strlen(text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shortened),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_any_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
