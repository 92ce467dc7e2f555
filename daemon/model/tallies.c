/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "model/tallies.h"

struct failure {
	uint64_t time_ns;
	struct tally_key key;
};

struct member {
	struct tally *tally; /* NULL: this place is free */
	struct tallies_spec spec;
	struct tallies *tallies;
	struct table_mark mark; /* where it counts those that are older than so */

	/* what it counts of failures, a ring in order of time */
	struct failure *failures;
	uint32_t failures_first, failures_count;
};

struct tallies {
	struct table *table;
	const struct owners *owners;
	const struct netns_table *netns;
	/* by state: bits of those members that count all connections, or those past their mark */
	uint64_t ageless[TW_STATE_SLOTS], aged[TW_STATE_SLOTS];
	uint64_t failing[CONNECT_FAILURE_COUNT];
	uint64_t picky; /* those that count some TIME_WAITs, and others not */
	struct member members[TALLIES_MAX];
};

int tallies_new(struct table *table, const struct owners *owners, const struct netns_table *netns,
		struct tallies **ret)
{
	struct tallies *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->table = table;
	t->owners = owners;
	t->netns = netns;
	*ret = t;
	return 0;
}

struct tallies *tallies_free(struct tallies *t)
{
	for (size_t i = 0; t && i < TALLIES_MAX; i++) {
		tally_free(t->members[i].tally);
		free(t->members[i].failures);
	}
	free(t);
	return NULL;
}

static bool is_mapped(const uint8_t address[16])
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(address, prefix, sizeof(prefix)) == 0;
}

/* A peer is one, whichever family the socket is of. */
static void set_remote(struct tally_key *key, const struct connection *c)
{
	if (!(c->flags & CONNECTION_IPV6)) {
		key->family = AF_INET;
		memcpy(key->address, c->daddr, 4);
	} else if (is_mapped(c->daddr)) {
		key->family = AF_INET;
		memcpy(key->address, c->daddr + 12, 4);
	} else {
		key->family = AF_INET6;
		memcpy(key->address, c->daddr, sizeof(key->address));
	}
}

static bool is_loopback(const struct tally_key *key)
{
	static const uint8_t one[16] = {[15] = 1};

	return key->family == AF_INET ? key->address[0] == 127
				      : memcmp(key->address, one, sizeof(one)) == 0;
}

/* A TIME_WAIT keeps its port from new connections to the same destination, but for those within the
 * host (tcp_tw_reuse = 2, the default). */
static bool has_port(const struct connection *c, const struct tally_key *key)
{
	return c->state != TW_TIME_WAIT || !is_loopback(key);
}

/* Whether it is counted at all. */
static bool find_key(const struct tallies *t, const struct tallies_spec *spec,
		     const struct connection *c, const struct owner *owner, struct tally_key *key)
{
	*key = (struct tally_key){0};
	if (!(spec->kinds & 1U << owner->kind))
		return false;
	switch (spec->by) {
	case TALLIES_BY_HOST:
		return true;
	case TALLIES_BY_LISTENER:
		key->port = c->sport;
		/* fall through */
	case TALLIES_BY_NETNS:
		key->netns = netns_at(t->netns, c->netns)->inum;
		return true;
	case TALLIES_BY_PORT:
		key->port = c->sport;
		return true;
	case TALLIES_BY_REMOTE:
		set_remote(key, c);
		return true;
	case TALLIES_BY_PROCESS:
		key->id = owner->pid;
		return owner->pid;
	case TALLIES_BY_UNIT:
		key->id = owner->cgroup;
		return owner->cgroup;
	case TALLIES_BY_DESTINATION:
		key->netns = netns_at(t->netns, c->netns)->inum;
		key->port = c->dport;
		set_remote(key, c);
		return c->outgoing && has_port(c, key);
	}
	return false;
}

static void count(const struct tallies *t, const struct member *member, const struct connection *c,
		  int32_t by)
{
	const struct owner *owner = owners_get(t->owners, c->owner);
	struct tally_key key;

	if (!find_key(t, &member->spec, c, owner, &key))
		return;
	if (member->spec.by != TALLIES_BY_PROCESS) {
		tally_count(member->tally, &key, NULL, by);
		return;
	}
	tally_count(member->tally, &key, owner->comm, by);
	tally_set_tag(member->tally, &key, c->owner);
}

static void count_all(const struct tallies *t, uint64_t ageless, uint64_t aged,
		      const struct connection *c, int32_t by)
{
	for (; ageless; ageless &= ageless - 1)
		count(t, &t->members[__builtin_ctzll(ageless)], c, by);
	for (; aged; aged &= aged - 1) {
		const struct member *member = &t->members[__builtin_ctzll(aged)];

		if (table_mark_has(&member->mark, c))
			count(t, member, c, by);
	}
}

/* Those that count the connection in both states alike. */
static uint64_t unmoved(const struct tallies *t, const struct connection *c, unsigned other)
{
	uint64_t both = t->ageless[c->state] & t->ageless[other];

	return c->state == TW_TIME_WAIT || other == TW_TIME_WAIT ? both & ~t->picky : both;
}

