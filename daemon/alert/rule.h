/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One rule and one of its targets: what a row of values means over time. Pure: it is told the value
 * and the time, and answers what has become of the target. It knows neither what the values are of
 * nor who is told.
 */
#ifndef ALERT_RULE_H
#define ALERT_RULE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A target that fires is resolved once its value has stayed low for so long, so that one that goes
 * up and down all the time is one alert, and not one each time. Longer than a scrape, and than the
 * pauses of an application that waits for a lock or a disk.
 */
#define RULE_CALM_NS UINT64_C(10000000000)

/* Thresholds are counts, or shares of the target's limit: 0.8 for 80%. */
struct rule {
	double above; /* fires when the value is greater */
	double clear; /* clears when the value is smaller; 0: when it is not above */
	bool share;
	uint64_t hold_ns;    /* it fires once the value has been above for so long */
	uint64_t growing_ns; /* not 0, in place of that: once it has not fallen for so long */
	uint64_t repeat_ns;  /* tell again after so long; 0: never */
};

enum rule_status { RULE_QUIET, RULE_PENDING, RULE_FIRING };

/* Zeroed at first. */
struct rule_state {
	enum rule_status status;
	double value, limit;
	uint64_t since_ns; /* since when the value is above */
	uint64_t hold_ns;  /* since when it is above, or has not fallen */
	uint64_t calm_ns;  /* since when it is low enough to clear; 0: it is not */
	uint64_t told_ns;  /* when it was told last that it fires; 0: not yet */
};

enum rule_change {
	RULE_NOTHING,
	RULE_BEGINS,   /* now pending */
	RULE_PASSES,   /* it was pending, and is no more */
	RULE_FIRES,    /* now firing */
	RULE_REPEATS,  /* still firing, and it is time to tell again */
	RULE_RESOLVES, /* it was firing, and is no more */
};

/*
 * limit: what a share is of; 0: not known, and then the rule does not fire. now_ns never goes back;
 * a time before the last one counts as that. Told or not is for the caller to say, by told_ns.
 */
enum rule_change rule_step(const struct rule *rule, struct rule_state *s, double value,
			   double limit, uint64_t now_ns);
/* Whether a target that is quiet would stay so. */
bool rule_is_quiet(const struct rule *rule, double value, double limit);
/* In the unit of the value. */
double rule_threshold(const struct rule *rule, double limit);

/*
 * How much may be told: a bucket of tokens that fills with time. Zeroed, it is full at its first
 * use.
 */
struct rule_rate {
	uint64_t at_ns; /* when it was last filled up to tokens */
	double tokens;
	bool used;
};

/* Takes a token, if there is one. most: of tokens; each_ns: how long one takes to come. */
bool rule_rate_take(struct rule_rate *rate, double most, uint64_t each_ns, uint64_t now_ns);

#endif
