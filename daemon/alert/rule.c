/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/rule.h"

static uint64_t elapsed(uint64_t since_ns, uint64_t now_ns)
{
	return now_ns > since_ns ? now_ns - since_ns : 0;
}

static double scaled(const struct rule *rule, double level, double limit)
{
	return rule->share ? level * limit : level;
}

double rule_threshold(const struct rule *rule, double limit)
{
	return scaled(rule, rule->above, limit);
}

bool rule_is_quiet(const struct rule *rule, double value, double limit)
{
	return (rule->share && limit <= 0) || value <= rule_threshold(rule, limit);
}

static bool is_calm(const struct rule *rule, double value, double limit)
{
	if (rule->clear <= 0 || (rule->share && limit <= 0))
		return rule_is_quiet(rule, value, limit);
	return value < scaled(rule, rule->clear, limit);
}

static enum rule_change fire_if_due(const struct rule *rule, struct rule_state *s, uint64_t now_ns)
{
	uint64_t wanted = rule->growing_ns ? rule->growing_ns : rule->hold_ns;

	if (elapsed(s->hold_ns, now_ns) < wanted)
		return RULE_NOTHING;
	s->status = RULE_FIRING;
	s->calm_ns = 0;
	s->told_ns = 0;
	return RULE_FIRES;
}

static enum rule_change step_quiet(const struct rule *rule, struct rule_state *s, uint64_t now_ns)
{
	if (rule_is_quiet(rule, s->value, s->limit))
		return RULE_NOTHING;
	s->status = RULE_PENDING;
	s->since_ns = now_ns;
	s->hold_ns = now_ns;
	return fire_if_due(rule, s, now_ns) == RULE_FIRES ? RULE_FIRES : RULE_BEGINS;
}

static enum rule_change step_pending(const struct rule *rule, struct rule_state *s, bool fell,
				     uint64_t now_ns)
{
	if (rule_is_quiet(rule, s->value, s->limit)) {
		s->status = RULE_QUIET;
		return RULE_PASSES;
	}
	if (rule->growing_ns && fell)
		s->hold_ns = now_ns;
	return fire_if_due(rule, s, now_ns);
}

static enum rule_change step_firing(const struct rule *rule, struct rule_state *s, uint64_t now_ns)
{
	if (!is_calm(rule, s->value, s->limit)) {
		s->calm_ns = 0;
	} else if (!s->calm_ns) {
		s->calm_ns = now_ns;
	} else if (elapsed(s->calm_ns, now_ns) >= RULE_CALM_NS) {
		s->status = RULE_QUIET;
		return RULE_RESOLVES;
	}
	if (rule->repeat_ns && s->told_ns && elapsed(s->told_ns, now_ns) >= rule->repeat_ns)
		return RULE_REPEATS;
	return RULE_NOTHING;
}

enum rule_change rule_step(const struct rule *rule, struct rule_state *s, double value,
			   double limit, uint64_t now_ns)
{
	bool fell = value < s->value;

	s->value = value;
	s->limit = limit;
	switch (s->status) {
	case RULE_QUIET:
		return step_quiet(rule, s, now_ns);
	case RULE_PENDING:
		return step_pending(rule, s, fell, now_ns);
	case RULE_FIRING:
		return step_firing(rule, s, now_ns);
	}
	return RULE_NOTHING;
}

bool rule_rate_take(struct rule_rate *rate, double most, uint64_t each_ns, uint64_t now_ns)
{
	if (!rate->used) {
		*rate = (struct rule_rate){.at_ns = now_ns, .tokens = most, .used = true};
	} else if (now_ns > rate->at_ns) {
		rate->tokens += (double)(now_ns - rate->at_ns) / (double)each_ns;
		rate->tokens = rate->tokens < most ? rate->tokens : most;
		rate->at_ns = now_ns;
	}
	if (rate->tokens < 1)
		return false;
	rate->tokens -= 1;
	return true;
}
