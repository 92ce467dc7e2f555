/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One row of /v1/alerts with all that was found when it fired, for people.
 */
#ifndef CTL_EVIDENCE_H
#define CTL_EVIDENCE_H

#include <json-c/json.h>

#include "ctl/print.h"

/* label_width: the column at which all but the labels begins. */
void evidence_print(struct print *p, int label_width, struct json_object *alert);

#endif
