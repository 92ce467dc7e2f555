/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `tcpwatchctl explain` has to say without asking anybody: the states in the terms of RFC 9293
 * section 3.3.2, as Linux has them, and the ways through them.
 */
#ifndef CTL_TOPICS_H
#define CTL_TOPICS_H

#include <stddef.h>

#define TOPIC_ENTRIES 6
#define TOPIC_LABEL_WIDTH 11 /* "moved on by" would be 11, and the labels are shorter */

struct topic_entry {
	const char *label; /* NULL: there is no more */
	/* Paragraphs, with '\n' between; one that starts with a blank is printed as it stands, and
	 * fits beside the label. */
	const char *text;
};

struct topic {
	const char *name;
	const char *aliases; /* other words for it, with blanks between; may be NULL */
	const char *summary; /* a line, beside the name */
	struct topic_entry entries[TOPIC_ENTRIES];
};

/* The eleven states in the kernel's order, and then the rest. */
extern const struct topic topics_states[];
extern const size_t topics_state_count;
extern const struct topic topics_other[];
extern const size_t topics_other_count;

/* Whatever its case, with '-' or '_' or neither. NULL when there is no such topic. */
const struct topic *topic_find(const char *word);

#endif
