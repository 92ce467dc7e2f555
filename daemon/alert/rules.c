/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CROWD_NS UINT64_C(10000000000) /* between two looks for targets that found no room */

struct rules {
	struct model *model;
	rules_fn *fn;
	void *userdata;
	struct rules_rule **rules;
	size_t count;
	struct rule_rate rate;
	uint64_t id_base, last_id;
	uint64_t now_ns; /* of the evaluation that goes on */
};

/* What the callbacks of a gauge need. */
struct pass {
	struct rules *rules;
	struct rules_rule *rule;
};

int rules_new(struct model *model, uint64_t id_base, rules_fn *fn, void *userdata,
	      struct rules **ret)
{
	struct rules *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->model = model;
	r->id_base = id_base;
	r->fn = fn;
	r->userdata = userdata;
	*ret = r;
	return 0;
}

static struct rules_rule *rule_free(struct rules_rule *rule)
{
	if (rule)
		gauge_free(rule->gauge);
	free(rule);
	return NULL;
}

static void free_all(struct rules_rule **rules, size_t count)
{
	for (size_t i = 0; rules && i < count; i++)
		rule_free(rules[i]);
	free(rules);
}

struct rules *rules_free(struct rules *r)
{
	if (r)
		free_all(r->rules, r->count);
	free(r);
	return NULL;
}

/* Targets. */

static struct rules_target *find_target(struct rules_rule *rule, const struct tally_key *key)
{
	for (size_t i = 0; i < rule->count; i++)
		if (memcmp(&rule->targets[i].key, key, sizeof(*key)) == 0)
			return &rule->targets[i];
	return NULL;
}

static struct rules_target *add_target(struct rules_rule *rule, const struct tally_key *key)
{
	struct rules_target *target;

	if (rule->count == RULES_TARGETS_MAX) {
		rule->crowded = true;
		rule->unfollowed++;
		return NULL;
	}
	target = &rule->targets[rule->count++];
	*target = (struct rules_target){.key = *key};
	memcpy(target->comm, gauge_comm(rule->gauge, key),
	       strnlen(gauge_comm(rule->gauge, key), sizeof(target->comm) - 1));
	return target;
}

static void remove_target(struct rules_rule *rule, struct rules_target *target)
{
	*target = rule->targets[--rule->count];
}

/* News. */

static bool may_tell(struct rules *r, struct rules_rule *rule)
{
	return rule_rate_take(&rule->rate, RULES_BURST, RULES_EACH_NS, r->now_ns) &&
	       rule_rate_take(&r->rate, RULES_ALL_BURST, RULES_ALL_EACH_NS, r->now_ns);
}

static void hold_back(struct rules_rule *rule)
{
	rule->held_back++;
	rule->held_back_total++;
}

static void tell(struct rules *r, struct rules_rule *rule, struct rules_target *target,
		 enum rules_news news)
{
	target->told = true;
	target->state.told_ns = r->now_ns;
	r->fn(rule, target, news, r->userdata);
	rule->held_back = 0;
}

/* Distinct among all that there are, and after a restart too: time only grows. */
static uint64_t next_id(struct rules *r)
{
	uint64_t id = r->id_base + r->now_ns;

	r->last_id = id > r->last_id ? id : r->last_id + 1;
	return r->last_id;
}

static void on_fires(struct rules *r, struct rules_rule *rule, struct rules_target *target)
{
	rule->fired++;
	target->id = next_id(r);
	target->told = false;
	if (may_tell(r, rule))
		tell(r, rule, target, RULES_FIRES);
	else
		hold_back(rule);
}

static void on_repeats(struct rules *r, struct rules_rule *rule, struct rules_target *target)
{
	if (may_tell(r, rule)) {
		tell(r, rule, target, RULES_REPEATS);
		return;
	}
	target->state.told_ns = r->now_ns;
	hold_back(rule);
}

static void on_resolves(struct rules *r, struct rules_rule *rule, struct rules_target *target)
{
	/* as many as have been told that they fire: no tokens are needed */
	if (target->told)
		tell(r, rule, target, RULES_RESOLVES);
	remove_target(rule, target);
}

/* Evaluation. */

