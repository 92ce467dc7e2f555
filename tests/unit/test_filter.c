/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "serve/filter.h"

static char message[FILTER_ERROR_SIZE];

static struct filter parse(const char *name, const char *value)
{
	struct filter f = FILTER_INIT;

	message[0] = '\0';
	if (filter_parse(&f, FILTER_LIST, name, value, message))
		fail_msg("%s", message);
	return f;
}

/* The message names the parameter and the value, and f is as it was. */
static void refuse(const char *name, const char *value)
{
	struct filter f = FILTER_INIT, before = FILTER_INIT;

	assert_int_equal(filter_parse(&f, FILTER_LIST, name, value, message), -EINVAL);
	assert_memory_equal(&f, &before, sizeof(f));
	assert_non_null(strstr(message, name));
	if (value && strlen(value) < 40)
		assert_non_null(strstr(message, value));
}

#define NGINX_CGROUP 9

static struct cgroups *cgroups;

/* One that systemd runs, as a container. */
static int set_up_cgroups(void **state)
{
	const struct owner owner = {.uid = 33, .cgroup = NGINX_CGROUP};
	struct owners *owners;

	(void)state;
	if (owners_new(&owners) < 0 || cgroups_new(&cgroups) < 0)
		return -1;
	owners_take(owners, &owner);
	cgroups_follow(cgroups, owners, 1);
	cgroups_name(cgroups, NGINX_CGROUP, "/machine.slice/machine-web.scope");
	owners_free(owners);
	return 0;
}

static int tear_down_cgroups(void **state)
{
	(void)state;
	cgroups_free(cgroups);
	return 0;
}

static struct filter_subject subject(int family, const char *remote)
{
	static uint8_t address[16];

	memset(address, 0, sizeof(address));
	assert_int_equal(inet_pton(family, remote, address), 1);
	return (struct filter_subject){
		.netns = 4026531833,
		.local_port = 8080,
		.remote_port = 4711,
		.family = family,
		.remote = address,
		.pid = 77,
		.uid = 33,
		.cgroup = NGINX_CGROUP,
		.comm = "nginx\0\0\0\0\0\0\0\0\0\0",
	};
}

static bool matches(const char *name, const char *value, int family, const char *remote)
{
	struct filter f = parse(name, value);
	struct filter_subject s = subject(family, remote);

	return filter_matches(&f, &s, cgroups);
}

static bool remote_matches(const char *prefix, const char *remote)
{
	return matches("remote", prefix, strchr(remote, ':') ? AF_INET6 : AF_INET, remote);
}

static bool owner_matches(const char *owner)
{
	return matches("owner", owner, AF_INET, "192.0.2.1");
}

static void test_nothing_set_passes_all(void **state)
{
	struct filter f = FILTER_INIT;
	struct filter_subject s = subject(AF_INET6, "2001:db8::1");

	(void)state;
	assert_int_equal(f.states, TW_STATES_ALL);
	assert_true(filter_matches(&f, &s, cgroups));
	s.comm = "";
	s.pid = 0;
	s.uid = UINT32_MAX;
	assert_true(filter_matches(&f, &s, cgroups));
}

static void test_states(void **state)
{
	(void)state;
	assert_int_equal(parse("state", "close_wait").states, TW_STATE_BIT(TW_CLOSE_WAIT));
	assert_int_equal(parse("state", "close,fin_wait2,closing").states,
			 TW_STATE_BIT(TW_CLOSE) | TW_STATE_BIT(TW_FIN_WAIT2) |
				 TW_STATE_BIT(TW_CLOSING));
	refuse("state", "");
	refuse("state", NULL);
	refuse("state", "CLOSE_WAIT");
	refuse("state", "close_wait,");
	refuse("state", ",close_wait");
	refuse("state", "close_wait, listen");
	refuse("state", "clos");
}

static void test_port(void **state)
{
	(void)state;
	assert_int_equal(parse("port", "65535").port, 65535);
	assert_true(matches("port", "8080", AF_INET, "192.0.2.1"));
	assert_true(matches("port", "4711", AF_INET, "192.0.2.1"));
	assert_false(matches("port", "80", AF_INET, "192.0.2.1"));
	refuse("port", "0");
	refuse("port", "65536");
	refuse("port", "-1");
	refuse("port", "+80");
	refuse("port", " 80");
	refuse("port", "http");
	refuse("port", "99999999999999999999999");
}

static void test_remote_ipv4(void **state)
{
	(void)state;
	assert_true(remote_matches("10.0.0.0/8", "10.255.0.1"));
	assert_false(remote_matches("10.0.0.0/8", "11.0.0.1"));
	assert_true(remote_matches("192.0.2.128/25", "192.0.2.129"));
	assert_false(remote_matches("192.0.2.128/25", "192.0.2.127"));
	assert_true(remote_matches("192.0.2.1", "192.0.2.1"));
	assert_false(remote_matches("192.0.2.1", "192.0.2.2"));
	assert_true(remote_matches("0.0.0.0/0", "198.51.100.7"));
	assert_false(remote_matches("0.0.0.0/0", "2001:db8::1"));
}

