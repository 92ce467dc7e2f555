/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alert/sink.h"

#include <inttypes.h>
#include <sys/random.h>

#include "base/log.h"

void sink_works(struct sink *s, size_t notices)
{
	s->counts.sent += notices;
	if (!s->failing)
		return;
	s->failing = false;
	log_info("sink %s: works again; so far %" PRIu64 " tries failed, and %" PRIu64
		 " notices were dropped",
		 s->options.name, s->counts.failures, s->counts.dropped);
}

void sink_fails(struct sink *s, const char *why)
{
	s->counts.failures++;
	if (s->failing)
		return;
	s->failing = true;
	log_warning("sink %s: %s; further failures are only counted, in "
		    "tcpwatch_sink_failures_total, until it works again",
		    s->options.name, why);
}

void sink_drops(struct sink *s, size_t notices, const char *why)
{
	if (!s->failing && s->counts.dropped == 0 && notices > 0)
		log_warning("sink %s: a notice is dropped: %s; further ones are only counted, in "
			    "tcpwatch_sink_dropped_total",
			    s->options.name, why);
	s->counts.dropped += notices;
}

uint32_t sink_chance(void)
{
	uint32_t chance = 0;

	/* right after boot there may be none yet: no reason to wait */
	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) < 0)
		return UINT32_MAX / 2;
	return chance;
}
