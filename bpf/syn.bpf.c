// SPDX-License-Identifier: GPL-2.0-or-later OR MIT
/*
 * SYNs and RSTs, counted where they arrive (netfilter, LOCAL_IN): a flood that SYN cookies keep out
 * of the listeners' queues is seen here, and only here. It looks at each packet once, changes
 * nothing and lets all pass.
 */
#include "kernel.bpf.h"

#include <bpf/bpf_endian.h>
#include <tcpwatch/listener.h>

char LICENSE[] SEC("license") = "GPL";

#define NF_ACCEPT 1
#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define TCP_HEADER 20
#define TCP_FLAGS 13 /* offset in the TCP header */
#define RST 0x04
#define SYN 0x02
#define ACK 0x10

extern int bpf_dynptr_from_skb(struct sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 offset, void *buffer,
			      __u32 buffer_size) __ksym;

/* The window of time that sources are sketched for: the daemon counts it up. */
__u64 window = 0;

/* The daemon makes the entries: one for each port that is listened on, and one (port 0) for the
 * rest. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct tw_port);
	__type(value, struct tw_port_count);
} ports SEC(".maps");

/* Set when a segment was counted, and cleared by the daemon before it reads: where nothing comes
 * there is nothing to read. */
__u32 came = 0;

/* Two windows, so that one can be read while the other is written. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct tw_sources);
} sources SEC(".maps");

static __always_inline void count(struct bpf_nf_ctx *ctx, __be16 port, __u8 flags)
{
	struct tw_port key = {.netns = ctx->state->net->ns.inum, .port = bpf_ntohs(port)};
	struct tw_port_count *n = bpf_map_lookup_elem(&ports, &key);

	if (!n) {
		key.port = 0;
		n = bpf_map_lookup_elem(&ports, &key);
	}
	if (!n)
		return;
	if (flags & RST)
		n->resets++;
	else
		n->syns++;
	if (!came)
		came = 1;
}

/* prefix: of 8 bytes, zeros after it. */
static __always_inline void sketch(__u64 prefix, __u32 family)
{
	__u64 now = window, hash = (prefix ^ family) * 0x9e3779b97f4a7c15ULL;
	__u32 which = now & 1;
	struct tw_sources *s = bpf_map_lookup_elem(&sources, &which);
	struct tw_source_slot *slot;

	if (!s)
		return;
	if (s->window != now) {
		__builtin_memset(s->bits, 0, sizeof(s->bits));
		for (int i = 0; i < TW_SOURCE_SLOTS; i++)
			s->slots[i].family = s->slots[i].lead = s->slots[i].count = 0;
		s->syns = s->sampled = 0;
		s->window = now;
	}
	if (s->syns++ > TW_SOURCE_ALL && s->syns % TW_SOURCE_SAMPLE)
		return;
	s->sampled++;
	s->bits[hash >> 60 & (TW_SOURCE_WORDS - 1)] |= 1ULL << (hash >> 54 & 63);
	slot = &s->slots[hash >> 48 & (TW_SOURCE_SLOTS - 1)];
	if (slot->lead && slot->family == family && *(__u64 *)slot->prefix == prefix) {
		slot->lead++;
		slot->count++;
	} else if (slot->lead) {
		slot->lead--;
	} else {
		*(__u64 *)slot->prefix = prefix;
		slot->family = family;
		slot->lead = slot->count = 1;
	}
}

static __always_inline int is_counted(__u8 flags)
{
	return flags & RST || (flags & (SYN | ACK)) == SYN;
}

SEC("netfilter")
int local_in_ipv4(struct bpf_nf_ctx *ctx)
{
	__u8 buffer[IPV4_HEADER + TCP_HEADER];
	struct bpf_dynptr packet;
	const __u8 *ip, *tcp;
	__u64 source = 0;

	if (ctx->skb->len < sizeof(buffer) || bpf_dynptr_from_skb(ctx->skb, 0, &packet))
		return NF_ACCEPT;
	ip = bpf_dynptr_slice(&packet, 0, buffer, sizeof(buffer));
	if (!ip || ip[9] != IPPROTO_TCP)
		return NF_ACCEPT;
	tcp = ip + IPV4_HEADER;
	source = *(const __u32 *)(ip + 12) & bpf_htonl(0xffffff00);
	if ((ip[0] & 0x0f) * 4 != IPV4_HEADER) {
		/* with options, which nobody needs and a flood may well have */
		tcp = bpf_dynptr_slice(&packet, (ip[0] & 0x0f) * 4, buffer, TCP_HEADER);
		if (!tcp)
			return NF_ACCEPT;
	}
	if (!is_counted(tcp[TCP_FLAGS]))
		return NF_ACCEPT;
	count(ctx, *(const __be16 *)(tcp + 2), tcp[TCP_FLAGS]);
	if (tcp[TCP_FLAGS] & SYN)
		sketch(source, AF_INET);
	return NF_ACCEPT;
}

SEC("netfilter")
int local_in_ipv6(struct bpf_nf_ctx *ctx)
{
	__u8 buffer[IPV6_HEADER + TCP_HEADER];
	struct bpf_dynptr packet;
	const __u8 *ip, *tcp;

	if (ctx->skb->len < sizeof(buffer) || bpf_dynptr_from_skb(ctx->skb, 0, &packet))
		return NF_ACCEPT;
	ip = bpf_dynptr_slice(&packet, 0, buffer, sizeof(buffer));
	if (!ip || ip[6] != IPPROTO_TCP) /* extension headers before TCP are not followed */
		return NF_ACCEPT;
	tcp = ip + IPV6_HEADER;
	if (!is_counted(tcp[TCP_FLAGS]))
		return NF_ACCEPT;
	count(ctx, *(const __be16 *)(tcp + 2), tcp[TCP_FLAGS]);
	if (tcp[TCP_FLAGS] & SYN)
		sketch(*(const __u64 *)(ip + 8), AF_INET6);
	return NF_ACCEPT;
}
