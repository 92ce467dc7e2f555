/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/stat.h>

#include "alert/wording.h"
#include "base/json.h"
#include "base/util.h"

#define VERSION 1
#define FILE_MAX (8U << 20) /* bytes: 64 rules with 100 targets, of less than 1,000 bytes each */
#define BOOT_FILE "/proc/sys/kernel/random/boot_id"
#define BOOT_SIZE 37 /* a UUID and a NUL */
#define KEY_SIZE (2 * sizeof(struct tally_key) + 1)

struct writing {
	keep_name_fn *name;
	void *userdata;
};

struct reading {
	struct rules *rules;
	uint64_t now_ns;
	keep_restored_fn *restored;
	void *userdata;
	size_t count;
};

/* "" where it cannot be read: then no file is of this boot. */
static void read_boot(char boot[static BOOT_SIZE])
{
	_cleanup_fclose_ FILE *file = fopen(BOOT_FILE, "re");

	if (!file || !fgets(boot, BOOT_SIZE, file))
		boot[0] = '\0';
}

/* Writing. */

static struct json_object *hex_of(const void *bytes, size_t size)
{
	char text[KEY_SIZE];

	for (size_t i = 0; i < size && i < sizeof(struct tally_key); i++)
		snprintf(text + 2 * i, 3, "%02x", ((const uint8_t *)bytes)[i]);
	return json_object_new_string(text);
}

static struct json_object *row_of(const struct writing *w, const struct rules_rule *rule,
				  const struct rules_target *target)
{
	struct json_object *row = json_object_new_object();
	char text[NOTICE_TARGET_SIZE];

	w->name(rule, target, text, w->userdata);
	json_add_text(row, "name", rule->alert.member.name);
	json_add_text(row, "target", text);
	json_add(row, "key", hex_of(&target->key, sizeof(target->key)));
	json_add(row, "comm", hex_of(target->comm, sizeof(target->comm)));
	json_add_number(row, "id", target->id);
	json_add_number(row, "since_ns", target->state.since_ns);
	json_add_number(row, "told_ns", target->state.told_ns);
	json_add(row, "value", json_object_new_double(target->state.value));
	json_add(row, "limit", json_object_new_double(target->state.limit));
	return row;
}

static struct json_object *document_of(const struct writing *w, const struct rules *rules)
{
	struct json_object *document = json_object_new_object(), *rows = json_object_new_array();
	char boot[BOOT_SIZE];

	read_boot(boot);
	json_add(document, "version", json_object_new_int(VERSION));
	json_add_text(document, "boot", boot);
	for (size_t i = 0; i < rules_count(rules); i++) {
		const struct rules_rule *rule = rules_at(rules, i);

		for (size_t j = 0; j < rule->count; j++)
			if (rule->targets[j].state.status == RULE_FIRING && rule->targets[j].told)
				json_object_array_add(rows, row_of(w, rule, &rule->targets[j]));
	}
	json_add(document, "alerts", rows);
	return document;
}

static int write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
				      0600);
	size_t length = strlen(text);

	if (fd < 0)
		return -errno;
	while (length > 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		length -= (size_t)n;
	}
	return 0;
}

