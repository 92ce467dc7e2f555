/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a client wants to see: the parameters of /v1/connections, /v1/listeners and /v1/watch as
 * typed values, and whether a connection is among it. Pure.
 */
#ifndef SERVE_FILTER_H
#define SERVE_FILTER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/cgroup_path.h"
#include "model/cgroups.h"

#include <tcpwatch/event.h>
#include <tcpwatch/tcp_state.h>

#define FILTER_ERROR_SIZE 256 /* bytes of a message */

enum filter_set { /* which parameters there are */
		  FILTER_LIST,
		  FILTER_WATCH,     /* without those that make no sense for what is yet to come */
		  FILTER_LISTENERS, /* without those that are of connections */
		  FILTER_TOP,       /* those of sums */
};

enum filter_owner { FILTER_OWNER_ANY, FILTER_OWNER_NAME, FILTER_OWNER_PID, FILTER_OWNER_UID };

struct filter {
	uint32_t states; /* mask of TW_STATE_BIT() */
	uint16_t port;   /* local or remote; 0: any */
	struct {
		uint8_t address[16]; /* network byte order */
		int family;          /* 0: any */
		unsigned length;     /* bits */
	} remote;
	enum filter_owner owner;
	uint32_t owner_id;                 /* pid or uid */
	char owner_name[CGROUP_NAME_SIZE]; /* of a process, a unit or a container */
	uint32_t netns;                    /* 0: any */
	uint64_t older_than_ns;
	uint64_t limit; /* rows; 0: all */
	bool by_age;    /* the oldest first, of all states together */
	bool brief;     /* rows as row_write() makes them for a table */
	unsigned by;    /* enum dimension, see dimension.h */
};

/* What passes every test. */
#define FILTER_INIT ((struct filter){.states = TW_STATES_ALL})

/*
 * Sets one parameter; value is NULL where there was no "=". A parameter set twice is the caller's
 * to refuse. 0; -EINVAL, with a sentence that names the parameter, the value and what would be
 * right.
 */
int filter_parse(struct filter *f, enum filter_set set, const char *name, const char *value,
		 char error[FILTER_ERROR_SIZE]);

/* What a filter looks at, of a connection, a transition or a listener; states and ages are for the
 * caller. */
struct filter_subject {
	uint32_t netns;
	uint16_t local_port, remote_port; /* 0: none */
	int family;                       /* AF_INET or AF_INET6 */
	const uint8_t *remote;            /* as in struct tw_event */
	uint32_t pid;                     /* 0: not known */
	uint32_t uid;                     /* UINT32_MAX: not known */
	const char *comm;                 /* TW_COMM_SIZE bytes; empty: not known */
	uint64_t cgroup;                  /* cgroup v2 id, 0: not known */
};

/* cgroups: to name the subject's. */
bool filter_matches(const struct filter *f, const struct filter_subject *subject,
		    const struct cgroups *cgroups);

#endif
