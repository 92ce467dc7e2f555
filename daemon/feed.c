/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "feed.h"

bool feed_model(struct model *m, enum tw_record_type type, const void *body,
		struct model_drift *ret_drift)
{
	switch (type) {
	case TW_RECORD_EVENT:
		return model_event(m, body);
	case TW_RECORD_ROUND_BEGIN:
		model_round_begin(m, body);
		break;
	case TW_RECORD_DUMP_BEGIN:
		model_dump_begin(m, body);
		break;
	case TW_RECORD_SOCKET:
		model_socket(m, body);
		break;
	case TW_RECORD_DUMP_END:
		model_dump_end(m, body);
		break;
	case TW_RECORD_ROUND_END:
		model_round_end(m, body, ret_drift);
		break;
	case TW_RECORD_COUNTERS:
		model_counters(m, body);
		break;
	case TW_RECORD_NETNS_GONE:
		model_netns_gone(m, body);
		break;
	case TW_RECORD_LOST:
		model_lost(m, body);
		break;
	case TW_RECORD_TICK:
		model_tick(m, body);
		break;
	case TW_RECORD_LISTENER:
		model_listener(m, body);
		break;
	case TW_RECORD_LISTENERS:
		model_listeners_done(m, body);
		break;
	case TW_RECORD_LISTENERS_CHANGED:
		model_listeners_changed(m, body);
		break;
	case TW_RECORD_PORT:
		model_port(m, body);
		break;
	case TW_RECORD_PORT_GONE:
		model_port_gone(m, body);
		break;
	case TW_RECORD_SOURCES:
		model_sources(m, body);
		break;
	case TW_RECORD_NETSTAT:
		model_netstat(m, body);
		break;
	case TW_RECORD_LIMITS:
		model_limits(m, body);
		break;
	case TW_RECORD_AGE:
		model_age(m, body);
		break;
	case TW_RECORD_AGES:
		model_ages_done(m, body);
		break;
	case TW_RECORD_PASS_BEGIN:
		model_pass_begin(m, body);
		break;
	case TW_RECORD_PROCESS:
		model_process(m, body);
		break;
	case TW_RECORD_HOLDER:
		model_holder(m, body);
		break;
	case TW_RECORD_PASS_END:
		model_pass_end(m, body);
		break;
	case TW_RECORD_CGROUP:
		model_cgroup(m, body);
		break;
	case TW_RECORD_CGROUPS:
		model_cgroups_done(m, body);
		break;
	case TW_RECORD_QUEUED:
		model_queued(m, body);
		break;
	}
	return true;
}
