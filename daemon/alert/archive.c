/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nothing is synced to the disk: fsync(2) may take seconds, and after a power failure the journal
 * has the alert.
 */
#include "alert/archive.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/util.h"

#define DIRECTORY_MODE 0750
#define FILE_MODE 0640
#define TARGET_KEPT 80 /* characters of a target in a name */
#define SUFFIX ".json"

struct archive {
	char *parent, *directory;
	uint64_t files_max, bytes_max;
	bool failing;
};

int archive_new(const char *state_directory, struct archive **ret)
{
	struct archive *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	a->parent = strdup(state_directory);
	if (!a->parent || asprintf(&a->directory, "%s/alerts", state_directory) < 0) {
		a->directory = NULL;
		archive_free(a);
		return -ENOMEM;
	}
	*ret = a;
	return 0;
}

struct archive *archive_free(struct archive *a)
{
	if (!a)
		return NULL;
	free(a->parent);
	free(a->directory);
	free(a);
	return NULL;
}

void archive_set_limits(struct archive *a, uint64_t files, uint64_t bytes)
{
	a->files_max = files;
	a->bytes_max = bytes;
}

/* Names. */

/* Appends what is harmless of a text, and a - for each row of what is not. */
static void append_clean(char *name, size_t size, const char *text)
{
	size_t used = strlen(name);

	for (; *text && used + 1 < size; text++) {
		bool harmless = isascii(*text) &&
				(isalnum((unsigned char)*text) || *text == '.' || *text == '_');

		if (harmless)
			name[used++] = *text;
		else if (name[used - 1] != '-')
			name[used++] = '-';
	}
	name[used] = '\0';
}

void archive_name(const struct notice *notice, uint64_t unix_ns,
		  char name[static ARCHIVE_NAME_SIZE])
{
	time_t seconds = (time_t)(unix_ns / NSEC_PER_SEC);
	struct tm tm;
	size_t used;

	gmtime_r(&seconds, &tm);
	used = strftime(name, ARCHIVE_NAME_SIZE, "%Y%m%dT%H%M%S", &tm);
	snprintf(name + used, ARCHIVE_NAME_SIZE - used, ".%03uZ-",
		 (unsigned)(unix_ns % NSEC_PER_SEC / NSEC_PER_MSEC));
	append_clean(name, strlen(name) + NOTICE_NAME_SIZE, notice->name);
	used = strlen(name);
	snprintf(name + used, ARCHIVE_NAME_SIZE - used, "-");
	append_clean(name, used + 1 + TARGET_KEPT, notice->target);
	used = strlen(name);
	snprintf(name + used, ARCHIVE_NAME_SIZE - used, "-%016" PRIx64 SUFFIX, notice->id);
}

/* Rotation. */

static int is_ours(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return isdigit((unsigned char)entry->d_name[0]) && length > strlen(SUFFIX) &&
	       strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX) == 0;
}

static int compare_newest_first(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*b)->d_name, (*a)->d_name);
}

/* Keeps the newest as far as the limits go, and in any case the one just written. */
static void rotate(const struct archive *a, int directory, const char *written)
{
	struct dirent **entries;
	uint64_t bytes = 0;
	int n = scandirat(directory, ".", &entries, is_ours, compare_newest_first);

	for (int i = 0; i < n; i++) {
		struct stat st;

		if (fstatat(directory, entries[i]->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			bytes += (uint64_t)st.st_size;
		if (((uint64_t)i >= a->files_max || bytes > a->bytes_max) &&
		    strcmp(entries[i]->d_name, written) != 0)
			unlinkat(directory, entries[i]->d_name, 0);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

/* Writing. */

static int open_directory(const struct archive *a)
{
	int fd;

	/* where no service manager has made it */
	if (mkdir(a->parent, DIRECTORY_MODE) < 0 && errno != EEXIST)
		return -errno;
	if (mkdir(a->directory, DIRECTORY_MODE) < 0 && errno != EEXIST)
		return -errno;
	fd = open(a->directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int write_text(int fd, const char *text)
{
	size_t size = strlen(text);

	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, text + done, size - done);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return write(fd, "\n", 1) == 1 ? 0 : -EIO;
}

static int write_file(int directory, const char *name, const char *text)
{
	_cleanup_close_ int fd = -1;
	char draft[32];
	int r;

	/* of this process alone, so that one that is there was left by another that has ended */
	snprintf(draft, sizeof(draft), ".draft-%d", getpid());
	if (unlinkat(directory, draft, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(directory, draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return -errno;
	r = fchmod(fd, FILE_MODE) < 0 ? -errno : write_text(fd, text);
	if (r == 0 && renameat(directory, draft, directory, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(directory, draft, 0);
	return r;
}

static int write_row(const struct archive *a, const char *name, struct json_object *row)
{
	const char *text = json_object_to_json_string_ext(
		row, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	_cleanup_close_ int directory = open_directory(a);
	int r;

	if (!text)
		return -ENOMEM;
	if (directory < 0)
		return directory;
	if (strlen(text) > a->bytes_max)
		return -EFBIG;
	r = write_file(directory, name, text);
	rotate(a, directory, name);
	return r;
}

int archive_write(struct archive *a, const struct notice *notice, struct json_object *row,
		  char **ret)
{
	char name[ARCHIVE_NAME_SIZE];
	char *path;
	int r;

	if (a->files_max == 0)
		return -ENOENT;
	archive_name(notice, now_ns(CLOCK_REALTIME), name);
	r = write_row(a, name, row);
	if (r < 0 && !a->failing)
		log_warning("%s/%s: the evidence cannot be written: %s; alerts go on without it",
			    a->directory, name, strerror(-r));
	a->failing = r < 0;
	if (r < 0)
		return r;
	if (asprintf(&path, "%s/%s", a->directory, name) < 0)
		return -ENOMEM;
	*ret = path;
	return 0;
}
