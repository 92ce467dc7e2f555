/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A notice as the rules make them, for the tests of those that pass it on.
 */
#ifndef TESTS_NOTICE_FIXTURE_H
#define TESTS_NOTICE_FIXTURE_H

#include "alert/notice.h"

/* 2026-11-20T13:23:05.123Z */
#define NOTICE_SINCE_NS UINT64_C(1795180985123456789)

static inline struct notice make_notice(enum notice_status status)
{
	return (struct notice){
		.id = 0xabcdef,
		.name = "close-wait-leak",
		.status = status,
		.severity = NOTICE_WARNING,
		.scope = "unit",
		.source = "close_wait",
		.target = "nginx.service",
		.netns = 4026531840,
		.value = 153,
		.threshold = 100,
		.since_unix_ns = NOTICE_SINCE_NS,
		.resolved_unix_ns = status == NOTICE_RESOLVED ? NOTICE_SINCE_NS + 60000000000 : 0,
		.summary = "nginx.service holds 153 connections in close_wait",
	};
}

#endif
