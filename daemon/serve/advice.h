/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each of the kernel's settings does, and what the measured state of a network namespace says
 * about it. It knows neither the daemon nor which rows are shown, and changes nothing.
 */
#ifndef SERVE_ADVICE_H
#define SERVE_ADVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "alert/alerts.h"
#include "model/model.h"
#include "serve/doctor_row.h"
#include "serve/measures.h"

/* A namespace, with what is known of it. */
struct advice_patient {
	struct model *model;
	const struct alerts *alerts; /* NULL: there are none */
	const struct netns *netns;
	const struct measures *measures; /* of it */
	uint64_t now_ns;                 /* CLOCK_MONOTONIC */
	bool home; /* the daemon's own: what is counted for the host is told there */
};

/* Everything of the row, which is made anew. Of a value that is not known nothing is said. */
void advice_give(const struct advice_patient *p, enum tw_sysctl sysctl, struct doctor_row *row);

#endif
