/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "model/queued.h"
#include "model_fixture.h"

#define SERVER_PID 80
#define WORKER_PID 81
#define CLIENT_PID 40

/* By a process in the cgroup; its user has the same number. */
static void change_from(struct fixture *f, const struct socket *s, unsigned old_state,
			unsigned new_state, uint32_t pid, const char *comm, uint32_t cgroup)
{
	struct tw_event e = event_of(s, old_state, new_state, later(f));

	e.flags = TW_EVENT_PROCESS;
	e.pid = pid;
	e.uid = cgroup;
	e.cgroup = cgroup;
	memcpy(e.comm, comm, strlen(comm) + 1);
	model_event(f->m, &e);
}

static void change_by(struct fixture *f, const struct socket *s, unsigned old_state,
		      unsigned new_state, uint32_t pid, const char *comm)
{
	change_from(f, s, old_state, new_state, pid, comm, 7);
}

static void listen_from(struct fixture *f, uint32_t pid, uint32_t holders, uint32_t cgroup)
{
	struct tw_listener listener = {
		.cookie = 1000 + pid, /* each has its own */
		.cgroup = cgroup,
		.netns = HOST,
		.uid = cgroup,
		.pid = pid,
		.holders = holders,
		.port = server.sport,
		.family = AF_INET,
		.comm = "server",
	};

	model_listener(f->m, &listener);
}

static void listen_by(struct fixture *f, uint32_t pid, uint32_t holders)
{
	listen_from(f, pid, holders, 7);
}

static void look(struct fixture *f)
{
	model_listeners_done(f->m, &(struct tw_tick){.time_ns = later(f)});
}

static void accept_child(struct fixture *f)
{
	change(f, &child, TW_LISTEN, TW_SYN_RECV);
	change(f, &child, TW_SYN_RECV, TW_ESTABLISHED);
}

/* With the cgroup and user of the socket, which are those of who opened the listener. */
static void accept_child_of(struct fixture *f, uint32_t opener)
{
	struct tw_event e = event_of(&child, TW_LISTEN, TW_SYN_RECV, later(f));

	e.uid = opener;
	e.cgroup = opener;
	model_event(f->m, &e);
	change(f, &child, TW_SYN_RECV, TW_ESTABLISHED);
}

static void row_with_inode(struct fixture *f, const struct socket *s, unsigned state,
			   uint32_t inode)
{
	struct tw_socket row = row_of(s, state, TW_SOCKET_FULL);

	later(f);
	row.inode = inode;
	row.uid = 7;
	model_socket(f->m, &row);
}

static void dump_with_inode(struct fixture *f, const struct socket *s, unsigned state,
			    uint32_t inode)
{
	open_round(f, TW_STATES_ALL);
	row_with_inode(f, s, state, inode);
	close_round(f, TW_STATES_ALL);
}

#define assert_cgroup_and_user(f, s, number)                   \
	do {                                                   \
		assert_int_equal(owner(f, s)->cgroup, number); \
		assert_int_equal(owner(f, s)->uid, number);    \
	} while (0)

#define assert_owner(f, s, wanted_kind, wanted_pid, wanted_comm)     \
	do {                                                         \
		assert_int_equal(owner(f, s)->kind, wanted_kind);    \
		assert_int_equal(owner(f, s)->pid, wanted_pid);      \
		assert_string_equal(owner(f, s)->comm, wanted_comm); \
	} while (0)

/* Connections of all owners of a kind. */
static uint64_t held(const struct fixture *f, enum owner_kind kind, unsigned state)
{
	const struct owners *o = model_owners(f->m);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < owners_end(o); i++)
		if (owners_used(o, i) && owners_get(o, i)->kind == kind)
			sum += owners_connections(o, i, state);
	return sum;
}

static void test_connecting(void **state)
{
	struct fixture *f = *state;

	change_by(f, &client, TW_CLOSE, TW_SYN_SENT, CLIENT_PID, "curl");
	assert_owner(f, &client, OWNER_KIND_PROCESS, CLIENT_PID, "curl");
	assert_int_equal(held(f, OWNER_KIND_PROCESS, TW_SYN_SENT), 1);
	change(f, &client, TW_SYN_SENT, TW_ESTABLISHED);
	assert_owner(f, &client, OWNER_KIND_PROCESS, CLIENT_PID, "curl");
	assert_int_equal(held(f, OWNER_KIND_PROCESS, TW_SYN_SENT), 0);
	assert_int_equal(held(f, OWNER_KIND_PROCESS, TW_ESTABLISHED), 1);
}

