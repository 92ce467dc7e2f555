/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words for what a rule has found: who a target is, and one sentence that says what is wrong, with
 * whom and how much. It reads the model, and changes nothing.
 */
#ifndef ALERT_WORDING_H
#define ALERT_WORDING_H

#include <stddef.h>

#include "alert/notice.h"
#include "alert/rules.h"
#include "model/model.h"

/* The name of a cgroup's unit, or NULL where it is not known; valid until the next call. */
typedef const char *wording_unit_fn(uint64_t cgroup, void *userdata);

struct wording {
	struct model *model;
	wording_unit_fn *unit; /* or NULL */
	void *userdata;
};

/* Clean text, cut to what fits. */
void wording_target(const struct wording *w, const struct rules_rule *rule,
		    const struct rules_target *target, char text[static NOTICE_TARGET_SIZE]);
/* who: what wording_target() gave. */
void wording_summary(const struct wording *w, const struct rules_rule *rule,
		     const struct rules_target *target, const char *who,
		     char text[static NOTICE_SUMMARY_SIZE]);

/* "close_wait", "accept_queue" and the like. */
const char *wording_source(const struct settings_alert *alert);

#endif
