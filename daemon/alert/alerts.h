/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The alerts as the rest of the daemon knows them: evaluates the rules on the model, makes a notice
 * of what is news, remembers what fires and what has fired, and keeps that over a restart. Whom the
 * notices go to is not known here.
 */
#ifndef ALERT_ALERTS_H
#define ALERT_ALERTS_H

#include <json-c/json.h>

#include "alert/notice.h"
#include "alert/rules.h"
#include "alert/wording.h"
#include "model/model.h"
#include "settings.h"

#define ALERTS_HISTORY_MAX 200 /* resolved ones that are remembered */

struct alerts;

struct alerts_calls {
	/* It fires, goes on to fire, or is resolved. May be NULL. */
	void (*announce)(const struct notice *notice, void *userdata);
	/* What is true now of a notice that is about to be announced as firing: the caller's, or
	 * NULL. May be NULL. */
	struct json_object *(*evidence)(const struct notice *notice, void *userdata);
	void *userdata;
};

/* model outlives the result. offset_ns: CLOCK_REALTIME less the model's clock. 0, -ENOMEM. */
int alerts_new(struct model *model, uint64_t offset_ns, const struct alerts_calls *calls,
	       struct alerts **ret);
struct alerts *alerts_free(struct alerts *a);

/*
 * Takes the rules of the settings. now_ns: of the model's clock. 0, or a negative errno: it has
 * been logged why, and the rules are those of before.
 */
int alerts_set(struct alerts *a, const struct settings *settings, uint64_t now_ns);
/* Has what fires outlast the daemon in a file of the directory, and goes on with what the one
 * before has left there. After the first alerts_set(). */
void alerts_keep(struct alerts *a, const char *directory, uint64_t now_ns);

/* After records: cheap when nothing has changed that a rule watches. Nothing fires before the model
 * knows all sockets and whose they are, for which it waits for two seconds at most. */
void alerts_changed(struct alerts *a);
/* After the model's tick. */
void alerts_tick(struct alerts *a);

const struct rules *alerts_rules(const struct alerts *a);
/* What it is called: of one that fires, as it was when it began to. Clean text. */
void alerts_target(const struct alerts *a, const struct rules_rule *rule,
		   const struct rules_target *target, char text[static NOTICE_TARGET_SIZE]);

/*
 * Those that are pending and firing, or those that were resolved, the latest last: an array of
 * malloc(), each with a reference to its evidence. 0, -ENOMEM.
 */
int alerts_list(const struct alerts *a, bool history, struct notice **ret, size_t *ret_count);
void alerts_list_free(struct notice *list, size_t count);

#endif
