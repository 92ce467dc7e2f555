/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve/advice.h"

#include <inttypes.h>
#include <string.h>

#include "base/labels.h"
#include "base/util.h"

#define ALARMING 0.8 /* of a limit */
#define NOTABLE 0.5  /* likewise */
#define AGE_SIZE 32
#define SOMAXCONN_DEFAULT 4096 /* since Linux 5.4 */
#define FIN_TIMEOUT_DEFAULT 60 /* seconds */
#define PORTS_FEW 1000         /* of the range, to one destination */
#define SYNACK_RETRIES_FLOOD 2 /* what is left of a SYN-ACK's worth in a flood */

static uint32_t value(const struct advice_patient *p, enum tw_sysctl sysctl)
{
	return p->netns->limits.values[sysctl];
}

static bool known(const struct advice_patient *p, enum tw_sysctl sysctl)
{
	return p->netns->limits.known & TW_SYSCTL_BIT(sysctl);
}

static uint64_t connections(const struct advice_patient *p, unsigned state)
{
	return netns_connections(p->netns, state);
}

static const char *duration(uint64_t seconds, char text[static AGE_SIZE])
{
	if (seconds < 120)
		snprintf(text, AGE_SIZE, "%" PRIu64 " seconds", seconds);
	else if (seconds < 7200)
		snprintf(text, AGE_SIZE, "%" PRIu64 " minutes", seconds / 60);
	else
		snprintf(text, AGE_SIZE, "%.1f hours", (double)seconds / 3600);
	return text;
}

/* How far something is towards a limit, and what happens there. */
static void say_share(struct doctor_row *row, const char *what, uint64_t count, uint64_t limit,
		      const char *then)
{
	double share = limit ? (double)count / (double)limit : 1;
	enum doctor_level level = share >= ALARMING  ? DOCTOR_WARNING
				  : share >= NOTABLE ? DOCTOR_NOTE
						     : DOCTOR_OK;

	doctor_say(row, level, "%" PRIu64 " %s, %.*f %% of it%s%s.", count, what,
		   share > 0 && share < 0.01 ? 2 : 0, share * 100, level > DOCTOR_OK ? ": " : "",
		   level > DOCTOR_OK ? then : "");
}

/* Grown since the daemon has seen the namespace. */
#define GROWTH(p, field) ((p)->netns->netstat.field - (p)->netns->netstat_first.field)

static void on_fin_timeout(const struct advice_patient *p, struct doctor_row *row)
{
	uint64_t count = connections(p, TW_FIN_WAIT2);
	char text[AGE_SIZE];

	if (p->measures->fin_wait2_old)
		doctor_say(row, DOCTOR_NOTE,
			   "%u connections in fin_wait2 are older than that: a process still holds "
			   "them after shutdown(), and no setting ends those; see 'tcpwatchctl "
			   "explain fin_wait2'.",
			   p->measures->fin_wait2_old);
	else
		doctor_say(row, DOCTOR_OK, "%" PRIu64 " in fin_wait2, none older than that.",
			   count);
	if (value(p, TW_SYSCTL_TCP_FIN_TIMEOUT) <= 2 * FIN_TIMEOUT_DEFAULT)
		return;
	doctor_say(row, DOCTOR_NOTE, "Peers that do not close take memory here for %s.",
		   duration(value(p, TW_SYSCTL_TCP_FIN_TIMEOUT), text));
	row->recommended = "60";
}

static void on_keepalive_time(const struct advice_patient *p, struct doctor_row *row)
{
	const struct connection *oldest = table_oldest(model_table(p->model), TW_ESTABLISHED);
	uint64_t seconds = value(p, TW_SYSCTL_TCP_KEEPALIVE_TIME) +
			   (uint64_t)value(p, TW_SYSCTL_TCP_KEEPALIVE_INTVL) *
				   value(p, TW_SYSCTL_TCP_KEEPALIVE_PROBES);
	char text[AGE_SIZE];

	doctor_say(row, DOCTOR_OK, "A peer that is gone is noticed after %s.",
		   duration(seconds, text));
	if (oldest && p->now_ns > oldest->entered_ns)
		doctor_say(row, DOCTOR_OK, "The oldest established connection has lasted for %s.",
			   duration((p->now_ns - oldest->entered_ns) / NSEC_PER_SEC, text));
}

