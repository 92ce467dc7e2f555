/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * By what connections can be added up, and how each is named. Owners are counted by the model, and
 * there are few of them; of ports and peers there may be as many as connections, and these have to
 * be walked.
 */
#ifndef SERVE_DIMENSION_H
#define SERVE_DIMENSION_H

#include "model/model.h"
#include "model/rank.h"

/* X(NAME, word) */
#define DIMENSIONS(X)         \
	X(UNIT, "unit")       \
	X(PROCESS, "process") \
	X(USER, "user")       \
	X(PORT, "port")       \
	X(REMOTE, "remote")   \
	X(PREFIX, "prefix")   \
	X(NETNS, "netns")

enum dimension {
#define X(name, word) DIMENSION_##name,
	DIMENSIONS(X)
#undef X
		DIMENSION_COUNT
};

extern const char *const dimension_words[DIMENSION_COUNT];

#define DIMENSION_NAME_SIZE 256 /* of a unit; what is longer is cut */

/* Whether the model has the counts; else each connection is looked at. */
bool dimension_is_counted(enum dimension d);
/* Of one that is counted, what is counted by: owners or namespaces, from 0 on; and where among them
 * a connection is. Until the model takes another record. */
uint32_t dimension_parts(enum dimension d, const struct model *m);
uint32_t dimension_part(enum dimension d, const struct connection *c);
/* Adds all there are in the states, a mask of TW_STATE_BIT(), with processes as members; of one
 * that is counted. oldest_ns: the least entered_ns of each part, UINT64_MAX for none; NULL where
 * nobody has looked. */
void dimension_add_counted(enum dimension d, const struct model *m, uint32_t states,
			   const uint64_t *oldest_ns, struct rank *rank);
/* Adds one connection; of one that is not counted. */
void dimension_add(enum dimension d, const struct connection *c, struct rank *rank);

/*
 * What DIMENSION_UNIT shows of an owner: cgroup_label(), or else the process's name, in brackets
 * where it could be taken for one: "[sshd.service]".
 */
void dimension_unit(const struct cgroup *g, const char comm[TW_COMM_SIZE],
		    char text[DIMENSION_NAME_SIZE]);
/*
 * As it is shown: UTF-8, the process's name for an owner without a unit, "unknown" for one that is
 * not known, "none" for a port or a peer that there is not. No two rows that differ have the same
 * name, kind and executable. Before the model takes another record.
 */
void dimension_name(enum dimension d, const struct model *m, const struct rank_row *row,
		    char text[DIMENSION_NAME_SIZE]);
/* enum owner_kind of the owners added up, or -1 where they may be of several. */
int dimension_kind(enum dimension d, const struct rank_key *key);
/* What all the processes added up run, as in executables.h; or EXECUTABLE_UNKNOWN where they may
 * run several. */
uint32_t dimension_executable(enum dimension d, const struct rank_key *key);

#endif