/* What an IPv6 socket speaks to over IPv4 is the same peer. */
static void test_remote_ipv4_mapped(void **state)
{
	(void)state;
	assert_true(remote_matches("10.0.0.0/8", "::ffff:10.1.2.3"));
	assert_false(remote_matches("10.0.0.0/8", "::ffff:11.1.2.3"));
	assert_false(remote_matches("0.0.0.0/0", "::10.1.2.3"));
	assert_true(remote_matches("::ffff:10.0.0.0/104", "::ffff:10.1.2.3"));
}

static void test_remote_ipv6(void **state)
{
	(void)state;
	assert_true(remote_matches("2001:db8::/32", "2001:db8:ffff::1"));
	assert_false(remote_matches("2001:db8::/32", "2001:db9::1"));
	assert_true(remote_matches("2001:db8:8000::/33", "2001:db8:8000::1"));
	assert_false(remote_matches("2001:db8:8000::/33", "2001:db8:7fff::1"));
	assert_true(remote_matches("::1", "::1"));
	assert_false(remote_matches("::1/128", "::2"));
	assert_true(remote_matches("::/0", "2001:db8::1"));
	assert_false(remote_matches("::/0", "192.0.2.1"));
}

static void test_remote_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"10",
		"10.0.0",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/8/8",
		"10.0.0.1/8",
		"localhost",
		"::/129",
		"::1/64",
		"[::1]",
		"::1%lo",
		"2001:db9::/31",
		"256.0.0.1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		refuse("remote", wrong[i]);
	refuse("remote", "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111");
}

static void test_owner(void **state)
{
	(void)state;
	assert_true(owner_matches("nginx"));
	assert_false(owner_matches("ngin"));
	assert_false(owner_matches("nginx2"));
	assert_true(owner_matches("machine-web.scope"));
	assert_true(owner_matches("web"));
	assert_false(owner_matches("machine"));
	assert_true(owner_matches("77"));
	assert_false(owner_matches("33"));
	assert_true(owner_matches("uid:33"));
	assert_false(owner_matches("uid:77"));
	assert_int_equal(parse("owner", "uid:0").owner_id, 0);
	assert_string_equal(parse("owner", "exactly15bytes.").owner_name, "exactly15bytes.");
	refuse("owner", "");
	refuse("owner", "uid:");
	refuse("owner", "uid:x");
}

static bool shown_matches(const char *path, const char *comm, const char *word)
{
	const struct owner owner = {.uid = 33, .cgroup = 5};
	struct filter_subject s = subject(AF_INET, "192.0.2.1");
	struct filter f = parse("owner", word);
	struct owners *owners;
	struct cgroups *own;
	bool matches;

	assert_int_equal(owners_new(&owners) | cgroups_new(&own), 0);
	owners_take(owners, &owner);
	cgroups_follow(own, owners, 1);
	if (path)
		cgroups_name(own, owner.cgroup, path);
	s.cgroup = owner.cgroup;
	s.comm = comm;
	matches = filter_matches(&f, &s, own);
	owners_free(owners);
	cgroups_free(own);
	return matches;
}

/* What top shows is as good as the plain name. */
static void test_owner_as_shown(void **state)
{
	static const char user[] = "/user.slice/user-1.slice/user@1.service/a.slice/nginx.service",
			  instance[] = "/system.slice/sshd@3-10.0.0.5:22-192.0.2.7:5.service",
			  comm[TW_COMM_SIZE] = "b.service";

	(void)state;
	assert_true(shown_matches(user, comm, "user@1/nginx.service"));
	assert_true(shown_matches(user, comm, "nginx.service"));
	assert_true(shown_matches(user, comm, "b.service"));
	assert_false(shown_matches(user, comm, "[b.service]"));
	assert_false(shown_matches(user, comm, "user@2/nginx.service"));
	assert_true(shown_matches(instance, comm, "sshd@.service"));
	assert_true(shown_matches(instance, comm, "sshd@3-10.0.0.5:22-192.0.2.7:5.service"));
	assert_false(shown_matches(instance, comm, "sshd.service"));
	assert_true(shown_matches("/lxc/web", comm, "container/web"));
	assert_true(shown_matches("/some/path", comm, "/some/path"));
	assert_true(shown_matches("/", comm, "[b.service]"));
	assert_true(shown_matches(NULL, comm, "[b.service]"));
}

