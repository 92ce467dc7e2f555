/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "settings_groups.h"

#include "base/util.h"
#include "settings.h"

#include <tcpwatch/tcp_state.h>

#define SHARE_ALL 1000000 /* 100%, in millionths */

static const char *const source_words[] = {
	[SETTINGS_SOURCE_STATE] = "state",
	[SETTINGS_SOURCE_ACCEPT_QUEUE] = "accept_queue",
	[SETTINGS_SOURCE_SYN_QUEUE] = "syn_queue",
	[SETTINGS_SOURCE_SYN_RATE] = "syn_rate",
	[SETTINGS_SOURCE_SYN_COOKIES] = "syn_cookies",
	[SETTINGS_SOURCE_EPHEMERAL_PORTS] = "ephemeral_ports",
	[SETTINGS_SOURCE_CONNECT_FAILURES] = "connect_failures",
	NULL,
};

static const char *const scope_words[] = {
	[SETTINGS_SCOPE_HOST] = "host",         [SETTINGS_SCOPE_NETNS] = "netns",
	[SETTINGS_SCOPE_LISTENER] = "listener", [SETTINGS_SCOPE_PORT] = "port",
	[SETTINGS_SCOPE_REMOTE] = "remote",     [SETTINGS_SCOPE_PROCESS] = "process",
	[SETTINGS_SCOPE_UNIT] = "unit",         NULL,
};

/* In the order of the kernel's numbers, from 1. */
static const char *const state_words[] = {
#define X(number, name, label) [(number)-1] = label,
	TW_TCP_STATES(X)
#undef X
		NULL,
};

static const char *const held_by_words[] = {
	[SETTINGS_HELD_BY_ANY] = "any",
	[SETTINGS_HELD_BY_PROCESS] = "process",
	[SETTINGS_HELD_BY_UNACCEPTED] = "unaccepted",
	[SETTINGS_HELD_BY_KERNEL] = "kernel",
	NULL,
};

static const char *const reason_words[] = {
	[SETTINGS_REASON_ANY] = "any",
	[SETTINGS_REASON_REFUSED] = "refused",
	[SETTINGS_REASON_TIMED_OUT] = "timed_out",
	[SETTINGS_REASON_UNREACHABLE] = "unreachable",
	[SETTINGS_REASON_NO_PORT] = "no_port",
	[SETTINGS_REASON_OTHER] = "other",
	NULL,
};

static const char *const enabled_words[] = {"no", "yes", NULL};

const char *settings_source_word(enum settings_source source)
{
	return source_words[source];
}

const char *settings_scope_word(enum settings_scope scope)
{
	return scope_words[scope];
}

static bool valid_level(struct conf_value value)
{
	return !value.share || value.number <= SHARE_ALL;
}

static bool valid_clear(struct conf_value value)
{
	return value.number > 0 && valid_level(value);
}

#define ROW(of_key, of_type, field, ...)                                      \
	{                                                                     \
		.section = "alert", .key = of_key, .type = of_type,           \
		.offset = offsetof(struct settings_alert, field), __VA_ARGS__ \
	}

const struct conf_row settings_alert_rows[SETTINGS_ALERT_ROWS] = {
	ROW("enabled", CONF_SWITCH, enabled, .preset = "yes", .words = enabled_words),
	ROW("source", CONF_WORD, source, .preset = "state", .words = source_words),
	ROW("state", CONF_WORD, state, .words = state_words),
	ROW("held_by", CONF_WORD, held_by, .preset = "any", .words = held_by_words),
	ROW("reason", CONF_WORD, reason, .preset = "any", .words = reason_words),
	ROW("scope", CONF_WORD, scope, .preset = "host", .words = scope_words),
	ROW("above", CONF_LEVEL, above, .valid = valid_level,
	    .expected = "a number such as 1000, or a share such as 80%, up to 100%"),
	ROW("clear_below", CONF_LEVEL, clear_below, .valid = valid_clear,
	    .expected = "a number such as 500, or a share such as 50%, greater than 0"),
	ROW("older_than", CONF_TIME, older_than, .preset = "0s", .min = "0s", .max = "7d",
	    .nothing = "0s"),
	ROW("for", CONF_TIME, hold, .preset = "0s", .min = "0s", .max = "7d", .nothing = "0s"),
	ROW("growing_for", CONF_TIME, growing, .preset = "off", .min = "1s", .max = "7d",
	    .nothing = "off"),
	ROW("repeat", CONF_TIME, repeat, .preset = "1h", .min = "1m", .max = "30d",
	    .nothing = "off"),
	ROW("severity", CONF_WORD, severity, .preset = "warning", .words = settings_severity_words),
};

