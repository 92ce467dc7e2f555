/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>
#include <sys/auxv.h>

#include "base/secret.h"

void secret_words(uint64_t ret[SECRET_WORDS])
{
	memcpy(ret, (const void *)getauxval(AT_RANDOM), SECRET_WORDS * sizeof(*ret));
}
