/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hashes that nobody else can compute, as numbers are in them that nobody else knows: who chooses
 * the addresses that a table holds does not know which of them meet in it.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>

#define SECRET_HASHED_MAX 6 /* words of one hash */

struct secret {
	uint64_t words[SECRET_HASHED_MAX]; /* odd: a product with one loses no bit of the other */
	uint64_t last;                     /* odd, too */
};

/* From the random bytes that the kernel gives a process at its start (AT_RANDOM, getauxval(3)): the
 * same each time. */
void secret_init(struct secret *s);

/* Both halves of the product: each bit of either factor reaches many of the result. In 32-bit
 * steps, for the processors that have no more. */
static inline uint64_t secret_mix(uint64_t a, uint64_t b)
{
	uint64_t low = (a & UINT32_MAX) * (b & UINT32_MAX);
	uint64_t middle = (a >> 32) * (b & UINT32_MAX) + (low >> 32);
	uint64_t other = (a & UINT32_MAX) * (b >> 32) + (middle & UINT32_MAX);
	uint64_t high = (a >> 32) * (b >> 32) + (middle >> 32) + (other >> 32);

	return a * b ^ high;
}

/*
 * Of up to SECRET_HASHED_MAX words; any bits of it will do. Two products in a row, however many the
 * words: after the first alone, what differs in few bits of one word, as ports do, is spread well
 * with most numbers and badly with some.
 */
static inline uint64_t secret_hash(const struct secret *s, const uint64_t words[], size_t count)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < count; i += 2)
		hash ^= secret_mix(words[i] ^ s->words[i],
				   (i + 1 < count ? words[i + 1] : 0) ^ s->words[i + 1]);
	return secret_mix(hash, s->last);
}

#endif