/* The rows that settings_check_alert() asks about. */
enum { ROW_STATE = 2, ROW_HELD_BY, ROW_REASON, ROW_ABOVE = 6, ROW_CLEAR_BELOW, ROW_FOR = 9 };

static bool is_set(const struct settings_alert *alert, size_t row)
{
	return alert->member.places[row].file != 0;
}

#define BIT(name) (1U << (name))
#define ANY_SCOPE                                                                              \
	(BIT(SETTINGS_SCOPE_HOST) | BIT(SETTINGS_SCOPE_NETNS) | BIT(SETTINGS_SCOPE_LISTENER) | \
	 BIT(SETTINGS_SCOPE_PORT) | BIT(SETTINGS_SCOPE_REMOTE) | BIT(SETTINGS_SCOPE_PROCESS) | \
	 BIT(SETTINGS_SCOPE_UNIT))

/* Whose numbers there are of each source. */
static const struct {
	uint32_t scopes;
	const char *wrong;
} source_scopes[] = {
	[SETTINGS_SOURCE_STATE] = {ANY_SCOPE, NULL},
	[SETTINGS_SOURCE_ACCEPT_QUEUE] = {BIT(SETTINGS_SCOPE_LISTENER),
					  "must be listener for source = accept_queue"},
	[SETTINGS_SOURCE_SYN_QUEUE] = {BIT(SETTINGS_SCOPE_LISTENER),
				       "must be listener for source = syn_queue"},
	[SETTINGS_SOURCE_SYN_RATE] = {BIT(SETTINGS_SCOPE_HOST) | BIT(SETTINGS_SCOPE_LISTENER),
				      "must be host or listener for source = syn_rate"},
	[SETTINGS_SOURCE_SYN_COOKIES] = {BIT(SETTINGS_SCOPE_HOST) | BIT(SETTINGS_SCOPE_NETNS),
					 "must be host or netns for source = syn_cookies"},
	[SETTINGS_SOURCE_EPHEMERAL_PORTS] = {BIT(SETTINGS_SCOPE_REMOTE),
					     "must be remote for source = ephemeral_ports: the "
					     "ports are used up for each destination by itself"},
	[SETTINGS_SOURCE_CONNECT_FAILURES] =
		{BIT(SETTINGS_SCOPE_HOST) | BIT(SETTINGS_SCOPE_NETNS) | BIT(SETTINGS_SCOPE_REMOTE) |
			 BIT(SETTINGS_SCOPE_PROCESS) | BIT(SETTINGS_SCOPE_UNIT),
		 "must be host, netns, remote, process or unit for source = connect_failures"},
};

/* The limits that the kernel has, and of whom. */
static bool has_limit(const struct settings_alert *alert)
{
	unsigned state = settings_alert_state(alert);

	switch (alert->source) {
	case SETTINGS_SOURCE_ACCEPT_QUEUE:
	case SETTINGS_SOURCE_SYN_QUEUE:
	case SETTINGS_SOURCE_EPHEMERAL_PORTS:
		return true;
	case SETTINGS_SOURCE_STATE:
		break;
	default:
		return false;
	}
	if (alert->scope == SETTINGS_SCOPE_PROCESS)
		return true;
	switch (state) {
	case TW_SYN_RECV:
		return alert->scope == SETTINGS_SCOPE_LISTENER;
	case TW_TIME_WAIT:
		return alert->scope == SETTINGS_SCOPE_NETNS;
	case TW_FIN_WAIT1:
	case TW_FIN_WAIT2:
	case TW_LAST_ACK:
	case TW_CLOSING:
		return alert->scope == SETTINGS_SCOPE_HOST;
	default:
		return false;
	}
}

