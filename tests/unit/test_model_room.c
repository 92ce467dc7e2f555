/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A full table: who gives way for whom, and that all are counted all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model_fixture.h"
#include "random.h"

#define ROOM 12
#define STRANGER 1000U
#define OTHER_USER 1001U
#define THIRD_USER 1002U

static int set_up_small(void **state)
{
	return set_up_for(state, ROOM);
}

#define test_with_room(function) cmocka_unit_test_setup_teardown(function, set_up_small, tear_down)

static struct socket socket_number(unsigned number)
{
	return (struct socket){.cookie = 100 + number,
			       .netns = HOST,
			       .sport = (uint16_t)(10000 + number),
			       .dport = 80};
}

static void change_of(struct fixture *f, const struct socket *s, uint32_t uid, unsigned old_state,
		      unsigned new_state)
{
	struct tw_event e = event_of(s, old_state, new_state, later(f));

	e.uid = uid;
	model_event(f->m, &e);
}

static struct socket connect_as(struct fixture *f, uint32_t uid, unsigned number)
{
	struct socket s = socket_number(number);

	change_of(f, &s, uid, TW_CLOSE, TW_SYN_SENT);
	change_of(f, &s, uid, TW_SYN_SENT, TW_ESTABLISHED);
	return s;
}

static void end_as(struct fixture *f, uint32_t uid, const struct socket *s)
{
	change_of(f, s, uid, TW_ESTABLISHED, TW_CLOSE);
}

static void fill(struct fixture *f, uint32_t uid, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		connect_as(f, uid, i);
}

static unsigned followed(const struct fixture *f, unsigned first, unsigned count)
{
	unsigned found = 0;

	for (unsigned i = first; i < first + count; i++) {
		struct socket s = socket_number(i);

		found += find(f, &s) != NULL;
	}
	return found;
}

static void test_who_has_most_gives_way(void **state)
{
	struct fixture *f = *state;

	fill(f, STRANGER, 30);
	assert_int_equal(followed(f, 0, 30), ROOM);
	for (unsigned i = 100; i < 104; i++) {
		struct socket s = connect_as(f, OTHER_USER, i);

		assert_non_null(find(f, &s));
		change_of(f, &s, OTHER_USER, TW_ESTABLISHED, TW_CLOSE_WAIT);
	}
	assert_int_equal(followed(f, 0, 30), ROOM - 4);
	assert_int_equal(followed(f, 100, 4), 4);
	assert_counts(f, [TW_ESTABLISHED] = 30, [TW_CLOSE_WAIT] = 4);
	assert_int_equal(model_untracked(f->m), 34 - ROOM);
	/* what he begins now finds no room */
	fill(f, STRANGER, 20);
	assert_int_equal(followed(f, 100, 4), 4);
}

/* An equal share is as far as it goes. */
static void test_equal_shares(void **state)
{
	struct fixture *f = *state;

	fill(f, STRANGER, 30);
	for (unsigned i = 100; i < 130; i++)
		connect_as(f, OTHER_USER, i);
	assert_int_equal(followed(f, 0, 30), ROOM / 2);
	assert_int_equal(followed(f, 100, 30), ROOM / 2);
	assert_counts(f, [TW_ESTABLISHED] = 60);
	connect_as(f, THIRD_USER, 200);
	assert_int_equal(followed(f, 200, 1), 1);
	assert_counts(f, [TW_ESTABLISHED] = 61);
}

/* Those of which no uid is known are one user. */
static void test_unknown_users(void **state)
{
	struct fixture *f = *state;

	open_round(f, TW_STATES_ALL);
	for (unsigned i = 0; i < 30; i++) {
		struct socket s = socket_number(i);

		row(f, &s, TW_TIME_WAIT, TW_SOCKET_MINI);
	}
	close_round(f, TW_STATES_ALL);
	counters(f, 0, 30);
	connect_as(f, OTHER_USER, 100);
	counters(f, 1, 30);
	assert_int_equal(followed(f, 100, 1), 1);
	assert_counts(f, [TW_TIME_WAIT] = 30, [TW_ESTABLISHED] = 1);
}