static void on_max_syn_backlog(const struct advice_patient *p, struct doctor_row *row)
{
	const struct measures_queue *q = &p->measures->syn;
	uint32_t bound = value(p, TW_SYSCTL_TCP_MAX_SYN_BACKLOG);

	if (known(p, TW_SYSCTL_TCP_SYNCOOKIES) && !value(p, TW_SYSCTL_TCP_SYNCOOKIES) &&
	    (uint64_t)q->length * 4 > (uint64_t)bound * 3)
		doctor_say(row, DOCTOR_WARNING,
			   "Port %u has %u half-open connections: SYNs of peers that are not known "
			   "are dropped. Set tcp_syncookies to 1.",
			   q->port, q->length);
	if (measures_share(q) >= ALARMING)
		doctor_say(row, DOCTOR_WARNING,
			   "The SYN queue of port %u has %u of %u: a flood, answers that get lost, "
			   "or a full accept queue; see 'tcpwatchctl explain syn_recv'.",
			   q->port, q->length, q->backlog);
	else if (q->length)
		doctor_say(row, DOCTOR_OK, "The fullest SYN queue is that of port %u, %u of %u.",
			   q->port, q->length, q->backlog);
	else
		doctor_say(row, DOCTOR_OK, "No connection is half open.");
}

static void on_somaxconn(const struct advice_patient *p, struct doctor_row *row)
{
	const struct measures *m = p->measures;
	uint64_t overflows = GROWTH(p, listen_overflows);

	if (m->clipped && (overflows || value(p, TW_SYSCTL_SOMAXCONN) < SOMAXCONN_DEFAULT)) {
		doctor_say(row, overflows ? DOCTOR_WARNING : DOCTOR_NOTE,
			   "%u of %u listeners have just this as their backlog, and may have asked "
			   "for more in listen(). After a change a program must listen() again.",
			   m->clipped, m->listeners);
		if (value(p, TW_SYSCTL_SOMAXCONN) < SOMAXCONN_DEFAULT)
			row->recommended = "4096";
	}
	if (overflows)
		doctor_say(row, DOCTOR_WARNING,
			   "Accept queues have overflowed %" PRIu64
			   " times since tcpwatchd saw this namespace: a program does not accept() "
			   "fast enough; see 'tcpwatchctl explain unaccepted'.",
			   overflows);
	if (measures_share(&m->accept) >= ALARMING)
		doctor_say(row, DOCTOR_WARNING, "The accept queue of port %u has %u of %u now.",
			   m->accept.port, m->accept.length, m->accept.backlog);
	if (!*row->finding)
		doctor_say(row, DOCTOR_OK,
			   "%u listeners, %u of them with this as backlog; none has overflowed.",
			   m->listeners, m->clipped);
}

static void on_syncookies(const struct advice_patient *p, struct doctor_row *row)
{
	double rate = netstat_cookies_rate(&p->netns->netstat_before, &p->netns->netstat);
	uint64_t sent = GROWTH(p, syncookies_sent);

	if (!value(p, TW_SYSCTL_TCP_SYNCOOKIES))
		doctor_say(row, DOCTOR_WARNING,
			   "Without cookies a flood of SYNs keeps everybody out.");
	else if (value(p, TW_SYSCTL_TCP_SYNCOOKIES) > 1)
		doctor_say(row, DOCTOR_NOTE,
			   "Every connection goes without options that cookies cannot keep; this "
			   "value is for tests.");
	if (value(p, TW_SYSCTL_TCP_SYNCOOKIES) != 1)
		row->recommended = "1";
	if (rate > 0)
		doctor_say(row, DOCTOR_WARNING,
			   "%.0f cookies a second are being sent: a flood, or a backlog that is "
			   "too small; see 'tcpwatchctl listeners'.",
			   rate);
	else if (sent)
		doctor_say(
			row, DOCTOR_NOTE,
			"%" PRIu64
			" cookies were sent since tcpwatchd saw this namespace, none of them now.",
			sent);
	else if (!*row->finding)
		doctor_say(row, DOCTOR_OK, "None was sent.");
}

static void on_synack_retries(const struct advice_patient *p, struct doctor_row *row)
{
	uint32_t retries = value(p, TW_SYSCTL_TCP_SYNACK_RETRIES);
	const struct measures_queue *q = &p->measures->syn;
	char text[AGE_SIZE];

	/* the first wait is a second, each further one twice as long: TCP_TIMEOUT_INIT */
	doctor_say(row, DOCTOR_OK,
		   "%" PRIu64 " half open; one that is not confirmed is kept for %s.",
		   connections(p, TW_SYN_RECV),
		   duration((UINT64_C(2) << (retries < 31 ? retries : 31)) - 1, text));
	if (measures_share(q) >= ALARMING && retries > SYNACK_RETRIES_FLOOD)
		doctor_say(
			row, DOCTOR_NOTE,
			"While the SYN queue of port %u is that full, less would free it sooner.",
			q->port);
}

