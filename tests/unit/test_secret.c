/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/secret.h"

#define KEYS 4096U
/* Of as many chains as keys; by chance alone it is 7, and 17 once in 10^8 runs. */
#define FULLEST 16U

static void test_the_same_each_time(void **state)
{
	struct secret first, second;

	(void)state;
	secret_init(&first);
	secret_init(&second);
	assert_memory_equal(&first, &second, sizeof(first));
	for (unsigned i = 0; i < SECRET_HASHED_MAX; i++) {
		assert_true(first.words[i] & 1);
		assert_int_not_equal(first.words[i], first.last);
		for (unsigned j = 0; j < i; j++)
			assert_int_not_equal(first.words[i], first.words[j]);
	}
}

/* Each word of the secret is in a hash, and each that is hashed, at its place. */
static void test_all_counts(void **state)
{
	const uint64_t words[SECRET_HASHED_MAX] = {5, 6, 7, 8, 9, 10},
		       zeros[SECRET_HASHED_MAX] = {0};
	struct secret secret, other;
	uint64_t hash;

	(void)state;
	secret_init(&secret);
	hash = secret_hash(&secret, words, SECRET_HASHED_MAX);
	assert_int_equal(hash, secret_hash(&secret, words, SECRET_HASHED_MAX));
	other = secret;
	other.last += 2;
	assert_int_not_equal(hash, secret_hash(&other, words, SECRET_HASHED_MAX));
	for (unsigned i = 0; i < SECRET_HASHED_MAX; i++) {
		other = secret;
		other.words[i] += 2;
		assert_int_not_equal(hash, secret_hash(&other, words, SECRET_HASHED_MAX));
		assert_int_not_equal(hash, secret_hash(&secret, words, i));
		for (unsigned bit = 0; bit < 64; bit++) {
			uint64_t changed[SECRET_HASHED_MAX] = {5, 6, 7, 8, 9, 10};

			changed[i] ^= UINT64_C(1) << bit;
			assert_int_not_equal(hash,
					     secret_hash(&secret, changed, SECRET_HASHED_MAX));
		}
	}
	assert_int_not_equal(secret_hash(&secret, zeros, 2), secret_hash(&secret, zeros, 4));
	assert_int_not_equal(secret_hash(&secret, (uint64_t[]){1, 1, 2, 2}, 4),
			     secret_hash(&secret, (uint64_t[]){2, 2, 1, 1}, 4));
}

/* How many keys are in the fullest chain when they differ in the bits from shift on of one word. */
static unsigned fullest(const struct secret *secret, unsigned word, unsigned shift, unsigned right)
{
	unsigned chains[KEYS] = {0}, most = 0;

	for (uint64_t i = 0; i < KEYS; i++) {
		uint64_t words[SECRET_HASHED_MAX] = {0};
		unsigned *chain;

		words[word] = i << shift;
		chain = &chains[(secret_hash(secret, words, 5) >> right) % KEYS];
		if (++*chain > most)
			most = *chain;
	}
	return most;
}

/* As addresses and ports do that were given out one after the other, at whichever place. */
static void test_spread(void **state)
{
	struct secret secret;

	(void)state;
	secret_init(&secret);
	for (unsigned word = 0; word < 5; word++)
		for (unsigned shift = 0; shift <= 64 - 12; shift++) {
			assert_true(fullest(&secret, word, shift, 0) <= FULLEST);
			assert_true(fullest(&secret, word, shift, 32) <= FULLEST);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_each_time),
		cmocka_unit_test(test_all_counts),
		cmocka_unit_test(test_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