/* Whoever listens has it, as far as anybody knows: also before the first look at the listeners. */
static void test_child(void **state)
{
	struct fixture *f = *state;

	for (int looks = 0; looks < 3; looks++) {
		change_by(f, &server, TW_CLOSE, TW_LISTEN, SERVER_PID, "server");
		if (looks) {
			listen_by(f, SERVER_PID, 1);
			look(f);
		}
		accept_child(f);
		assert_owner(f, &child, OWNER_KIND_PROCESS, SERVER_PID, "server");
		assert_int_equal(owner(f, &child)->cgroup, 7);
		change(f, &child, TW_ESTABLISHED, TW_CLOSE);
		change(f, &server, TW_LISTEN, TW_CLOSE);
		look(f);
	}
	accept_child(f);
	assert_owner(f, &child, OWNER_KIND_UNKNOWN, 0, "");
}

/* Before Linux 6.14 the first transition of a child has no cookie. */
static void test_child_by_its_second_transition(void **state)
{
	struct fixture *f = *state;

	change_by(f, &server, TW_CLOSE, TW_LISTEN, SERVER_PID, "server");
	change(f, &child, TW_SYN_RECV, TW_ESTABLISHED);
	assert_owner(f, &child, OWNER_KIND_PROCESS, SERVER_PID, "server");
}

/* Several hold the listener, or several listeners have the port: who accepts is one of them. */
static void test_child_of_several(void **state)
{
	struct fixture *f = *state;

	listen_by(f, SERVER_PID, 2);
	look(f);
	accept_child(f);
	assert_owner(f, &child, OWNER_KIND_PROCESS, 0, "server");
	change(f, &child, TW_ESTABLISHED, TW_CLOSE);
	listen_by(f, SERVER_PID, 1);
	listen_by(f, WORKER_PID, 1);
	look(f);
	accept_child(f);
	assert_owner(f, &child, OWNER_KIND_PROCESS, 0, "server");
}

/* The holder's cgroup and user, not those of who opened the listener and has passed it on. */
static void test_child_of_a_passed_listener(void **state)
{
	struct fixture *f = *state;
	const struct owners *o = model_owners(f->m);

	change_from(f, &server, TW_CLOSE, TW_LISTEN, SERVER_PID, "systemd", 1);
	accept_child_of(f, 1);
	assert_cgroup_and_user(f, &child, 1);
	change(f, &child, TW_ESTABLISHED, TW_CLOSE);
	listen_from(f, WORKER_PID, 1, 7);
	look(f);
	accept_child_of(f, 1);
	assert_owner(f, &child, OWNER_KIND_PROCESS, WORKER_PID, "server");
	assert_cgroup_and_user(f, &child, 7);
	become_time_wait(f, &child);
	assert_int_equal(held(f, OWNER_KIND_KERNEL, TW_TIME_WAIT), 1);
	for (uint32_t i = 0; i < owners_end(o); i++)
		if (owners_connections(o, i, TW_TIME_WAIT))
			assert_int_equal(owners_get(o, i)->cgroup, 7);
}

/* Of listeners that have no cgroup in common, the socket's tells which one it came from. */
static void test_child_of_listeners_apart(void **state)
{
	struct fixture *f = *state;

	listen_from(f, SERVER_PID, 1, 7);
	listen_from(f, WORKER_PID, 1, 8);
	look(f);
	accept_child_of(f, 8);
	assert_owner(f, &child, OWNER_KIND_PROCESS, 0, "server");
	assert_cgroup_and_user(f, &child, 8);
}

/* What is told of the process that closes is told of no other. */
static void test_another_closes(void **state)
{
	struct fixture *f = *state;

	change_by(f, &server, TW_CLOSE, TW_LISTEN, SERVER_PID, "server");
	accept_child(f);
	change_from(f, &child, TW_ESTABLISHED, TW_FIN_WAIT1, WORKER_PID, "worker", 9);
	assert_owner(f, &child, OWNER_KIND_PROCESS, WORKER_PID, "worker");
	assert_cgroup_and_user(f, &child, 9);
}

