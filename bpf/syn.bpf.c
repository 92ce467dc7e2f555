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
#define EXTENSIONS_MAX 4 /* headers of IPv6 (RFC 8200) that are followed: one of each kind */
#define EXTENSION_UNIT 8 /* bytes, in which their length is told */
/* Of a TCP header as words in network byte order: the ports, and the flags with the window. */
#define PORTS 0
#define FLAGS 3
#define RST (0x04 << 16)
#define SYN (0x02 << 16)
#define ACK (0x10 << 16)

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
	__uint(max_entries, TW_PORTS_MAX + TW_PORT_RESTS_MAX);
	__type(key, struct tw_port);
	__type(value, struct tw_port_entry);
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

/* NULL: there is no entry for it. */
static __always_inline struct tw_port_entry *find_port(struct bpf_nf_ctx *ctx, __u16 port)
{
	struct tw_port key = {.netns = ctx->state->net->ns.inum, .port = port};
	struct tw_port_entry *entry = bpf_map_lookup_elem(&ports, &key);

	if (!entry) {
		key.port = 0;
		entry = bpf_map_lookup_elem(&ports, &key);
	}
	return entry;
}

/*
 * How many SYNs this one stands for, 0 where it is not to be sketched. In a flood most are not, and
 * that is known from the cache line that has just counted it.
 */
static __always_inline __u32 weight(struct tw_port_entry *entry)
{
	__u32 now = (__u32)window, seen = entry->window == now ? entry->seen : 0;

	entry->window = now;
	entry->seen = seen + 1;
	if (seen < TW_SOURCE_ALL)
		return 1;
	return seen % TW_SOURCE_SAMPLE ? 0 : TW_SOURCE_SAMPLE;
}

/* prefix: of 8 bytes, zeros after it. syns: that this one stands for. */
static __always_inline void sketch(__u64 prefix, __u32 family, __u32 syns)
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
		s->syns = 0;
		s->window = now;
	}
	s->syns += syns;
	s->bits[hash >> 60 & (TW_SOURCE_WORDS - 1)] |= 1ULL << (hash >> 54 & 63);
	slot = &s->slots[hash >> 48 & (TW_SOURCE_SLOTS - 1)];
	if (slot->lead && slot->family == family && *(__u64 *)slot->prefix == prefix) {
		slot->lead += syns;
		slot->count += syns;
	} else if (slot->lead >= syns) {
		slot->lead -= syns;
	} else {
		*(__u64 *)slot->prefix = prefix;
		slot->family = family;
		slot->lead = syns - slot->lead;
		slot->count = syns;
	}
}

/* The words are as they came. prefix: that the segment comes from. */
static __always_inline void take(struct bpf_nf_ctx *ctx, __be32 ports, __be32 flags_word,
				 __u64 prefix, __u32 family)
{
	__u32 flags = bpf_ntohl(flags_word), syns;
	struct tw_port_entry *entry;

	if (!(flags & RST) && (flags & (SYN | ACK)) != SYN)
		return;
	entry = find_port(ctx, bpf_ntohl(ports));
	if (!entry)
		return;
	if (!came)
		came = 1;
	if (flags & RST) {
		entry->count.resets++;
		return;
	}
	entry->count.syns++;
	syns = weight(entry);
	if (syns)
		sketch(prefix, family, syns);
}

/* Bytes of the packet, from its IP header on, that lie in one piece: that header at least does. */
static __always_inline __u32 in_one_piece(const struct sk_buff *skb)
{
	return skb->len - skb->data_len;
}

/* Those that TCP may stand behind when the packet has come this far. */
static __always_inline _Bool is_extension(__u8 header)
{
	return header == IPPROTO_HOPOPTS || header == IPPROTO_ROUTING ||
	       header == IPPROTO_FRAGMENT || header == IPPROTO_DSTOPTS;
}

/*
 * Whether what stands behind the header, of which these are the first bytes, is for this host and
 * there at all: the packet is not to be sent on from here, and is the first fragment or the only
 * one. (IPv6 puts fragments together after LOCAL_IN, unlike IPv4.)
 */
