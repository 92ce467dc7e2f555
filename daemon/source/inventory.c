/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "bpf/inventory.skel.h"
#include "source/inventory.h"

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

struct inventory {
	struct inventory_bpf *skeleton;
	struct bpf_link *queues, *descriptors;
};

static int attach(struct inventory *inv, int listener_map)
{
	union bpf_iter_link_info info = {.map.map_fd = (uint32_t)listener_map};
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info,
		    .link_info_len = sizeof(info));
	int error;

	inv->skeleton = inventory_bpf__open();
	if (!inv->skeleton)
		return -errno;
	error = bpf_map__reuse_fd(inv->skeleton->maps.listeners, listener_map);
	if (!error)
		error = inventory_bpf__load(inv->skeleton);
	if (error < 0)
		return error;
	inv->descriptors = bpf_program__attach_iter(inv->skeleton->progs.descriptors, NULL);
	if (!inv->descriptors)
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
	inventory_bpf__destroy(inv->skeleton);
	free(inv);
	return NULL;
}

int inventory_reader_read(struct inventory_reader *r, size_t row_size, inventory_row_fn *on_row,
			  void *userdata)
{
	ssize_t got = read(r->fd, r->buffer + r->kept, sizeof(r->buffer) - r->kept);
	size_t length, offset;

	if (got < 0)
		return errno == EAGAIN ? 1 : -errno; /* it rests after a million objects */
	length = r->kept + (size_t)got;
	for (offset = 0; offset + row_size <= length; offset += row_size)
		on_row(r->buffer + offset, userdata);
	r->kept = length - offset;
	memmove(r->buffer, r->buffer + offset, r->kept);
	return got > 0;
}

static int run(const struct bpf_link *link, size_t row_size, inventory_row_fn *on_row,
	       void *userdata)
{
	struct inventory_reader reader;
	int more = open_reader(link, &reader);

	if (more < 0)
		return more;
	while ((more = inventory_reader_read(&reader, row_size, on_row, userdata)) > 0)
		;
	inventory_reader_close(&reader);
	return more;
}

static void pass_over(const void *row, void *userdata)
{
	(void)row, (void)userdata;
}

int inventory_find_listeners(struct inventory *inv)
{
	inv->skeleton->bss->pass++;
	inv->skeleton->bss->silent = true;
	return run(inv->descriptors, sizeof(struct tw_holder), pass_over, NULL);
}

int inventory_holders(struct inventory *inv, struct inventory_reader *ret)
{
	inv->skeleton->bss->pass++;
	inv->skeleton->bss->silent = false;
	return open_reader(inv->descriptors, ret);
}

struct listener_context {
	inventory_listener_fn *on_listener;
	void *userdata;
};

static void on_listener_row(const void *row, void *context)
{
	const struct listener_context *c = context;

	c->on_listener(row, c->userdata);
}

int inventory_listeners(struct inventory *inv, inventory_listener_fn *on_listener, void *userdata)
{
	struct listener_context context = {.on_listener = on_listener, .userdata = userdata};

	return run(inv->queues, sizeof(struct tw_listener), on_listener_row, &context);
}
