/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "did you mean": of the words there are, the one that somebody most probably meant. It knows no
 * word itself, and says nothing. Pure.
 */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

#define NEAREST_LENGTH_MAX 48 /* a longer word is near to none */
#define NEAREST_ERRORS_MAX 3  /* letters: what is further off is not a slip of the finger */

struct nearest {
	const char *word; /* as it was written */
	const char *best; /* of the candidates so far; NULL: none is near */
	size_t errors;    /* of the best; NEAREST_ERRORS_MAX + 1 before there is one */
};

/* To begin with. word is kept. */
struct nearest nearest_to(const char *word);
/* One more word that there is; kept where it is nearer than all before. Case makes no difference.
 */
void nearest_try(struct nearest *n, const char *candidate);

#endif
