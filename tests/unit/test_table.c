/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "model/table.h"
#include "random.h"

#define SEEDS 300
#define STEPS 1500
#define ENTRIES 48 /* few, so that each is inserted, moved and removed many times */
#define CURSORS 3
#define MARKS 6

/* What the table should hold: arrays, searched from end to end. */
struct entry {
	struct connection *in_table; /* NULL: not inserted */
	struct connection copy;
	bool arrival;
	unsigned changed; /* the step in which it was last inserted, moved or settled */
	bool visited[CURSORS];
	bool past[MARKS], told_past[MARKS];
};

struct sequence {
	uint32_t ids[ENTRIES];
	unsigned length;
};

struct reference;

struct mark_told {
	struct reference *reference;
	unsigned mark;
};

struct reference {
	uint64_t seed, random, now_ns;
	unsigned step;
	struct table *table;
	struct entry entries[ENTRIES];
	struct sequence lists[TW_STATE_SLOTS], arrivals[TW_STATE_SLOTS];
	struct table_cursor cursors[CURSORS];
	unsigned opened[CURSORS]; /* step, 0: closed */
	uint32_t states[CURSORS];
	struct table_mark marks[MARKS];
	struct mark_told told[MARKS];
	bool marked[MARKS];
};

static struct connection connection(uint64_t cookie, uint16_t port, unsigned state)
{
	return (struct connection){
		.cookie = cookie,
		.sport = port,
		.dport = 80,
		.saddr = {10, 0, 0, 1},
		.daddr = {10, 0, 0, 2},
		.state = (uint8_t)state,
	};
}

static unsigned size(const struct reference *r)
{
	unsigned count = 0;

	for (unsigned i = 0; i < ENTRIES; i++)
		count += r->entries[i].in_table != NULL;
	return count;
}

static void append(struct sequence *s, uint32_t id)
{
	s->ids[s->length++] = id;
}

static void take_out(struct sequence *s, uint32_t id)
{
	unsigned i = 0;

	while (s->ids[i] != id)
		i++;
	for (s->length--; i < s->length; i++)
		s->ids[i] = s->ids[i + 1];
}

static void place(struct reference *r, uint32_t id)
{
	struct entry *e = &r->entries[id];
	struct sequence *list = &r->lists[e->copy.state];
	const struct entry *newest = list->length ? &r->entries[list->ids[list->length - 1]] : NULL;

	e->arrival = !(e->copy.flags & CONNECTION_EXACT) && newest &&
		     e->copy.entered_ns < newest->copy.entered_ns;
	append(e->arrival ? &r->arrivals[e->copy.state] : list, id);
	e->changed = r->step;
}

static void displace(struct reference *r, uint32_t id)
{
	struct entry *e = &r->entries[id];

	for (unsigned k = 0; k < MARKS; k++)
		e->past[k] = false;
	take_out(e->arrival ? &r->arrivals[e->copy.state] : &r->lists[e->copy.state], id);
}

/* The addresses of two entries in eight are the same, as those of a socket and its successor are.
 */
static bool shadow_has_addresses(const struct reference *r, const struct connection *c)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		const struct entry *e = &r->entries[i];

		if (e->in_table && e->copy.flags & CONNECTION_SHADOW && e->copy.sport == c->sport &&
		    e->copy.netns == c->netns)
			return true;
	}
	return false;
}

static uint64_t random_time(struct reference *r, uint8_t *flags)
{
	*flags &= (uint8_t)~CONNECTION_EXACT;
	if (random_percent(&r->random, 60)) {
		*flags |= CONNECTION_EXACT;
		return r->now_ns;
	}
	return r->now_ns - random_below(&r->random, (uint32_t)r->now_ns);
}

static uint8_t random_state(struct reference *r)
{
	return (uint8_t)(TW_STATE_FIRST + random_below(&r->random, 4));
}

static void insert(struct reference *r, uint32_t id)
{
	static const uint8_t kinds[] = {0, 0, CONNECTION_REQUEST, CONNECTION_MINI};
	struct connection c = connection(1000 + id, (uint16_t)(id % 16), random_state(r));
	bool full = size(r) == table_capacity(r->table);
	struct entry *e = &r->entries[id];

	c.owner = id;
	c.netns = (uint16_t)(id / 16 % 2);
	c.flags = kinds[random_below(&r->random, 4)];
	c.entered_ns = random_time(r, &c.flags);
	if (c.flags & CONNECTION_SHADOW && shadow_has_addresses(r, &c))
		return;
	e->copy = c;
	e->in_table = table_insert(r->table, &c);
	assert_seeded(r->seed, !e->in_table == full);
	if (e->in_table)
		place(r, id);
}

