/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set of sockets, by their cookies: which of them have been met. Each operation takes the same
 * time however many there are; only clearing it goes over all of them.
 */
#ifndef MODEL_COOKIES_H
#define MODEL_COOKIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero: an empty one. */
struct cookies {
	/* the module's own */
	uint64_t *slots; /* 0: free */
	size_t count;
	size_t allocated; /* slots: 0 or a power of two, and never more than half of them in use */
};

void cookies_free(struct cookies *c);
/* Keeps the memory. */
void cookies_clear(struct cookies *c);
/* 0, -EEXIST: it is in it already, -ENOMEM, or -EINVAL for 0, which is no socket's. */
int cookies_add(struct cookies *c, uint64_t cookie);
bool cookies_have(const struct cookies *c, uint64_t cookie);

#endif
