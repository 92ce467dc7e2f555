/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/util.h"
#include "privileges.h"

#define BPF_BIT (1U << (CAP_BPF - 32)) /* of the upper half */

struct capabilities {
	uint32_t effective[2], permitted[2];
};

static struct capabilities present(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	syscall(SYS_capget, &header, data);
	return (struct capabilities){{data[0].effective, data[1].effective},
				     {data[0].permitted, data[1].permitted}};
}

/* Answers as a kernel would that wants CAP_BPF, or does not, and looks whether it was asked
 * without. */
static bool blind_without(void *userdata)
{
	bool *asked_without = userdata;
	struct capabilities c = present();

	*asked_without = !c.effective[0] && !c.effective[1];
	return true;
}

static bool sees_without(void *userdata)
{
	blind_without(userdata);
	return false;
}

/* Whether just the one capability is left, or none; it can only be left to one who had it. */
static bool drops_to(bool (*blind)(void *userdata), bool bpf)
{
	const struct privileges p = {.change = !geteuid(),
				     .user = 54321,
				     .group = 54321,
				     .seccomp = SETTINGS_SECCOMP_OFF};
	uint32_t wanted = bpf ? present().permitted[1] & BPF_BIT : 0;
	bool asked_without = false;
	struct capabilities c;

	if (privileges_drop(&p, blind, &asked_without))
		return false;
	c = present();
	return asked_without && (!p.change || geteuid() == p.user) && !c.effective[0] &&
	       !c.permitted[0] && c.effective[1] == wanted && c.permitted[1] == wanted &&
	       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

static bool in_a_child(bool (*blind)(void *userdata), bool bpf)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(drops_to(blind, bpf) ? EXIT_SUCCESS : EXIT_FAILURE);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

static void test_cap_bpf_stays_only_where_it_is_needed(void **state)
{
	(void)state;
	assert_true(in_a_child(blind_without, true));
	assert_true(in_a_child(sees_without, false));
}

static void test_who_to_be(void **state)
{
	struct settings settings = {.user = (char *)"no-such-user"};
	struct privileges p = {0};
	bool root = !geteuid();

	(void)state;
	assert_int_equal(privileges_plan(&settings, &p), root ? -ENOENT : 0);
	settings.user = (char *)"root";
	assert_int_equal(privileges_plan(&settings, &p), 0);
	assert_int_equal(p.change, root);
	assert_int_equal(p.user, 0);
	settings.user = (char *)SETTINGS_USER_AUTO;
	assert_int_equal(privileges_plan(&settings, &p), 0);
	assert_int_equal(p.user != 0, root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cap_bpf_stays_only_where_it_is_needed),
		cmocka_unit_test(test_who_to_be),
	};

	log_open("test_privileges");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