static void move(struct reference *r, uint32_t id)
{
	struct entry *e = &r->entries[id];
	uint8_t state = random_state(r);
	uint64_t time;

	displace(r, id);
	time = random_time(r, &e->copy.flags);
	e->in_table->flags &= (uint8_t)~CONNECTION_EXACT;
	e->in_table->flags |= e->copy.flags & CONNECTION_EXACT;
	table_move(r->table, e->in_table, state, time);
	e->copy.state = state;
	e->copy.entered_ns = time;
	place(r, id);
}

static void make_mini(struct reference *r, uint32_t id)
{
	struct entry *e = &r->entries[id];

	if (e->copy.flags & CONNECTION_SHADOW || shadow_has_addresses(r, &e->copy))
		return;
	table_make_mini(r->table, e->in_table);
	e->copy.flags |= CONNECTION_MINI;
}

static void remove_entry(struct reference *r, uint32_t id)
{
	displace(r, id);
	table_remove(r->table, r->entries[id].in_table);
	r->entries[id].in_table = NULL;
}

/* What table_settle() does: a stable sort of the list with the arrivals after it. */
static void settled(struct reference *r, unsigned state)
{
	struct sequence *list = &r->lists[state], *arrivals = &r->arrivals[state];

	for (unsigned i = 0; i < arrivals->length; i++) {
		struct entry *e = &r->entries[arrivals->ids[i]];
		unsigned at = list->length++;

		for (; at && r->entries[list->ids[at - 1]].copy.entered_ns > e->copy.entered_ns;
		     at--)
			list->ids[at] = list->ids[at - 1];
		list->ids[at] = arrivals->ids[i];
		e->arrival = false;
		e->changed = r->step;
	}
	arrivals->length = 0;
}

static void cursor_close(struct reference *r, unsigned k)
{
	table_cursor_close(&r->cursors[k]);
	r->opened[k] = 0;
}

static void cursor_open(struct reference *r, unsigned k)
{
	r->states[k] = random_below(&r->random, TW_STATES_ALL + 1);
	table_cursor_open(r->table, r->states[k], &r->cursors[k]);
	TW_FOR_EACH_STATE(state)
		if (r->states[k] & TW_STATE_BIT(state))
			settled(r, state);
	r->opened[k] = r->step + 1;
	for (unsigned i = 0; i < ENTRIES; i++)
		r->entries[i].visited[k] = false;
}

/* Whatever has not changed since the cursor was opened comes once. */
static void cursor_step(struct reference *r, unsigned k)
{
	const struct connection *c = table_cursor_next(&r->cursors[k]);
	struct entry *e;

	if (c) {
		e = &r->entries[c->owner];
		assert_seeded(r->seed, e->in_table == c);
		assert_seeded(r->seed, r->states[k] & TW_STATE_BIT(e->copy.state));
		assert_seeded(r->seed, e->changed >= r->opened[k] || !e->visited[k]);
		e->visited[k] = true;
		return;
	}
	for (unsigned i = 0; i < ENTRIES; i++) {
		e = &r->entries[i];
		if (e->in_table && !e->arrival && e->changed < r->opened[k] &&
		    r->states[k] & TW_STATE_BIT(e->copy.state))
			assert_seeded(r->seed, e->visited[k]);
	}
	cursor_close(r, k);
}

static void on_passed(const struct connection *c, int by, void *userdata)
{
	struct mark_told *told = userdata;
	struct entry *e = &told->reference->entries[c->owner];

	assert_seeded(told->reference->seed, e->told_past[told->mark] == (by < 0));
	e->told_past[told->mark] = by > 0;
}

static void advance(struct reference *r)
{
	table_advance(r->table, r->now_ns);
	for (unsigned id = 0; id < ENTRIES; id++)
		for (unsigned k = 0; k < MARKS; k++) {
			struct entry *e = &r->entries[id];

			e->past[k] = r->marked[k] && e->in_table && !e->arrival &&
				     e->copy.state == r->marks[k].state &&
				     e->copy.entered_ns + r->marks[k].age_ns <= r->now_ns;
		}
}

