// SPDX-License-Identifier: GPL-2.0-or-later OR MIT
/*
 * Each TCP transition, as the kernel's tcp_set_state() tells it, becomes one record in a ring
 * buffer: the processor's own, so that none waits for another.
 *
 * There are two programs. The kernel does not run a program that is running on the same processor
 * already: when a softirq comes while a process's transition is told, the transitions that it makes
 * would be missed, without a trace but recursion_misses in struct bpf_prog_info. So a second
 * program runs after the first and tells what that did not. Where processes are preempted in the
 * midst of a tracepoint's programs it may be held up itself; then the daemon finds that more was
 * missed than was told, and counts it as lost. To forbid preemption in the programs is of no use:
 * who waits comes as soon as it is allowed again, and the program still counts as running.
 */
#include "listeners.bpf.h"
#include "sock.bpf.h"

#include <tcpwatch/tcp_state.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Set before the load: the daemon is woken once this many bytes wait in one ring; it drains on a
 * timer otherwise. */
const volatile __u64 wake_bytes = 512 << 10;
/* Set before the load: the one namespace to tell of, by its inode number; 0: all. */
const volatile __u32 only_netns = 0;

/* Set when the daemon is woken, and cleared by it before it drains: a wake-up is an interrupt, and
 * one will do. */
__u32 woken = 0;

/* Set before the load: how many rings there are, a power of two, less one. */
const volatile __u32 ring_mask = 0;

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 10); /* the daemon makes them, of the size that they have */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1); /* set before the load */
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* set before the load: one for each processor */
	__type(key, __u32);
	__type(value, struct tw_cpu);
} cpus SEC(".maps");

static __always_inline struct tw_cpu *this_cpu(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&cpus, &cpu);
}

static __always_inline void count_lost(void)
{
	struct tw_cpu *cpu = this_cpu();

	/* an interrupt may come between: this is the path on which a cost does not matter */
	if (cpu)
		__sync_fetch_and_add(&cpu->lost, 1);
}

/* Only here is the current process the one whose connection it is; elsewhere it is whoever was
 * interrupted. */
static __always_inline int made_by_process(int old, int new, __u16 local_port)
{
	return (old == TW_CLOSE && (new == TW_SYN_SENT || new == TW_LISTEN)) ||
	       (old == TW_ESTABLISHED && new == TW_FIN_WAIT1) ||
	       (old == TW_CLOSE_WAIT && new == TW_LAST_ACK) ||
	       (old == TW_SYN_SENT && new == TW_CLOSE && !local_port);
}

/* The process's own cgroup and user: the socket's are those of who made it, which may be another,
 * and an accepted socket has its listener's. */
static __always_inline void tell_process(struct tw_event *e)
{
	struct task_struct *task = bpf_get_current_task_btf();

	e->flags |= TW_EVENT_PROCESS;
	e->pid = bpf_get_current_pid_tgid() >> 32;
	e->uid = task->cred->euid.val;
	if (bpf_core_field_exists(task->cgroups))
		e->cgroup = task->cgroups->dfl_cgrp->kn->id;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
}

/* Also one whose socket listened before, and that a pass has met: others may have it now. */
static __always_inline void add_listener(struct sock *sk)
{
	struct listener_owner *owner = bpf_sk_storage_get(&listeners, sk, 0,
							  BPF_SK_STORAGE_GET_F_CREATE);

	if (!owner)
		return; /* no memory: the next pass over all descriptors adds it */
	owner->pid = bpf_get_current_pid_tgid() >> 32;
	owner->holders = 1;
	owner->pass = owner->looked = owner->look = 0;
	bpf_get_current_comm(owner->comm, sizeof(owner->comm));
}

/* The half-open connections of a subflow that closes outlive the MPTCP socket, which was in the
 * map. */
static __always_inline int is_for_map(const struct sock *sk, int old, int new)
{
	if (new == TW_LISTEN)
		return !sock_is_subflow(sk);
	if (old == TW_LISTEN && new == TW_CLOSE)
		return sock_is_subflow(sk);
	return 0;
}

