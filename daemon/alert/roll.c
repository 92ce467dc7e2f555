/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/roll.h"

#include <errno.h>
#include <string.h>

#include "alert/notice_json.h"
#include "base/json.h"
#include "base/util.h"

struct entry {
	/* the labels that differ from one notice to another */
	char name[NOTICE_NAME_SIZE];
	char target[NOTICE_TARGET_SIZE];
	enum notice_severity severity;

	struct json_object *alert; /* all but endsAt */
	uint64_t ends_unix_ns;     /* 0 while it fires */
	bool changed;              /* since it arrived last */
	bool sending;              /* as it is, it stands in the document under way */
};

struct roll {
	struct entry entries[ROLL_ALERTS];
	size_t count;
	char *host;
};

int roll_new(const char *host, struct roll **ret)
{
	struct roll *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->host = strdup(host);
	if (!r->host) {
		roll_free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

struct roll *roll_free(struct roll *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < r->count; i++)
		json_object_put(r->entries[i].alert);
	free(r->host);
	free(r);
	return NULL;
}

/* One alert, as the API's postableAlert. */

static struct json_object *labels_of(const struct notice *n, const char *host)
{
	struct json_object *labels = json_object_new_object();

	if (!labels)
		return NULL;
	json_add_text(labels, "alertname", n->name);
	json_add_text(labels, "severity", notice_severity_labels[n->severity]);
	json_add_text(labels, "scope", n->scope);
	json_add_text(labels, "target", n->target);
	json_add_text(labels, "source", n->source);
	json_add_text(labels, "instance", host);
	return labels;
}

static struct json_object *annotations_of(const struct notice *n, const char *host,
					  const char *file)
{
	struct json_object *annotations = json_object_new_object();
	char description[512];

	if (!annotations)
		return NULL;
	snprintf(description, sizeof(description),
		 "%s of %s on %s is %.10g and fires above %.10g. `tcpwatchctl alerts` there shows "
		 "more%s%s.",
		 n->source, n->target, host, n->value, n->threshold, file ? ", and so does " : "",
		 file ? file : "");
	json_add_text(annotations, "summary", n->summary);
	json_add_text(annotations, "description", description);
	return annotations;
}

static struct json_object *alert_of(const struct notice *n, const char *host, const char *file)
{
	struct json_object *alert = json_object_new_object();
	char since[NOTICE_TIME_SIZE];

	if (!alert)
		return NULL;
	notice_time(n->since_unix_ns, since);
	json_add(alert, "labels", labels_of(n, host));
	json_add(alert, "annotations", annotations_of(n, host, file));
	json_add_text(alert, "startsAt", since);
	return alert;
}

/* The table. */

static struct entry *find(struct roll *r, const struct notice *n)
{
	for (size_t i = 0; i < r->count; i++) {
		struct entry *e = &r->entries[i];

		if (e->severity == n->severity && strcmp(e->name, n->name) == 0 &&
		    strcmp(e->target, n->target) == 0)
			return e;
	}
	return NULL;
}

static struct entry *add(struct roll *r, const struct notice *n)
{
	struct entry *e;

	if (r->count == ROLL_ALERTS)
		return NULL;
	e = &r->entries[r->count++];
	*e = (struct entry){.severity = n->severity};
	memcpy(e->name, n->name, sizeof(e->name));
	memcpy(e->target, n->target, sizeof(e->target));
	return e;
}

int roll_put(struct roll *r, const struct notice *notice, const char *file, uint64_t unix_ns)
{
	struct json_object *alert = alert_of(notice, r->host, file);
	struct entry *e;

	if (!alert)
		return -ENOMEM;
	e = find(r, notice);
	e = e ? e : add(r, notice);
	if (!e) {
		json_object_put(alert);
		return -ENOSPC;
	}
	json_object_put(e->alert);
	e->alert = alert;
	e->ends_unix_ns = 0;
	if (notice->status == NOTICE_RESOLVED)
		e->ends_unix_ns = notice->resolved_unix_ns ? notice->resolved_unix_ns : unix_ns;
	e->changed = true;
	e->sending = false;
	return 0;
}

size_t roll_changed(const struct roll *r)
{
	size_t count = 0;

	for (size_t i = 0; i < r->count; i++)
		count += r->entries[i].changed;
	return count;
}

size_t roll_count(const struct roll *r)
{
	return r->count;
}

char *roll_document(struct roll *r, bool all, uint64_t unix_ns)
{
	struct json_object *document = json_object_new_array();
	char *text;

	if (!document)
		return NULL;
	for (size_t i = 0; i < r->count; i++) {
		struct entry *e = &r->entries[i];
		char ends[NOTICE_TIME_SIZE];

		e->sending = all || e->changed;
		if (!e->sending)
			continue;
		notice_time(e->ends_unix_ns ? e->ends_unix_ns : unix_ns + ROLL_AHEAD_NS, ends);
		json_object_object_add(e->alert, "endsAt", json_object_new_string(ends));
		json_object_array_add(document, json_object_get(e->alert));
	}
	text = notice_json_text(document);
	json_object_put(document);
	return text;
}

static void remove_entry(struct roll *r, size_t at)
{
	json_object_put(r->entries[at].alert);
	r->entries[at] = r->entries[--r->count];
}

size_t roll_settle(struct roll *r)
{
	size_t settled = 0;

	for (size_t i = r->count; i-- > 0;) {
		struct entry *e = &r->entries[i];

		if (!e->sending)
			continue;
		settled += e->changed;
		e->changed = e->sending = false;
		if (e->ends_unix_ns)
			remove_entry(r, i);
	}
	return settled;
}

size_t roll_failed(struct roll *r, uint64_t unix_ns)
{
	size_t dropped = 0;

	for (size_t i = r->count; i-- > 0;) {
		struct entry *e = &r->entries[i];

		e->sending = false;
		if (!e->ends_unix_ns || unix_ns < e->ends_unix_ns + ROLL_KEPT_NS)
			continue;
		remove_entry(r, i);
		dropped++;
	}
	return dropped;
}
