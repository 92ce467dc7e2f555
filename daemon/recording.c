/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/util.h"
#include "model/valid.h"
#include "recording.h"

#define BODY_MAX sizeof(struct tw_cgroup)

static const uint16_t body_sizes[] = {
	[TW_RECORD_EVENT] = sizeof(struct tw_event),
	[TW_RECORD_ROUND_BEGIN] = sizeof(struct tw_round),
	[TW_RECORD_DUMP_BEGIN] = sizeof(struct tw_dump),
	[TW_RECORD_SOCKET] = sizeof(struct tw_socket),
	[TW_RECORD_DUMP_END] = sizeof(struct tw_dump),
	[TW_RECORD_ROUND_END] = sizeof(struct tw_round),
	[TW_RECORD_COUNTERS] = sizeof(struct tw_counters),
	[TW_RECORD_NETNS_GONE] = sizeof(struct tw_dump),
	[TW_RECORD_LOST] = sizeof(struct tw_lost),
	[TW_RECORD_TICK] = sizeof(struct tw_tick),
	[TW_RECORD_LISTENER] = sizeof(struct tw_listener),
	[TW_RECORD_LISTENERS] = sizeof(struct tw_tick),
	[TW_RECORD_PORT] = sizeof(struct tw_port_record),
	[TW_RECORD_SOURCES] = sizeof(struct tw_source_summary),
	[TW_RECORD_NETSTAT] = sizeof(struct tw_netstat),
	[TW_RECORD_LIMITS] = sizeof(struct tw_limits),
	[TW_RECORD_AGE] = sizeof(struct tw_age),
	[TW_RECORD_AGES] = sizeof(struct tw_tick),
	[TW_RECORD_PASS_BEGIN] = sizeof(struct tw_pass),
	[TW_RECORD_HOLDER] = sizeof(struct tw_holder),
	[TW_RECORD_PASS_END] = sizeof(struct tw_pass),
	[TW_RECORD_CGROUP] = sizeof(struct tw_cgroup),
	[TW_RECORD_CGROUPS] = sizeof(struct tw_tick),
	[TW_RECORD_QUEUED] = sizeof(struct tw_queued),
	[TW_RECORD_PORT_GONE] = sizeof(struct tw_port),
};

struct recording {
	FILE *file;
	bool failed;
};

int recording_create(const char *path, struct recording **ret)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	_cleanup_fclose_ FILE *file = NULL;
	struct recording *r;

	if (fd < 0)
		return -errno;
	file = fdopen(fd, "w");
	if (!file)
		return -errno;
	TAKE_FD(fd);
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->file = TAKE_PTR(file);
	fwrite(TW_RECORDING_MAGIC, TW_RECORDING_MAGIC_SIZE, 1, r->file);
	*ret = r;
	return 0;
}

int recording_write(struct recording *r, enum tw_record_type type, const void *body)
{
	const struct tw_record_header header = {.type = (uint16_t)type, .size = body_sizes[type]};

	if (r->failed)
		return 0;
	if (fwrite(&header, sizeof(header), 1, r->file) == 1 &&
	    fwrite(body, header.size, 1, r->file) == 1)
		return 0;
	r->failed = true;
	return -errno;
}

struct recording *recording_close(struct recording *r)
{
	if (!r)
		return NULL;
	if (fclose(r->file) && !r->failed)
		log_error("the end of the recording is lost: %s", strerror(errno));
	free(r);
	return NULL;
}

/* Whether a kernel can have told that, as far as the body's own numbers show. */
static bool is_possible(unsigned type, const void *body)
{
	const struct tw_event *event = body;
	const struct tw_socket *socket = body;
	const struct tw_listener *listener = body;

	switch (type) {
	case TW_RECORD_EVENT:
		return valid_state(event->old_state) && valid_state(event->new_state) &&
		       valid_family(event->family);
	case TW_RECORD_SOCKET:
		return valid_state(socket->state) && valid_family(socket->family) &&
		       socket->kind <= TW_SOCKET_MINI;
	case TW_RECORD_LISTENER:
		return valid_family(listener->family);
	default:
		return true;
	}
}

/* 1: a record was read; 0: the file ended before it; or -EBADMSG, -EIO. */
static int read_record(FILE *file, struct tw_record_header *header, uint8_t body[BODY_MAX],
		       const char **ret_what)
{
	size_t got = fread(header, 1, sizeof(*header), file);

	*ret_what = "it ends within a record: it was cut off";
	if (!got && feof(file))
		return 0;
	if (got != sizeof(*header))
		return ferror(file) ? -EIO : -EBADMSG;
	if (header->type >= ARRAY_SIZE(body_sizes) || !body_sizes[header->type] ||
	    header->size != body_sizes[header->type]) {
		*ret_what = "there is no such record: it is damaged, or from another version";
		return -EBADMSG;
	}
	if (fread(body, header->size, 1, file) != 1)
		return ferror(file) ? -EIO : -EBADMSG;
	*ret_what = "no kernel tells what this record says: it is damaged";
	return is_possible(header->type, body) ? 1 : -EBADMSG;
}

static int read_magic(const char *path, FILE *file)
{
	char magic[TW_RECORDING_MAGIC_SIZE];
	struct stat st;

	if (fstat(fileno(file), &st) < 0 || !S_ISREG(st.st_mode)) {
		log_error("%s: not a recording: it is not an ordinary file", path);
		return -EBADMSG;
	}
	if (fread(magic, sizeof(magic), 1, file) != 1 ||
	    memcmp(magic, TW_RECORDING_MAGIC, sizeof(magic)) != 0) {
		log_error("%s: not a recording of this version of tcpwatchd (see --record)", path);
		return -EBADMSG;
	}
	return 0;
}

int recording_read(const char *path, recording_record_fn *on_record, void *userdata)
{
	/* a pipe without a writer is refused below, not waited for */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_fclose_ FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	_Alignas(8) uint8_t body[BODY_MAX];
	struct tw_record_header header;
	const char *what;
	uint64_t start = TW_RECORDING_MAGIC_SIZE; /* of the record being read */
	int error;

	if (!file) {
		error = -errno;
		log_error("%s: cannot be read: %s", path, strerror(-error));
		return error;
	}
	error = read_magic(path, file);
	if (error < 0)
		return error;
	while ((error = read_record(file, &header, body, &what)) > 0) {
		on_record((enum tw_record_type)header.type, body, userdata);
		start += sizeof(header) + header.size;
	}
	if (error == -EIO)
		log_error("%s: cannot be read: %s", path, strerror(EIO));
	else if (error < 0)
		log_error("%s: byte %llu: %s", path, (unsigned long long)start, what);
	return error;
}
