/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/alerts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "alert/keep.h"
#include "base/log.h"
#include "base/util.h"

#define KEEP_FILE "alerts.json"
#define KEEP_NS NSEC_PER_SEC        /* between two writes of the file */
#define NAMES_NS (2 * NSEC_PER_SEC) /* that the first alerts wait for names at most */
#define CURRENT_MAX ((size_t)SETTINGS_ALERTS_MAX * RULES_TARGETS_MAX)

struct alerts {
	struct model *model;
	struct alerts_calls calls;
	struct rules *rules;
	uint64_t offset_ns;
	uint64_t began_ns; /* when something was first evaluated */
	bool named;

	struct notice *current; /* told and firing, as last told */
	size_t current_count, current_allocated;
	struct notice history[ALERTS_HISTORY_MAX]; /* a ring */
	size_t history_first, history_count;

	char *directory, *keep_path; /* NULL: nothing is kept */
	bool keep_due, keep_failing;
	uint64_t kept_ns;
};

/* Notices. */

static uint64_t unix_time(const struct alerts *a, uint64_t time_ns)
{
	return time_ns + a->offset_ns;
}

static void set_place(struct notice *n, const struct rules_rule *rule,
		      const struct rules_target *target)
{
	n->netns = target->key.netns;
	switch (rule->alert.scope) {
	case SETTINGS_SCOPE_LISTENER:
	case SETTINGS_SCOPE_PORT:
		n->port = target->key.port;
		break;
	case SETTINGS_SCOPE_PROCESS:
		n->pid = (uint32_t)target->key.id;
		break;
	case SETTINGS_SCOPE_UNIT:
		n->cgroup = target->key.id;
		break;
	default:
		break;
	}
}

static struct notice *find_current(const struct alerts *a, uint64_t id)
{
	for (size_t i = 0; i < a->current_count; i++)
		if (a->current[i].id == id)
			return &a->current[i];
	return NULL;
}

/* An alert keeps the name that it fired with: by that it is known to whom it was told. */
void alerts_target(const struct alerts *a, const struct rules_rule *rule,
		   const struct rules_target *target, char text[static NOTICE_TARGET_SIZE])
{
	const struct notice *told = target->id ? find_current(a, target->id) : NULL;

	if (told && *told->target)
		memcpy(text, told->target, NOTICE_TARGET_SIZE);
	else
		wording_target(a->model, rule, target, text);
}

static void fill(const struct alerts *a, const struct rules_rule *rule,
		 const struct rules_target *target, enum notice_status status, struct notice *n)
{
	const struct settings_alert *alert = &rule->alert;
	char name[NOTICE_TARGET_SIZE];

	alerts_target(a, rule, target, name);
	*n = (struct notice){
		.id = target->id,
		.status = status,
		.severity = (enum notice_severity)alert->severity,
		.scope = settings_scope_word(alert->scope),
		.source = wording_source(alert),
		.value = target->state.value,
		.threshold = rule_threshold(&rule->rule, target->state.limit),
		.limit = target->state.limit,
		.since_unix_ns = unix_time(a, target->state.since_ns),
		.held_back = rule->held_back,
	};
	snprintf(n->name, sizeof(n->name), "%s", alert->member.name);
	set_place(n, rule, target);
	memcpy(n->target, name, sizeof(name));
	wording_summary(a->model, rule, target, n->target, n->summary);
}

/* NULL without memory: it is announced all the same. */
static struct notice *add_current(struct alerts *a)
{
	if (a->current_count == CURRENT_MAX)
		return NULL;
	if (a->current_count == a->current_allocated) {
		size_t allocated = a->current_allocated * 2 + 16;
		struct notice *current = realloc(a->current, allocated * sizeof(*current));

		if (!current)
			return NULL;
		a->current = current;
		a->current_allocated = allocated;
	}
	return &a->current[a->current_count++];
}

/* Takes over the reference to its evidence. */
static void remember(struct alerts *a, const struct notice *notice)
{
	size_t at = (a->history_first + a->history_count) % ALERTS_HISTORY_MAX;

	if (a->history_count == ALERTS_HISTORY_MAX) {
		json_object_put(a->history[a->history_first].evidence);
		a->history_first = (a->history_first + 1) % ALERTS_HISTORY_MAX;
		a->history_count--;
	}
	a->history[at] = *notice;
	a->history_count++;
}

