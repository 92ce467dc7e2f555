// SPDX-License-Identifier: GPL-2.0-or-later OR MIT
/*
 * The iterators: they run when the daemon reads from them, and tell of what is there, not of what
 * happens.
 */
#include "executable.bpf.h"
#include "listeners.bpf.h"
#include "sock.bpf.h"
#ifdef READ_AHEAD
#include "ahead.bpf.h"
#endif

#include <tcpwatch/holder.h>
#include <tcpwatch/tcp_state.h>

/* Of an MPTCP socket: the first, and as many more as a path manager makes (MPTCP_PM_ADDR_MAX). */
#define SUBFLOWS_TOLD 9

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* The number of the pass over all descriptors that goes on: set before each. */
__u32 pass = 0;
/* The last of these passes that was complete, set after it; 0: none yet. */
__u32 complete = 0;
/* The last process of it that a whole row has told of; 0: none. Set before each. */
__u32 told_pid = 0;
/* The last pass that met a listener for which there was no memory in the listener map; 0: none. */
__u32 unlisted = 0;

/* The number of the last look at all listeners, set before each. */
__u32 look = 0;
/* Whether the look that goes on tells only what has changed since; set before each. */
__u32 only_changes = 0;
/* Listeners that it has met, told or not. Cleared before each. */
__u32 listeners_met = 0;
/* Whether one of them is new since the last look at all. Cleared before each. */
__u32 listeners_came = 0;

static __always_inline void fill_holder(struct task_struct *task, struct tw_holder *row)
{
	struct task_struct *leader = task->group_leader;
	unsigned long nofile = task->signal->rlim[RLIMIT_NOFILE].rlim_cur;

	row->cgroup = task->cgroups->dfl_cgrp->kn->id;
	row->pid = task->tgid;
	row->uid = task->cred->euid.val;
	row->nofile = nofile < 0xffffffff ? nofile : 0xffffffff;
	bpf_core_read(row->comm, sizeof(row->comm), &leader->comm);
}

/* Of several processes, the first that the pass meets: the one with the lowest pid, but for init's,
 * which has a listener for the service that accepts. */
static __always_inline void hold_listener(struct sock *sk, const struct tw_holder *row)
{
	struct listener_owner *owner;

	owner = bpf_sk_storage_get(&listeners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!owner) {
		unlisted = pass;
		return;
	}
	owner->idle_backlog = LISTENER_UNSETTLED;
	if (owner->pass != pass) {
		owner->pass = pass;
		owner->holders = owner->last = 0;
		owner->init = row->pid == TW_INIT_PID;
	}
	owner->holders += owner->last != row->pid;
	owner->last = row->pid;
	if (owner->holders > 1 && owner->pid != TW_INIT_PID)
		return;
	owner->pid = row->pid;
	owner->uid = row->uid;
	owner->cgroup = row->cgroup;
	__builtin_memcpy(owner->comm, row->comm, sizeof(owner->comm));
}

static __always_inline int is_internet(const struct sock *sk)
{
	return sk->__sk_common.skc_family == AF_INET || sk->__sk_common.skc_family == AF_INET6;
}

static __always_inline long tell_process(struct seq_file *seq, const struct tw_holder_first *first)
{
	long full = bpf_seq_write(seq, first, sizeof(*first));

	return full ? full
		    : bpf_seq_write(seq, &executable[executable_bounded(executable_at)],
				    TW_EXECUTABLE_SIZE);
}

/*
 * That the process holds the socket with the cookie. 0, or not: where there is no room for it, the
 * kernel takes back what this run has written, and runs the program again, with room.
 */
static __always_inline long tell_held(struct seq_file *seq, const struct task_struct *task,
				      struct tw_holder_first *first, __u64 cookie)
{
	long full;

	first->row.cookie = cookie;
	full = (__u32)task->tgid == told_pid ? bpf_seq_write(seq, &cookie, sizeof(cookie))
					     : tell_process(seq, first);
	/* of a process's first sockets the whole row may be taken back with what failed after it */
	told_pid = full ? 0 : task->tgid;
	return full;
}

/*
 * The TCP socket beneath an MPTCP one that comes after the node, which it steps to; NULL: there is
 * none. No helper leads to it in a way that the verifier knows of, so it is an address to read
 * from: what goes meanwhile may be another socket, or none. Wherever it is called, the kernel is
 * known to have MPTCP.
 */
static __always_inline const struct sock *next_subflow(const struct sock *sk,
						       const struct list_head **node)
{
	const struct mptcp_sock *mptcp = (const struct mptcp_sock *)sk;

	*node = *node ? BPF_CORE_READ(*node, next) : BPF_CORE_READ(mptcp, conn_list.next);
	if (!*node || *node == &mptcp->conn_list)
		return NULL;
	return BPF_CORE_READ((const struct mptcp_subflow_context *)*node, tcp_sock);
}

