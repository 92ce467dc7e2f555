/* SPDX-License-Identifier: GPL-2.0-or-later OR MIT */
/*
 * What is read of a struct sock, and how: the only place that knows its layout and how it drifted.
 */
#ifndef SOCK_BPF_H
#define SOCK_BPF_H

#include "kernel.bpf.h"

#include <bpf/bpf_endian.h>
#include <tcpwatch/event.h>

static __always_inline __u32 sock_netns(const struct sock *sk)
{
	return sk->__sk_common.skc_net.net->ns.inum;
}

/* Right in every state: skc_num is 0 at CLOSE, inet_sport still has the port (inet_put_port()), but
 * takes a call. */
static __always_inline __u16 sock_local_port(const struct sock *sk)
{
	__be16 port = 0;

	if (sk->__sk_common.skc_num)
		return sk->__sk_common.skc_num;
	bpf_core_read(&port, sizeof(port), &((const struct inet_sock *)sk)->inet_sport);
	return bpf_ntohs(port);
}

/* The first time a call gives it one. */
static __always_inline __u64 sock_cookie(struct sock *sk)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;

	return cookie ? cookie : bpf_get_socket_cookie(sk);
}

static __always_inline __u64 sock_cgroup(const struct sock *sk)
{
	if (!bpf_core_field_exists(sk->sk_cgrp_data.cgroup) || !sk->sk_cgrp_data.cgroup)
		return 0;
	return sk->sk_cgrp_data.cgroup->kn->id;
}

/*
 * Reads no more of a TCP socket than its first cache line: the name is the protocol's, and there
 * for all its sockets.
 */
static __always_inline int sock_is_mptcp(const struct sock *sk)
{
	return sk->__sk_common.skc_prot->name[0] == 'M' && sk->sk_protocol == IPPROTO_MPTCP;
}

/* Whether it is the TCP socket beneath an MPTCP one. */
static __always_inline int sock_is_subflow(const struct sock *sk)
{
	const struct tcp_sock *tcp = (const struct tcp_sock *)sk;
	__u8 is_mptcp = 0;

	if (bpf_core_field_exists(tcp->is_mptcp))
		bpf_core_read(&is_mptcp, sizeof(is_mptcp), &tcp->is_mptcp);
	return is_mptcp;
}

static __always_inline __u8 sock_event_flags(const struct sock *sk)
{
	unsigned long flags = sk->__sk_common.skc_flags;
	__u8 result = 0;

	if (flags & 1UL << bpf_core_enum_value(enum sock_flags, SOCK_DEAD))
		result |= TW_EVENT_DEAD;
	if (flags & 1UL << bpf_core_enum_value(enum sock_flags, SOCK_DONE))
		result |= TW_EVENT_DONE;
	return result;
}

static __always_inline void copy_in6(__u8 to[16], const struct in6_addr *from)
{
#pragma unroll
	for (int i = 0; i < 4; i++)
		((__be32 *)to)[i] = from->in6_u.u6_addr32[i];
}

/* What follows an IPv4 address is set to 0. */
static __always_inline void sock_local_address(const struct sock *sk, __u8 saddr[16])
{
	if (sk->__sk_common.skc_family == AF_INET6) {
		copy_in6(saddr, &sk->__sk_common.skc_v6_rcv_saddr);
		return;
	}
	__builtin_memset(saddr, 0, 16);
	*(__be32 *)saddr = sk->__sk_common.skc_rcv_saddr;
}

static __always_inline void sock_peer_address(const struct sock *sk, __u8 daddr[16])
{
	if (sk->__sk_common.skc_family == AF_INET6) {
		copy_in6(daddr, &sk->__sk_common.skc_v6_daddr);
		return;
	}
	__builtin_memset(daddr, 0, 16);
	*(__be32 *)daddr = sk->__sk_common.skc_daddr;
}

#endif
