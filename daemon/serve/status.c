/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve/status.h"

#define X(name, label) label,
const char *const resync_cause_labels[RESYNC_CAUSE_COUNT] = {RESYNC_CAUSES(X)};
#undef X