/* Adds the mark, or removes it. */
static void mark_change(struct reference *r, unsigned k)
{
	r->marked[k] = !r->marked[k];
	if (!r->marked[k]) {
		table_mark_remove(r->table, &r->marks[k]);
		for (unsigned id = 0; id < ENTRIES; id++)
			r->entries[id].past[k] = r->entries[id].told_past[k] = false;
		return;
	}
	r->told[k] = (struct mark_told){r, k};
	r->marks[k] = (struct table_mark){.age_ns = random_below(&r->random, 40),
					  .passed = on_passed,
					  .userdata = &r->told[k]};
	assert_seeded(r->seed, !table_mark_add(r->table, random_state(r), &r->marks[k]));
	advance(r);
}

static void check_marks(struct reference *r)
{
	for (unsigned k = 0; k < MARKS; k++) {
		unsigned count = 0;

		for (unsigned id = 0; id < ENTRIES; id++) {
			const struct entry *e = &r->entries[id];

			count += e->past[k];
			assert_seeded(r->seed, e->told_past[k] == e->past[k]);
			if (e->in_table && r->marked[k])
				assert_seeded(r->seed, table_mark_has(&r->marks[k], e->in_table) ==
							       e->past[k]);
		}
		assert_seeded(r->seed, !r->marked[k] || r->marks[k].count == count);
	}
}

static void check_age_sum(struct reference *r, unsigned state)
{
	uint64_t sum = 0, usec = 1000;

	for (unsigned id = 0; id < ENTRIES; id++)
		if (r->entries[id].in_table && r->entries[id].copy.state == state)
			sum += r->now_ns / usec - r->entries[id].copy.entered_ns / usec;
	assert_seeded(r->seed, table_age_sum_usec(r->table, state, r->now_ns) == sum);
}

static void step(struct reference *r)
{
	uint32_t id = random_below(&r->random, ENTRIES), k = random_below(&r->random, CURSORS);

	r->step++;
	r->now_ns += random_below(&r->random, 3);
	if (random_percent(&r->random, 30)) {
		if (r->opened[k])
			cursor_step(r, k);
		else
			cursor_open(r, k);
		r->step++;
	}
	if (random_percent(&r->random, 20))
		advance(r);
	if (random_percent(&r->random, 5))
		mark_change(r, random_below(&r->random, MARKS));
	if (!r->entries[id].in_table) {
		insert(r, id);
		return;
	}
	switch (random_below(&r->random, 8)) {
	case 0:
		remove_entry(r, id);
		break;
	case 1:
		make_mini(r, id);
		break;
	case 2:
		table_settle(r->table, r->entries[id].copy.state);
		settled(r, r->entries[id].copy.state);
		break;
	default:
		move(r, id);
	}
}

static void check_order(struct reference *r, unsigned state)
{
	const struct sequence *list = &r->lists[state];
	struct table_cursor cursor;
	const struct connection *c;
	unsigned i = 0;

	assert_seeded(r->seed,
		      table_length(r->table, state) == list->length + r->arrivals[state].length);
	c = table_oldest(r->table, state);
	assert_seeded(r->seed, list->length ? c->owner == list->ids[0] : !c);
	/* a cursor would settle them: the most part is to be seen before that */
	if (r->arrivals[state].length && !random_percent(&r->random, 5))
		return;
	settled(r, state);
	table_cursor_open(r->table, TW_STATE_BIT(state), &cursor);
	for (; (c = table_cursor_next(&cursor)); i++)
		assert_seeded(r->seed, i < list->length && c->owner == list->ids[i]);
	table_cursor_close(&cursor);
	assert_seeded(r->seed, i == list->length);
}

static void check_found(struct reference *r, uint32_t id)
{
	struct entry *e = &r->entries[id];
	struct connection *full, *shadow;

	if (!e->copy.cookie)
		return; /* never inserted yet */
	full = table_find(r->table, e->copy.cookie);
	shadow = table_find_shadow(r->table, &e->copy);
	if (!e->in_table || e->copy.flags & CONNECTION_SHADOW)
		assert_seeded(r->seed, !full);
	else
		assert_seeded(r->seed, full == e->in_table);
	if (e->in_table && e->copy.flags & CONNECTION_SHADOW)
		assert_seeded(r->seed, shadow == e->in_table);
	else
		assert_seeded(r->seed, !!shadow == shadow_has_addresses(r, &e->copy));
	if (e->in_table)
		assert_seeded(r->seed, e->in_table->state == e->copy.state &&
					       e->in_table->entered_ns == e->copy.entered_ns &&
					       e->in_table->cookie == e->copy.cookie);
}