/* A round of dumps has shown it, or will, before it gives way or after. */
static void test_within_a_round(void **state)
{
	struct fixture *f = *state;

	fill(f, STRANGER, ROOM);
	open_round(f, TW_STATES_ALL);
	for (unsigned i = 0; i < ROOM; i++) {
		struct socket s = socket_number(i);

		row(f, &s, TW_ESTABLISHED, TW_SOCKET_FULL);
		if (i == ROOM / 2)
			for (unsigned born = 100; born < 104; born++)
				connect_as(f, OTHER_USER, born);
	}
	assert_int_equal(close_round(f, TW_STATES_ALL).total, 0);
	assert_counts(f, [TW_ESTABLISHED] = ROOM + 4);
	assert_int_equal(followed(f, 100, 4), 4);
}

/* An orphan's minisocket is counted apart from the full sockets in FIN_WAIT2. */
static void test_minisockets_give_way(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < ROOM; i++) {
		struct socket s = connect_as(f, STRANGER, i);

		become_orphan(f, &s);
	}
	assert_int_equal(netns(f, HOST)->minis, ROOM);
	connect_as(f, OTHER_USER, 100);
	assert_int_equal(netns(f, HOST)->minis, ROOM - 1);
	assert_int_equal(netns(f, HOST)->minis_untracked, 1);
	counters(f, 1, ROOM);
	assert_counts(f, [TW_FIN_WAIT2] = ROOM, [TW_ESTABLISHED] = 1);
}

/*
 * Users who come and go at random, against a book that is kept beside it: the counts are right at
 * each step, and who begins a connection has room for it unless nobody has more than he.
 */

#define USERS 5
#define SOCKETS 60

struct life {
	struct socket socket;
	bool lives;
};

static unsigned followed_of(const struct fixture *f, const struct life *lives)
{
	unsigned count = 0;

	for (unsigned i = 0; i < SOCKETS; i++)
		count += lives[i].lives && find(f, &lives[i].socket);
	return count;
}

static void dump_lives(struct fixture *f, struct life lives[USERS][SOCKETS])
{
	open_round(f, TW_STATES_ALL);
	for (unsigned user = 0; user < USERS; user++)
		for (unsigned i = 0; i < SOCKETS; i++)
			if (lives[user][i].lives) {
				struct tw_socket r = row_of(&lives[user][i].socket, TW_ESTABLISHED,
							    TW_SOCKET_FULL);

				r.uid = STRANGER + user;
				r.inode = 1;
				model_socket(f->m, &r);
			}
	close_round(f, TW_STATES_ALL);
}

static void assert_has_room(const struct fixture *f, struct life lives[USERS][SOCKETS],
			    unsigned user, const struct socket *s, uint64_t seed)
{
	unsigned most = 0;

	for (unsigned i = 0; i < USERS; i++)
		if (followed_of(f, lives[i]) > most)
			most = followed_of(f, lives[i]);
	assert_seeded(seed, find(f, s) || followed_of(f, lives[user]) + 1 >= most);
}

static void test_random_users(void **state)
{
	struct fixture *f = *state;
	uint64_t seed = seed_first(), random = seed;
	static struct life lives[USERS][SOCKETS];
	unsigned living = 0;

	for (unsigned step = 0; step < 20000; step++) {
		/* the first is hostile, and has most of them */
		unsigned user = random_percent(&random, 60) ? 0 : random_below(&random, USERS);
		unsigned number = random_below(&random, user ? 1 + user * 4 : SOCKETS);
		struct life *life = &lives[user][number];

		if (life->lives) {
			end_as(f, STRANGER + user, &life->socket);
			living--;
			life->lives = false;
		} else {
			life->socket = connect_as(f, STRANGER + user, user * SOCKETS + number);
			living++;
			life->lives = true;
			assert_has_room(f, lives, user, &life->socket, seed);
		}
		if (random_percent(&random, 1))
			dump_lives(f, lives);
		assert_seeded(seed, connections(f, TW_ESTABLISHED) == living);
		assert_seeded(seed, model_consistent(f->m));
	}
	for (unsigned user = 0; user < USERS; user++)
		for (unsigned i = 0; i < SOCKETS; i++)
			if (lives[user][i].lives)
				end_as(f, STRANGER + user, &lives[user][i].socket);
	assert_counts(f, 0);
	assert_int_equal(model_untracked(f->m), 0);
	/* and nobody is taken to have any: all have room again */
	fill(f, STRANGER, ROOM);
	assert_int_equal(followed(f, 0, ROOM), ROOM);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		test_with_room(test_who_has_most_gives_way), test_with_room(test_equal_shares),
		test_with_room(test_unknown_users),          test_with_room(test_within_a_round),
		test_with_room(test_minisockets_give_way),   test_with_room(test_random_users),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
