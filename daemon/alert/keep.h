/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What fires, in a file, so that a restart of the daemon announces nothing twice. The file is of
 * one boot: after that, processes, namespaces and cgroups have other numbers, and times begin anew.
 */
#ifndef ALERT_KEEP_H
#define ALERT_KEEP_H

#include <stddef.h>
#include <stdint.h>

#include "alert/notice.h"
#include "alert/rules.h"

/* What a target is called. */
typedef void keep_name_fn(const struct rules_rule *rule, const struct rules_target *target,
			  char text[static NOTICE_TARGET_SIZE], void *userdata);
/* A target, by its id, goes on. target: what it was called, clean; "" where the file does not say.
 */
typedef void keep_restored_fn(uint64_t id, const char *target, void *userdata);

/*
 * Writes those that fire and have been told, in place of what was there; a reader sees one or the
 * other. 0, or a negative errno.
 */
int keep_write(const char *path, const struct rules *rules, keep_name_fn *name, void *userdata);
/*
 * Has the rules go on where the file says. What it says that makes no sense, or is of no rule that
 * there is, is left out. 0, also where there is no file, or one of another boot; -EBADMSG: it is
 * not such a file; or another negative errno.
 */
int keep_read(const char *path, struct rules *rules, uint64_t now_ns, keep_restored_fn *restored,
	      void *userdata, size_t *ret_count);

#endif