static __always_inline __u64 subflow_cookie(const struct sock *subflow)
{
	return BPF_CORE_READ(subflow, __sk_common.skc_cookie.counter);
}

/* A subflow that nobody has asked the cookie of has none yet, and no row of a dump. */
static __always_inline void tell_subflows(struct seq_file *seq, const struct task_struct *task,
					  struct tw_holder_first *first, const struct sock *sk)
{
	const struct list_head *node = NULL;

	for (int i = 0; i < SUBFLOWS_TOLD; i++) {
		const struct sock *subflow = next_subflow(sk, &node);
		__u64 cookie;

		if (!subflow)
			return;
		cookie = subflow_cookie(subflow);
		if (cookie && tell_held(seq, task, first, cookie))
			return;
	}
}

/*
 * Every descriptor of every process, in all namespaces, in the order of pids; threads that share
 * theirs are one. Puts the listeners that it meets into the listener map. What is read of each
 * socket lies in few cache lines: they are what a pass costs. So sk_protocol, which has one of its
 * own, is looked at for listeners and MPTCP alone; of other protocols' connections nobody knows the
 * cookie.
 */
SEC("iter/task_file")
int descriptors(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct tw_holder_first first = {};
	struct socket *socket;
	int listens, mptcp;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket || socket->type != SOCK_STREAM)
		return 0;
#ifdef READ_AHEAD
	ahead_read_descriptors(task, ctx->fd, file);
#endif
	sk = socket->sk;
	if (!sk || sk->__sk_common.skc_state == TW_CLOSE || !is_internet(sk))
		return 0;
	listens = sk->__sk_common.skc_state == TW_LISTEN;
	mptcp = sock_is_mptcp(sk);
	if (listens && !mptcp && sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (listens || (__u32)task->tgid != told_pid)
		fill_holder(task, &first.row);
	if ((__u32)task->tgid != told_pid)
		executable_read(task);
	if (listens)
		hold_listener(sk, &first.row);
	if (mptcp && bpf_core_type_exists(struct mptcp_sock))
		tell_subflows(ctx->meta->seq, task, &first, sk);
	else
		tell_held(ctx->meta->seq, task, &first, bpf_get_socket_cookie(sk));
	return 0;
}

/*
 * The TCP sockets of the namespace in which it was opened, those that listen first. Puts them into
 * the listener map: also those that no pass meets, as no process has a descriptor of them. They are
 * the kernel's own, or io_uring's, or on their way through a Unix socket. At the first that does
 * not listen it writes the byte that its reader waits for, who reads no further.
 */
SEC("iter/tcp")
int older(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	const __u8 end = 0;
	__u8 state;

	if (!sk)
		return 0;
	state = sk->skc_state;
	/* a listener may close after the kernel has found it */
	if (state != TW_LISTEN && state != TW_CLOSE)
		bpf_seq_write(ctx->meta->seq, &end, sizeof(end));
	/* of an MPTCP socket; no way that the verifier knows of leads from here to that */
	if (state == TW_LISTEN && !sock_is_subflow((const struct sock *)sk))
		bpf_sk_storage_get(&listeners, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	return 0;
}

/*
 * The connections that wait for accept(), by their cookies. The queue goes on
 * changing: one that has been accepted has a struct socket, and the memory of a request is only
 * ever used for another one (SLAB_TYPESAFE_BY_RCU). All of it fits into the 8 pages that the kernel
 * has for what one call writes.
 */
struct queue {
	struct seq_file *seq;
	const struct request_sock *next;
};

/* 1: that was the last. */
static long tell_queued(__u32 number, struct queue *queue)
{
	const struct request_sock *request = queue->next;
	const struct sock *child;
	__u64 cookie;

	if (!request)
		return 1;
	child = BPF_CORE_READ(request, sk);
	cookie = BPF_CORE_READ(child, __sk_common.skc_cookie.counter);
	if (cookie && !BPF_CORE_READ(child, sk_socket))
		bpf_seq_write(queue->seq, &cookie, sizeof(cookie));
	queue->next = BPF_CORE_READ(request, dl_next);
	return 0;
}

static __always_inline void tell_queue(struct seq_file *seq, const struct sock *sk)
{
	struct queue queue = {
		.seq = seq,
		.next = BPF_CORE_READ((const struct inet_connection_sock *)sk,
				      icsk_accept_queue.rskq_accept_head),
	};

	/* since Linux 5.17; the verifier follows each turn of a loop, which makes the start longer
	 * by 0.1 ms for each */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop))
		bpf_loop(TW_QUEUE_TOLD, tell_queued, &queue, 0);
	else
		for (int i = 0; i < TW_QUEUE_TOLD && !tell_queued(i, &queue); i++)
			;
}

