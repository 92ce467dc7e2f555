/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/curl.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"

struct curl curl;

struct function {
	const char *name;
	size_t offset; /* in struct curl */
};

static bool find_all(void *library)
{
	static const struct function functions[] = {
#define X(name) {"curl_" #name, offsetof(struct curl, name)},
		CURL_FUNCTIONS(X)
#undef X
	};

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		void *address = dlsym(library, functions[i].name);

		if (!address)
			return false;
		memcpy((char *)&curl + functions[i].offset, &address, sizeof(address));
	}
	return true;
}

int curl_load(void)
{
	/* Debian builds it twice, with OpenSSL and with GnuTLS */
	static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
	void *library = NULL;

	if (curl.global_init)
		return 0;
	for (size_t i = 0; !library && i < ARRAY_SIZE(names); i++)
		library = dlopen(names[i], RTLD_NOW);
	if (library && find_all(library))
		return 0;
	curl = (struct curl){0};
	log_error("sinks of type webhook and alertmanager need libcurl, which cannot be loaded: %s",
		  dlerror());
	return -ELIBACC;
}
