/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Metrics as Prometheus reads them: families and their samples, in its own text format or in
 * OpenMetrics. It knows how they are written and what a client asks for, and not one that there is.
 */
#ifndef SERVE_EXPOSITION_H
#define SERVE_EXPOSITION_H

#include <stdint.h>

#include "base/util.h"
#include "serve/text.h"

enum exposition_format {
	EXPOSITION_TEXT,        /* Prometheus text format 0.0.4 */
	EXPOSITION_OPENMETRICS, /* OpenMetrics 1.0 */
};

/* What the Accept header (RFC 9110 section 12.5.1), or NULL for none, likes best; text when in
 * doubt. */
enum exposition_format exposition_format_of(const char *accept);
const char *exposition_content_type(enum exposition_format format);

enum exposition_type {
	EXPOSITION_GAUGE,
	EXPOSITION_COUNTER,
	EXPOSITION_HISTOGRAM,
	EXPOSITION_GAUGE_HISTOGRAM, /* its buckets go down too */
};

/* Made by the caller; errors are the text's. */
struct exposition {
	enum exposition_format format;
	struct text *text; /* what is written is appended */
	const char *name;  /* of the family whose samples come */
	enum exposition_type type;
};

/*
 * What stands before a family's samples, which come next. name: without the _total of a counter,
 * lives as long as they are written. unit: the name's last word; "" where it is a plain number.
 */
void exposition_begin(struct exposition *e, const char *name, enum exposition_type type,
		      const char *unit, const char *help);
/* What ends the page. */
void exposition_end(struct exposition *e);

/* One sample; labels is a format, or NULL for none. */
void exposition_integer(struct exposition *e, uint64_t value, const char *labels, ...)
	_printf_(3, 4);
void exposition_number(struct exposition *e, double value, const char *labels, ...) _printf_(3, 4);

/* A bucket of the histogram with this label: how many are not above the bound. */
void exposition_bucket(struct exposition *e, const char *label, const char *value, double bound,
		       uint64_t count);
/* What ends that histogram: the bucket of all, their sum and their number. */
void exposition_bucket_end(struct exposition *e, const char *label, const char *value, double sum,
			   uint64_t count);

/* A label's value, as both formats want it; size: twice the text's is enough. */
void exposition_escape(const char *text, char *out, size_t size);

#endif
