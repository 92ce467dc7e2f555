/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the journal's catalog, and those who look for entries, need to know of the journal sink.
 */
#ifndef ALERT_JOURNAL_H
#define ALERT_JOURNAL_H

#include "alert/notice.h"

/* MESSAGE_ID; packaging/systemd/tcpwatch.catalog explains them. */
#define JOURNAL_ID_FIRING "ade34434487740dcab8664aaf3b5f179"
#define JOURNAL_ID_RESOLVED "3c9b18e8ac0b4e01ae5d22dbd98fd7e2"

/* Bytes of evidence in an entry; with more of it the entry names the file alone. A datagram takes
 * 200 KiB by default (net.core.wmem_max), and the journal keeps what it gets. */
#define JOURNAL_EVIDENCE_MAX (32 * 1024)

/* NAME=VALUE lines, of malloc(). NULL when there is no memory. */
char *journal_entry(const struct notice *notice, const char *file);

#endif