static void run(uint64_t seed)
{
	struct reference r = {.seed = seed, .random = seed, .now_ns = 1};

	assert_int_equal(table_new(ENTRIES * 3 / 4, &r.table), 0);
	for (unsigned i = 0; i < STEPS; i++) {
		step(&r);
		assert_seeded(seed, table_size(r.table) == size(&r));
		check_found(&r, random_below(&r.random, ENTRIES));
		check_order(&r, random_state(&r));
		check_marks(&r);
		check_age_sum(&r, random_state(&r));
	}
	for (unsigned k = 0; k < CURSORS; k++)
		if (r.opened[k])
			cursor_close(&r, k);
	table_free(r.table);
}

static void test_against_reference(void **state)
{
	(void)state;
	for (uint64_t seed = seed_first(), end = seed + SEEDS; seed < end; seed++)
		run(seed);
}

/* Many more than there are chains at first, in consecutive cookies, of both kinds. */
static void test_chain_growth(void **state)
{
	enum { COUNT = 50000, PORTS = 100 };
	struct table *t;

	(void)state;
	assert_int_equal(table_new(2 * COUNT, &t), 0);
	for (uint32_t i = 0; i < COUNT; i++) {
		struct connection c = connection(i + 1, i % PORTS, TW_ESTABLISHED);

		c.netns = (uint16_t)(i / PORTS);
		assert_non_null(table_insert(t, &c));
		c.flags = CONNECTION_MINI;
		assert_non_null(table_insert(t, &c));
	}
	for (uint32_t i = 0; i < COUNT; i++) {
		struct connection key = connection(0, i % PORTS, 0);

		key.netns = (uint16_t)(i / PORTS);
		assert_int_equal(table_find(t, i + 1)->cookie, i + 1);
		assert_int_equal(table_find_shadow(t, &key)->cookie, i + 1);
	}
	assert_null(table_find(t, COUNT + 1));
	table_free(t);
}

/* A full socket is not found by its addresses, nor a request by its cookie. */
static void kinds_in(uint16_t port)
{
	enum { COUNT = 4000 };
	struct connection c = connection(0, port, TW_FIN_WAIT2);
	struct table *t;

	assert_int_equal(table_new(2 * COUNT, &t), 0);
	for (c.cookie = 1; c.cookie <= COUNT; c.cookie++)
		table_insert(t, &c);
	assert_null(table_find_shadow(t, &c));
	c.flags = CONNECTION_REQUEST;
	for (; c.cookie <= 2 * COUNT; c.cookie++, c.dport++)
		table_insert(t, &c);
	for (uint64_t cookie = COUNT + 1; cookie <= 2 * COUNT; cookie++)
		assert_null(table_find(t, cookie));
	table_free(t);
}

static void test_kinds_are_apart(void **state)
{
	(void)state;
	for (uint16_t port = 1; port <= 20; port++)
		kinds_in(port);
}

/* So many that chains have several: what leaves its chain leaves the others in theirs. */
static void test_others_stay_in_their_chains(void **state)
{
	enum { COUNT = 8191, STEP = 5003 }; /* primes: each is removed once, in no order */
	struct table *t;

	(void)state;
	assert_int_equal(table_new(COUNT, &t), 0);
	for (uint32_t i = 1; i <= COUNT; i++) {
		struct connection c = connection(i, (uint16_t)i, TW_FIN_WAIT2);

		table_insert(t, &c);
		if (i % 2)
			table_make_mini(t, table_find(t, i));
	}
	for (uint32_t n = 0, i = 1; n < COUNT; n++, i = (i + STEP - 1) % COUNT + 1) {
		struct connection key = connection(0, (uint16_t)i, 0);
		struct connection *found = i % 2 ? table_find_shadow(t, &key) : table_find(t, i);

		assert_non_null(found);
		assert_int_equal(found->cookie, i);
		table_remove(t, found);
		assert_null(table_find(t, i));
		assert_null(table_find_shadow(t, &key));
	}
	assert_int_equal(table_size(t), 0);
	table_free(t);
}