/* The same process, moved to another cgroup; the event has the name of its thread. */
static void test_moved_closes(void **state)
{
	struct fixture *f = *state;

	change_by(f, &server, TW_CLOSE, TW_LISTEN, SERVER_PID, "server");
	accept_child(f);
	change_from(f, &child, TW_ESTABLISHED, TW_FIN_WAIT1, SERVER_PID, "thread", 9);
	assert_owner(f, &child, OWNER_KIND_PROCESS, SERVER_PID, "server");
	assert_cgroup_and_user(f, &child, 9);
}

static void test_worker_closes(void **state)
{
	struct fixture *f = *state;

	change_by(f, &server, TW_CLOSE, TW_LISTEN, SERVER_PID, "server");
	accept_child(f);
	change(f, &child, TW_ESTABLISHED, TW_CLOSE_WAIT);
	assert_owner(f, &child, OWNER_KIND_PROCESS, SERVER_PID, "server");
	change_by(f, &child, TW_CLOSE_WAIT, TW_LAST_ACK, WORKER_PID, "worker");
	assert_owner(f, &child, OWNER_KIND_PROCESS, WORKER_PID, "worker");
}

/* The kernel finishes what a process closed, which is remembered. */
static void test_orphan(void **state)
{
	struct fixture *f = *state;

	change_by(f, &client, TW_CLOSE, TW_SYN_SENT, CLIENT_PID, "curl");
	change(f, &client, TW_SYN_SENT, TW_ESTABLISHED);
	change_by(f, &client, TW_ESTABLISHED, TW_FIN_WAIT1, CLIENT_PID, "curl");
	assert_owner(f, &client, OWNER_KIND_PROCESS, CLIENT_PID, "curl");
	change_with(f, &client, TW_FIN_WAIT1, TW_FIN_WAIT2, ORPHAN, 0);
	assert_owner(f, &client, OWNER_KIND_KERNEL, CLIENT_PID, "curl");
	change_with(f, &client, TW_FIN_WAIT2, TW_CLOSE, IN_ORDER, 0);
	assert_int_equal(held(f, OWNER_KIND_KERNEL, TW_TIME_WAIT), 1);
	assert_true(model_consistent(f->m));
}

static void test_minisocket_of_one_never_met(void **state)
{
	struct fixture *f = *state;

	change_with(f, &client, TW_FIN_WAIT2, TW_CLOSE, IN_ORDER, 0);
	assert_int_equal(held(f, OWNER_KIND_KERNEL, TW_TIME_WAIT), 1);
	open_round(f, TW_STATES_ALL);
	row(f, &client, TW_TIME_WAIT, TW_SOCKET_MINI);
	row(f, &other, TW_FIN_WAIT2, TW_SOCKET_MINI);
	close_round(f, TW_STATES_ALL);
	assert_int_equal(held(f, OWNER_KIND_KERNEL, TW_TIME_WAIT), 1);
}

/* A row without a descriptor in a state that only close() leads to. */
static void test_orphan_by_a_row(void **state)
{
	struct fixture *f = *state;

	change_by(f, &client, TW_CLOSE, TW_SYN_SENT, CLIENT_PID, "curl");
	change(f, &client, TW_SYN_SENT, TW_ESTABLISHED);
	change_by(f, &client, TW_ESTABLISHED, TW_FIN_WAIT1, CLIENT_PID, "curl");
	dump_with_inode(f, &client, TW_FIN_WAIT1, 5);
	assert_owner(f, &client, OWNER_KIND_PROCESS, CLIENT_PID, "curl");
	dump_with_inode(f, &client, TW_FIN_WAIT1, 0);
	assert_owner(f, &client, OWNER_KIND_KERNEL, CLIENT_PID, "curl");
	dump_with_inode(f, &child, TW_LAST_ACK, 0);
	assert_owner(f, &child, OWNER_KIND_KERNEL, 0, "");
}

/* Where nobody tells what is in the accept queues. */
static void test_unaccepted_by_a_row(void **state)
{
	struct fixture *f = *state;

	dump_with_inode(f, &child, TW_ESTABLISHED, 0);
	assert_owner(f, &child, OWNER_KIND_UNACCEPTED, 0, "");
	dump_with_inode(f, &child, TW_CLOSE_WAIT, 0);
	assert_owner(f, &child, OWNER_KIND_UNACCEPTED, 0, "");
	dump_with_inode(f, &child, TW_CLOSE_WAIT, 5);
	assert_owner(f, &child, OWNER_KIND_UNKNOWN, 0, "");
	assert_int_equal(owner(f, &child)->uid, 7);
	dump_with_inode(f, &child, TW_CLOSE_WAIT, 0);
	assert_owner(f, &child, OWNER_KIND_UNACCEPTED, 0, "");
}

