/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "alert/archive.h"
#include "base/log.h"
#include "base/util.h"
#include "directory.h"
#include "notice_fixture.h"

struct fixture {
	struct directory base;
	char state[48], directory[64];
	struct archive *archive;
	struct json_object *row;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || directory_make(&f->base, "test_archive") < 0)
		return -1;
	directory_name(&f->base, "state", f->state, sizeof(f->state));
	snprintf(f->directory, sizeof(f->directory), "%s/alerts", f->state);
	f->row = json_object_new_object();
	json_object_object_add(f->row, "name", json_object_new_string("x"));
	*state = f;
	if (archive_new(f->state, &f->archive) < 0)
		return -1;
	archive_set_limits(f->archive, 3, 1 << 20);
	return 0;
}

static int is_file(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static size_t count_files(const struct fixture *f)
{
	struct dirent **entries;
	int n = scandir(f->directory, &entries, is_file, alphasort);

	for (int i = 0; i < n; i++)
		free(entries[i]);
	if (n >= 0)
		free(entries);
	return n < 0 ? 0 : (size_t)n;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	directory_remove(&f->base);
	archive_free(f->archive);
	json_object_put(f->row);
	free(f);
	return 0;
}

static char *write_one(struct fixture *f, uint64_t id)
{
	struct notice notice = make_notice(NOTICE_FIRING);
	char *path = NULL;

	notice.id = id;
	assert_int_equal(archive_write(f->archive, &notice, f->row, &path), 0);
	return path;
}

static void test_a_file(void **state)
{
	struct fixture *f = *state;
	mode_t before = umask(0);
	_cleanup_free_ char *path = write_one(f, 1);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[64] = "";
	struct stat st;

	umask(before);
	assert_int_equal(strncmp(path, f->directory, strlen(f->directory)), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "{\n  \"name\":\"x\"\n}\n");
	assert_int_equal(stat(f->directory, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(count_files(f), 1);
}

static void test_names(void **state)
{
	static const struct {
		const char *alert, *target, *name;
	} cases[] = {
		{"a-b", "nginx.service",
		 "20261120T132305.123Z-a-b-nginx.service-0000000000abcdef.json"},
		{"a", "[::1]:80 netns 4026531840",
		 "20261120T132305.123Z-a-1-80-netns-4026531840-0000000000abcdef.json"},
		{"../../etc/x", "../../etc/passwd",
		 "20261120T132305.123Z-..-..-etc-x-..-..-etc-passwd-0000000000abcdef.json"},
		{"a", "\n\x1b[2J\xc3\xa4/", "20261120T132305.123Z-a-2J--0000000000abcdef.json"},
		{"a", "", "20261120T132305.123Z-a--0000000000abcdef.json"},
	};
	struct notice notice = make_notice(NOTICE_FIRING);
	char name[ARCHIVE_NAME_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(notice.name, sizeof(notice.name), "%s", cases[i].alert);
		snprintf(notice.target, sizeof(notice.target), "%s", cases[i].target);
		archive_name(&notice, NOTICE_SINCE_NS, name);
		assert_string_equal(name, cases[i].name);
	}
	memset(notice.name, 'n', sizeof(notice.name) - 1);
	memset(notice.target, 't', sizeof(notice.target) - 1);
	archive_name(&notice, NOTICE_SINCE_NS, name);
	assert_true(strlen(name) < 200);
	assert_non_null(strstr(name, "-0000000000abcdef.json"));
}

static void test_the_oldest_go(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *other = NULL, *last = NULL;
	_cleanup_close_ int fd = -1;

	for (uint64_t i = 1; i <= 5; i++)
		free(write_one(f, i));
	assert_int_equal(count_files(f), 3);
	/* what somebody else put there stays */
	assert_true(asprintf(&other, "%s/notes.txt", f->directory) > 0);
	fd = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	last = write_one(f, 6);
	assert_int_equal(count_files(f), 4);
	assert_int_equal(access(last, F_OK), 0);
	archive_set_limits(f->archive, 100, 40); /* two of 18 bytes */
	free(write_one(f, 7));
	assert_int_equal(count_files(f), 3);
}

static void test_what_cannot_be_written(void **state)
{
	struct fixture *f = *state;
	struct notice notice = make_notice(NOTICE_FIRING);
	char *path = NULL;

	archive_set_limits(f->archive, 3, 10);
	assert_int_equal(archive_write(f->archive, &notice, f->row, &path), -EFBIG);
	assert_int_equal(count_files(f), 0);
	archive_set_limits(f->archive, 0, 1 << 20);
	assert_int_equal(archive_write(f->archive, &notice, f->row, &path), -ENOENT);
	assert_null(path);
}

/* Nobody leads the daemon elsewhere. */
static void test_links_are_not_followed(void **state)
{
	struct fixture *f = *state;
	struct notice notice = make_notice(NOTICE_FIRING);
	char *path = NULL;

	assert_int_equal(mkdir(f->state, 0700), 0);
	assert_int_equal(symlink(f->base.path, f->directory), 0);
	assert_int_equal(archive_write(f->archive, &notice, f->row, &path), -ENOTDIR);
	assert_null(path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_file),
		TEST(test_names),
		TEST(test_the_oldest_go),
		TEST(test_what_cannot_be_written),
		TEST(test_links_are_not_followed),
	};

	log_open("test_archive");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
