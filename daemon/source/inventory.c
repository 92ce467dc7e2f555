/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "bpf/inventory.skel.h"
#include "source/inventory.h"

#define BUFFER_SIZE (32U << 10) /* the kernel fills at most so much at a time (bpf_seq_read()) */

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

/* Runs an iterator to its end, in reads of whole rows. */
static int run(const struct bpf_link *link, size_t row_size,
	       void (*on_row)(const void *row, void *context), void *context)
{
	_cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(link));
	_Alignas(8) uint8_t buffer[BUFFER_SIZE];
	size_t kept = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	while ((got = read(fd, buffer + kept, sizeof(buffer) - kept)) != 0) {
		size_t length, offset;

		if (got < 0 && errno == EAGAIN)
			continue; /* it rests after a million objects without a row */
		if (got < 0)
			return -errno;
		length = kept + (size_t)got;
		for (offset = 0; row_size && offset + row_size <= length; offset += row_size)
			on_row(buffer + offset, context);
		kept = length - offset;
		memmove(buffer, buffer + offset, kept);
	}
	return 0;
}

int inventory_pass(struct inventory *inv)
{
	inv->skeleton->bss->pass++;
	return run(inv->descriptors, 0, NULL, NULL);
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