/* The chunks that entries come from have 4096 of them, one of which is never used. */
static void test_capacity(void **state)
{
	static const uint32_t capacities[] = {1, 2, 4095, 4096, 4097, 8192};

	(void)state;
	for (unsigned k = 0; k < sizeof(capacities) / sizeof(capacities[0]); k++) {
		struct connection c = connection(1, 1, TW_LISTEN);
		uint32_t capacity = capacities[k];
		struct table *t;

		assert_int_equal(table_new(capacity, &t), 0);
		assert_int_equal(table_capacity(t), capacity);
		for (uint32_t i = 0; i < capacity; i++, c.cookie++)
			assert_non_null(table_insert(t, &c));
		assert_null(table_insert(t, &c));
		assert_int_equal(table_size(t), capacity);
		for (c.cookie = 1; c.cookie < 10000; c.cookie++) {
			table_remove(t, table_find(t, c.cookie));
			c.cookie += capacity;
			assert_non_null(table_insert(t, &c));
			assert_null(table_insert(t, &c));
			c.cookie -= capacity;
		}
		assert_int_equal(table_length(t, TW_LISTEN), capacity);
		table_free(t);
	}
}

/* What entered at the same time keeps the order in which it came, and follows what was there. */
static void test_settle_is_stable(void **state)
{
	enum { COUNT = 10000 };
	uint64_t random = 1, last_time = 0, last_cookie = 0;
	struct table_cursor cursor;
	const struct connection *c;
	uint32_t count = 0;
	struct table *t;

	(void)state;
	assert_int_equal(table_new(2 * COUNT, &t), 0);
	for (uint32_t i = 1; i <= COUNT; i++) {
		struct connection old = connection(i, 1, TW_TIME_WAIT);

		old.flags = CONNECTION_EXACT;
		old.entered_ns = i / 100;
		table_insert(t, &old);
	}
	for (uint32_t i = COUNT + 1; i < 2 * COUNT; i++) {
		struct connection late = connection(i, 1, TW_TIME_WAIT);

		late.entered_ns = random_below(&random, COUNT / 100);
		table_insert(t, &late);
	}
	table_settle(t, TW_TIME_WAIT);
	table_cursor_open(t, TW_STATE_BIT(TW_TIME_WAIT), &cursor);
	for (; (c = table_cursor_next(&cursor)); count++) {
		assert_true(c->entered_ns > last_time ||
			    (c->entered_ns == last_time && c->cookie > last_cookie));
		last_time = c->entered_ns;
		last_cookie = c->cookie;
	}
	table_cursor_close(&cursor);
	assert_int_equal(count, 2 * COUNT - 1);
	table_free(t);
}

/* A state has room for so many, and for another once one of them has gone. */
static void test_marks_are_bounded(void **state)
{
	struct table_mark marks[TABLE_MARKS_MAX + 1] = {0};
	struct connection c = connection(1, 1, TW_CLOSE_WAIT);
	struct table *t;

	(void)state;
	assert_int_equal(table_new(10, &t), 0);
	table_insert(t, &c);
	for (unsigned i = 0; i < TABLE_MARKS_MAX; i++) {
		marks[i].age_ns = TABLE_MARKS_MAX - i;
		assert_int_equal(table_mark_add(t, TW_CLOSE_WAIT, &marks[i]), 0);
	}
	assert_int_equal(table_mark_add(t, TW_CLOSE_WAIT, &marks[TABLE_MARKS_MAX]), -ENOSPC);
	table_advance(t, TABLE_MARKS_MAX);
	for (unsigned i = 0; i < TABLE_MARKS_MAX; i++)
		assert_int_equal(marks[i].count, 1);
	table_mark_remove(t, &marks[3]);
	assert_int_equal(table_mark_add(t, TW_CLOSE_WAIT, &marks[TABLE_MARKS_MAX]), 0);
	table_advance(t, TABLE_MARKS_MAX);
	assert_int_equal(marks[TABLE_MARKS_MAX].count, 1);
	table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_reference),
		cmocka_unit_test(test_chain_growth),
		cmocka_unit_test(test_kinds_are_apart),
		cmocka_unit_test(test_others_stay_in_their_chains),
		cmocka_unit_test(test_capacity),
		cmocka_unit_test(test_settle_is_stable),
		cmocka_unit_test(test_marks_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