/* Nobody has it yet; the listener's owner is whom it is for. */
static void test_half_open(void **state)
{
	struct fixture *f = *state;
	const struct owners *o = model_owners(f->m);
	uint32_t found = 0;

	listen_by(f, SERVER_PID, 1);
	look(f);
	open_round(f, TW_STATE_BIT(TW_SYN_RECV));
	row(f, &child, TW_SYN_RECV, TW_SOCKET_REQUEST);
	close_round(f, TW_STATE_BIT(TW_SYN_RECV));
	for (uint32_t i = 0; i < owners_end(o); i++)
		if (owners_connections(o, i, TW_SYN_RECV))
			found = i;
	assert_int_equal(owners_get(o, found)->kind, OWNER_KIND_KERNEL);
	assert_int_equal(owners_get(o, found)->pid, SERVER_PID);
	assert_int_equal(owners_get(o, found)->uid, 7);
}

/* Passes over all descriptors. */

static void meet(struct fixture *f, const struct socket *s, uint32_t pid, const char *comm)
{
	struct tw_holder holder = {
		.cookie = s->cookie, .cgroup = 9, .pid = pid, .uid = 1000, .nofile = 1024};

	memcpy(holder.comm, comm, strlen(comm) + 1);
	model_holder(f->m, &holder);
}

static void pass_begin(struct fixture *f)
{
	model_pass_begin(f->m, &(struct tw_pass){.time_ns = later(f)});
}

/* Connections that got another owner. */
static uint32_t pass_end(struct fixture *f, bool complete)
{
	model_pass_end(f->m, &(struct tw_pass){.time_ns = later(f), .complete = complete});
	assert_true(model_consistent(f->m));
	return model_pass_changes(f->m);
}

static uint32_t pass_that_misses(struct fixture *f)
{
	pass_begin(f);
	return pass_end(f, true);
}

static void connect_client(struct fixture *f)
{
	change_by(f, &client, TW_CLOSE, TW_SYN_SENT, CLIENT_PID, "curl");
	change(f, &client, TW_SYN_SENT, TW_ESTABLISHED);
}

static void test_met(void **state)
{
	struct fixture *f = *state;

	connect_client(f);
	pass_begin(f);
	meet(f, &client, WORKER_PID, "worker");
	assert_int_equal(pass_end(f, true), 1);
	assert_owner(f, &client, OWNER_KIND_PROCESS, WORKER_PID, "worker");
	assert_int_equal(owner(f, &client)->uid, 1000);
	assert_int_equal(owner(f, &client)->cgroup, 9);
	assert_int_equal(owners_nofile(model_owners(f->m), find(f, &client)->owner), 1024);
	pass_begin(f);
	meet(f, &client, WORKER_PID, "worker");
	assert_int_equal(pass_end(f, true), 0);
}

/* Each with a process of its own, which comes to be the bound of those that are kept with a pid. */
static uint32_t pass_that_meets_many(struct fixture *f, uint32_t count)
{
	struct socket one = {.netns = HOST, .dport = 80};

	pass_begin(f);
	for (uint32_t i = 1; i <= count; i++) {
		one.cookie = 100 + i;
		meet(f, &one, i, "worker");
	}
	return pass_end(f, true);
}

/* Whose pid there is no room for is no news again and again: passes become the more seldom the less
 * is new. */
static void test_met_past_the_bound(void **state)
{
	static const uint32_t count = OWNERS_MAX / 2 + 100;
	struct fixture *f = *state;
	struct socket one = {.netns = HOST, .dport = 80};

	for (uint32_t i = 1; i <= count; i++) {
		one.cookie = 100 + i;
		one.sport = (uint16_t)(1024 + i);
		establish(f, &one);
	}
	assert_int_equal(pass_that_meets_many(f, count), count);
	assert_int_equal(owner(f, &one)->pid, 0);
	assert_string_equal(owner(f, &one)->comm, "worker");
	assert_int_equal(pass_that_meets_many(f, count), 0);
}

