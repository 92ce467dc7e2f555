/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libcurl, loaded when the first sink needs it: with what it brings along it takes 5 MB of memory,
 * and most hosts have no such sink. Nothing else in the daemon calls it.
 */
#ifndef ALERT_CURL_H
#define ALERT_CURL_H

#include <curl/curl.h>

/* The functions that are used, without their prefix "curl_". X(name) */
#define CURL_FUNCTIONS(X)      \
	X(global_init)         \
	X(global_cleanup)      \
	X(slist_append)        \
	X(slist_free_all)      \
	X(easy_init)           \
	X(easy_setopt)         \
	X(easy_getinfo)        \
	X(easy_strerror)       \
	X(easy_cleanup)        \
	X(multi_init)          \
	X(multi_setopt)        \
	X(multi_assign)        \
	X(multi_add_handle)    \
	X(multi_remove_handle) \
	X(multi_socket_action) \
	X(multi_info_read)     \
	X(multi_cleanup)

struct curl {
#define X(name) __typeof__(curl_##name) *name;
	CURL_FUNCTIONS(X)
#undef X
};

/* Valid once curl_load() was successful. */
extern struct curl curl;

/* Loads the library, at the first call. 0; -ELIBACC, and the reason has been logged. */
int curl_load(void);

#endif
