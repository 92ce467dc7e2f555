/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcpwatchctl: asks tcpwatchd over its control socket. A command is a row here and a file beside.
 */
#include <signal.h>

#include "base/log.h"
#include "base/standard.h"
#include "ctl/check.h"
#include "ctl/commands.h"
#include "ctl/filters.h"
#include "ctl/options.h"

#include <tcpwatch/control.h>

static const struct command commands[] = {
	{"status", "how the daemon is and what it counts, in short", NULL, command_status},
	{"states", "the eleven states: connections, rates, oldest", NULL, command_states},
	{"list", "connections, one a line", filter_list_options, command_list},
	{"listeners", "listening sockets: how full their queues are, SYNs, owners",
	 filter_listeners_options, command_listeners},
	{"top", "who and what has most connections", filter_top_options, command_top},
	{"watch", "transitions as they happen, one a line, until stopped", filter_watch_options,
	 command_watch},
	{"alerts", "what the rules have found: alerts pending and firing", alerts_options,
	 command_alerts},
	{"explain", "what a state means, who moves it on, and what to do", explain_options,
	 command_explain},
	{"doctor", "the kernel's settings, and what is measured here says about each", NULL,
	 command_doctor},
	{"check", "for a monitoring system: one line, and how bad it is as exit code",
	 check_options, command_check},
	{"resync", "have the daemon compare its counts with the kernel's now", NULL,
	 command_resync},
	{"reload", "have the daemon read its configuration again", NULL, command_reload},
	{"config", "the settings in force", NULL, command_config},
	{},
};

static void print_command(const struct command *command, struct print *p)
{
	char left[OPTIONS_INDENT];

	snprintf(left, sizeof(left), "  %s", command->name);
	print_entry(p, OPTIONS_INDENT, left, command->summary, PRINT_PLAIN);
}

static int print_help(const struct command *command)
{
	struct print p = {.out = stdout};

	printf("Usage: tcpwatchctl [--json] [--socket PATH] [--no-color] COMMAND [OPTIONS]\n\n");
	if (command) {
		print_command(command, &p);
		printf("\n");
		options_print(command->options, &p);
	} else {
		for (const struct command *c = commands; c->name; c++)
			print_command(c, &p);
		printf("\n");
	}
	options_print(options_global, &p);
	if (!command)
		printf("\n'tcpwatchctl COMMAND --help' shows the options of a command.\n"
		       "Exit codes: 0 done, 1 failed, 2 wrong usage;\n"
		       "of check 0 ok, 1 warning, 2 critical, 3 unknown.\n");
	return TW_EXIT_OK;
}

static int print_version(void)
{
	printf("tcpwatchctl %s\n", TW_VERSION);
	return TW_EXIT_OK;
}

int main(int argc, char **argv)
{
	struct invocation in = {};

	log_open("tcpwatchctl");
	if (standard_fill() < 0)
		return TW_EXIT_FAILED;
	signal(SIGPIPE, SIG_IGN); /* who reads our output may leave; write(2) tells */
	if (options_parse(&in, commands, argc, argv) < 0)
		return in.command && in.command->run == command_check ? check_misused()
								      : TW_EXIT_USAGE;
	if (options_get(&in, "help"))
		return print_help(in.command);
	if (options_get(&in, "version"))
		return print_version();
	if (!in.command) {
		log_error("no command was given; --help lists those there are.");
		return TW_EXIT_USAGE;
	}
	return in.command->run(&in);
}
