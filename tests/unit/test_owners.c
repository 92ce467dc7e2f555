/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "model/owners.h"
#include "random.h"

#define SEEDS 50
#define STEPS 4000
#define OWNERS 700 /* more than two growths of the table that starts with 256 */

/* Each differs from the one before in one field. */
static struct owner owner(uint32_t id)
{
	struct owner o = {.cgroup = 7, .uid = 33, .pid = 4711};

	switch (id % 5) {
	case 0:
		o.cgroup += id;
		break;
	case 1:
		o.uid += id;
		break;
	case 2:
		o.pid += id;
		break;
	case 3:
		o.cgroup += id - 1;
		o.kind = OWNER_KIND_KERNEL;
		break;
	default:
		snprintf(o.comm, sizeof(o.comm), "worker/%u", id);
	}
	return o;
}

static bool same(const struct owner *a, const struct owner *b)
{
	return a->cgroup == b->cgroup && a->uid == b->uid && a->pid == b->pid &&
	       a->kind == b->kind && a->executable == b->executable &&
	       !memcmp(a->comm, b->comm, sizeof(a->comm));
}

struct reference {
	uint32_t index, references;
};

static void take(struct owners *o, struct reference *r, uint32_t id, uint64_t seed)
{
	const struct owner wanted = owner(id);
	uint32_t index = owners_take(o, &wanted);

	assert_seeded(seed, index != OWNER_UNKNOWN);
	assert_seeded(seed, !r->references || index == r->index);
	r->index = index;
	r->references++;
}

static void check(struct owners *o, const struct reference *references, uint64_t seed)
{
	for (uint32_t id = 0; id < OWNERS; id++) {
		const struct owner wanted = owner(id);

		if (references[id].references)
			assert_seeded(seed, same(owners_get(o, references[id].index), &wanted));
	}
}

static void run(uint64_t seed)
{
	struct reference references[OWNERS] = {0};
	uint64_t random = seed;
	struct owners *o;

	assert_int_equal(owners_new(&o), 0);
	for (unsigned step = 0; step < STEPS; step++) {
		uint32_t id = random_below(&random, OWNERS);
		struct reference *r = &references[id];

		if (r->references && random_percent(&random, 40)) {
			owners_drop(o, r->index);
			r->references--;
		} else {
			take(o, r, id, seed);
		}
		if (step % 500 == 0)
			check(o, references, seed);
	}
	check(o, references, seed);
	owners_free(o);
}

static void test_against_reference(void **state)
{
	(void)state;
	for (uint64_t seed = seed_first(), end = seed + SEEDS; seed < end; seed++)
		run(seed);
}

/* Nothing known about it: no slot, no references. */
static void test_unknown(void **state)
{
	const struct owner unknown = {.uid = UID_UNKNOWN};
	struct owners *o;

	(void)state;
	assert_int_equal(owners_new(&o), 0);
	assert_int_equal(owners_take(o, &unknown), OWNER_UNKNOWN);
	assert_true(same(owners_get(o, OWNER_UNKNOWN), &unknown));
	for (unsigned i = 0; i < 3; i++)
		owners_drop(o, OWNER_UNKNOWN);
	assert_true(same(owners_get(o, OWNER_UNKNOWN), &unknown));
	owners_free(o);
}

/* Root is an owner of whom something is known. */
static void test_root_is_known(void **state)
{
	const struct owner root = {.uid = 0};
	struct owners *o;

	(void)state;
	assert_int_equal(owners_new(&o), 0);
	assert_int_not_equal(owners_take(o, &root), OWNER_UNKNOWN);
	owners_free(o);
}

/* A slot whose last reference went serves the next owner: a churn of owners takes no memory. */
static void test_slots_are_used_again(void **state)
{
	struct owners *o;

	(void)state;
	assert_int_equal(owners_new(&o), 0);
	for (uint32_t id = 0; id < 100000; id++) {
		const struct owner passing = owner(id);
		uint32_t index = owners_take(o, &passing);

		assert_in_range(index, 1, 255);
		owners_drop(o, index);
	}
	owners_free(o);
}

static void assert_sum(const struct owners *o, unsigned state, uint32_t sum)
{
	for (uint32_t i = 0; i < owners_end(o); i++)
		sum -= owners_connections(o, i, state);
	assert_int_equal(sum, 0);
}