/* A key that has no meaning with the source, or NULL. */
static const char *check_keys(const struct settings_alert *alert, const char **ret_key)
{
	bool of_state = alert->source == SETTINGS_SOURCE_STATE;

	if (of_state && !is_set(alert, ROW_STATE))
		return "it wants state = close_wait or the like, or another source";
	if (!of_state && is_set(alert, ROW_STATE)) {
		*ret_key = "state";
		return "is for source = state";
	}
	if (!of_state && alert->held_by != SETTINGS_HELD_BY_ANY) {
		*ret_key = "held_by";
		return "is for source = state";
	}
	if (!of_state && alert->older_than) {
		*ret_key = "older_than";
		return "is for source = state";
	}
	if (alert->reason != SETTINGS_REASON_ANY &&
	    alert->source != SETTINGS_SOURCE_CONNECT_FAILURES) {
		*ret_key = "reason";
		return "is for source = connect_failures";
	}
	return NULL;
}

/* Half-open connections are counted, and not known one by one. */
static const char *check_half_open(const struct settings_alert *alert, const char **ret_key)
{
	if (alert->source != SETTINGS_SOURCE_STATE || settings_alert_state(alert) != TW_SYN_RECV)
		return NULL;
	if (alert->older_than) {
		*ret_key = "older_than";
		return "is not known of half-open connections";
	}
	if (alert->held_by != SETTINGS_HELD_BY_ANY) {
		*ret_key = "held_by";
		return "is not known of half-open connections";
	}
	if (BIT(alert->scope) &
	    (BIT(SETTINGS_SCOPE_HOST) | BIT(SETTINGS_SCOPE_NETNS) | BIT(SETTINGS_SCOPE_LISTENER)))
		return NULL;
	*ret_key = "scope";
	return "must be host, netns or listener for state = syn_recv";
}

static const char *check_levels(const struct settings_alert *alert, const char **ret_key)
{
	const struct conf_level *above = &alert->above, *clear = &alert->clear_below;

	if (!is_set(alert, ROW_ABOVE))
		return "it wants above = NUMBER, or a share such as above = 80%";
	if (above->share && !has_limit(alert)) {
		*ret_key = "above";
		return "is a share, and there is no limit that it could be a share of: give a "
		       "number, or another scope";
	}
	if (!is_set(alert, ROW_CLEAR_BELOW))
		return NULL;
	*ret_key = "clear_below";
	if (clear->share != above->share)
		return "must be a share if above is one, and a number if above is";
	return clear->number > above->number ? "is greater than above: it would clear while it "
					       "fires"
					     : NULL;
}

const char *settings_check_alert(const void *member, const char **ret_key)
{
	const struct settings_alert *alert = member;
	const char *wrong = check_keys(alert, ret_key);

	if (!wrong)
		wrong = check_half_open(alert, ret_key);
	if (!wrong && !(source_scopes[alert->source].scopes & BIT(alert->scope))) {
		*ret_key = "scope";
		return source_scopes[alert->source].wrong;
	}
	if (!wrong)
		wrong = check_levels(alert, ret_key);
	if (!wrong && alert->hold && alert->growing) {
		*ret_key = "for";
		return "and growing_for exclude each other: the one asks for a time above, the "
		       "other for a time without a fall";
	}
	return wrong;
}

const struct settings_alert *settings_check_ages(const struct settings *s)
{
	const struct settings_alert *alerts = s->alerts.items;
	unsigned used[TW_STATE_SLOTS] = {0};

	for (size_t i = 0; i < s->alerts.count; i++) {
		const struct settings_alert *alert = &alerts[i];

		if (alert->enabled && alert->older_than &&
		    ++used[settings_alert_state(alert)] > SETTINGS_AGES_MAX)
			return alert;
	}
	return NULL;
}

bool settings_alert_equal(const struct settings_alert *a, const struct settings_alert *b)
{
	for (size_t i = 0; i < SETTINGS_ALERT_ROWS; i++)
		if (is_set(a, i) != is_set(b, i) || !conf_equal(&settings_alert_rows[i], a, b))
			return false;
	return true;
}
