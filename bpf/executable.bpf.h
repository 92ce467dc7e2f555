/* SPDX-License-Identifier: GPL-2.0-or-later OR MIT */
/*
 * The path of the file that a process runs, as its mount namespace has it: put together from the
 * names that lead to it, the last one first, as d_path() does. Nothing keeps a task's memory, and
 * with it the file, while they are looked at, so all are addresses to read from: bpf_d_path() would
 * take them for what they were. Of a process that ends meanwhile what comes may be anything.
 *
 * Where it goes on is in variables, and the step a function of its own, for the verifier: it looks
 * at the function once, and not at each of its turns.
 */
#ifndef EXECUTABLE_BPF_H
#define EXECUTABLE_BPF_H

#include "kernel.bpf.h"

#include <tcpwatch/holder.h>

/* Names and mounts on the way: a path that has more is cut, as one of more bytes is. */
#define EXECUTABLE_STEPS 32

/* The path ends in the first half, and NULs follow, as many as are told with one that is short. */
char executable[2 * TW_EXECUTABLE_SIZE];
/* Where it begins, so far. */
__u32 executable_at;
/* Whether that is the whole of it. */
__u32 executable_whole;

struct {
	const struct vfsmount *mnt;
	const struct dentry *dentry;
} executable_next; /* to go before it */

_Static_assert(!(TW_EXECUTABLE_SIZE & (TW_EXECUTABLE_SIZE - 1)), "below it is a mask");

/* The same, below TW_EXECUTABLE_SIZE in a way that the compiler keeps for the verifier. */
static __always_inline __u32 executable_bounded(__u32 index)
{
	barrier_var(index);
	return index & (TW_EXECUTABLE_SIZE - 1);
}

/* Whether there was room, for the name and the slash. */
static __always_inline int executable_prepend(const struct dentry *dentry)
{
	const unsigned char *name = BPF_CORE_READ(dentry, d_name.name);
	__u32 length = BPF_CORE_READ(dentry, d_name.len);
	__u32 at = executable_at;

	if (!length || length > at)
		return 0;
	at -= length;
	bpf_probe_read_kernel(&executable[executable_bounded(at)], executable_bounded(length),
			      name);
	executable_at = at;
	if (!at)
		return 0;
	executable[executable_bounded(--executable_at)] = '/';
	return 1;
}

/* From the root of a mount to where it is mounted. */
static __always_inline void executable_leave(const struct vfsmount *mnt)
{
	const __u64 offset = bpf_core_field_offset(struct mount, mnt);
	const struct mount *mount = (const void *)mnt - offset;
	const struct mount *above = BPF_CORE_READ(mount, mnt_parent);

	executable_next.dentry = BPF_CORE_READ(mount, mnt_mountpoint);
	executable_next.mnt = (const void *)above + offset;
	executable_whole = above == mount;
}

/* Whether there is more to do. */
__noinline int executable_step(void)
{
	const struct dentry *dentry = executable_next.dentry;
	const struct vfsmount *mnt = executable_next.mnt;

	if (dentry == BPF_CORE_READ(mnt, mnt_root)) {
		executable_leave(mnt);
		return !executable_whole;
	}
	if (!executable_prepend(dentry))
		return 0;
	executable_next.dentry = BPF_CORE_READ(dentry, d_parent);
	/* it is in no directory: memfd_create(2) */
	executable_whole = executable_next.dentry == dentry;
	return !executable_whole;
}

/* Fills executable, from executable_at on; with an empty path where there is none. */
static __always_inline void executable_read(const struct task_struct *task)
{
	const struct file *file = BPF_CORE_READ(task, mm, exe_file);

	executable_next.mnt = BPF_CORE_READ(file, f_path.mnt);
	executable_next.dentry = BPF_CORE_READ(file, f_path.dentry);
	executable_at = TW_EXECUTABLE_SIZE - 1;
	executable_whole = 0;
	if (!executable_next.dentry)
		return;
	for (int i = 0; i < EXECUTABLE_STEPS && executable_step(); i++)
		;
	/* the daemon, which has these variables in its memory, has no business with addresses */
	executable_next.mnt = NULL;
	executable_next.dentry = NULL;
	/* what is cut does not look like a path from the root */
	if (!executable_whole && executable[executable_bounded(executable_at)] == '/')
		executable_at++;
}

#endif
