/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/util.h"
#include "privileges.h"
#include "sandbox.h"

#define OWN_USER "tcpwatch" /* of the packages */
#define NOBODY 65534        /* the kernel's overflow user and group */

/* setns(2) into a network namespace; the namespaces of others' processes; netfilter. */
static const unsigned opener_capabilities[] = {CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_NET_ADMIN};

static int find_user(const char *name, struct privileges *p)
{
	bool automatic = !strcmp(name, SETTINGS_USER_AUTO);
	const struct passwd *user;

	errno = 0;
	user = getpwnam(automatic ? OWN_USER : name);
	if (!user && automatic) {
		log_notice("there is no user " OWN_USER ": tcpwatchd runs as nobody; better make "
			   "one with useradd --system " OWN_USER);
		p->user = NOBODY;
		p->group = NOBODY;
		return 0;
	}
	if (!user) {
		log_error("user = %s: there is no such user%s%s; make it, or name another", name,
			  errno ? ": " : "", errno ? strerror(errno) : "");
		return -ENOENT;
	}
	p->user = user->pw_uid;
	p->group = user->pw_gid;
	return 0;
}

int privileges_plan(const struct settings *settings, struct privileges *ret)
{
	struct privileges p = {.change = geteuid() == 0,
			       .seccomp = settings->seccomp,
			       .commands = settings_have_commands(settings)};
	int error = p.change ? find_user(settings->user, &p) : 0;

	if (!error)
		*ret = p;
	return error;
}

void privileges_make_directory(const struct privileges *p, const char *path)
{
	if (p->change && !mkdir(path, 0755) && lchown(path, p->user, p->group) < 0)
		rmdir(path);
}

/* Keeps the permitted capabilities, and loses the effective ones. */
static int change_user(const struct privileges *p)
{
	if (!p->change)
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(p->group, p->group, p->group) < 0 ||
	    setresuid(p->user, p->user, p->user) < 0 || prctl(PR_SET_KEEPCAPS, 0) < 0)
		return -errno;
	return 0;
}

/* Of the capabilities those that are there are kept, some of them ready for use. */
static int keep(const unsigned *capabilities, size_t count, bool effective)
{
	bool there[ARRAY_SIZE(opener_capabilities)];

	if (capng_get_caps_process() < 0)
		return -EPERM;
	for (size_t i = 0; i < count; i++)
		there[i] = capng_have_capability(CAPNG_PERMITTED, capabilities[i]);
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < count; i++)
		if (there[i])
			capng_update(CAPNG_ADD,
				     effective ? CAPNG_EFFECTIVE | CAPNG_PERMITTED
					       : CAPNG_PERMITTED,
				     capabilities[i]);
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

/*
 * What an exec could give. The bounding set takes CAP_SETPCAP, which a service that is not root's
 * has not; with no new privileges it has no effect anyway. The ambient set goes with the
 * inheritable one.
 */
static int close_doors(void)
{
	for (int i = 0; i <= CAP_LAST_CAP; i++)
		prctl(PR_CAPBSET_DROP, i);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int privileges_confine_opener(void *userdata)
{
	const struct privileges *p = userdata;
	int error = close_doors();

	if (!error)
		error = change_user(p);
	if (!error)
		error = keep(opener_capabilities, ARRAY_SIZE(opener_capabilities), true);
	/* the socket's end tells it too, but it may be at work; a change of user takes this back */
	if (!error && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		error = -errno;
	return error ? error : sandbox_opener(p->seccomp);
}

/* Linux before 5.19 takes no bpf(2) at all without it, where unprivileged users have none. */
static int drop_capabilities(bool (*blind)(void *userdata), void *userdata)
{
	static const unsigned bpf[] = {CAP_BPF};
	int error = keep(bpf, ARRAY_SIZE(bpf), false);

	if (error)
		return error;
	return keep(bpf, blind(userdata) ? ARRAY_SIZE(bpf) : 0, true);
}

int privileges_drop(const struct privileges *p, bool (*blind)(void *userdata), void *userdata)
{
	int error = close_doors();

	if (!error)
		error = change_user(p);
	if (!error)
		error = drop_capabilities(blind, userdata);
	if (error) {
		log_error("privileges cannot be given up (%s): grant CAP_SETUID and CAP_SETGID, or "
			  "start tcpwatchd as the user that it is to run as",
			  strerror(-error));
		return error;
	}
	error = p->commands ? sandbox_daemon_with_commands(p->seccomp) : sandbox_daemon(p->seccomp);
	if (error)
		log_error("the filter of system calls cannot be put up: %s; the kernel needs "
			  "CONFIG_SECCOMP_FILTER, or set seccomp = off",
			  strerror(-error));
	return error;
}
