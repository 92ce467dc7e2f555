/* SPDX-License-Identifier: GPL-2.0-or-later OR MIT */
/*
 * The kernel's types, written out for just the fields that are read. Names are the kernel's;
 * offsets come from the BTF of the kernel that loads the program (CO-RE), so no header of a kernel
 * is needed to build.
 */
#ifndef KERNEL_BPF_H
#define KERNEL_BPF_H

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

typedef struct {
	__u32 val;
} kuid_t;

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct sock_cgroup_data {
	struct cgroup *cgroup; /* since Linux 6.0; before, a union that is not read */
};

typedef struct {
	__s64 counter;
} atomic64_t;

struct proto {
	char name[32];
};

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct proto *skc_prot;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	unsigned long skc_flags;
	atomic64_t skc_cookie;
};

struct sock {
	struct sock_common __sk_common;
	int sk_err;
	__u16 sk_protocol;
	kuid_t sk_uid;
	struct sock_cgroup_data sk_cgrp_data;
	__u32 sk_ack_backlog;
	__u32 sk_max_ack_backlog;
	struct socket *sk_socket;
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
};

typedef struct {
	int counter;
} atomic_t;

struct request_sock {
	struct request_sock *dl_next;
	struct sock *sk; /* once the connection is open */
};

struct request_sock_queue {
	atomic_t qlen;
	struct request_sock *rskq_accept_head;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct request_sock_queue icsk_accept_queue;
};

struct tcp_sock {
	__u8 is_mptcp; /* a subflow; where the kernel has MPTCP */
};

struct list_head {
	struct list_head *next;
};

/* Where the kernel has MPTCP. */
struct mptcp_sock {
	struct list_head conn_list; /* of mptcp_subflow_context.node */
};

struct mptcp_subflow_context {
	struct list_head node; /* the first in it */
	struct sock *tcp_sock;
};

struct hlist_node {
	struct hlist_node *next;
};

struct bpf_local_storage_data {
	void *smap;
	__u8 data[0]; /* what a program sees */
};

/* All of what has storage. */
struct bpf_local_storage {
	void *owner;
};

/* In one map. */
struct bpf_local_storage_elem {
	struct hlist_node map_node; /* the first in it */
	struct bpf_local_storage *local_storage;
	struct bpf_local_storage_data sdata;
};

struct socket {
	short type;
	struct sock *sk;
};

struct qstr {
	__u32 len;
	const unsigned char *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file_operations;

struct file {
	const struct file_operations *f_op;
	void *private_data;
	struct path f_path;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct mm_struct {
	struct file *exe_file;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct cred {
	kuid_t euid;
};

struct rlimit {
	unsigned long rlim_cur;
};

struct signal_struct {
	struct rlimit rlim[16];
};

struct task_struct {
	int tgid;
	char comm[16];
	struct task_struct *group_leader;
	struct mm_struct *mm;
	const struct cred *cred;
	struct css_set *cgroups;
	struct files_struct *files;
	struct signal_struct *signal;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	__u32 fd;
	struct file *file;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct sock *sk;
	void *value;
};

struct sk_buff {
	unsigned int len;
	unsigned int data_len; /* of len, what lies elsewhere */
	unsigned char *data;
};

struct iphdr {
	__u8 ihl : 4;
	__u8 protocol;
	__be32 saddr;
};

struct ipv6hdr {
	__u8 nexthdr;
	struct in6_addr saddr;
};

union tcp_word_hdr {
	__be32 words[5];
};

struct nf_hook_state {
	struct net *net;
};

struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
};

enum sock_flags {
	SOCK_DEAD,
	SOCK_DONE,
};

#pragma clang attribute pop

/* An address as a pointer that may be read through, wherever it leads. Since Linux 6.2: older ones
 * do not take an object that has it. */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym;

#define CAST(pointer, type) ((const type *)bpf_rdonly_cast(pointer, bpf_core_type_id_kernel(type)))

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_HOPOPTS 0
#define IPPROTO_TCP 6
#define IPPROTO_ROUTING 43
#define IPPROTO_FRAGMENT 44
#define IPPROTO_DSTOPTS 60
#define IPPROTO_MPTCP 262
#define SOCK_STREAM 1
#define RLIMIT_NOFILE 7

#endif
