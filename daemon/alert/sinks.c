/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/sinks.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "alert/archive.h"
#include "alert/notice_json.h"
#include "base/log.h"
#include "base/util.h"

struct sinks {
	struct sink_place place;
	struct archive *archive;
	struct sink *all[SETTINGS_SINKS_MAX];
	size_t count;
};

static const struct sink_kind *const kinds[SETTINGS_SINK_TYPES] = {
	[SETTINGS_SINK_JOURNAL] = &sink_journal,
	[SETTINGS_SINK_EXEC] = &sink_exec,
	[SETTINGS_SINK_WEBHOOK] = &sink_webhook,
	[SETTINGS_SINK_ALERTMANAGER] = &sink_alertmanager,
};

/* One sink. */

static void let_go(struct sink *s)
{
	free((char *)s->options.command);
	free((char *)s->options.url);
	free(s);
}

static struct sink *sink_free(struct sink *s)
{
	size_t waiting;

	if (!s)
		return NULL;
	waiting = s->kind->waiting ? s->kind->waiting(s) : 0;
	if (waiting > 0)
		log_warning("sink %s: ends with %zu notices that did not arrive", s->options.name,
			    waiting);
	s->kind->close(s);
	let_go(s);
	return NULL;
}

static int copy(const char *text, const char **ret)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

static int copy_options(const struct sink_options *options, struct sink_options *ret)
{
	int r;

	*ret = *options;
	ret->url = NULL;
	r = copy(options->command, &ret->command);
	return r < 0 ? r : copy(options->url, &ret->url);
}

static int sink_new(const struct sink_place *place, const struct sink_options *options,
		    struct sink **ret)
{
	const struct sink_kind *kind = kinds[options->type];
	struct sink *s = calloc(1, kind->size);
	int r;

