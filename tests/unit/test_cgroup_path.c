/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "model/cgroup_path.h"
#include "random.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
	const char *path, *unit, *user_unit, *slice, *container;
} cases[] = {
	{"", "", "", "", ""},
	{"/", "", "", "", ""},
	{"/init.scope", "init.scope", "", "", ""},
	{"/system.slice/nginx.service", "nginx.service", "", "system.slice", ""},
	{"/system.slice/nginx.service/worker", "nginx.service", "", "system.slice", ""},
	{"/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", "",
	 "system-getty.slice", ""},
	{"/user.slice/user-1000.slice/session-3.scope", "session-3.scope", "", "user-1000.slice",
	 ""},
	{"/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.service",
	 "user@1000.service", "app-x.service", "app.slice", ""},
	{"/user.slice/user-1000.slice/user@1000.service/init.scope", "user@1000.service",
	 "init.scope", "user-1000.slice", ""},
	/* systemd's escape */
	{"/system.slice/_cgroup.service", "cgroup.service", "", "system.slice", ""},
	/* no unit's name, or not where one is */
	{"/system.slice/bad name.service", "", "", "system.slice", ""},
	{"/system.slice/a\"b\n.service", "", "", "system.slice", ""},
	{"/foo/nginx.service", "", "", "", ""},
	{"/.service", "", "", "", ""},
	/* containers */
	{"/system.slice/docker-" ID ".scope", "docker-" ID ".scope", "", "system.slice", ID},
	{"/system.slice/docker-" ID ".scope/init.scope", "docker-" ID ".scope", "", "system.slice",
	 ID},
	{"/docker/" ID, "", "", "", ID},
	{"/docker/" ID "/docker/f" ID, "", "", "", ID},
	{"/machine.slice/libpod-" ID ".scope/container", "libpod-" ID ".scope", "", "machine.slice",
	 ID},
	{"/machine.slice/libpod-conmon-" ID ".scope", "libpod-conmon-" ID ".scope", "",
	 "machine.slice", ""},
	{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/"
	 "cri-containerd-" ID ".scope",
	 "cri-containerd-" ID ".scope", "", "kubepods-burstable-pod1_2.slice", ID},
	{"/kubepods.slice/kubepods-pod3.slice/crio-" ID ".scope", "crio-" ID ".scope", "",
	 "kubepods-pod3.slice", ID},
	{"/kubepods/besteffort/pod12/" ID, "", "", "", ID},
	{"/kubepods/besteffort/pod12/" ID "0", "", "", "", ""},
	{"/user.slice/user-1.slice/user@1.service/user.slice/libpod-" ID ".scope", "user@1.service",
	 "libpod-" ID ".scope", "user.slice", ID},
	/* machines */
	{"/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt",
	 "machine-qemu\\x2d1\\x2dvm.scope", "", "machine.slice", "qemu-1-vm"},
	{"/machine.slice/systemd-nspawn@web.service/payload", "systemd-nspawn@web.service", "",
	 "machine.slice", "web"},
	{"/lxc/web/init.scope", "", "", "", "web"},
	{"/lxc.payload.web", "", "", "", "web"},
	{"/lxc.monitor.web", "", "", "", ""},
	{"/machine.slice/machine-\\x2.scope", "machine-\\x2.scope", "", "machine.slice", "\\x2"},
};

static void test_paths(void **state)
{
	struct cgroup_names names;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cgroup_path_parse(cases[i].path, &names);
		assert_string_equal(names.unit, cases[i].unit);
		assert_string_equal(names.user_unit, cases[i].user_unit);
		assert_string_equal(names.slice, cases[i].slice);
		assert_string_equal(names.container, cases[i].container);
	}
}

/* What is counted together, and what is not: no two of different owners are the same. */
static void test_labels(void **state)
{
	static const struct {
		const char *path, *label;
	} labels[] = {
		{"/", ""},
		{"/some/path", ""},
		{"/system.slice/nginx.service/worker", "nginx.service"},
		{"/system.slice/system-sshd.slice/sshd@3-10.0.0.5:22-192.0.2.7:51234.service",
		 "sshd@.service"},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service",
		 "user@1000/nginx.service"},
		{"/user.slice/user-1001.slice/user@1001.service/app.slice/nginx.service",
		 "user@1001/nginx.service"},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/"
		 "app-gnome-firefox-12345.scope",
		 "user@1000/app-gnome-firefox.scope"},
		{"/user.slice/user-1000.slice/user@1000.service/docker/x", "user@1000.service"},
		{"/user.slice/user-1000.slice/session-c2.scope", "user-1000/session.scope"},
		{"/user.slice/user-1001.slice/session-3.scope", "user-1001/session.scope"},
		{"/machine.slice/machine-42.scope", "machine-42.scope"},
		{"/docker/" ID, ID},
		{"/lxc/nginx.service", "container/nginx.service"},
		{"/lxc/" ID ".service", ID},
		{"/lxc.payload.web/system.slice/nginx.service", "container/web"},
	};
	struct cgroup_names names;

	(void)state;
	for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
		cgroup_path_parse(labels[i].path, &names);
		assert_string_equal(names.label, labels[i].label);
	}
}

/* Components that are longer than a unit's name may be are none; a path may be as long as it likes.
 */
static void test_long(void **state)
{
	struct cgroup_names names;
	char path[8192];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	memcpy(path + 300, ".service", sizeof(".service"));
	cgroup_path_parse(path, &names);
	assert_string_equal(names.unit, "");
	memcpy(path, "/lxc/", 5);
	memset(path + 5, 'b', sizeof(path) - 5);
	path[sizeof(path) - 1] = '\0';
	cgroup_path_parse(path, &names);
	assert_int_equal(strlen(names.container), CGROUP_NAME_SIZE - 1);
	assert_int_equal(strlen(names.label), CGROUP_NAME_SIZE - 1);
}

/* Whatever the bytes: nothing is read or written past its end, which the sanitizers see. */
static void test_any_bytes(void **state)
{
	static const char *const pieces[] = {
		"/",  ".slice", ".service", "_",        "user@", "docker-", ID,   ".scope", "lxc",
		"\\", "x2d",    "\xff",     "machine-", "\n",    "\"",      "..", "a"};
	uint64_t random = seed_first();
	struct cgroup_names names;
	char path[4096];

	(void)state;
	for (unsigned run = 0; run < 20000; run++) {
		size_t used = 0;

		path[0] = '\0';
		for (uint32_t n = random_below(&random, 20); n; n--)
			used += (size_t)snprintf(
				path + used, sizeof(path) - used, "%s",
				pieces[random_below(&random, sizeof(pieces) / sizeof(*pieces))]);
		cgroup_path_parse(path, &names);
		assert_null(strpbrk(names.unit, "/\n\"\xff"));
		assert_null(strpbrk(names.slice, "/\n\"\xff"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
