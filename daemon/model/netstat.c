/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdint.h>

#include "model/netstat.h"

/* They never fall while a namespace lives; one that has taken the number of another starts anew. */
static uint64_t growth(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

void netstat_add(struct tw_netstat *sums, const struct tw_netstat *before,
		 const struct tw_netstat *now)
{
	if (!before->time_ns)
		return;
#define X(name, field) sums->field += growth(before->field, now->field);
	TW_NETSTAT(X)
#undef X
}

double netstat_cookies_rate(const struct tw_netstat *before, const struct tw_netstat *now)
{
	if (!before->time_ns || now->time_ns <= before->time_ns)
		return 0;
	return (double)growth(before->syncookies_sent, now->syncookies_sent) * 1e9 /
	       (double)(now->time_ns - before->time_ns);
}
