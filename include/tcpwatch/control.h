/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where tcpwatchctl finds the daemon, and how far the two trust each other's words.
 */
#ifndef TCPWATCH_CONTROL_H
#define TCPWATCH_CONTROL_H

#define TW_VERSION "0.1.0"

#define TW_CONFIG_FILE "/etc/tcpwatch/tcpwatchd.conf" /* and TW_CONFIG_FILE ".d" for drop-ins */
#define TW_CONTROL_SOCKET "/run/tcpwatch/control.sock"
#define TW_STATE_DIRECTORY "/var/lib/tcpwatch"
#define TW_METRICS_PORT 10924

/* HTTP/1.1 on the control socket. Each path answers JSON: one document, or one object per line. */
#define TW_PATH_STATUS "/v1/status"
#define TW_PATH_CONNECTIONS "/v1/connections"
#define TW_PATH_LISTENERS "/v1/listeners"
#define TW_PATH_ALERTS "/v1/alerts"
#define TW_PATH_TOP "/v1/top"
#define TW_PATH_WATCH "/v1/watch"
#define TW_PATH_RESYNC "/v1/resync"
#define TW_PATH_RELOAD "/v1/reload"
#define TW_PATH_CONFIG "/v1/config"
#define TW_PATH_DOCTOR "/v1/doctor"

/* Exit codes of both programs; 78 is EX_CONFIG of sysexits.h. */
#define TW_EXIT_OK 0
#define TW_EXIT_FAILED 1
#define TW_EXIT_USAGE 2
#define TW_EXIT_CONFIG 78

#endif
