/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/nearest.h"
#include "ctl/answer.h"
#include "ctl/commands.h"
#include "ctl/evidence.h"
#include "ctl/fields.h"
#include "ctl/topics.h"

#include <tcpwatch/control.h>

#define LABEL_WIDTH (TOPIC_LABEL_WIDTH + 1)
#define NAME_WIDTH 20 /* simultaneous-close */
#define LINE_SIZE 1024
#define ALERTS_MAX 3 /* of one name, in full */

/* One paragraph; from a blank on as it stands, else broken between words. */
static void put_paragraph(struct print *p, const char *label, const char *text, size_t length)
{
	char line[LINE_SIZE];

	snprintf(line, sizeof(line), "%.*s", (int)length, text);
	if (*line != ' ') {
		print_entry(p, LABEL_WIDTH, label, line, PRINT_PLAIN);
		return;
	}
	print_text(p, PRINT_BOLD, 1 - LABEL_WIDTH, label);
	print_text(p, PRINT_CYAN, 0, line + 1);
	print_end(p);
}

static void put_entry(struct print *p, const struct topic_entry *entry)
{
	const char *label = entry->label, *text = entry->text;
	size_t length;

	for (;; text += length + 1) {
		length = strcspn(text, "\n");
		put_paragraph(p, label, text, length);
		label = "";
		if (!text[length])
			return;
	}
}

static void put_topic(struct print *p, const struct topic *topic)
{
	print_entry(p, LABEL_WIDTH, topic->name, topic->summary, PRINT_BOLD);
	for (const struct topic_entry *e = topic->entries; e->label; e++) {
		print_end(p);
		put_entry(p, e);
	}
}

static struct json_object *topic_json(const struct topic *topic)
{
	struct json_object *object = json_object_new_object(), *entries = json_object_new_array();

	json_add_text(object, "topic", topic->name);
	json_add_text(object, "summary", topic->summary);
	for (const struct topic_entry *e = topic->entries; e->label; e++) {
		struct json_object *entry = json_object_new_object();

		json_add_text(entry, "label", e->label);
		json_add_text(entry, "text", e->text);
		json_object_array_add(entries, entry);
	}
	json_add(object, "entries", entries);
	return object;
}

static void put_names(struct print *p, const struct topic *topics, size_t count)
{
	for (size_t i = 0; i < count; i++)
		print_entry(p, NAME_WIDTH, topics[i].name, topics[i].summary, PRINT_PLAIN);
}

static void put_list(struct print *p)
{
	put_names(p, topics_states, topics_state_count);
	print_end(p);
	put_names(p, topics_other, topics_other_count);
}

static void add_names(struct json_object *array, const struct topic *topics, size_t count)
{
	for (size_t i = 0; i < count; i++)
		json_object_array_add(array, json_object_new_string(topics[i].name));
}

static struct json_object *list_json(void)
{
	struct json_object *object = json_object_new_object(), *topics = json_object_new_array();

	add_names(topics, topics_states, topics_state_count);
	add_names(topics, topics_other, topics_other_count);
	json_add(object, "topics", topics);
	return object;
}

/* topic: NULL for the list of them. */
static int show(const struct invocation *in, const struct topic *topic)
{
	struct print p = answer_print(in);

	if (options_get(in, "json"))
		return answer_own_json(topic ? topic_json(topic) : list_json());
	if (topic)
		put_topic(&p, topic);
	else
		put_list(&p);
	return answer_end();
}

static int check_topic(const char *value, char *ret)
{
	snprintf(ret, OPTION_VALUE_SIZE, "%s", value);
	return *value ? 0 : -EINVAL;
}

const struct option_row explain_options[] = {
	{
		.name = "topic",
		.argument = "TOPIC",
		.help = "a state, another of the topics that are listed without one, or an alert "
			"that fires",
		.check = check_topic,
		.wanted = "a state, another topic or an alert's name",
		.operand = true,
	},
	{},
};

static const char *nearest_topic(const char *word)
{
	struct nearest nearest = nearest_to(word);

	for (size_t i = 0; i < topics_state_count; i++)
		nearest_try(&nearest, topics_states[i].name);
	for (size_t i = 0; i < topics_other_count; i++)
		nearest_try(&nearest, topics_other[i].name);
	return nearest.best;
}

/* error: why the daemon could not be asked, which has been told; or 0. */
static int complain(const char *word, int error)
{
	char clean[OPTION_VALUE_SIZE];
	const char *nearest;

	print_clean(clean, sizeof(clean), word, strlen(word));
	nearest = nearest_topic(clean);
	if (nearest)
		log_error("there is no topic '%s'; did you mean '%s'?", clean, nearest);
	else if (error)
		log_error("there is no topic '%s'; 'explain' alone lists those there are.", clean);
	else
		log_error("no alert '%s' fires or is about to, and there is no such topic; "
			  "'explain' alone lists those there are.",
			  clean);
	return nearest || error ? TW_EXIT_USAGE : TW_EXIT_FAILED;
}

/* The alerts of a name: one for each target. */
struct search {
	const char *name;
	struct json_object *rows; /* an array, of ALERTS_MAX at most */
	size_t more;
};

static int on_alert(struct json_object *row, void *userdata)
{
	struct search *search = userdata;
	char buffer[FIELD_TEXT_SIZE];
	const char *name = field_text(row, "name", buffer, sizeof(buffer));

	if (!name || strcmp(name, search->name) != 0)
		return 0;
	if (json_object_array_length(search->rows) < ALERTS_MAX)
		json_object_array_add(search->rows, json_object_get(row));
	else
		search->more++;
	return 0;
}

/* The topic of what the alerts count; NULL when there is none. */
static const struct topic *topic_of(const struct search *search)
{
	char buffer[FIELD_TEXT_SIZE];
	const char *source = field_text(json_object_array_get_idx(search->rows, 0), "source",
					buffer, sizeof(buffer));

	return source ? topic_find(source) : NULL;
}

static int show_alerts(const struct invocation *in, const struct search *search)
{
	const struct topic *topic = topic_of(search);
	struct print p = answer_print(in);
	struct json_object *object;

	if (options_get(in, "json")) {
		object = topic ? topic_json(topic) : json_object_new_object();
		json_object_object_add(object, "alerts", json_object_get(search->rows));
		return answer_own_json(object);
	}
	for (size_t i = 0; i < json_object_array_length(search->rows); i++) {
		evidence_print(&p, LABEL_WIDTH, json_object_array_get_idx(search->rows, i));
		print_end(&p);
	}
	if (search->more) {
		print_cell(&p, PRINT_PLAIN, 0, "and %zu more of that name", search->more);
		print_end(&p);
		print_end(&p);
	}
	if (topic)
		put_topic(&p, topic);
	return answer_end();
}

static int explain_alert(const struct invocation *in, const char *name)
{
	_cleanup_(answer_put) struct json_object *rows = json_object_new_array();
	struct search search = {.name = name, .rows = rows};
	int r = answer_each(in, TW_PATH_ALERTS, on_alert, &search);

	if (r < 0 || !json_object_array_length(rows))
		return complain(name, r);
	return show_alerts(in, &search);
}

int command_explain(const struct invocation *in)
{
	const char *word = options_get(in, "topic");
	const struct topic *topic = word ? topic_find(word) : NULL;

	return word && !topic ? explain_alert(in, word) : show(in, topic);
}
