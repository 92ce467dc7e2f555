/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Feeds records to the model: the same way whether they come from the kernel or from a recording.
 */
#ifndef FEED_H
#define FEED_H

#include <stdbool.h>

#include "model/model.h"

#include <tcpwatch/record.h>

/*
 * body: of the type. ret_drift is written at the end of a round alone. Whether the model took it:
 * it passes over events that are malformed or repeat another.
 */
bool feed_model(struct model *m, enum tw_record_type type, const void *body,
		struct model_drift *ret_drift);

#endif
