/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"
#include "bpf/syn.skel.h"
#include "source/syn.h"

/* Of enum bpf_prog_type and enum bpf_attach_type: libbpf 1.1 does not know them yet (Linux 6.4). */
#define PROG_TYPE_NETFILTER 32
#define ATTACH_TYPE_NETFILTER 45

#define BATCH 512U /* ports read by one call */

struct syn {
	struct syn_bpf *skeleton;
	size_t processors;
	size_t ports;                  /* added, of those that are counted one by one */
	struct tw_port_entry *entries; /* BATCH times processors */
	struct tw_port *keys;          /* BATCH */
	struct tw_sources *sketches;   /* processors */
};

static int load(struct syn *s)
{
	struct bpf_program *program;

	s->skeleton = syn_bpf__open();
	if (!s->skeleton)
		return -errno;
	bpf_object__for_each_program(program, s->skeleton->obj)
	{
		bpf_program__set_type(program, PROG_TYPE_NETFILTER);
		bpf_program__set_expected_attach_type(program, ATTACH_TYPE_NETFILTER);
	}
	return syn_bpf__load(s->skeleton);
}

int syn_new(struct syn **ret)
{
	int processors = libbpf_num_possible_cpus(), error;
	struct syn *s = calloc(1, sizeof(*s));

	if (!s || processors < 0) {
		free(s);
		return s ? processors : -ENOMEM;
	}
	s->processors = (size_t)processors;
	s->entries = calloc(BATCH * s->processors, sizeof(*s->entries));
	s->keys = calloc(BATCH, sizeof(*s->keys));
	s->sketches = calloc(s->processors, sizeof(*s->sketches));
	error = s->entries && s->keys && s->sketches ? load(s) : -ENOMEM;
	if (error < 0) {
		syn_free(s);
		return error;
	}
	*ret = s;
	return 0;
}

struct syn *syn_free(struct syn *s)
{
	if (!s)
		return NULL;
	syn_bpf__destroy(s->skeleton);
	free(s->entries);
	free(s->keys);
	free(s->sketches);
	free(s);
	return NULL;
}

void syn_programs(const struct syn *s, int ret[OPENER_HOOKS])
{
	ret[OPENER_HOOK_IPV4] = bpf_program__fd(s->skeleton->progs.local_in_ipv4);
	ret[OPENER_HOOK_IPV6] = bpf_program__fd(s->skeleton->progs.local_in_ipv6);
}

int syn_add(struct syn *s, uint32_t netns, uint16_t port)
{
	const struct tw_port key = {.netns = netns, .port = port};

	if (port && s->ports == TW_PORTS_MAX)
		return -ENOSPC;
	memset(s->entries, 0, s->processors * sizeof(*s->entries));
	if (bpf_map_update_elem(bpf_map__fd(s->skeleton->maps.ports), &key, s->entries,
				BPF_NOEXIST) < 0)
		return errno == EEXIST ? 0 : -errno;
	s->ports += !!port;
	return 0;
}

int syn_remove(struct syn *s, uint32_t netns, uint16_t port)
{
	const struct tw_port key = {.netns = netns, .port = port};

	if (bpf_map_delete_elem(bpf_map__fd(s->skeleton->maps.ports), &key) < 0)
		return errno == ENOENT ? 0 : -errno;
	s->ports -= !!port;
	return 0;
}

static void hand_over(struct syn *s, uint32_t index, syn_count_fn *on_count, void *userdata)
{
	struct tw_port_count sum = {0};

	for (size_t i = 0; i < s->processors; i++) {
		sum.syns += s->entries[index * s->processors + i].count.syns;
		sum.resets += s->entries[index * s->processors + i].count.resets;
	}
	on_count(&s->keys[index], &sum, userdata);
}

bool syn_came(struct syn *s)
{
	return __atomic_exchange_n(&s->skeleton->bss->came, 0, __ATOMIC_ACQ_REL);
}

int syn_read(struct syn *s, syn_count_fn *on_count, void *userdata)
{
	uint32_t position = 0, next = 0; /* the kernel's place in its hash table */
	bool started = false;

	for (;;) {
		uint32_t count = BATCH;
		int error = bpf_map_lookup_batch(bpf_map__fd(s->skeleton->maps.ports),
						 started ? &position : NULL, &next, s->keys,
						 s->entries, &count, NULL);

		if (error < 0 && errno != ENOENT)
			return -errno;
		for (uint32_t i = 0; i < count; i++)
			hand_over(s, i, on_count, userdata);
		if (error < 0)
			return 0; /* that was the last batch */
		position = next;
		started = true;
	}
}

/* How many prefixes set so many bits, on average: the more are set, the more prefixes it takes to
 * set another. When all are, there were at least so many. */
static uint64_t estimate(const uint64_t bits[TW_SOURCE_WORDS])
{
	const double all = TW_SOURCE_WORDS * 64;
	double prefixes = 0;
	unsigned set = 0;

	for (size_t i = 0; i < TW_SOURCE_WORDS; i++)
		set += (unsigned)__builtin_popcountll(bits[i]);
	for (unsigned i = 0; i < set; i++)
		prefixes += all / (all - i);
	return (uint64_t)(prefixes + 0.5);
}

/* A prefix has the same slot on each processor: what it has there is added up. */
static void find_top(const struct syn *s, uint64_t window, struct tw_source_summary *summary)
{
	for (size_t i = 0; i < s->processors * TW_SOURCE_SLOTS; i++) {
		const struct tw_sources *sketch = &s->sketches[i / TW_SOURCE_SLOTS];
		const struct tw_source_slot *slot = &sketch->slots[i % TW_SOURCE_SLOTS];
		uint64_t syns = 0;

		if (sketch->window != window || !slot->family)
			continue;
		for (size_t j = 0; j < s->processors; j++) {
			const struct tw_source_slot *same =
				&s->sketches[j].slots[i % TW_SOURCE_SLOTS];

			if (s->sketches[j].window == window && same->family == slot->family &&
			    !memcmp(same->prefix, slot->prefix, sizeof(slot->prefix)))
				syns += same->count;
		}
		if (syns <= summary->top_syns)
			continue;
		summary->top_syns = syns;
		summary->top_family = slot->family;
		memcpy(summary->top_prefix, slot->prefix, sizeof(slot->prefix));
	}
}

int syn_sources(struct syn *s, uint64_t began_ns, uint64_t now_ns, struct tw_source_summary *ret)
{
	uint64_t window = s->skeleton->bss->window, bits[TW_SOURCE_WORDS] = {0};
	struct tw_source_summary summary = {.time_ns = now_ns, .duration_ns = now_ns - began_ns};
	uint32_t which = window & 1;

	__atomic_store_n(&s->skeleton->bss->window, window + 1, __ATOMIC_RELEASE);
	if (bpf_map_lookup_elem(bpf_map__fd(s->skeleton->maps.sources), &which, s->sketches) < 0)
		return -errno;
	for (size_t i = 0; i < s->processors; i++) {
		if (s->sketches[i].window != window)
			continue;
		summary.syns += s->sketches[i].syns;
		for (size_t word = 0; word < TW_SOURCE_WORDS; word++)
			bits[word] |= s->sketches[i].bits[word];
	}
	summary.prefixes = estimate(bits);
	find_top(s, window, &summary);
	*ret = summary;
	return 0;
}