static void on_syn_retries(const struct advice_patient *p, struct doctor_row *row)
{
	const struct stats *stats = model_stats(p->model);

	doctor_say(row, DOCTOR_OK, "%" PRIu64 " in syn_sent.", connections(p, TW_SYN_SENT));
	if (p->home)
		doctor_say(row, DOCTOR_OK,
			   "%" PRIu64
			   " connects have timed out on this host since tcpwatchd started.",
			   stats->connect_failures[CONNECT_FAILURE_TIMED_OUT]);
}

static void on_abort(const struct advice_patient *p, struct doctor_row *row)
{
	uint64_t overflows = GROWTH(p, listen_overflows), aborts = GROWTH(p, aborts_on_overflow);

	if (value(p, TW_SYSCTL_TCP_ABORT_ON_OVERFLOW))
		doctor_say(
			row, aborts ? DOCTOR_WARNING : DOCTOR_NOTE,
			"Clients see resets for a burst that they could have waited out: %" PRIu64
			" so far.",
			aborts);
	else if (overflows)
		doctor_say(row, DOCTOR_OK,
			   "Of %" PRIu64 " overflows no client was told; see somaxconn.",
			   overflows);
	else
		doctor_say(row, DOCTOR_OK, "No accept queue has overflowed.");
}

/* connect() that found no port; counted for the host. */
static uint64_t no_port(const struct advice_patient *p)
{
	return p->home ? model_stats(p->model)->connect_failures[CONNECT_FAILURE_NO_PORT] : 0;
}

static void on_tw_reuse(const struct advice_patient *p, struct doctor_row *row)
{
	doctor_say(row, DOCTOR_OK, "%" PRIu64 " in time_wait.", connections(p, TW_TIME_WAIT));
	if (!no_port(p) || value(p, TW_SYSCTL_TCP_TW_REUSE) == 1)
		return;
	doctor_say(row, DOCTOR_NOTE,
		   "%" PRIu64
		   " connects found no port: where the ports are held by time_wait, 1 lets "
		   "connect() have them after a second. Connections that are kept open are better.",
		   no_port(p));
	row->recommended = "1";
}

static void on_max_tw_buckets(const struct advice_patient *p, struct doctor_row *row)
{
	uint64_t minis = (uint64_t)p->netns->minis + p->netns->minis_untracked;

	say_share(row, "in use", connections(p, TW_TIME_WAIT) + minis,
		  value(p, TW_SYSCTL_TCP_MAX_TW_BUCKETS),
		  "above it connections are forgotten at once, and late segments may meet new "
		  "ones. Raise it, some 250 bytes each; see 'tcpwatchctl explain time_wait'");
}

static void on_max_orphans(const struct advice_patient *p, struct doctor_row *row)
{
	say_share(row, "orphans on this host", p->netns->limits.orphans,
		  value(p, TW_SYSCTL_TCP_MAX_ORPHANS),
		  "above it connections are reset when they are closed, and what they still had to "
		  "send is lost. See who closes without waiting for the peer: 'tcpwatchctl explain "
		  "fin_wait1'");
}

/* Of the ports, the most that connections to one destination use; negative: no rule has it counted.
 */
static double ports_share(const struct alerts *alerts)
{
	const struct rules *rules = alerts ? alerts_rules(alerts) : NULL;
	const struct gauge *gauge = rules ? rules_gauge(rules, SETTINGS_SOURCE_EPHEMERAL_PORTS)
					  : NULL;

	return gauge ? gauge_fullest(gauge) : -1;
}

static void on_port_range(const struct advice_patient *p, struct doctor_row *row)
{
	uint32_t ports = value(p, TW_SYSCTL_IP_LOCAL_PORT_RANGE) -
			 value(p, TW_SYSCTL_IP_LOCAL_RESERVED_PORTS);
	double share = p->home ? ports_share(p->alerts) : -1;

	doctor_say(row, ports < PORTS_FEW ? DOCTOR_NOTE : DOCTOR_OK,
		   "%u ports, and so as many connections from one address to one address and port.",
		   ports);
	if (share >= 0)
		doctor_say(row,
			   share >= ALARMING  ? DOCTOR_WARNING
			   : share >= NOTABLE ? DOCTOR_NOTE
					      : DOCTOR_OK,
			   "The destination with most connections uses %.0f %% of what there is "
			   "for it.",
			   share * 100);
	if (no_port(p))
		doctor_say(row, DOCTOR_WARNING,
			   "%" PRIu64
			   " connects have found none free (EADDRNOTAVAIL) on this host since "
			   "tcpwatchd started; see 'tcpwatchctl explain time_wait'.",
			   no_port(p));
}

