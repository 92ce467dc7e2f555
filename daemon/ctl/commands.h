/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands, one file each. They share nothing but answer.h, fields.h and print.h; main.c has
 * the table.
 */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include "ctl/options.h"

extern const struct option_row alerts_options[];
extern const struct option_row explain_options[];
extern const struct option_row check_options[];

int command_status(const struct invocation *in);
int command_states(const struct invocation *in);
int command_list(const struct invocation *in);
int command_listeners(const struct invocation *in);
int command_alerts(const struct invocation *in);
int command_top(const struct invocation *in);
int command_watch(const struct invocation *in);
int command_resync(const struct invocation *in);
int command_reload(const struct invocation *in);
int command_config(const struct invocation *in);
int command_explain(const struct invocation *in);
int command_doctor(const struct invocation *in);
int command_check(const struct invocation *in);

#endif