	if (!s)
		return -ENOMEM;
	s->kind = kind;
	s->place = place;
	r = copy_options(options, &s->options);
	if (r < 0) {
		let_go(s);
		return r;
	}
	r = kind->open(s);
	if (r < 0) {
		sink_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

/* What the configuration wants. */

static struct sink_options options_of(const struct settings_sink *settings)
{
	struct sink_options options = {
		.type = settings->type,
		.command = settings->command,
		.url = settings->url,
		.min_severity = (enum notice_severity)settings->min_severity,
		.timeout_ns = settings->timeout,
	};

	_Static_assert((int)SETTINGS_SEVERITY_CRITICAL == (int)NOTICE_CRITICAL &&
			       (int)SETTINGS_SEVERITY_INFO == (int)NOTICE_INFO,
		       "the same order");
	_Static_assert(sizeof(options.name) >= sizeof(settings->member.name), "it takes the name");
	memcpy(options.name, settings->member.name, sizeof(settings->member.name));
	return options;
}

static size_t list_options(const struct settings *settings,
			   struct sink_options ret[static SETTINGS_SINKS_MAX])
{
	const struct settings_sink *sections = settings->sinks.items;

	if (settings->sinks.count == 0) {
		ret[0] = (struct sink_options){.name = "journal", .type = SETTINGS_SINK_JOURNAL};
		return 1;
	}
	for (size_t i = 0; i < settings->sinks.count; i++)
		ret[i] = options_of(&sections[i]);
	return settings->sinks.count;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same(const struct sink_options *a, const struct sink_options *b)
{
	return a->type == b->type && a->min_severity == b->min_severity &&
	       a->timeout_ns == b->timeout_ns && same_text(a->command, b->command) &&
	       same_text(a->url, b->url);
}

static struct sink **find(struct sinks *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->all[i] && strcmp(s->all[i]->options.name, name) == 0)
			return &s->all[i];
	return NULL;
}

/* Of those that stay nothing is made; their places stay NULL. */
static int make_new_ones(struct sinks *s, const struct sink_options *wanted, size_t count,
			 struct sink **ret)
{
	for (size_t i = 0; i < count; i++) {
		struct sink **old = find(s, wanted[i].name);
		int r;

		if (old && same(&(*old)->options, &wanted[i]))
			continue;
		r = sink_new(&s->place, &wanted[i], &ret[i]);
		if (r < 0) {
			log_error("sink %s: cannot be set up: %s", wanted[i].name, strerror(-r));
			return r;
		}
		if (old)
			ret[i]->counts = (*old)->counts;
	}
	return 0;
}

/* Only where somebody posts: it takes megabytes. */
static int open_post(struct sinks *s, const struct sink_options *wanted, size_t count)
{
	bool needed = false;
	int r;

	for (size_t i = 0; i < count; i++)
		needed = needed || wanted[i].url;
	if (!needed || s->place.post)
		return 0;
	r = post_client_new(s->place.loop, &s->place.post);
	if (r < 0)
		log_error("the HTTP client cannot be set up: %s", strerror(-r));
	return r;
}

static int set_sinks(struct sinks *s, const struct sink_options *wanted, size_t count)
{
	struct sink *all[SETTINGS_SINKS_MAX] = {NULL};
	int r = open_post(s, wanted, count);

	if (r == 0)
		r = make_new_ones(s, wanted, count, all);
	if (r < 0) {
		for (size_t i = 0; i < count; i++)
			sink_free(all[i]);
		return r;
	}
	for (size_t i = 0; i < count; i++)
		if (!all[i])
			all[i] = TAKE_PTR(*find(s, wanted[i].name));
	for (size_t i = 0; i < s->count; i++)
		sink_free(s->all[i]);
	memcpy(s->all, all, sizeof(all));
	s->count = count;
	return 0;
}

int sinks_set(struct sinks *s, const struct settings *settings)
{
	struct sink_options wanted[SETTINGS_SINKS_MAX];
	size_t count = list_options(settings, wanted);
	int r = set_sinks(s, wanted, count);

	if (r == 0)
		archive_set_limits(s->archive, settings->evidence_files, settings->evidence_size);
	return r;
}

static int open_all(struct sinks *s, const struct settings *settings)
{
	int r = archive_new(settings->state_directory, &s->archive);

	if (r < 0)
		return r;
	/* a name that was cut off has no NUL */
	if (gethostname(s->place.host, sizeof(s->place.host) - 1) < 0)
		snprintf(s->place.host, sizeof(s->place.host), "localhost");
	return sinks_set(s, settings);
}

int sinks_new(sd_event *loop, const struct settings *settings, struct sinks **ret)
{
	struct sinks *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->place.loop = sd_event_ref(loop);
	r = open_all(s, settings);
	if (r < 0) {
		sinks_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct sinks *sinks_free(struct sinks *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->count; i++)
		sink_free(s->all[i]);
	post_client_free(s->place.post);
	archive_free(s->archive);
	sd_event_unref(s->place.loop);
	free(s);
	return NULL;
}

/* A repeated notice has the evidence of its first; the file's name is that of the id. */
static char *write_evidence(struct sinks *s, const struct notice *notice)
{
	struct json_object *row;
	char *file = NULL;

	if (notice->status != NOTICE_FIRING || notice->repeat)
		return NULL;
	row = notice_json_abroad(notice, s->place.host, NULL);
	if (row)
		archive_write(s->archive, notice, row, &file);
	json_object_put(row);
	return file;
}

void sinks_tell(struct sinks *s, const struct notice *notice)
{
	_cleanup_free_ char *file = write_evidence(s, notice);

	for (size_t i = 0; i < s->count; i++)
		if (notice->severity >= s->all[i]->options.min_severity)
			s->all[i]->kind->tell(s->all[i], notice, file);
}

static void recall(struct sink *s, const struct notice *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].status == NOTICE_FIRING && list[i].severity >= s->options.min_severity)
			s->kind->tell(s, &list[i], NULL);
}

void sinks_recall(struct sinks *s, const struct notice *list, size_t count)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->all[i]->kind->states && !s->all[i]->recalled)
			recall(s->all[i], list, count);
		s->all[i]->recalled = true;
	}
}

size_t sinks_count(const struct sinks *s)
{
	return s->count;
}

const char *sinks_name(const struct sinks *s, size_t at)
{
	return s->all[at]->options.name;
}

const struct sink_counts *sinks_counts(const struct sinks *s, size_t at)
{
	return &s->all[at]->counts;
}
