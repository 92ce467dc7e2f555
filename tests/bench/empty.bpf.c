// SPDX-License-Identifier: GPL-2.0-or-later OR MIT
/*
 * The shortest program that the tracepoint can have: what the kernel counts for it is the cost of
 * the counting, which is in every other program's figure too.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

SEC("tp_btf/inet_sock_set_state")
int empty(void *context)
{
	return 0;
}
