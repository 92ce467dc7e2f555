/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/topics.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

/* The next letter or digit, in lower case; 0 at the word's end. */
static int next_letter(const char **at, const char *end)
{
	while (*at < end && (**at == '-' || **at == '_'))
		++*at;
	return *at < end ? tolower((unsigned char)*(*at)++) : 0;
}

static bool same(const char *word, const char *name, size_t length)
{
	const char *word_end = word + strlen(word), *name_end = name + length;
	int letter;

	do {
		letter = next_letter(&word, word_end);
		if (letter != next_letter(&name, name_end))
			return false;
	} while (letter);
	return true;
}

static bool is_alias(const char *word, const char *aliases)
{
	size_t length;

	for (; aliases && *aliases; aliases += length + strspn(aliases + length, " ")) {
		length = strcspn(aliases, " ");
		if (same(word, aliases, length))
			return true;
	}
	return false;
}

static const struct topic *find(const struct topic *topics, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (same(word, topics[i].name, strlen(topics[i].name)) ||
		    is_alias(word, topics[i].aliases))
			return &topics[i];
	return NULL;
}

const struct topic *topic_find(const char *word)
{
	const struct topic *topic = find(topics_states, topics_state_count, word);

	return topic ? topic : find(topics_other, topics_other_count, word);
}