/*
 * Whether any process has it, as far as is known: it is in nobody's hands, but on its way through a
 * Unix socket, or the kernel's own, when a complete pass that began after it was last seen in
 * somebody's has not met it.
 */
static __always_inline int is_held(struct listener_owner *owner)
{
	if (!owner->looked)
		owner->looked = pass;
	return (owner->pass ? owner->pass : owner->looked) >= complete;
}

static __always_inline __u32 syn_queue(const struct sock *tcp)
{
	return BPF_CORE_READ((const struct inet_connection_sock *)tcp,
			     icsk_accept_queue.qlen.counter);
}

/* Most are, at most times, and then these few cache lines are all that a look costs. */
static __always_inline int is_as_told(const struct sock *sk, const struct listener_owner *owner)
{
	return owner->look == look && owner->idle_backlog == sk->sk_max_ack_backlog &&
	       !sk->sk_ack_backlog && !syn_queue(sk);
}

static __always_inline void settle(struct listener_owner *owner, __u32 idle_backlog)
{
	if (only_changes && owner->look != look)
		listeners_came = 1;
	listeners_met++;
	owner->look = look;
	owner->idle_backlog = idle_backlog;
}

/*
 * Every socket of the listener map, in all namespaces: there are TCP's and MPTCP's alone in it. A
 * row with an accept queue is followed by the cookies in it and a 0. As with descriptors, no more
 * is read of each than is needed. Where the kernel reads on in the list after a while it comes by
 * some a second time.
 */
SEC("iter/bpf_sk_storage_map")
int queues(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct listener_owner *owner = ctx->value;
	const struct list_head *node = NULL;
	struct tw_listener row = {};
	struct sock *sk = ctx->sk;
	const struct sock *tcp = sk; /* has the cookie and the queues */
	const __u64 end = 0;
	int mptcp, held;
	long full;

	if (!sk || !owner)
		return 0;
#ifdef READ_AHEAD
	ahead_read_listeners(owner);
#endif
	row.closed = sk->__sk_common.skc_state != TW_LISTEN;
	if (!row.closed && !only_changes && owner->look == look)
		return 0;
	mptcp = sock_is_mptcp(sk);
	if (!row.closed && !mptcp && only_changes && is_as_told(sk, owner)) {
		listeners_met++;
		return 0;
	}
	if (mptcp && bpf_core_type_exists(struct mptcp_sock)) {
		tcp = row.closed ? NULL : next_subflow(sk, &node);
		row.cookie = tcp ? subflow_cookie(tcp) : 0;
		if (!row.cookie)
			return 0;
	} else {
		row.cookie = bpf_get_socket_cookie(sk);
	}
	row.syn_queue = syn_queue(tcp);
	/* its half-open connections outlive it until their timers end (reqsk_timer_handler()) */
	if (row.closed && !row.syn_queue)
		return 0;
	held = is_held(owner);
	row.uid = owner->uid;
	barrier(); /* or both reads become one, of either: the verifier refuses that */
	if (!held || !owner->pass)
		row.uid = sk->sk_uid.val;
	row.cgroup = held && owner->cgroup ? owner->cgroup : sock_cgroup(sk);
	row.netns = sock_netns(sk);
	if (mptcp) {
		row.accept_queue = BPF_CORE_READ(tcp, sk_ack_backlog);
		row.backlog = BPF_CORE_READ(tcp, sk_max_ack_backlog);
	} else {
		row.accept_queue = sk->sk_ack_backlog;
		row.backlog = sk->sk_max_ack_backlog;
	}
	row.port = sk->__sk_common.skc_num;
	row.family = sk->__sk_common.skc_family;
	sock_local_address(sk, row.saddr);
	if (held) {
		row.init = owner->init;
		row.pid = owner->pid;
		row.holders = owner->holders;
		__builtin_memcpy(row.comm, owner->comm, sizeof(row.comm));
	}
	full = bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	if (row.accept_queue) {
		tell_queue(ctx->meta->seq, tcp);
		full = bpf_seq_write(ctx->meta->seq, &end, sizeof(end));
	}
	/* where there was no room it comes again, as with descriptors */
	if (!full && !row.closed)
		settle(owner, mptcp || row.syn_queue || row.accept_queue ? LISTENER_UNSETTLED
									 : row.backlog);
	return 0;
}
