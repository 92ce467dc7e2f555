/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "bpf/inventory.skel.h"
#include "bpf/inventory_ahead.skel.h"
#include "source/inventory.h"

struct inventory {
	struct inventory_bpf *skeleton;
	struct bpf_link *queues, *descriptors, *older;
	bool passed;
	uint32_t listeners; /* that the last look at all has met */
};

static int open_reader(const struct bpf_link *link, struct inventory_reader *ret)
{
	int fd = bpf_iter_create(bpf_link__fd(link));

	if (fd < 0)
		return -errno;
	ret->fd = fd;
	ret->kept = 0;
	return 0;
}

void inventory_reader_close(struct inventory_reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

/* ahead: the object whose programs read ahead, which not all kernels take. */
static int load(struct inventory *inv, int listener_map, bool ahead)
{
	int error;

	inv->skeleton = calloc(1, sizeof(*inv->skeleton));
	if (!inv->skeleton)
		return -ENOMEM;
	error = inventory_bpf__create_skeleton(inv->skeleton);
	/* both objects are of one source, with the same programs and variables */
	if (!error && ahead)
		inv->skeleton->skeleton->data = (void *)inventory_ahead_bpf__elf_bytes(
			&inv->skeleton->skeleton->data_sz);
	if (!error)
		error = bpf_object__open_skeleton(inv->skeleton->skeleton, NULL);
	if (!error)
		error = bpf_map__reuse_fd(inv->skeleton->maps.listeners, listener_map);
	if (!error)
		error = inventory_bpf__load(inv->skeleton);
	if (!error)
		return 0;
	inventory_bpf__destroy(inv->skeleton);
	inv->skeleton = NULL;
	return error;
}

static int attach(struct inventory *inv, int listener_map)
{
	union bpf_iter_link_info info = {.map.map_fd = (uint32_t)listener_map};
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info,
		    .link_info_len = sizeof(info));
	int error = load(inv, listener_map, true);

	if (error < 0)
		error = load(inv, listener_map, false);
	if (error < 0)
		return error;
	inv->descriptors = bpf_program__attach_iter(inv->skeleton->progs.descriptors, NULL);
	if (!inv->descriptors)
		return -errno;
	inv->older = bpf_program__attach_iter(inv->skeleton->progs.older, NULL);
	if (!inv->older)
		return -errno;
	inv->queues = bpf_program__attach_iter(inv->skeleton->progs.queues, &options);
	return inv->queues ? 0 : -errno;
}

int inventory_new(int listener_map, struct inventory **ret)
{
	struct inventory *inv = calloc(1, sizeof(*inv));
	int error;

	if (!inv)
		return -ENOMEM;
	error = attach(inv, listener_map);
	if (error < 0) {
		inventory_free(inv);
		return error;
	}
	*ret = inv;
	return 0;
}

struct inventory *inventory_free(struct inventory *inv)
{
	if (!inv)
		return NULL;
	bpf_link__destroy(inv->queues);
	bpf_link__destroy(inv->descriptors);
	bpf_link__destroy(inv->older);
	inventory_bpf__destroy(inv->skeleton);
	free(inv);
	return NULL;
}

int inventory_older(const struct inventory *inv)
{
	return bpf_link__fd(inv->older);
}

/* Hands over what is whole of the data; how many bytes that was. */
typedef size_t parse_fn(const uint8_t *data, size_t length, void *context);

/* 1: there may be more; 0: that was all; or a negative errno. */
static int read_on(struct inventory_reader *r, parse_fn *parse, void *context)
{
	ssize_t got = read(r->fd, r->buffer + r->kept, sizeof(r->buffer) - r->kept);
	size_t length, used;

	if (got < 0)
		return errno == EAGAIN ? 1 : -errno; /* it rests after a million objects */
	length = r->kept + (size_t)got;
	used = parse(r->buffer, length, context);
	r->kept = length - used;
	memmove(r->buffer, r->buffer + used, r->kept);
	return got > 0;
}

static int run(const struct bpf_link *link, parse_fn *parse, void *context)
{
	struct inventory_reader reader;
	int more = open_reader(link, &reader);

	if (more < 0)
		return more;
	while ((more = read_on(&reader, parse, context)) > 0)
		;
	inventory_reader_close(&reader);
	return more;
}

struct holder_context {
	struct tw_holder *row; /* the last one */
	inventory_process_fn *on_process;
	inventory_holder_fn *on_holder;
	void *userdata;
};