static void announce(const struct alerts *a, const struct notice *notice)
{
	if (a->calls.announce)
		a->calls.announce(notice, a->calls.userdata);
}

static void announce_firing(struct alerts *a, const struct rules_rule *rule,
			    const struct rules_target *target, bool repeat)
{
	struct notice *place = find_current(a, target->id), notice;

	fill(a, rule, target, NOTICE_FIRING, &notice);
	notice.repeat = repeat;
	if (a->calls.evidence)
		notice.evidence = a->calls.evidence(&notice, a->calls.userdata);
	if (place)
		json_object_put(place->evidence);
	else
		place = add_current(a);
	announce(a, &notice);
	if (place)
		*place = notice;
	else
		json_object_put(notice.evidence);
}

/* The evidence is that it fired with: what it was of may be gone. */
static void announce_resolved(struct alerts *a, const struct rules_rule *rule,
			      const struct rules_target *target)
{
	struct notice *place = find_current(a, target->id), notice;

	fill(a, rule, target, NOTICE_RESOLVED, &notice);
	notice.resolved_unix_ns = unix_time(a, model_now_ns(a->model));
	if (place) {
		notice.evidence = place->evidence;
		*place = a->current[--a->current_count];
	}
	wording_over(rule, target, notice.target, notice.summary);
	announce(a, &notice);
	remember(a, &notice);
}

static void on_news(const struct rules_rule *rule, const struct rules_target *target,
		    enum rules_news news, void *userdata)
{
	struct alerts *a = userdata;

	a->keep_due = true;
	if (news == RULES_RESOLVES)
		announce_resolved(a, rule, target);
	else
		announce_firing(a, rule, target, news == RULES_REPEATS);
}

/* Start and stop. */

int alerts_new(struct model *model, uint64_t offset_ns, const struct alerts_calls *calls,
	       struct alerts **ret)
{
	struct alerts *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->model = model;
	a->calls = *calls;
	a->offset_ns = offset_ns;
	r = rules_new(model, offset_ns, on_news, a, &a->rules);
	if (r < 0) {
		free(a);
		return r;
	}
	*ret = a;
	return 0;
}

static void name_target(const struct rules_rule *rule, const struct rules_target *target,
			char text[static NOTICE_TARGET_SIZE], void *userdata)
{
	alerts_target(userdata, rule, target, text);
}

static void keep(struct alerts *a)
{
	int r = keep_write(a->keep_path, a->rules, name_target, a);

	if (r == -ENOENT && mkdir(a->directory, 0755) == 0)
		r = keep_write(a->keep_path, a->rules, name_target, a);
	if (r < 0 && !a->keep_failing)
		log_warning("%s: cannot be written: %s; alerts that fire will be announced again "
			    "after a restart",
			    a->keep_path, strerror(-r));
	a->keep_failing = r < 0;
	a->keep_due = false;
}

struct alerts *alerts_free(struct alerts *a)
{
	if (!a)
		return NULL;
	if (a->keep_path && a->keep_due)
		keep(a);
	rules_free(a->rules);
	alerts_list_free(a->current, a->current_count);
	for (size_t i = 0; i < a->history_count; i++)
		json_object_put(a->history[(a->history_first + i) % ALERTS_HISTORY_MAX].evidence);
	free(a->directory);
	free(a->keep_path);
	free(a);
	return NULL;
}

int alerts_set(struct alerts *a, const struct settings *settings, uint64_t now_ns)
{
	const struct settings_alert *alerts = settings->alerts.items;
	size_t failed;
	int r = rules_set(a->rules, alerts, settings->alerts.count, now_ns, &failed);

	if (r == -ENOSPC)
		log_error("[alert %s]: beside those in force there is no room for its older_than: "
			  "take one away first, or restart tcpwatchd",
			  alerts[failed].member.name);
	else if (r < 0)
		log_error("no memory for the rules: %s", strerror(-r));
	return r;
}