static int set_up_large(void **state)
{
	return set_up_for(state, OWNERS_MAX);
}

/* The same one each time, whatever the order of the passes before. */
static void test_met_with_several(void **state)
{
	struct fixture *f = *state;

	connect_client(f);
	pass_begin(f);
	meet(f, &client, WORKER_PID, "worker");
	pass_end(f, true);
	pass_begin(f);
	meet(f, &client, SERVER_PID, "server");
	meet(f, &client, WORKER_PID, "worker");
	pass_end(f, true);
	assert_owner(f, &client, OWNER_KIND_PROCESS, SERVER_PID, "server");
}

/* What init keeps for a service is the service's, and no news again and again. */
static void test_met_with_init(void **state)
{
	struct fixture *f = *state;

	connect_client(f);
	pass_begin(f);
	meet(f, &client, TW_INIT_PID, "systemd");
	assert_owner(f, &client, OWNER_KIND_PROCESS, CLIENT_PID, "curl");
	assert_int_equal(pass_end(f, true), 1);
	assert_owner(f, &client, OWNER_KIND_PROCESS, TW_INIT_PID, "systemd");
	for (uint32_t changes = 2; changes-- > 0;) {
		pass_begin(f);
		meet(f, &client, TW_INIT_PID, "systemd");
		meet(f, &client, WORKER_PID, "worker");
		assert_int_equal(pass_end(f, true), changes);
		assert_owner(f, &client, OWNER_KIND_PROCESS, WORKER_PID, "worker");
	}
	/* one that fails may have gone past the service; one that does not knows that it has ended
	 */
	pass_begin(f);
	meet(f, &client, TW_INIT_PID, "systemd");
	assert_int_equal(pass_end(f, false), 0);
	pass_begin(f);
	meet(f, &client, TW_INIT_PID, "systemd");
	assert_int_equal(pass_end(f, true), 1);
	assert_owner(f, &client, OWNER_KIND_PROCESS, TW_INIT_PID, "systemd");
}

static void meet_process(struct fixture *f, uint32_t pid, const char *comm, const char *path)
{
	struct tw_process process = {.pid = pid};

	memcpy(process.comm, comm, strlen(comm) + 1);
	memcpy(process.executable.path, path, strlen(path) + 1);
	model_process(f->m, &process);
}

#define assert_executable(f, s, wanted)                                                           \
	assert_string_equal(executables_path(model_executables((f)->m), owner(f, s)->executable), \
			    wanted)

/* What the pass told of the process is known of all that it does until the next one. */
static void test_executable(void **state)
{
	struct fixture *f = *state;

	connect_client(f);
	assert_executable(f, &client, "");
	pass_begin(f);
	meet_process(f, CLIENT_PID, "curl", "/usr/bin/curl");
	meet(f, &client, CLIENT_PID, "curl");
	assert_int_equal(pass_end(f, true), 1);
	assert_executable(f, &client, "/usr/bin/curl");
	change_by(f, &other, TW_CLOSE, TW_SYN_SENT, CLIENT_PID, "curl");
	assert_executable(f, &other, "/usr/bin/curl");
	change_by(f, &other, TW_SYN_SENT, TW_CLOSE, CLIENT_PID, "curl");
	/* by another thread, which is called otherwise */
	change_by(f, &client, TW_ESTABLISHED, TW_FIN_WAIT1, CLIENT_PID, "resolver");
	assert_owner(f, &client, OWNER_KIND_PROCESS, CLIENT_PID, "curl");
	assert_executable(f, &client, "/usr/bin/curl");
	pass_that_misses(f);
	assert_owner(f, &client, OWNER_KIND_KERNEL, CLIENT_PID, "curl");
	assert_executable(f, &client, "/usr/bin/curl");
}

static void test_executable_is_forgotten(void **state)
{
	struct fixture *f = *state;

	connect_client(f);
	pass_begin(f);
	meet_process(f, CLIENT_PID, "curl", "/usr/bin/curl");
	meet(f, &client, CLIENT_PID, "curl");
	pass_end(f, true);
	pass_that_misses(f);
	pass_that_misses(f);
	assert_owner(f, &client, OWNER_KIND_UNKNOWN, 0, "");
	assert_executable(f, &client, "");
}

