/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/aim.h"

#include <string.h>

#include "alert/remote.h"
#include "base/util.h"

#define S(name) TW_STATE_BIT(TW_##name)
#define C(name) TW_SYSCTL_BIT(TW_SYSCTL_##name)
#define KEEPALIVE (C(TCP_KEEPALIVE_TIME) | C(TCP_KEEPALIVE_INTVL) | C(TCP_KEEPALIVE_PROBES))
#define BACKLOG (C(SOMAXCONN) | C(TCP_MAX_SYN_BACKLOG) | C(TCP_SYNCOOKIES) | C(TCP_SYNACK_RETRIES))
#define PORTS (C(IP_LOCAL_PORT_RANGE) | C(IP_LOCAL_RESERVED_PORTS) | C(TCP_TW_REUSE))
#define ANY_KIND UINT32_MAX

/* What an alert on it is about, and which settings bear on that. */
static const struct subject {
	const char *source;
	uint32_t states, kinds, sysctls;
} subjects[] = {
	{"established", S(ESTABLISHED), ANY_KIND, KEEPALIVE},
	{"syn_sent", S(SYN_SENT), ANY_KIND, C(TCP_SYN_RETRIES) | PORTS},
	{"syn_recv", S(SYN_RECV), ANY_KIND, BACKLOG},
	{"fin_wait1", S(FIN_WAIT1), ANY_KIND, C(TCP_MAX_ORPHANS)},
	{"fin_wait2", S(FIN_WAIT2), ANY_KIND, C(TCP_FIN_TIMEOUT) | C(TCP_MAX_ORPHANS)},
	{"time_wait", S(TIME_WAIT), ANY_KIND, C(TCP_MAX_TW_BUCKETS) | PORTS},
	{"close", S(CLOSE), ANY_KIND, 0},
	{"close_wait", S(CLOSE_WAIT), ANY_KIND, KEEPALIVE},
	{"last_ack", S(LAST_ACK), ANY_KIND, C(TCP_MAX_ORPHANS)},
	{"listen", S(LISTEN), ANY_KIND, C(SOMAXCONN)},
	{"closing", S(CLOSING), ANY_KIND, C(TCP_MAX_ORPHANS)},
	{"syn_queue", S(SYN_RECV), ANY_KIND, BACKLOG},
	{"syn_rate", S(SYN_RECV), ANY_KIND, BACKLOG},
	{"syn_cookies", S(SYN_RECV), ANY_KIND, BACKLOG},
	{"accept_queue", S(ESTABLISHED) | S(CLOSE_WAIT), 1U << OWNER_KIND_UNACCEPTED,
	 C(SOMAXCONN) | C(TCP_ABORT_ON_OVERFLOW)},
	{"ephemeral_ports",
	 S(SYN_SENT) | S(ESTABLISHED) | S(FIN_WAIT1) | S(FIN_WAIT2) | S(TIME_WAIT) | S(CLOSE_WAIT),
	 ANY_KIND, PORTS | C(TCP_MAX_TW_BUCKETS)},
	{"connect_failures", S(SYN_SENT), ANY_KIND, C(TCP_SYN_RETRIES) | PORTS},
};

static const struct subject *subject_of(const char *source)
{
	for (size_t i = 0; i < ARRAY_SIZE(subjects); i++)
		if (!strcmp(subjects[i].source, source))
			return &subjects[i];
	return NULL;
}

bool aim_take(const struct notice *notice, struct aim *ret)
{
	const struct subject *subject = subject_of(notice->source);

	if (!subject)
		return false;
	*ret = (struct aim){
		.states = subject->states,
		.kinds = subject->kinds,
		.sysctls = subject->sysctls,
		.netns = notice->netns,
		.pid = notice->pid,
		.sport = notice->port,
		.cgroup = notice->cgroup,
	};
	ret->remote = !strcmp(notice->scope, "remote") &&
		      remote_parse(notice->target, ret->remote_key);
	return true;
}

static bool hits_remote(const struct aim *aim, bool ipv6, const uint8_t address[16])
{
	uint64_t key[2];

	if (!aim->remote)
		return true;
	remote_key(ipv6, address, key);
	return memcmp(key, aim->remote_key, sizeof(key)) == 0;
}

static bool hits_owner(const struct aim *aim, uint32_t pid, uint64_t cgroup)
{
	return (!aim->pid || pid == aim->pid) && (!aim->cgroup || cgroup == aim->cgroup);
}

bool aim_hits(const struct aim *aim, struct model *m, const struct connection *c)
{
	const struct owner *owner;

	if (aim->sport && c->sport != aim->sport)
		return false;
	if (aim->netns && netns_at(model_netns(m), c->netns)->inum != aim->netns)
		return false;
	if (!hits_remote(aim, c->flags & CONNECTION_IPV6, c->daddr))
		return false;
	owner = owners_get(model_owners(m), c->owner);
	return aim->kinds & (1U << owner->kind) && hits_owner(aim, owner->pid, owner->cgroup);
}

bool aim_hits_event(const struct aim *aim, struct model *m, const struct tw_event *event)
{
	const struct connection *c = table_find(model_table(m), event->cookie);
	const struct owner *owner;

	if ((aim->netns && event->netns != aim->netns) ||
	    (aim->sport && event->sport != aim->sport))
		return false;
	if (!hits_remote(aim, event->family == AF_INET6, event->daddr))
		return false;
	if (!aim->pid && !aim->cgroup)
		return TW_STATE_BIT(event->new_state) & aim->states ||
		       TW_STATE_BIT(event->old_state) & aim->states;
	if (!c)
		return hits_owner(aim, event->pid, event->cgroup);
	owner = owners_get(model_owners(m), c->owner);
	return hits_owner(aim, owner->pid, owner->cgroup);
}