/* What is restored counts too little at first, as ages begin anew and holders are not known yet. */
static bool is_in_grace(const struct rules *r, const struct rules_rule *rule,
			struct rules_target *target, const struct gauge_reading *reading)
{
	if (r->now_ns >= target->grace_ns ||
	    !rule_is_quiet(&rule->rule, reading->value, reading->limit)) {
		target->grace_ns = 0;
		return false;
	}
	return true;
}

static void step(struct rules *r, struct rules_rule *rule, struct rules_target *target,
		 const struct gauge_reading *reading)
{
	if (target->grace_ns && is_in_grace(r, rule, target, reading))
		return;
	switch (rule_step(&rule->rule, &target->state, reading->value, reading->limit, r->now_ns)) {
	case RULE_NOTHING:
	case RULE_BEGINS:
		break;
	case RULE_PASSES:
		remove_target(rule, target);
		break;
	case RULE_FIRES:
		on_fires(r, rule, target);
		break;
	case RULE_REPEATS:
		on_repeats(r, rule, target);
		break;
	case RULE_RESOLVES:
		on_resolves(r, rule, target);
		break;
	}
}

static void on_reading(const struct tally_key *key, const struct gauge_reading *reading,
		       void *userdata)
{
	const struct pass *pass = userdata;
	struct rules_rule *rule = pass->rule;
	struct rules_target *target = rule->count ? find_target(rule, key) : NULL;

	if (!target) {
		if (rule_is_quiet(&rule->rule, reading->value, reading->limit))
			return;
		target = add_target(rule, key);
	}
	if (target)
		step(pass->rules, rule, target, reading);
}

static bool begin(struct rules *r, uint64_t now_ns)
{
	r->now_ns = now_ns > r->now_ns ? now_ns : r->now_ns;
	return model_known(r->model);
}

void rules_changed(struct rules *r, uint64_t now_ns)
{
	if (!r->count || !begin(r, now_ns))
		return;
	for (size_t i = 0; i < r->count; i++) {
		struct pass pass = {r, r->rules[i]};

		if (r->rules[i]->gauge)
			gauge_changed(r->rules[i]->gauge, on_reading, &pass);
	}
}

/* From the last to the first: one that is removed gives its place to the last. */
static void step_targets(struct rules *r, struct rules_rule *rule)
{
	for (size_t i = rule->count; i-- > 0;) {
		struct rules_target *target = &rule->targets[i];
		struct gauge_reading reading = gauge_read(rule->gauge, &target->key);

		step(r, rule, target, &reading);
	}
}

static void tell_late(struct rules *r, struct rules_rule *rule)
{
	for (size_t i = 0; i < rule->count; i++) {
		struct rules_target *target = &rule->targets[i];

		if (target->state.status != RULE_FIRING || target->told)
			continue;
		if (!may_tell(r, rule))
			return;
		rule->held_back -= rule->held_back > 0; /* it is not any more */
		tell(r, rule, target, RULES_FIRES);
	}
}

static void look_again(struct rules *r, struct rules_rule *rule)
{
	struct pass pass = {r, rule};

	if (!rule->crowded || r->now_ns - rule->looked_ns < CROWD_NS)
		return;
	rule->looked_ns = r->now_ns;
	rule->crowded = false;
	rule->unfollowed = 0;
	gauge_change_all(rule->gauge);
	gauge_changed(rule->gauge, on_reading, &pass);
}

void rules_tick(struct rules *r, uint64_t now_ns)
{
	if (!r->count || !begin(r, now_ns))
		return;
	for (size_t i = 0; i < r->count; i++) {
		struct rules_rule *rule = r->rules[i];
		struct pass pass = {r, rule};

		if (!rule->gauge)
			continue;
		gauge_changed(rule->gauge, on_reading, &pass);
		gauge_tick(rule->gauge, on_reading, &pass);
		step_targets(r, rule);
		look_again(r, rule);
		tell_late(r, rule);
	}
}

/* Setting up. */

static double level_of(const struct conf_level *level)
{
	return level->share ? (double)level->number / 1e6 : (double)level->number;
}

static struct rule rule_of(const struct settings_alert *alert)
{
	return (struct rule){
		.above = level_of(&alert->above),
		.clear = level_of(&alert->clear_below),
		.share = alert->above.share,
		.hold_ns = alert->hold,
		.growing_ns = alert->growing,
		.repeat_ns = alert->repeat,
	};
}

