/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/util.h"
#include "source/namespaces.h"

#define NAMES "/run/netns" /* of ip-netns(8) */
#define STEP 16U
/* With that many namespaces the settings of more are not followed: each takes nine descriptors, and
 * a process may be limited to some thousands, which its sockets need first. */
#define SYSCTLS_MAX 250

struct namespaces {
	struct opener *opener;
	bool all;
	dev_t nsfs; /* the file system that namespace files are on */
	struct namespace *entries;
	size_t count, allocated;
	uint64_t serial; /* of the last one */
};

int namespaces_new(bool all, const int programs[OPENER_HOOKS], struct namespaces **ret)
{
	struct namespaces *n = calloc(1, sizeof(*n));
	struct stat st;
	int error;

	if (!n)
		return -ENOMEM;
	n->all = all;
	error = opener_new(&n->opener);
	if (!error && programs)
		opener_set_programs(n->opener, programs);
	if (!error && stat("/proc/self/ns/net", &st) < 0)
		error = -errno;
	if (!error) {
		n->nsfs = st.st_dev;
		error = namespaces_open(n, (uint32_t)st.st_ino, (uint32_t)getpid());
	}
	if (error < 0) {
		namespaces_free(n);
		return error;
	}
	*ret = n;
	return 0;
}

struct namespaces *namespaces_free(struct namespaces *n)
{
	if (!n)
		return NULL;
	for (size_t i = 0; i < n->count; i++)
		opener_files_close(&n->entries[i].files);
	free(n->entries);
	opener_free(n->opener);
	free(n);
	return NULL;
}

size_t namespaces_count(const struct namespaces *n)
{
	return n->count;
}

struct namespace *namespaces_at(const struct namespaces *n, size_t index)
{
	return &n->entries[index];
}

struct namespace *namespaces_find(const struct namespaces *n, uint32_t inum)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->entries[i].inum == inum)
			return &n->entries[i];
	return NULL;
}

static struct namespace *add(struct namespaces *n, uint32_t inum)
{
	if (n->count == n->allocated) {
		size_t allocated = n->allocated + STEP;
		struct namespace *entries = realloc(n->entries, allocated * sizeof(*entries));

		if (!entries)
			return NULL;
		n->entries = entries;
		n->allocated = allocated;
	}
	n->entries[n->count] = (struct namespace){
		.inum = inum,
		.serial = ++n->serial,
		.files = OPENER_FILES_NONE,
		.error = -EINPROGRESS,
	};
	return &n->entries[n->count++];
}

void namespaces_close(struct namespaces *n, size_t index)
{
	opener_files_close(&n->entries[index].files);
	n->count--;
	for (size_t i = index; i < n->count; i++)
		n->entries[i] = n->entries[i + 1];
}

/* A namespace that a path leads to; one try to open it in each scan. */
static int meet(struct namespaces *n, uint32_t inum, const char *path)
{
	struct namespace *entry = namespaces_find(n, inum);

	if (!entry)
		entry = add(n, inum);
	if (!entry)
		return -ENOMEM;
	if (entry->found || entry->files.diag >= 0) {
		entry->found = true;
		return 0;
	}
	entry->error = opener_open(n->opener, path, inum, &entry->files);
	/* a process may end between two looks; the next one may lead there */
	if (entry->error == -ENOENT || entry->error == -ESTALE)
		return entry->error;
	entry->found = true;
	entry->fresh = !entry->error;
	if (n->count > SYSCTLS_MAX)
		opener_sysctls_close(&entry->files);
	return entry->error;
}

int namespaces_open(struct namespaces *n, uint32_t inum, uint32_t pid)
{
	char path[64];

	if (!n->all && n->count)
		return 0;
	snprintf(path, sizeof(path), "/proc/%u/ns/net", pid);
	return meet(n, inum, path);
}

static void scan_process(struct namespaces *n, int proc, const char *pid)
{
	char path[NAME_MAX + 16], link[32];
	ssize_t length;
	unsigned inum;

	snprintf(path, sizeof(path), "%s/ns/net", pid);
	length = readlinkat(proc, path, link, sizeof(link) - 1);
	if (length < 0)
		return; /* it has ended, or is not ours to look at */
	link[length] = '\0';
	if (sscanf(link, "net:[%u]", &inum) != 1)
		return;
	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	meet(n, inum, path);
}

static int scan_processes(struct namespaces *n)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!proc)
		return -errno;
	while ((entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			scan_process(n, dirfd(proc), entry->d_name);
	closedir(proc);
	return 0;
}

static void scan_names(struct namespaces *n)
{
	DIR *names = opendir(NAMES);
	struct dirent *entry;

	if (!names)
		return; /* no namespace has a name here */
	while ((entry = readdir(names))) {
		char path[sizeof(NAMES) + NAME_MAX + 1];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", NAMES, entry->d_name);
		if (!stat(path, &st) && S_ISREG(st.st_mode) && st.st_dev == n->nsfs)
			meet(n, (uint32_t)st.st_ino, path);
	}
	closedir(names);
}

int namespaces_scan(struct namespaces *n)
{
	int error;

	if (!n->all)
		return 0;
	for (size_t i = 1; i < n->count; i++)
		n->entries[i].found = false;
	error = scan_processes(n);
	scan_names(n);
	return error;
}
