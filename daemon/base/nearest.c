/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/nearest.h"

#include <ctype.h>
#include <string.h>

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int folded(char c)
{
	return tolower((unsigned char)c);
}

/* How many letters to change, add or take away (Levenshtein), for words up to NEAREST_LENGTH_MAX.
 */
static size_t distance(const char *from, const char *to)
{
	size_t row[NEAREST_LENGTH_MAX + 1];
	size_t length = strlen(to);

	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; from[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < length; j++) {
			size_t change = diagonal + (folded(from[i]) != folded(to[j]));

			diagonal = row[j + 1];
			row[j + 1] = smaller(change, smaller(row[j], row[j + 1]) + 1);
		}
	}
	return row[length];
}

struct nearest nearest_to(const char *word)
{
	return (struct nearest){.word = word, .errors = NEAREST_ERRORS_MAX + 1};
}

void nearest_try(struct nearest *n, const char *candidate)
{
	size_t errors;

	if (strlen(n->word) > NEAREST_LENGTH_MAX || strlen(candidate) > NEAREST_LENGTH_MAX)
		return;
	errors = distance(n->word, candidate);
	/* as many as it has letters, and it is a word of its own */
	if (errors < n->errors && errors < strlen(candidate)) {
		n->best = candidate;
		n->errors = errors;
	}
}
