/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The named sections, each with a file of its own. For settings.c and those files alone.
 */
#ifndef SETTINGS_GROUPS_H
#define SETTINGS_GROUPS_H

#include "base/conf.h"
#include "settings.h"

/* In the order of enum settings_severity. */
extern const char *const settings_severity_words[];

/* Rows and checks as struct conf_group has them. */
#define SETTINGS_ALERT_ROWS 13
extern const struct conf_row settings_alert_rows[SETTINGS_ALERT_ROWS];
const char *settings_check_alert(const void *member, const char **ret_key);
/* Of all rules together: the one whose older_than is too many for its state; NULL: none is. */
const struct settings_alert *settings_check_ages(const struct settings *s);

#define SETTINGS_SINK_ROWS 5
extern const struct conf_row settings_sink_rows[SETTINGS_SINK_ROWS];
const char *settings_check_sink(const void *member, const char **ret_key);

#endif
