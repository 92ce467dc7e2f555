/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/auxv.h>

#include "base/secret.h"

#define RANDOM_WORDS 2 /* AT_RANDOM is 16 bytes */

void secret_init(struct secret *s)
{
	uint64_t random[RANDOM_WORDS];

	memcpy(random, (const void *)getauxval(AT_RANDOM), sizeof(random));
	for (unsigned i = 0; i < SECRET_HASHED_MAX; i++)
		s->words[i] = secret_mix(random[0] + i, random[1]) | 1;
	s->last = secret_mix(random[0] + SECRET_HASHED_MAX, random[1]) | 1;
}