static size_t parse_holders(const uint8_t *data, size_t length, void *context)
{
	const struct holder_context *c = context;
	size_t used = 0;

	while (used + sizeof(uint64_t) <= length) {
		const struct tw_holder_first *first = (const void *)(data + used);
		const struct tw_executable *executable = (const void *)(first + 1);

		/* a cookie has the mark's place */
		if (first->mark) {
			c->row->cookie = first->mark;
			used += sizeof(first->mark);
		} else if (used + sizeof(*first) + sizeof(*executable) <= length) {
			*c->row = first->row;
			used += sizeof(*first) + sizeof(*executable);
			c->on_process(c->row, executable, c->userdata);
		} else {
			break;
		}
		c->on_holder(c->row, c->userdata);
	}
	return used;
}

int inventory_reader_read(struct inventory_reader *r, inventory_process_fn *on_process,
			  inventory_holder_fn *on_holder, void *userdata)
{
	struct holder_context context = {.row = &r->row,
					 .on_process = on_process,
					 .on_holder = on_holder,
					 .userdata = userdata};

	return read_on(r, parse_holders, &context);
}

int inventory_holders(struct inventory *inv, struct inventory_reader *ret)
{
	inv->skeleton->bss->pass++;
	inv->skeleton->bss->told_pid = 0;
	return open_reader(inv->descriptors, ret);
}

void inventory_holders_end(struct inventory *inv, struct inventory_reader *r, bool complete)
{
	inventory_reader_close(r);
	inv->passed = true;
	if (complete)
		inv->skeleton->bss->complete = inv->skeleton->bss->pass;
}

bool inventory_passed(const struct inventory *inv)
{
	return inv->passed;
}

/* The pass that goes on may yet meet one, as the one before it did. */
bool inventory_listing(const struct inventory *inv)
{
	const struct inventory_bpf__bss *told = inv->skeleton->bss;

	return inv->passed && (!told->unlisted || told->unlisted + 1 < told->pass);
}

struct listener_context {
	inventory_listener_fn *on_listener;
	inventory_queued_fn *on_queued;
	void *userdata;
	bool in_queue; /* of the last one; cookies come, until a 0 */
};

static size_t parse_listeners(const uint8_t *data, size_t length, void *context)
{
	struct listener_context *c = context;
	size_t used = 0;

	for (;;) {
		const uint64_t *cookie = (const void *)(data + used);
		const struct tw_listener *row = (const void *)(data + used);
		size_t size = c->in_queue ? sizeof(*cookie) : sizeof(*row);

		if (used + size > length)
			return used;
		used += size;
		if (!c->in_queue) {
			c->on_listener(row, c->userdata);
			c->in_queue = row->accept_queue;
		} else if (*cookie) {
			c->on_queued(*cookie, c->userdata);
		} else {
			c->in_queue = false;
		}
	}
}

static int look_at_all(struct inventory *inv, struct listener_context *context)
{
	struct inventory_bpf__bss *told = inv->skeleton->bss;
	int error;

	told->look++;
	told->only_changes = 0;
	told->listeners_met = 0;
	error = run(inv->queues, parse_listeners, context);
	inv->listeners = told->listeners_met;
	return error;
}

/*
 * Whether that was enough: each listener has been met, and no other. What one read of the kernel's
 * gives does so, but between two of them it loses its place; more than that is not taken here.
 */
static bool look_at_changes(struct inventory *inv, struct listener_context *context)
{
	struct inventory_bpf__bss *told = inv->skeleton->bss;
	struct inventory_reader reader;
	ssize_t length;
	uint8_t more;
	bool whole;

	if (open_reader(inv->queues, &reader) < 0)
		return false;
	told->only_changes = 1;
	told->listeners_met = told->listeners_came = 0;
	length = read(reader.fd, reader.buffer, sizeof(reader.buffer));
	whole = length >= 0 && !read(reader.fd, &more, sizeof(more));
	inventory_reader_close(&reader);
	if (!whole || told->listeners_came || told->listeners_met != inv->listeners)
		return false;
	parse_listeners(reader.buffer, (size_t)length, context);
	return true;
}

int inventory_listeners(struct inventory *inv, bool only_changes,
			inventory_listener_fn *on_listener, inventory_queued_fn *on_queued,
			void *userdata)
{
	struct listener_context context = {
		.on_listener = on_listener, .on_queued = on_queued, .userdata = userdata};

	if (only_changes && look_at_changes(inv, &context))
		return 1;
	return look_at_all(inv, &context);
}
