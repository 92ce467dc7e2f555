// SPDX-License-Identifier: GPL-2.0-or-later OR MIT
/* The same iterators, with a pass and looks that read ahead: for kernels on which it can
 * (ahead.bpf.h). */
#define READ_AHEAD
#include "inventory.bpf.c"