static void on_reserved_ports(const struct advice_patient *p, struct doctor_row *row)
{
	uint32_t range = value(p, TW_SYSCTL_IP_LOCAL_PORT_RANGE);

	if (known(p, TW_SYSCTL_IP_LOCAL_PORT_RANGE) && range)
		say_share(row, "ports of the range are reserved",
			  value(p, TW_SYSCTL_IP_LOCAL_RESERVED_PORTS), range,
			  "connect() has the rest alone");
}

static const struct {
	const char *what;
	void (*examine)(const struct advice_patient *p, struct doctor_row *row);
} sysctls[TW_SYSCTL_COUNT] = {
	[TW_SYSCTL_TCP_FIN_TIMEOUT] =
		{"Seconds that an orphan (no process holds it) may stay in fin_wait2. It has "
		 "nothing to do with time_wait, which lasts 60 s always.",
		 on_fin_timeout},
	[TW_SYSCTL_TCP_KEEPALIVE_TIME] =
		{"Seconds of silence before the first probe, on sockets with SO_KEEPALIVE alone; a "
		 "program may set its own (TCP_KEEPIDLE).",
		 on_keepalive_time},
	[TW_SYSCTL_TCP_KEEPALIVE_INTVL] =
		{"Seconds between probes that nobody answers (TCP_KEEPINTVL).", NULL},
	[TW_SYSCTL_TCP_KEEPALIVE_PROBES] =
		{"Probes without an answer after which the connection ends (TCP_KEEPCNT).", NULL},
	[TW_SYSCTL_TCP_MAX_SYN_BACKLOG] =
		{"With tcp_syncookies = 0: at three quarters of so many half-open connections a "
		 "listener takes SYNs of known peers alone. Else it is the backlog that bounds a "
		 "SYN queue.",
		 on_max_syn_backlog},
	[TW_SYSCTL_SOMAXCONN] = {"The most that listen() gives as backlog, which bounds a "
				 "listener's SYN queue and its accept queue.",
				 on_somaxconn},
	[TW_SYSCTL_TCP_SYNCOOKIES] = {"1: when a SYN queue is full, answer without keeping "
				      "anything. 0: drop the SYN. 2: never keep anything.",
				      on_syncookies},
	[TW_SYSCTL_TCP_SYNACK_RETRIES] =
		{"How often a SYN-ACK is sent again before a half-open connection is given up.",
		 on_synack_retries},
	[TW_SYSCTL_TCP_SYN_RETRIES] = {"How often a SYN is sent again before connect() fails with "
				       "ETIMEDOUT; 6 take about two minutes.",
				       on_syn_retries},
	[TW_SYSCTL_TCP_ABORT_ON_OVERFLOW] = {"1: reset the client when the accept queue is full. "
					     "0: drop its acknowledgment, so that it tries again.",
					     on_abort},
	[TW_SYSCTL_TCP_TW_REUSE] =
		{"Whether connect() may take the port of a connection in time_wait, where "
		 "timestamps tell old from new: 1 yes, 0 no, 2 over loopback alone.",
		 on_tw_reuse},
	[TW_SYSCTL_TCP_MAX_TW_BUCKETS] =
		{"The most connections in time_wait, orphans in fin_wait2 included.",
		 on_max_tw_buckets},
	[TW_SYSCTL_TCP_MAX_ORPHANS] =
		{"The most connections that no process holds and that are not in time_wait, on the "
		 "whole host: a guard against running out of memory.",
		 on_max_orphans},
	[TW_SYSCTL_IP_LOCAL_PORT_RANGE] =
		{"From where connect() and bind() to port 0 take a local port.", on_port_range},
	[TW_SYSCTL_IP_LOCAL_RESERVED_PORTS] = {"Ports of that range that are left alone, for "
					       "programs that bind to them by number.",
					       on_reserved_ports},
};

static void put_value(const struct advice_patient *p, enum tw_sysctl sysctl, struct doctor_row *row)
{
	const struct tw_limits *l = &p->netns->limits;

	if (sysctl == TW_SYSCTL_IP_LOCAL_PORT_RANGE)
		snprintf(row->value, sizeof(row->value), "%u %u", l->port_low, l->port_high);
	else if (sysctl == TW_SYSCTL_IP_LOCAL_RESERVED_PORTS)
		snprintf(row->value, sizeof(row->value), "%u of the range", l->values[sysctl]);
	else
		snprintf(row->value, sizeof(row->value), "%u", l->values[sysctl]);
}

void advice_give(const struct advice_patient *p, enum tw_sysctl sysctl, struct doctor_row *row)
{
	*row = (struct doctor_row){
		.name = labels_sysctl[sysctl],
		.what = sysctls[sysctl].what,
		.netns = p->netns->inum,
	};
	if (!known(p, sysctl))
		return;
	put_value(p, sysctl, row);
	if (sysctls[sysctl].examine)
		sysctls[sysctl].examine(p, row);
}