/* 0 and UINT32_MAX stand for "not known": no number may match them. */
static void test_owner_unknown_matches_no_number(void **state)
{
	struct filter_subject s = subject(AF_INET, "192.0.2.1");
	struct filter f = parse("owner", "uid:0");

	(void)state;
	s.pid = 0;
	s.uid = UINT32_MAX;
	assert_false(filter_matches(&f, &s, cgroups));
	f = parse("owner", "uid:4294967294");
	assert_false(filter_matches(&f, &s, cgroups));
	refuse("owner", "uid:4294967295");
	f = parse("owner", "0"); /* not a pid, so a name */
	assert_false(filter_matches(&f, &s, cgroups));
}

static void test_netns(void **state)
{
	(void)state;
	assert_true(matches("netns", "4026531833", AF_INET, "192.0.2.1"));
	assert_false(matches("netns", "4026531834", AF_INET, "192.0.2.1"));
	refuse("netns", "0");
	refuse("netns", "4294967296");
	refuse("netns", "net:[4026531833]");
}

static void test_older_than(void **state)
{
	(void)state;
	assert_int_equal(parse("older_than", "60").older_than_ns, 60 * NSEC_PER_SEC);
	assert_int_equal(parse("older_than", "0.5").older_than_ns, NSEC_PER_SEC / 2);
	assert_int_equal(parse("older_than", "1.000000001").older_than_ns, NSEC_PER_SEC + 1);
	assert_int_equal(parse("older_than", "0").older_than_ns, 0);
	assert_int_equal(parse("older_than", "1000000000").older_than_ns,
			 UINT64_C(1000000000) * NSEC_PER_SEC);
	refuse("older_than", "");
	refuse("older_than", ".5");
	refuse("older_than", "5.");
	refuse("older_than", "1.0000000001");
	refuse("older_than", "-1");
	refuse("older_than", "60s");
	refuse("older_than", "1e3");
	refuse("older_than", "1000000001");
}

static void test_sort_and_limit(void **state)
{
	(void)state;
	assert_true(parse("sort", "age").by_age);
	assert_int_equal(parse("limit", "1").limit, 1);
	refuse("sort", "");
	refuse("sort", "port");
	refuse("limit", "0");
	refuse("limit", "-1");
	refuse("limit", "all");
	refuse("limit", "1.5");
}

static void test_brief(void **state)
{
	(void)state;
	assert_false(FILTER_INIT.brief);
	assert_true(parse("brief", "yes").brief);
	refuse("brief", "");
	refuse("brief", "no");
}

static void test_unknown_parameter(void **state)
{
	(void)state;
	refuse("", NULL);
	refuse("states", NULL);
	refuse("State", NULL);
}

static void test_listeners_have_fewer(void **state)
{
	static const char *const not_there[] = {"state", "remote", "older_than", "sort", "limit"};
	struct filter f = FILTER_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(not_there); i++)
		assert_int_equal(filter_parse(&f, FILTER_LISTENERS, not_there[i], "1", message),
				 -EINVAL);
	assert_string_equal(message, "there is no parameter 'limit' here: port, owner and netns "
				     "would be right");
	assert_int_equal(filter_parse(&f, FILTER_LISTENERS, "port", "80", message), 0);
	assert_int_equal(filter_parse(&f, FILTER_LISTENERS, "owner", "nginx", message), 0);
	assert_int_equal(filter_parse(&f, FILTER_LISTENERS, "netns", "4026531833", message), 0);
}

static void test_watch_has_fewer(void **state)
{
	static const char *const not_there[] = {"older_than", "sort", "limit"};
	struct filter f = FILTER_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(not_there); i++) {
		assert_int_equal(filter_parse(&f, FILTER_WATCH, not_there[i], "1", message),
				 -EINVAL);
		assert_non_null(strstr(message, not_there[i]));
	}
	assert_int_equal(filter_parse(&f, FILTER_WATCH, "port", "1", message), 0);
}

static void test_long_values_are_cut_in_messages(void **state)
{
	char value[8192];

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	refuse("owner", value);
	assert_true(strlen(message) < 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_set_passes_all),
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_port),
		cmocka_unit_test(test_remote_ipv4),
		cmocka_unit_test(test_remote_ipv4_mapped),
		cmocka_unit_test(test_remote_ipv6),
		cmocka_unit_test(test_remote_refused),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_owner_as_shown),
		cmocka_unit_test(test_owner_unknown_matches_no_number),
		cmocka_unit_test(test_netns),
		cmocka_unit_test(test_older_than),
		cmocka_unit_test(test_sort_and_limit),
		cmocka_unit_test(test_brief),
		cmocka_unit_test(test_unknown_parameter),
		cmocka_unit_test(test_watch_has_fewer),
		cmocka_unit_test(test_listeners_have_fewer),
		cmocka_unit_test(test_long_values_are_cut_in_messages),
	};

	return cmocka_run_group_tests(tests, set_up_cgroups, tear_down_cgroups);
}