/* Without fsync(2): what a crash of the host loses is of a boot that is over. */
int keep_write(const char *path, const struct rules *rules, keep_name_fn *name, void *userdata)
{
	const struct writing writing = {.name = name, .userdata = userdata};
	struct json_object *document = document_of(&writing, rules);
	_cleanup_free_ char *other = NULL;
	int r;

	if (asprintf(&other, "%s.new", path) < 0) {
		other = NULL;
		json_object_put(document);
		return -ENOMEM;
	}
	r = write_text(other, json_object_to_json_string_ext(document, JSON_C_TO_STRING_PLAIN));
	json_object_put(document);
	if (r == 0 && rename(other, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(other);
	return r;
}

/* Reading. */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_hex(struct json_object *row, const char *name, void *bytes, size_t size)
{
	struct json_object *value = NULL;
	const char *text;

	if (!json_object_object_get_ex(row, name, &value) ||
	    !json_object_is_type(value, json_type_string) ||
	    (size_t)json_object_get_string_len(value) != 2 * size)
		return false;
	text = json_object_get_string(value);
	for (size_t i = 0; i < size; i++) {
		int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		((uint8_t *)bytes)[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool take_number(struct json_object *row, const char *name, uint64_t *ret)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(row, name, &value) ||
	    !json_object_is_type(value, json_type_int) || json_object_get_int64(value) <= 0)
		return false;
	*ret = json_object_get_uint64(value);
	return true;
}

static bool take_double(struct json_object *row, const char *name, double *ret)
{
	struct json_object *value = NULL;

	if (!json_object_object_get_ex(row, name, &value))
		return false;
	*ret = json_object_get_double(value);
	return *ret >= 0; /* and not NaN */
}

static void take_target(struct json_object *row, char text[static NOTICE_TARGET_SIZE])
{
	struct json_object *value = NULL;

	text[0] = '\0';
	if (json_object_object_get_ex(row, "target", &value) &&
	    json_object_is_type(value, json_type_string))
		wording_clean(json_object_get_string(value),
			      (size_t)json_object_get_string_len(value), text, NOTICE_TARGET_SIZE);
}

static bool take_row(struct json_object *row, const struct reading *reading)
{
	struct rules_target target = {0};
	struct json_object *name = NULL;
	char text[NOTICE_TARGET_SIZE];

	if (!json_object_is_type(row, json_type_object) ||
	    !json_object_object_get_ex(row, "name", &name) ||
	    !json_object_is_type(name, json_type_string))
		return false;
	if (!take_hex(row, "key", &target.key, sizeof(target.key)) ||
	    !take_hex(row, "comm", target.comm, sizeof(target.comm)) ||
	    !take_number(row, "id", &target.id) ||
	    !take_number(row, "since_ns", &target.state.since_ns) ||
	    !take_number(row, "told_ns", &target.state.told_ns) ||
	    !take_double(row, "value", &target.state.value) ||
	    !take_double(row, "limit", &target.state.limit))
		return false;
	target.comm[sizeof(target.comm) - 1] = '\0';
	if (target.state.since_ns > reading->now_ns || target.state.told_ns > reading->now_ns ||
	    !rules_restore(reading->rules, json_object_get_string(name), &target, reading->now_ns))
		return false;
	take_target(row, text);
	reading->restored(target.id, text, reading->userdata);
	return true;
}

static int take_document(struct json_object *document, struct reading *reading)
{
	struct json_object *version = NULL, *boot = NULL, *rows = NULL;
	char this_boot[BOOT_SIZE];

	if (!json_object_object_get_ex(document, "version", &version) ||
	    !json_object_object_get_ex(document, "boot", &boot) ||
	    !json_object_object_get_ex(document, "alerts", &rows) ||
	    !json_object_is_type(boot, json_type_string) ||
	    !json_object_is_type(rows, json_type_array))
		return -EBADMSG;
	read_boot(this_boot);
	if (json_object_get_int(version) != VERSION || !this_boot[0] ||
	    strcmp(json_object_get_string(boot), this_boot) != 0)
		return 0;
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		reading->count += take_row(json_object_array_get_idx(rows, i), reading);
	return 0;
}

static int read_text(const char *path, char **ret)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return -EBADMSG;
	text = calloc(1, (size_t)st.st_size + 1);
	if (!text)
		return -ENOMEM;
	n = read(fd, text, (size_t)st.st_size);
	if (n < 0)
		return -errno;
	*ret = TAKE_PTR(text);
	return 0;
}

int keep_read(const char *path, struct rules *rules, uint64_t now_ns, keep_restored_fn *restored,
	      void *userdata, size_t *ret_count)
{
	struct reading reading = {
		.rules = rules, .now_ns = now_ns, .restored = restored, .userdata = userdata};
	_cleanup_free_ char *text = NULL;
	struct json_object *document;
	int r = read_text(path, &text);

	*ret_count = 0;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	document = json_tokener_parse(text);
	if (!json_object_is_type(document, json_type_object))
		r = -EBADMSG;
	else
		r = take_document(document, &reading);
	*ret_count = reading.count;
	json_object_put(document);
	return r;
}