/* Another file under the same pid and name is another owner; the same is no news. */
static void test_executable_changes(void **state)
{
	static const char *const paths[] = {"/a/worker", "/a/worker", "/b/worker", ""};
	static const uint32_t changes[] = {1, 0, 1, 1};
	struct fixture *f = *state;

	connect_client(f);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		pass_begin(f);
		meet_process(f, WORKER_PID, "worker", paths[i]);
		meet(f, &client, WORKER_PID, "worker");
		assert_int_equal(pass_end(f, true), changes[i]);
		assert_executable(f, &client, paths[i]);
	}
}

/* A host on which ever other files run: those in use are still told, and new ones are. */
static void test_many_executables(void **state)
{
	struct fixture *f = *state;

	connect_client(f);
	pass_begin(f);
	meet_process(f, CLIENT_PID, "curl", "/usr/bin/curl");
	meet(f, &client, CLIENT_PID, "curl");
	pass_end(f, true);
	for (uint32_t i = 1; i <= 3 * EXECUTABLES_MAX; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/bin/%u", i);
		if (i % 1000 == 1)
			pass_begin(f);
		meet_process(f, CLIENT_PID + i, "many", path);
		if (i % 1000 == 0)
			pass_end(f, false);
	}
	assert_executable(f, &client, "/usr/bin/curl");
	change_by(f, &other, TW_CLOSE, TW_SYN_SENT, CLIENT_PID + 3 * EXECUTABLES_MAX, "many");
	assert_executable(f, &other, "/bin/12288");
}

/* Of a listener, what accepts; its children have it as soon as they come. */
static void test_executable_of_a_listener(void **state)
{
	struct fixture *f = *state;

	change_by(f, &server, TW_CLOSE, TW_LISTEN, SERVER_PID, "server");
	pass_begin(f);
	meet_process(f, SERVER_PID, "server", "/usr/sbin/server");
	meet(f, &server, SERVER_PID, "server");
	pass_end(f, true);
	listen_by(f, SERVER_PID, 4); /* a name alone, of several */
	look(f);
	change(f, &child, TW_LISTEN, TW_SYN_RECV);
	assert_owner(f, &child, OWNER_KIND_PROCESS, 0, "server");
	assert_executable(f, &child, "/usr/sbin/server");
}

/* What two passes in a row do not meet is nobody's that can be named. */
static void test_not_met(void **state)
{
	struct fixture *f = *state;

	connect_client(f);
	assert_int_equal(pass_that_misses(f), 0);
	pass_begin(f);
	meet(f, &client, CLIENT_PID, "curl");
	pass_end(f, true);
	pass_that_misses(f);
	assert_owner(f, &client, OWNER_KIND_PROCESS, CLIENT_PID, "curl");
	pass_begin(f);
	pass_end(f, false);
	assert_owner(f, &client, OWNER_KIND_PROCESS, CLIENT_PID, "curl");
	assert_int_equal(pass_that_misses(f), 1);
	assert_owner(f, &client, OWNER_KIND_UNKNOWN, 0, "");
	assert_int_equal(owner(f, &client)->cgroup, 9);
	assert_int_equal(pass_that_misses(f), 0);
}

/* It may have come to a process that the pass had gone past. */
static void test_younger_than_the_pass(void **state)
{
	struct fixture *f = *state;

	pass_begin(f);
	connect_client(f);
	change_by(f, &client, TW_ESTABLISHED, TW_FIN_WAIT1, CLIENT_PID, "curl");
	pass_end(f, true);
	assert_owner(f, &client, OWNER_KIND_PROCESS, CLIENT_PID, "curl");
	assert_int_equal(pass_that_misses(f), 1);
	assert_owner(f, &client, OWNER_KIND_KERNEL, CLIENT_PID, "curl");
}

/* Minisockets and what ends meanwhile have no descriptor, and are not asked for one. */
static void test_pass_and_ends(void **state)
{
	struct fixture *f = *state;

	connect_client(f);
	connect_client(f);
	change(f, &child, TW_LISTEN, TW_SYN_RECV);
	open_round(f, TW_STATES_ALL);
	pass_begin(f);
	meet(f, &client, CLIENT_PID, "curl");
	meet(f, &child, SERVER_PID, "server");
	meet(f, &other, SERVER_PID, "server");
	become_time_wait(f, &client);
	change(f, &child, TW_SYN_RECV, TW_CLOSE);
	model_pass_end(f->m, &(struct tw_pass){.time_ns = later(f), .complete = true});
	close_round(f, TW_STATES_ALL);
	assert_int_equal(held(f, OWNER_KIND_KERNEL, TW_TIME_WAIT), 1);
	assert_int_equal(pass_that_misses(f), 0);
}

