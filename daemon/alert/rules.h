/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All rules and their targets: evaluates each rule where the model says that something it watches
 * has changed, and on each tick, and says what is news. Pure, in the model's time.
 *
 * Nobody is told more than he can read: a rule follows so many targets, and there is a bucket of
 * tokens for the news of each rule and one for all. What finds none is held back and counted; a
 * target that still fires when there are tokens again is told then.
 */
#ifndef ALERT_RULES_H
#define ALERT_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert/gauge.h"
#include "alert/rule.h"
#include "settings.h"

#define RULES_TARGETS_MAX 100 /* of one rule: pages of them; the rest is counted */
#define RULES_BURST 10.0      /* news of one rule at once, then one for each of the following */
#define RULES_EACH_NS UINT64_C(30000000000)
#define RULES_ALL_BURST 50.0 /* likewise, of all rules together */
#define RULES_ALL_EACH_NS UINT64_C(3000000000)

struct rules;

struct rules_target {
	struct tally_key key;
	struct rule_state state;
	uint64_t id;             /* of this time that it fires; 0 before */
	uint64_t grace_ns;       /* restored: what it counts may not be whole before; 0: it is */
	bool told;               /* that it fires */
	char comm[TW_COMM_SIZE]; /* of a process; any bytes, NUL-terminated */
};

struct rules_rule {
	struct settings_alert alert;
	struct rule rule;
	struct gauge *gauge; /* NULL: it is not enabled, or there is no room for what it wants */
	struct rules_target targets[RULES_TARGETS_MAX]; /* up to count, in no order */
	size_t count;
	uint64_t unfollowed; /* targets above it that found no room, when last looked for */
	uint64_t fired;      /* times that a target began to fire */
	uint64_t held_back;  /* news since the last one told */
	uint64_t held_back_total;

	/* the module's own */
	struct rule_rate rate;
	bool crowded;
	uint64_t looked_ns;
};

enum rules_news { RULES_FIRES, RULES_REPEATS, RULES_RESOLVES };

/* target is as it was when it was resolved, and gone after that. */
typedef void rules_fn(const struct rules_rule *rule, const struct rules_target *target,
		      enum rules_news news, void *userdata);

/* id_base: added to the time to make ids, so that they differ from those of another boot. 0,
 * -ENOMEM.
 */
int rules_new(struct model *model, uint64_t id_base, rules_fn *fn, void *userdata,
	      struct rules **ret);
struct rules *rules_free(struct rules *r);

/*
 * alerts: read, not kept. Rules that are as they were keep their targets; of others, those that
 * fire are resolved. 0; -ENOMEM, and nothing has changed; -ENOSPC: one, *ret_failed of alerts,
 * found no room for what it counts, likewise.
 */
int rules_set(struct rules *r, const struct settings_alert *alerts, size_t count, uint64_t now_ns,
	      size_t *ret_failed);

/* After records that may have changed something: O(changed). */
void rules_changed(struct rules *r, uint64_t now_ns);
/* After the model's tick. O(targets), and listeners and namespaces where rules watch them. */
void rules_tick(struct rules *r, uint64_t now_ns);

/* A target that fired, and was told, before a restart. false: no such rule, or no room. */
bool rules_restore(struct rules *r, const char *name, const struct rules_target *target,
		   uint64_t now_ns);

size_t rules_count(const struct rules *r);
const struct rules_rule *rules_at(const struct rules *r, size_t index);
size_t rules_targets(const struct rules *r, enum rule_status status);
/* Of the first rule on the source that has one; NULL: none has. */
const struct gauge *rules_gauge(const struct rules *r, enum settings_source source);

#endif
