/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"
#include "base/util.h"

/* RFC 3629 section 4: what may follow a first byte. */
static const struct sequence {
	uint8_t first_low, first_high;
	uint8_t second_low, second_high;
	uint8_t length;
} sequences[] = {
	{0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static const struct sequence *sequence_of(uint8_t first)
{
	for (size_t i = 0; i < ARRAY_SIZE(sequences); i++) {
		if (first >= sequences[i].first_low && first <= sequences[i].first_high)
			return &sequences[i];
	}
	return NULL;
}

/* Length of the well-formed character at the start of in, or 0. */
static size_t character_length(const uint8_t *in, size_t size)
{
	const struct sequence *s = sequence_of(in[0]);

	if (!s || s->length > size)
		return 0;
	if (s->length > 1 && (in[1] < s->second_low || in[1] > s->second_high))
		return 0;
	for (size_t i = 2; i < s->length; i++) {
		if (in[i] < 0x80 || in[i] > 0xbf)
			return 0;
	}
	return s->length;
}

size_t utf8_clean(const char *in, size_t size, char *out, size_t out_size)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t used = 0;

	while (size > 0) {
		size_t taken = character_length((const uint8_t *)in, size);
		const char *from = taken ? in : replacement;
		size_t length = taken ? taken : sizeof(replacement) - 1;

		if (length >= out_size - used)
			break;
		memcpy(out + used, from, length);
		used += length;
		in += taken ? taken : 1;
		size -= taken ? taken : 1;
	}
	out[used] = '\0';
	return used;
}