static __always_inline _Bool leads_on(__u8 header, const __u8 bytes[4])
{
	if (header == IPPROTO_ROUTING)
		return !bytes[3]; /* segments left */
	if (header == IPPROTO_FRAGMENT)
		return !bytes[2] && bytes[3] < 8; /* the offset, above three bits of flags */
	return 1;
}

/* Where TCP begins; header: the first of those that stand from the offset on. 0: nowhere. */
static __always_inline __u32 find_tcp(const struct bpf_dynptr *packet, __u8 header, __u32 offset)
{
	for (int i = 0; i < EXTENSIONS_MAX && is_extension(header); i++) {
		__u8 buffer[4];
		const __u8 *bytes = bpf_dynptr_slice(packet, offset, buffer, sizeof(buffer));

		if (!bytes || !leads_on(header, bytes))
			return 0;
		offset += EXTENSION_UNIT;
		if (header != IPPROTO_FRAGMENT)
			offset += bytes[1] * EXTENSION_UNIT;
		header = bytes[0];
	}
	return header == IPPROTO_TCP ? offset : 0;
}

/* A segment behind IP options or extension headers, which nobody needs and a flood may well have,
 * or in pieces. header: what stands at the offset. */
static __always_inline void take_copy(struct bpf_nf_ctx *ctx, __u8 header, __u32 offset,
				      __u64 prefix, __u32 family)
{
	__be32 buffer[TCP_HEADER / sizeof(__be32)];
	struct bpf_dynptr packet;
	const __be32 *tcp;

	if (bpf_dynptr_from_skb(ctx->skb, 0, &packet))
		return;
	offset = find_tcp(&packet, header, offset);
	if (!offset)
		return;
	tcp = bpf_dynptr_slice(&packet, offset, buffer, sizeof(buffer));
	if (tcp)
		take(ctx, tcp[PORTS], tcp[FLAGS], prefix, family);
}

/* Most of what comes is neither, and is let pass after a look at a dozen bytes where they are. */

SEC("netfilter")
int local_in_ipv4(struct bpf_nf_ctx *ctx)
{
	const struct sk_buff *skb = ctx->skb;
	const struct iphdr *ip = CAST(skb->data, struct iphdr);
	const union tcp_word_hdr *tcp;
	__u32 size;
	__u64 source;

	if (ip->protocol != IPPROTO_TCP)
		return NF_ACCEPT;
	size = BPF_CORE_READ_BITFIELD(ip, ihl) * 4;
	source = ip->saddr & bpf_htonl(0xffffff00);
	if (size != IPV4_HEADER || in_one_piece(skb) < IPV4_HEADER + TCP_HEADER) {
		take_copy(ctx, IPPROTO_TCP, size, source, AF_INET);
		return NF_ACCEPT;
	}
	tcp = CAST(skb->data + IPV4_HEADER, union tcp_word_hdr);
	take(ctx, tcp->words[PORTS], tcp->words[FLAGS], source, AF_INET);
	return NF_ACCEPT;
}

SEC("netfilter")
int local_in_ipv6(struct bpf_nf_ctx *ctx)
{
	const struct sk_buff *skb = ctx->skb;
	const struct ipv6hdr *ip = CAST(skb->data, struct ipv6hdr);
	const union tcp_word_hdr *tcp;
	union {
		__be32 words[2];
		__u64 prefix;
	} source;

	if (ip->nexthdr != IPPROTO_TCP && !is_extension(ip->nexthdr))
		return NF_ACCEPT;
	source.words[0] = ip->saddr.in6_u.u6_addr32[0];
	source.words[1] = ip->saddr.in6_u.u6_addr32[1];
	if (ip->nexthdr != IPPROTO_TCP || in_one_piece(skb) < IPV6_HEADER + TCP_HEADER) {
		take_copy(ctx, ip->nexthdr, IPV6_HEADER, source.prefix, AF_INET6);
		return NF_ACCEPT;
	}
	tcp = CAST(skb->data + IPV6_HEADER, union tcp_word_hdr);
	take(ctx, tcp->words[PORTS], tcp->words[FLAGS], source.prefix, AF_INET6);
	return NF_ACCEPT;
}
