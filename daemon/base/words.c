/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/words.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool escapes(char quote, const char *text)
{
	if (text[0] != '\\' || quote == '\'')
		return false;
	return quote != '"' || text[1] == '"' || text[1] == '\\';
}

/* One word to out; *text is then behind it. */
static int take_word(const char **text, char **out)
{
	const char *in = *text;
	char quote = '\0';

	for (; *in && (quote || !is_blank(*in)); in++) {
		if (quote ? *in == quote : *in == '"' || *in == '\'') {
			quote = quote ? '\0' : *in;
			continue;
		}
		if (escapes(quote, in) && !*++in)
			return -EINVAL;
		*(*out)++ = *in;
	}
	*(*out)++ = '\0';
	*text = in;
	return quote ? -EINVAL : 0;
}

int words_split(const char *text, char ***ret)
{
	_cleanup_free_ char **words = NULL;
	size_t count = 0;
	char *out;
	int r;

	words = malloc((WORDS_MAX + 1) * sizeof(*words) + strlen(text) + 1);
	if (!words)
		return -ENOMEM;
	out = (char *)(words + WORDS_MAX + 1);
	for (text += strspn(text, " \t"); *text; text += strspn(text, " \t")) {
		if (count == WORDS_MAX)
			return -E2BIG;
		words[count++] = out;
		r = take_word(&text, &out);
		if (r < 0)
			return r;
	}
	words[count] = NULL;
	if (count == 0)
		return -EINVAL;
	*ret = TAKE_PTR(words);
	return 0;
}