void tallies_leave(struct tallies *t, const struct connection *c, unsigned other)
{
	count_all(t, t->ageless[c->state] & ~unmoved(t, c, other), t->aged[c->state], c, -1);
}

void tallies_enter(struct tallies *t, const struct connection *c, unsigned other)
{
	count_all(t, t->ageless[c->state] & ~unmoved(t, c, other), t->aged[c->state], c, 1);
}

/* Those that leave again have been counted out by then. */
static void on_passed(const struct connection *c, int by, void *userdata)
{
	const struct member *member = userdata;

	if (by > 0)
		count(member->tallies, member, c, 1);
}

static void count_present(struct tallies *t, const struct member *member)
{
	struct table_cursor cursor;
	struct connection *c;

	table_cursor_open(t->table, member->spec.states, &cursor);
	while ((c = table_cursor_next(&cursor)))
		if (!(c->flags & CONNECTION_GONE))
			count(t, member, c, 1);
	table_cursor_close(&cursor);
}

static void set_bits(struct tallies *t, const struct member *member, bool on)
{
	uint64_t bit = UINT64_C(1) << (member - t->members);
	uint64_t *masks = member->spec.older_than_ns ? t->aged : t->ageless;

	if (member->spec.by == TALLIES_BY_DESTINATION)
		t->picky = on ? t->picky | bit : t->picky & ~bit;
	for (unsigned i = 0; i < CONNECT_FAILURE_COUNT; i++)
		if (member->spec.failures & 1U << i)
			t->failing[i] = on ? t->failing[i] | bit : t->failing[i] & ~bit;
	TW_FOR_EACH_STATE(state)
		if (!member->spec.failures && member->spec.states & TW_STATE_BIT(state))
			masks[state] = on ? masks[state] | bit : masks[state] & ~bit;
}

static int begin(struct tallies *t, struct member *member)
{
	const struct tallies_spec *spec = &member->spec;

	if (spec->failures) {
		member->failures = calloc(TALLIES_FAILURES_MAX, sizeof(*member->failures));
		return member->failures ? 0 : -ENOMEM;
	}
	if (!spec->older_than_ns) {
		count_present(t, member);
		return 0;
	}
	member->mark = (struct table_mark){
		.age_ns = spec->older_than_ns, .passed = on_passed, .userdata = member};
	return table_mark_add(t->table, (unsigned)__builtin_ctz(spec->states), &member->mark);
}

int tallies_add(struct tallies *t, const struct tallies_spec *spec, struct tally **ret)
{
	struct member *member = t->members;
	int r;

	while (member < t->members + TALLIES_MAX && member->tally)
		member++;
	if (member == t->members + TALLIES_MAX)
		return -ENOSPC;
	*member = (struct member){.spec = *spec, .tallies = t};
	r = tally_new(&member->tally);
	if (r < 0)
		return r;
	r = begin(t, member);
	if (r < 0) {
		member->tally = tally_free(member->tally);
		return r;
	}
	set_bits(t, member, true);
	*ret = member->tally;
	return 0;
}

void tallies_remove(struct tallies *t, struct tally *tally)
{
	for (size_t i = 0; i < TALLIES_MAX; i++) {
		struct member *member = &t->members[i];

		if (!tally || member->tally != tally)
			continue;
		set_bits(t, member, false);
		if (member->spec.older_than_ns && !member->spec.failures)
			table_mark_remove(t->table, &member->mark);
		free(member->failures);
		member->failures = NULL;
		member->tally = tally_free(member->tally);
	}
}

static void forget_failure(struct member *member)
{
	tally_count(member->tally, &member->failures[member->failures_first].key, NULL, -1);
	member->failures_first = (member->failures_first + 1) % TALLIES_FAILURES_MAX;
	member->failures_count--;
}

static void note_failure(const struct tallies *t, struct member *member, const struct connection *c,
			 uint64_t time_ns)
{
	const struct owner *owner = owners_get(t->owners, c->owner);
	struct tally_key key;

	if (!find_key(t, &member->spec, c, owner, &key))
		return;
	if (member->failures_count == TALLIES_FAILURES_MAX)
		forget_failure(member);
	member->failures[(member->failures_first + member->failures_count++) %
			 TALLIES_FAILURES_MAX] = (struct failure){time_ns, key};
	tally_count(member->tally, &key, owner->comm, 1);
}

void tallies_failed(struct tallies *t, const struct connection *c, enum connect_failure reason,
		    uint64_t time_ns)
{
	for (uint64_t bits = t->failing[reason]; bits; bits &= bits - 1)
		note_failure(t, &t->members[__builtin_ctzll(bits)], c, time_ns);
}

void tallies_advance(struct tallies *t, uint64_t now_ns)
{
	for (size_t i = 0; i < TALLIES_MAX; i++) {
		struct member *member = &t->members[i];

		while (member->failures_count &&
		       now_ns - member->failures[member->failures_first].time_ns >
			       TALLIES_FAILURE_NS)
			forget_failure(member);
	}
}
