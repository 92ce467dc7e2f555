/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The alerts that an Alertmanager is to know of: it wants states, and wants them again and again,
 * where other sinks want messages. So what has not arrived is not queued: the next document has
 * each alert as it is then. Pure: it is told the time.
 *
 * An Alertmanager tells alerts apart by their labels, so there is one alert here for each set of
 * them; one that fires again takes the place of the one before.
 */
#ifndef ALERT_ROLL_H
#define ALERT_ROLL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alert/notice.h"

#define ROLL_ALERTS 512 /* more than fire at once on a host that somebody still looks after */
/* An alert fires for so long after the last document that says so: then nobody knows any more. */
#define ROLL_AHEAD_NS (300 * UINT64_C(1000000000))
/* A resolved one is dropped when this has passed and it could not be told: by then it has ended at
 * the other side by itself. */
#define ROLL_KEPT_NS (900 * UINT64_C(1000000000))

struct roll;

int roll_new(const char *host, struct roll **ret);
struct roll *roll_free(struct roll *r);

/* 0, -ENOSPC or -ENOMEM. */
int roll_put(struct roll *r, const struct notice *notice, const char *file, uint64_t unix_ns);

/* Alerts that have changed and not arrived; all of them. */
size_t roll_changed(const struct roll *r);
size_t roll_count(const struct roll *r);

/*
 * The changed ones, or all of them, as the body of POST /api/v2/alerts, of malloc(). NULL when
 * there is no memory. Until the next call of one of the following three it is under way.
 */
char *roll_document(struct roll *r, bool all, uint64_t unix_ns);
/* It has arrived, or been refused for good. Returns how many changes are settled by it; one that
 * came since is not. */
size_t roll_settle(struct roll *r);
/* It has not. Returns how many are given up. */
size_t roll_failed(struct roll *r, uint64_t unix_ns);

#endif