static uint32_t pid_kept(struct owners *o, enum owner_kind kind, uint32_t pid, unsigned state)
{
	const struct owner one = {.uid = 33, .pid = pid, .kind = (uint8_t)kind};
	uint32_t index = owners_take(o, &one);

	owners_count(o, index, state, 1);
	assert_int_equal(owners_get(o, index)->kind, kind);
	return owners_get(o, index)->pid;
}

/* First the pids of what the kernel holds go, then all pids, then all that is new is unknown; what
 * is counted stays whole. */
static void test_bound(void **state)
{
	struct owners *o;

	(void)state;
	assert_int_equal(owners_new(&o), 0);
	for (uint32_t id = 1; id <= 2 * OWNERS_MAX; id++)
		assert_int_equal(pid_kept(o, OWNER_KIND_KERNEL, id, TW_TIME_WAIT),
				 id <= OWNERS_MAX / 4 ? id : 0);
	for (uint32_t id = 1; id <= 2 * OWNERS_MAX; id++)
		assert_int_equal(pid_kept(o, OWNER_KIND_PROCESS, id, TW_ESTABLISHED),
				 id < OWNERS_MAX / 4 ? id : 0);
	assert_sum(o, TW_ESTABLISHED, 2 * OWNERS_MAX);
	assert_sum(o, TW_TIME_WAIT, 2 * OWNERS_MAX);
	for (uint32_t id = 1; id <= OWNERS_MAX; id++) {
		struct owner one = {.uid = 1000 + id % 40, .cgroup = id};

		owners_count(o, owners_take(o, &one), TW_CLOSE_WAIT, 1);
	}
	assert_sum(o, TW_CLOSE_WAIT, OWNERS_MAX);
	assert_true(owners_connections(o, OWNER_UNKNOWN, TW_CLOSE_WAIT) > 0);
	assert_int_equal(owners_end(o), OWNERS_MAX);
	owners_free(o);
}

/* What one connection's owner lacks is taken from another, the process as a whole. */
static void test_complete(void **state)
{
	struct owner one = OWNER_INIT;
	struct owner two = {.cgroup = 1, .uid = 2, .pid = 3, .comm = "two", .executable = 4};

	(void)state;
	owner_complete(&one, &two);
	assert_true(same(&one, &two));
	two = (struct owner){.cgroup = 4, .uid = 5, .pid = 6, .comm = "six"};
	one.pid = 0;
	owner_complete(&one, &two);
	assert_int_equal(one.pid, 0);
	assert_string_equal(one.comm, "two");
	assert_int_equal(one.executable, 4);
}

/* Names that a user makes up, or uids of his range, leave the others theirs. */
static void assert_leaves_room(uint32_t first_uid, uint32_t uids)
{
	static const struct owner of_other = {
		.uid = 33, .kind = OWNER_KIND_PROCESS, .comm = "other"};
	struct owners *o;
	uint32_t index;

	assert_int_equal(owners_new(&o), 0);
	for (uint32_t i = 0; i < 4 * OWNERS_MAX; i++) {
		struct owner one = {.uid = first_uid + i % uids,
				    .pid = i & 0xff,
				    .cgroup = i >> 8,
				    .kind = (uint8_t)(i % OWNER_KINDS_COUNT)};

		snprintf(one.comm, sizeof(one.comm), "%u", i);
		index = owners_take(o, &one);
		owners_count(o, index, TW_ESTABLISHED, 1);
		if (i >= OWNERS_MAX)
			assert_string_equal(owners_get(o, index)->comm, "");
	}
	assert_sum(o, TW_ESTABLISHED, 4 * OWNERS_MAX);
	for (uint32_t i = 1; i <= OWNERS_MAX / 8; i++) {
		struct owner one = of_other;

		one.cgroup = i;
		assert_true(owner_equal(owners_get(o, owners_take(o, &one)), &one));
	}
	owners_free(o);
}

static void test_one_user_leaves_room(void **state)
{
	(void)state;
	assert_leaves_room(1000, 1);
	assert_leaves_room(100000, 65536);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_reference),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_root_is_known),
		cmocka_unit_test(test_slots_are_used_again),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_one_user_leaves_room),
		cmocka_unit_test(test_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
