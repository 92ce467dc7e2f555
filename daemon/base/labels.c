/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/labels.h"

const char *const labels_state[TW_STATE_SLOTS] = {
#define X(number, name, label) [number] = label,
	TW_TCP_STATES(X)
#undef X
};

const char *const labels_sysctl[TW_SYSCTL_COUNT] = {
#define X(name, directory, file, everywhere) [TW_SYSCTL_##name] = "net." directory "." file,
	TW_SYSCTLS(X)
#undef X
};
