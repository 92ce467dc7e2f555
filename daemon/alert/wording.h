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

/* Names are anybody's: no line of a log is to be theirs. UTF-8 without control characters, cut to
 * what fits. */
void wording_clean(const char *in, size_t size, char *out, size_t out_size);

/* Clean text, cut to what fits. */
void wording_target(struct model *m, const struct rules_rule *rule,
		    const struct rules_target *target, char text[static NOTICE_TARGET_SIZE]);
/* who: what wording_target() gave. */
void wording_summary(struct model *m, const struct rules_rule *rule,
		     const struct rules_target *target, const char *who,
		     char text[static NOTICE_SUMMARY_SIZE]);

/* When it is over. */
void wording_over(const struct rules_rule *rule, const struct rules_target *target, const char *who,
		  char text[static NOTICE_SUMMARY_SIZE]);

/* "close_wait", "accept_queue" and the like. */
const char *wording_source(const struct settings_alert *alert);

#endif