/* What was told before the restart is told as it stands, and not announced. */

static void on_restored(uint64_t id, const char *target, void *userdata)
{
	struct notice *place = add_current(userdata);

	if (!place)
		return;
	*place = (struct notice){.id = id};
	snprintf(place->target, sizeof(place->target), "%s", target);
}

static void list_restored(struct alerts *a)
{
	for (size_t i = 0; i < rules_count(a->rules); i++) {
		const struct rules_rule *rule = rules_at(a->rules, i);

		for (size_t j = 0; j < rule->count; j++) {
			struct notice *place = find_current(a, rule->targets[j].id);

			if (place)
				fill(a, rule, &rule->targets[j], NOTICE_FIRING, place);
		}
	}
}

void alerts_keep(struct alerts *a, const char *directory, uint64_t now_ns)
{
	size_t count = 0;
	int r;

	a->directory = strdup(directory);
	if (!a->directory || asprintf(&a->keep_path, "%s/" KEEP_FILE, directory) < 0) {
		a->keep_path = NULL;
		return;
	}
	r = keep_read(a->keep_path, a->rules, now_ns, on_restored, a, &count);
	if (r < 0)
		log_warning("%s: cannot be read: %s; alerts that fired before are announced again",
			    a->keep_path, strerror(-r));
	else if (count)
		log_info("%zu alerts were firing before, and are not announced again", count);
	list_restored(a);
}

/* At the start all owners' control groups are met at once, and are named a moment later: who fires
 * before would be called by a number for as long as it does. */
static bool names_known(struct alerts *a)
{
	uint64_t now_ns = model_now_ns(a->model);

	if (!a->began_ns)
		a->began_ns = now_ns;
	a->named = a->named || now_ns - a->began_ns >= NAMES_NS ||
		   (model_known(a->model) && !cgroups_unnamed(model_cgroups(a->model)));
	return a->named;
}

void alerts_changed(struct alerts *a)
{
	if (names_known(a))
		rules_changed(a->rules, model_now_ns(a->model));
}

void alerts_tick(struct alerts *a)
{
	uint64_t now_ns = model_now_ns(a->model);

	if (!names_known(a))
		return;
	rules_tick(a->rules, now_ns);
	if (!a->keep_path || !a->keep_due || now_ns - a->kept_ns < KEEP_NS)
		return;
	a->kept_ns = now_ns;
	keep(a);
}

/* For reading. */

const struct rules *alerts_rules(const struct alerts *a)
{
	return a->rules;
}

static void list_target(const struct alerts *a, const struct rules_rule *rule,
			const struct rules_target *target, struct notice *n)
{
	bool firing = target->state.status == RULE_FIRING;
	const struct notice *told = firing ? find_current(a, target->id) : NULL;

	fill(a, rule, target, firing ? NOTICE_FIRING : NOTICE_PENDING, n);
	if (told)
		n->evidence = json_object_get(told->evidence);
}

static int list_current(const struct alerts *a, struct notice **ret, size_t *ret_count)
{
	size_t most = rules_targets(a->rules, RULE_PENDING) + rules_targets(a->rules, RULE_FIRING);
	struct notice *list = calloc(most ? most : 1, sizeof(*list));
	size_t count = 0;

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < rules_count(a->rules); i++) {
		const struct rules_rule *rule = rules_at(a->rules, i);

		for (size_t j = 0; j < rule->count && count < most; j++)
			list_target(a, rule, &rule->targets[j], &list[count++]);
	}
	*ret = list;
	*ret_count = count;
	return 0;
}

int alerts_list(const struct alerts *a, bool history, struct notice **ret, size_t *ret_count)
{
	struct notice *list;

	if (!history)
		return list_current(a, ret, ret_count);
	list = calloc(a->history_count ? a->history_count : 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < a->history_count; i++) {
		list[i] = a->history[(a->history_first + i) % ALERTS_HISTORY_MAX];
		json_object_get(list[i].evidence);
	}
	*ret = list;
	*ret_count = a->history_count;
	return 0;
}

void alerts_list_free(struct notice *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		json_object_put(list[i].evidence);
	free(list);
}
