/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes text of bytes that came from anywhere: a process names itself as it likes, JSON is UTF-8.
 * Pure.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

/* What utf8_clean() needs at most for size bytes: each may become U+FFFD, three bytes long. */
#define UTF8_CLEAN_SIZE(size) (3 * (size) + 1)

#define UTF8_LONGEST 4 /* bytes of a character */

/*
 * Copies size bytes of in to out, which has room for out_size > 0, and ends them with a NUL. Each
 * byte that is part of no well-formed sequence (RFC 3629: no overlong form, no surrogate, nothing
 * past U+10FFFF) becomes U+FFFD. What does not fit is left out, whole characters only. Returns the
 * length of out.
 */
size_t utf8_clean(const char *in, size_t size, char *out, size_t out_size);

#endif
