/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/log.h"
#include "base/util.h"
#include "model/valid.h"
#include "recording.h"

#define BODY_MAX sizeof(struct tw_cgroup)

static const uint16_t body_sizes[] = {
	[TW_RECORDING_END] = sizeof(struct tw_recording_end),
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
	[TW_RECORD_PROCESS] = sizeof(struct tw_process),
	[TW_RECORD_LISTENERS_CHANGED] = sizeof(struct tw_tick),
};

struct recording {
	FILE *file;
	uint64_t records; /* written so far */
	uint32_t crc;     /* of them */
	bool failed;
};

/* Goes on from crc, that of all records before; the first has 0 before it. */
static uint32_t checksum(uint32_t crc, const struct tw_record_header *header, const void *body)
{
	crc = (uint32_t)crc32(crc, (const void *)header, offsetof(struct tw_record_header, crc));
	return (uint32_t)crc32(crc, body, header->size);
}

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

static int write_record(struct recording *r, unsigned type, const void *body)
{
	struct tw_record_header header = {.type = (uint16_t)type, .size = body_sizes[type]};

	if (r->failed)
		return 0;
	header.crc = r->crc = checksum(r->crc, &header, body);
	if (fwrite(&header, sizeof(header), 1, r->file) == 1 &&
	    fwrite(body, header.size, 1, r->file) == 1) {
		r->records++;
		return 0;
	}
	r->failed = true;
	return -errno;
}

int recording_write(struct recording *r, enum tw_record_type type, const void *body)
{
	return write_record(r, type, body);
}

struct recording *recording_close(struct recording *r)
{
	struct tw_recording_end end;
	int error;

	if (!r)
		return NULL;
	end.records = r->records;
	error = write_record(r, TW_RECORDING_END, &end);
	if (fclose(r->file) && !r->failed)
		error = -errno;
	if (error < 0)
		log_error("the end of the recording is lost: %s", strerror(-error));
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

struct reader {
	FILE *file;
	uint64_t start;   /* byte at which the record being read begins */
	uint64_t records; /* before it */
	uint32_t crc;     /* of them */
	struct tw_record_header header;
	_Alignas(8) uint8_t body[BODY_MAX];
};

#define HOW_IT_ENDED "the daemon was killed or its disk was full, or the file was cut off"

static int read_whole_record(struct reader *r, const char **ret_what)
{
	const struct tw_record_header *header = &r->header;
	size_t got = fread(&r->header, 1, sizeof(*header), r->file);

	*ret_what = got ? "it ends within a record: " HOW_IT_ENDED
			: "it ends without its end record: " HOW_IT_ENDED;
	if (got != sizeof(*header))
		return ferror(r->file) ? -EIO : -ENODATA;
	if (header->type >= ARRAY_SIZE(body_sizes) || !body_sizes[header->type] ||
	    header->size != body_sizes[header->type]) {
		*ret_what = "there is no such record: it is damaged";
		return -EBADMSG;
	}
	*ret_what = "it ends within a record: " HOW_IT_ENDED;
	if (fread(r->body, header->size, 1, r->file) != 1)
		return ferror(r->file) ? -EIO : -ENODATA;
	return 0;
}

static int check_record(struct reader *r, const char **ret_what)
{
	r->crc = checksum(r->crc, &r->header, r->body);
	if (r->header.crc != r->crc) {
		*ret_what = "this record is not as it was written: it is damaged";
		return -EBADMSG;
	}
	if (!is_possible(r->header.type, r->body)) {
		*ret_what = "no kernel tells what this record says: it is damaged";
		return -EBADMSG;
	}
	return 0;
}

static int check_end(struct reader *r, const char **ret_what)
{
	const struct tw_recording_end *end = (const void *)r->body;

	if (end->records != r->records) {
		*ret_what = "the end tells of another number of records: it is damaged";
		return -EBADMSG;
	}
	if (getc(r->file) != EOF) {
		*ret_what = "something comes after the end: it is damaged";
		return -EBADMSG;
	}
	return ferror(r->file) ? -EIO : 0;
}

/* 0 at the recording's end; or -ENODATA, -EBADMSG or -EIO. */
static int read_records(struct reader *r, recording_record_fn *on_record, void *userdata,
			const char **ret_what)
{
	for (;;) {
		int error = read_whole_record(r, ret_what);

		if (!error)
			error = check_record(r, ret_what);
		if (error < 0)
			return error;
		if (r->header.type == TW_RECORDING_END)
			return check_end(r, ret_what);
		on_record((enum tw_record_type)r->header.type, r->body, userdata);
		r->start += sizeof(r->header) + r->header.size;
		r->records++;
	}
}

static int read_magic(const char *path, FILE *file)
{
	static const char expected[] = TW_RECORDING_MAGIC;
	enum { VERSION_AT = TW_RECORDING_MAGIC_SIZE - 1 };
	char magic[TW_RECORDING_MAGIC_SIZE];
	struct stat st;

	if (fstat(fileno(file), &st) < 0 || !S_ISREG(st.st_mode)) {
		log_error("%s: not a recording: it is not an ordinary file", path);
		return -EBADMSG;
	}
	if (fread(magic, sizeof(magic), 1, file) != 1 || memcmp(magic, expected, VERSION_AT) != 0) {
		log_error("%s: not a recording of tcpwatchd (see --record)", path);
		return -EBADMSG;
	}
	if (magic[VERSION_AT] != expected[VERSION_AT]) {
		log_error("%s: a recording in format %u, and this tcpwatchd reads format %u: "
			  "replay it with the version that recorded it",
			  path, (unsigned char)magic[VERSION_AT],
			  (unsigned char)expected[VERSION_AT]);
		return -EBADMSG;
	}
	return 0;
}

int recording_read(const char *path, recording_record_fn *on_record, void *userdata)
{
	/* a pipe without a writer is refused below, not waited for */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_fclose_ FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	struct reader r = {.file = file, .start = TW_RECORDING_MAGIC_SIZE};
	const char *what;
	int error;

	if (!file) {
		error = -errno;
		log_error("%s: cannot be read: %s", path, strerror(-error));
		return error;
	}
	error = read_magic(path, file);
	if (error < 0)
		return error;
	error = read_records(&r, on_record, userdata, &what);
	if (error == -EIO)
		log_error("%s: cannot be read: %s", path, strerror(EIO));
	else if (error < 0)
		log_error("%s: byte %llu: %s", path, (unsigned long long)r.start, what);
	return error;
}