/* A row or an end without a begin: of a recording that is damaged. */
static void test_pass_out_of_order(void **state)
{
	struct fixture *f = *state;

	connect_client(f);
	meet(f, &client, WORKER_PID, "worker");
	pass_end(f, true);
	pass_end(f, true);
	assert_owner(f, &client, OWNER_KIND_PROCESS, CLIENT_PID, "curl");
}

/* A name that fills its field is cut, and nothing past its end is kept. */
static void test_hostile_holder(void **state)
{
	struct fixture *f = *state;
	struct tw_holder holder = {.cookie = client.cookie, .pid = 7, .comm = "a\0hidden"};

	connect_client(f);
	pass_begin(f);
	model_holder(f->m, &holder);
	pass_end(f, true);
	assert_memory_equal(owner(f, &client)->comm, "a\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	memset(holder.comm, '\n', sizeof(holder.comm));
	pass_begin(f);
	model_holder(f->m, &holder);
	pass_end(f, true);
	assert_int_equal(strlen(owner(f, &client)->comm), TW_COMM_SIZE - 1);
}

/* Looks at accept queues. */

static void queue(struct fixture *f, const struct socket *s)
{
	model_queued(f->m, &(struct tw_queued){.cookie = s->cookie});
}

static void look_with(struct fixture *f, const struct socket *queued)
{
	listen_by(f, SERVER_PID, 1);
	if (queued)
		queue(f, queued);
	look(f);
	assert_true(model_consistent(f->m));
}

static void test_queued(void **state)
{
	struct fixture *f = *state;

	look_with(f, NULL);
	accept_child(f);
	assert_owner(f, &child, OWNER_KIND_PROCESS, SERVER_PID, "server");
	look_with(f, &child);
	assert_owner(f, &child, OWNER_KIND_UNACCEPTED, SERVER_PID, "server");
	change(f, &child, TW_ESTABLISHED, TW_CLOSE_WAIT);
	look_with(f, &child);
	assert_owner(f, &child, OWNER_KIND_UNACCEPTED, SERVER_PID, "server");
	assert_int_equal(held(f, OWNER_KIND_UNACCEPTED, TW_CLOSE_WAIT), 1);
	look_with(f, NULL);
	assert_owner(f, &child, OWNER_KIND_PROCESS, SERVER_PID, "server");
	look_with(f, NULL);
	assert_owner(f, &child, OWNER_KIND_PROCESS, SERVER_PID, "server");
}

/* A pass does not meet it, for nobody has a descriptor: that is no news. */
static void test_queued_and_passes(void **state)
{
	struct fixture *f = *state;

	look_with(f, NULL);
	accept_child(f);
	look_with(f, &child);
	pass_that_misses(f);
	pass_that_misses(f);
	assert_owner(f, &child, OWNER_KIND_UNACCEPTED, SERVER_PID, "server");
	pass_begin(f);
	meet(f, &child, WORKER_PID, "worker");
	pass_end(f, true);
	assert_owner(f, &child, OWNER_KIND_PROCESS, WORKER_PID, "worker");
	look_with(f, NULL);
	assert_owner(f, &child, OWNER_KIND_PROCESS, WORKER_PID, "worker");
}

/* Of a look that failed halfway, and of one that finds it twice, nothing is left behind. */
static void test_queued_twice(void **state)
{
	struct fixture *f = *state;

	look_with(f, NULL);
	accept_child(f);
	listen_by(f, SERVER_PID, 1);
	queue(f, &child);
	look_with(f, &child);
	assert_owner(f, &child, OWNER_KIND_UNACCEPTED, SERVER_PID, "server");
	look_with(f, NULL);
	assert_owner(f, &child, OWNER_KIND_PROCESS, SERVER_PID, "server");
}

static void test_queued_and_ended(void **state)
{
	struct fixture *f = *state;

	look_with(f, NULL);
	queue(f, &child); /* not known yet */
	accept_child(f);
	look_with(f, &child);
	change(f, &child, TW_ESTABLISHED, TW_CLOSE);
	look_with(f, NULL);
	accept_child(f);
	open_round(f, TW_STATES_ALL);
	look_with(f, &child);
	change(f, &child, TW_ESTABLISHED, TW_CLOSE);
	listen_by(f, SERVER_PID, 1);
	queue(f, &child);
	look(f);
	close_round(f, TW_STATES_ALL);
}

/* What a look does not tell one by one, a pass does not meet. */
static void test_queued_behind_many(void **state)
{
	struct fixture *f = *state;
	struct tw_listener listener = {
		.netns = HOST, .pid = SERVER_PID, .holders = 1, .port = 80, .family = AF_INET};

	for (int longer = 0; longer < 2; longer++) {
		listener.accept_queue = TW_QUEUE_TOLD + (uint32_t)longer;
		model_listener(f->m, &listener);
		look(f);
		accept_child(f);
		pass_that_misses(f);
		assert_int_equal(owner(f, &child)->kind,
				 longer ? OWNER_KIND_UNACCEPTED : OWNER_KIND_PROCESS);
		look_with(f, NULL);
		assert_int_equal(owner(f, &child)->kind,
				 longer ? OWNER_KIND_UNACCEPTED : OWNER_KIND_PROCESS);
		pass_begin(f);
		meet(f, &child, WORKER_PID, "worker");
		pass_end(f, true);
		assert_owner(f, &child, OWNER_KIND_PROCESS, WORKER_PID, "worker");
		change(f, &child, TW_ESTABLISHED, TW_CLOSE);
	}
}

/* A dump says so before the first look, which then knows better. */
static void test_dumped_before_it_is_looked_at(void **state)
{
	struct fixture *f = *state;

	dump_with_inode(f, &child, TW_ESTABLISHED, 0);
	assert_owner(f, &child, OWNER_KIND_UNACCEPTED, 0, "");
	look_with(f, &child);
	assert_owner(f, &child, OWNER_KIND_UNACCEPTED, SERVER_PID, "server");
	dump_with_inode(f, &child, TW_ESTABLISHED, 7);
	assert_owner(f, &child, OWNER_KIND_UNACCEPTED, SERVER_PID, "server");
	look_with(f, NULL);
	assert_owner(f, &child, OWNER_KIND_PROCESS, SERVER_PID, "server");
	dump_with_inode(f, &other, TW_CLOSE_WAIT, 0);
}

static void test_accepted_before_the_first_look(void **state)
{
	struct fixture *f = *state;

	dump_with_inode(f, &child, TW_ESTABLISHED, 0);
	look_with(f, NULL);
	assert_owner(f, &child, OWNER_KIND_UNKNOWN, 0, "");
}

/* Those that find no room are as if they had been accepted. */
static void test_too_many_queued(void **state)
{
	struct queued q = {0};

	(void)state;
	for (uint64_t i = 0; i < QUEUED_MAX; i++)
		assert_true(queued_add(&q, i));
	assert_false(queued_add(&q, 1));
	assert_int_equal(q.count, QUEUED_MAX);
	queued_clear(&q);
	assert_int_equal(q.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_connecting),
		test(test_child),
		test(test_child_by_its_second_transition),
		test(test_child_of_several),
		test(test_child_of_a_passed_listener),
		test(test_child_of_listeners_apart),
		test(test_another_closes),
		test(test_moved_closes),
		test(test_worker_closes),
		test(test_orphan),
		test(test_minisocket_of_one_never_met),
		test(test_orphan_by_a_row),
		test(test_unaccepted_by_a_row),
		test(test_half_open),
		test(test_met),
		cmocka_unit_test_setup_teardown(test_met_past_the_bound, set_up_large, tear_down),
		test(test_met_with_several),
		test(test_met_with_init),
		test(test_executable),
		test(test_executable_is_forgotten),
		test(test_executable_changes),
		test(test_many_executables),
		test(test_executable_of_a_listener),
		test(test_not_met),
		test(test_younger_than_the_pass),
		test(test_pass_and_ends),
		test(test_pass_out_of_order),
		test(test_hostile_holder),
		test(test_queued),
		test(test_queued_and_passes),
		test(test_queued_twice),
		test(test_queued_and_ended),
		test(test_queued_behind_many),
		test(test_dumped_before_it_is_looked_at),
		test(test_accepted_before_the_first_look),
		cmocka_unit_test(test_too_many_queued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
