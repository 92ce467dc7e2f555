/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/standard.h"
#include "base/util.h"
#include "privileges.h"
#include "replay.h"
#include "settings.h"
#include "tcpwatchd.h"

#include <tcpwatch/control.h>

#define NICE (-10)

struct arguments {
	const char *config_file;
	const char *record_file;
	const char *replay_file;
	bool check_config;
	bool print_config;
};

static const char help[] =
	"tcpwatchd keeps exact counts of the host's TCP connections in each state.\n"
	"\n"
	"usage: tcpwatchd [OPTION]...\n"
	"\n"
	"  --config FILE    read FILE and FILE.d/*.conf (default " TW_CONFIG_FILE ")\n"
	"  --check-config   tell whether the configuration is right, and end\n"
	"  --print-config   print the configuration in force, every key, and end\n"
	"  --record FILE    also write what the kernel tells to the new FILE\n"
	"  --replay FILE    run on a recording in place of the kernel, print the status, and end\n"
	"  --help           print this, and end\n"
	"  --version        print the version, and end\n"
	"\n"
	"It stays in the foreground. SIGHUP reads the configuration again, SIGTERM ends it.\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage, 78 wrong configuration.\n";

/* -1: go on; otherwise the exit status. */
static int parse_arguments(int argc, char *argv[], struct arguments *ret)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"check-config", no_argument, NULL, 't'},
		{"print-config", no_argument, NULL, 'p'}, {"record", required_argument, NULL, 'r'},
		{"replay", required_argument, NULL, 'R'}, {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},      {0},
	};
	int option;

	*ret = (struct arguments){.config_file = TW_CONFIG_FILE};
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			ret->config_file = optarg;
			break;
		case 't':
			ret->check_config = true;
			break;
		case 'p':
			ret->print_config = true;
			break;
		case 'r':
			ret->record_file = optarg;
			break;
		case 'R':
			ret->replay_file = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return TW_EXIT_OK;
		case 'V':
			puts("tcpwatchd " TW_VERSION);
			return TW_EXIT_OK;
		default:
			fputs("Try 'tcpwatchd --help'.\n", stderr);
			return TW_EXIT_USAGE;
		}
	}
	if (optind == argc && !(ret->record_file && ret->replay_file))
		return -1;
	if (optind < argc)
		fprintf(stderr, "tcpwatchd: unexpected argument '%s'\n", argv[optind]);
	else
		fputs("tcpwatchd: --record and --replay exclude each other\n", stderr);
	fputs("Try 'tcpwatchd --help'.\n", stderr);
	return TW_EXIT_USAGE;
}

/* Each namespace takes some sixteen descriptors; the usual soft limit is there for select(2). */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* /run is empty after boot; a unit has RuntimeDirectory=, a daemon started by hand has not. */
static void make_runtime_directory(const struct settings *settings, const struct privileges *p)
{
	_cleanup_free_ char *path = strdup(settings->control_socket);
	char *slash = path ? strrchr(path, '/') : NULL;

	if (!slash || strncmp(path, "/run/", 5) != 0)
		return;
	*slash = '\0';
	privileges_make_directory(p, path);
}

/* Where the host's other namespaces are to be followed. */
static int start_opener(const struct settings *settings, struct privileges *p, struct opener **ret)
{
	int error = 0;

	if (settings->namespaces == SETTINGS_NAMESPACES_ALL)
		error = opener_start(privileges_confine_opener, p, ret);
	if (error < 0)
		log_error("the process that opens network namespaces cannot be started: %s",
			  strerror(-error));
	return error;
}

static int run_daemon(struct settings *settings, const struct arguments *arguments)
{
	_cleanup_(opener_freep) struct opener *opener = NULL;
	struct privileges privileges;
	struct tcpwatchd *d;
	int error;

	if (privileges_plan(settings, &privileges) < 0) {
		settings_free(settings);
		return TW_EXIT_CONFIG;
	}
	/*
	 * The ring wants a few microseconds of processor time every 20 ms, also while others take
	 * all there is. Without the privilege it has to do without.
	 */
	setpriority(PRIO_PROCESS, 0, NICE);
	raise_descriptor_limit();
	make_runtime_directory(settings, &privileges);
	privileges_make_directory(&privileges, settings->state_directory);
	error = start_opener(settings, &privileges, &opener);
	if (!error)
		error = tcpwatchd_new(settings, arguments->config_file, arguments->record_file,
				      opener, &d);
	if (error < 0) {
		settings_free(settings);
		return TW_EXIT_FAILED;
	}
	error = privileges_drop(&privileges, tcpwatchd_blind, d);
	if (!error)
		error = tcpwatchd_run(d);
	tcpwatchd_free(d);
	return error < 0 ? TW_EXIT_FAILED : TW_EXIT_OK;
}

int main(int argc, char *argv[])
{
	struct arguments arguments;
	struct settings *settings;
	int status;

	log_open("tcpwatchd");
	if (standard_fill() < 0)
		return TW_EXIT_FAILED;
	status = parse_arguments(argc, argv, &arguments);
	if (status >= 0)
		return status;
	if (settings_load(arguments.config_file, &settings) < 0)
		return TW_EXIT_CONFIG;
	if (!arguments.check_config && !arguments.print_config && !arguments.replay_file)
		return run_daemon(settings, &arguments);

	status = TW_EXIT_OK;
	if (arguments.print_config)
		settings_print(settings, stdout);
	else if (arguments.replay_file && replay_run(settings, arguments.replay_file) < 0)
		status = TW_EXIT_FAILED;
	settings_free(settings);
	return status;
}
