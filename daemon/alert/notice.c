/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/notice.h"

const char *const notice_status_labels[NOTICE_STATUS_COUNT] = {
#define X(name, label) [NOTICE_##name] = label,
	NOTICE_STATUSES(X)
#undef X
};

const char *const notice_severity_labels[NOTICE_SEVERITY_COUNT] = {
#define X(name, label) [NOTICE_##name] = label,
	NOTICE_SEVERITIES(X)
#undef X
};
