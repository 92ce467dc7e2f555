/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Splits a command as it stands in the configuration into the words of an argument vector, without
 * a shell: no variable, no pattern and no redirection means anything. Pure.
 *
 * Blanks separate words. Between '…' each character stands for itself; between "…" too, but for \"
 * and \\; elsewhere a \ takes the meaning from the character behind it. "" is an empty word.
 */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#define WORDS_MAX 64 /* a command and its arguments: who needs more writes a script */

/*
 * A vector that ends with a NULL, in one block: free() frees it with its words. 0, -ENOMEM, -EINVAL
 * when there is no word, a quotation has no end or a \ nothing behind it, -E2BIG for more than
 * WORDS_MAX.
 */
int words_split(const char *text, char ***ret);

#endif
