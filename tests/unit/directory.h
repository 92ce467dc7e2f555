/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A temporary directory of a test's own, which goes with all that is in it.
 */
#ifndef TESTS_DIRECTORY_H
#define TESTS_DIRECTORY_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct directory {
	char path[32];
};

/* test: "test_listen" and the like. 0, -1. */
static inline int directory_make(struct directory *d, const char *test)
{
	snprintf(d->path, sizeof(d->path), "/tmp/%s.XXXXXX", test);
	return mkdtemp(d->path) ? 0 : -1;
}

/* The path of something in it. */
static inline void directory_name(const struct directory *d, const char *name, char *path,
				  size_t size)
{
	snprintf(path, size, "%s/%s", d->path, name);
}

static inline int directory_remove_one(const char *path, const struct stat *st, int type,
				       struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

/* What a link in it leads to stays. */
static inline void directory_remove(const struct directory *d)
{
	nftw(d->path, directory_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