static struct rules_rule *find_rule(const struct rules *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->rules[i]->alert.member.name, name) == 0)
			return r->rules[i];
	return NULL;
}

static int rule_new(const struct rules *r, const struct settings_alert *alert,
		    struct rules_rule **ret)
{
	struct rules_rule *rule = calloc(1, sizeof(*rule));
	int error;

	if (!rule)
		return -ENOMEM;
	rule->alert = *alert;
	rule->rule = rule_of(alert);
	error = alert->enabled ? gauge_new(r->model, alert, &rule->gauge) : 0;
	if (error < 0) {
		free(rule);
		return error;
	}
	*ret = rule;
	return 0;
}

/* A rule that stays as it is is moved over by take_over(), once nothing can fail any more: until
 * then its place is empty. */
static int make_rules(const struct rules *r, const struct settings_alert *alerts, size_t count,
		      struct rules_rule **rules, size_t *ret_failed)
{
	for (size_t i = 0; i < count; i++) {
		const struct rules_rule *old = find_rule(r, alerts[i].member.name);
		int error = 0;

		if (!old || !settings_alert_equal(&old->alert, &alerts[i]))
			error = rule_new(r, &alerts[i], &rules[i]);
		if (error < 0) {
			*ret_failed = i;
			return error;
		}
	}
	return 0;
}

static void end_rule(struct rules *r, struct rules_rule *rule)
{
	while (rule->count)
		on_resolves(r, rule, &rule->targets[rule->count - 1]);
	rule_free(rule);
}

static void take_over(struct rules *r, const struct settings_alert *alerts, size_t count,
		      struct rules_rule **rules)
{
	for (size_t i = 0; i < count; i++) {
		struct rules_rule *old = find_rule(r, alerts[i].member.name);

		if (rules[i] && old) {
			rules[i]->fired = old->fired;
			rules[i]->held_back_total = old->held_back_total;
		}
		if (rules[i])
			continue;
		rules[i] = old;
		for (size_t j = 0; j < r->count; j++)
			if (r->rules[j] == old)
				r->rules[j] = r->rules[--r->count];
	}
	while (r->count)
		end_rule(r, r->rules[--r->count]);
	free(r->rules);
	r->rules = rules;
	r->count = count;
}

int rules_set(struct rules *r, const struct settings_alert *alerts, size_t count, uint64_t now_ns,
	      size_t *ret_failed)
{
	struct rules_rule **rules = calloc(count ? count : 1, sizeof(*rules));
	int error;

	*ret_failed = 0;
	if (!rules)
		return -ENOMEM;
	error = make_rules(r, alerts, count, rules, ret_failed);
	if (error < 0) {
		free_all(rules, count);
		return error;
	}
	r->now_ns = now_ns > r->now_ns ? now_ns : r->now_ns;
	take_over(r, alerts, count, rules);
	return 0;
}

bool rules_restore(struct rules *r, const char *name, const struct rules_target *target,
		   uint64_t now_ns)
{
	struct rules_rule *rule = find_rule(r, name);
	struct rules_target *added;

	if (!rule || !rule->gauge || find_target(rule, &target->key))
		return false;
	added = add_target(rule, &target->key);
	if (!added)
		return false;
	*added = *target;
	added->state.status = RULE_FIRING;
	added->told = true;
	added->grace_ns = now_ns + rule->alert.older_than + RULE_CALM_NS;
	r->last_id = added->id > r->last_id ? added->id : r->last_id;
	return true;
}

size_t rules_count(const struct rules *r)
{
	return r->count;
}

const struct rules_rule *rules_at(const struct rules *r, size_t index)
{
	return r->rules[index];
}

size_t rules_targets(const struct rules *r, enum rule_status status)
{
	size_t sum = 0;

	for (size_t i = 0; i < r->count; i++)
		for (size_t j = 0; j < r->rules[i]->count; j++)
			sum += r->rules[i]->targets[j].state.status == status;
	return sum;
}

const struct gauge *rules_gauge(const struct rules *r, enum settings_source source)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->rules[i]->gauge && r->rules[i]->alert.source == source)
			return r->rules[i]->gauge;
	return NULL;
}