/* The tracepoint also fires for MPTCP, DCCP and SCTP. */
static __always_inline int is_followed(const struct sock *sk, __u16 protocol)
{
	return sk->sk_protocol == protocol && (!only_netns || sock_netns(sk) == only_netns);
}

static __always_inline void tell(struct sock *sk, int old, int new, __u8 flags)
{
	__u32 index = bpf_get_smp_processor_id() & ring_mask;
	void *ring = bpf_map_lookup_elem(&rings, &index);
	/* Before there is a place: an interrupt's transition that gets the place before is later,
	 * and one that gets the place behind is, too. Taken after it, the latter would wait for a
	 * time later than its own, and another processor's of the same socket could overtake it. */
	__u64 time_ns = bpf_ktime_get_ns(), wake = BPF_RB_NO_WAKEUP;
	struct tw_event *e;

	if (is_for_map(sk, old, new))
		add_listener(sk);
	e = ring ? bpf_ringbuf_reserve(ring, sizeof(*e), 0) : NULL;
	if (!e) {
		count_lost();
		return;
	}
	e->time_ns = time_ns;
	e->cookie = sock_cookie(sk);
	e->cgroup = sock_cgroup(sk);
	e->netns = sock_netns(sk);
	e->uid = sk->sk_uid.val;
	e->sport = sock_local_port(sk);
	e->dport = bpf_ntohs(sk->__sk_common.skc_dport);
	e->error = sk->sk_err;
	e->family = sk->__sk_common.skc_family;
	e->old_state = old;
	e->new_state = new;
	e->flags = flags | sock_event_flags(sk);
	e->padding[0] = e->padding[1] = 0;
	sock_local_address(sk, e->saddr);
	sock_peer_address(sk, e->daddr);
	if (made_by_process(old, new, e->sport)) {
		tell_process(e);
	} else {
		e->pid = 0;
		__builtin_memset(e->comm, 0, sizeof(e->comm));
	}
	if (!woken && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) >= wake_bytes) {
		woken = 1;
		wake = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(e, wake);
}

static __always_inline __u64 move_of(int old, int new)
{
	return (__u64)old << 8 | new;
}

/*
 * Where this processor notes that a socket's transition has been told, from the one program to the
 * other. Between the two others may come, of a softirq or of a process that preempts: they have
 * places of their own, as cookies are given out one after the other.
 */
static __always_inline struct tw_told *told_at(struct tw_cpu *cpu, const struct sock *sk)
{
	return &cpu->told[(__u64)sk->__sk_common.skc_cookie.counter % TW_TOLD_SIZE];
}

static __always_inline void tell_and_note(struct tw_cpu *cpu, struct sock *sk, int old, int new)
{
	struct tw_told *told;

	tell(sk, old, new, 0);
	told = told_at(cpu, sk); /* now it has a cookie */
	told->move = move_of(old, new);
	told->sock = (__u64)sk;
}

/*
 * A socket's address is as good a name as its cookie for as long as the transition goes on, and no
 * longer: so the note is taken away.
 */
static __always_inline int take_note(struct tw_cpu *cpu, const struct sock *sk, int old, int new)
{
	struct tw_told *told = told_at(cpu, sk);

	if (told->sock != (__u64)sk || told->move != move_of(old, new))
		return 0;
	told->sock = 0;
	return 1;
}

/* Its subflow is what is told of. */
static __always_inline void note_mptcp_listener(struct sock *sk, int new)
{
	if (new == TW_LISTEN && is_followed(sk, IPPROTO_MPTCP))
		add_listener(sk);
}

/* They run in the order in which they are attached. */

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(transitions, struct sock *sk, int old, int new)
{
	struct tw_cpu *cpu = this_cpu();

	note_mptcp_listener(sk, new);
	if (cpu && is_followed(sk, IPPROTO_TCP))
		tell_and_note(cpu, sk, old, new);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(missed, struct sock *sk, int old, int new)
{
	struct tw_cpu *cpu = this_cpu();

	note_mptcp_listener(sk, new);
	if (cpu && !take_note(cpu, sk, old, new) && is_followed(sk, IPPROTO_TCP))
		tell(sk, old, new, TW_EVENT_MISSED);
	return 0;
}
