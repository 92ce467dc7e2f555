/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rows of the control socket as JSON, value by value: what tcpwatchctl and curl see. It decides
 * nothing about which rows there are, and reads no clock. Without memory a value is NULL, which
 * JSON writes as null.
 */
#ifndef SERVE_JSON_H
#define SERVE_JSON_H

#include "base/json.h"
#include "model/model.h"
#include "serve/dimension.h"
#include "settings.h"

/* {"established":…} */
struct json_object *json_states(const uint64_t counts[TW_STATE_SLOTS]);
/* In seconds; 0 when it lies ahead. */
struct json_object *json_age(uint64_t since_ns, uint64_t now_ns);
/* The owner in a row of /v1/connections; brief: kind, pid, comm and uid alone. */
struct json_object *json_owner(const struct model *m, uint32_t index, bool brief);
/* A row of /v1/top, or the last of them, with what all others have. executable: any bytes, "" where
 * it is not known. of: connections in the states asked for. */
struct json_object *json_top(enum dimension by, const char *name, const char *executable,
			     const struct rank_row *row, uint64_t of, uint64_t now_ns);
struct json_object *json_top_others(enum dimension by, const struct rank *rank, uint64_t of,
				    uint64_t now_ns);
/* A row of /v1/listeners. */
struct json_object *json_listener(const struct model *m, const struct tw_listener *row);
/* A row of /v1/watch. offset_ns: CLOCK_REALTIME less CLOCK_MONOTONIC. */
struct json_object *json_event(const struct tw_event *event, uint64_t offset_ns);
/* In place of as many rows of /v1/watch. */
struct json_object *json_missed(uint64_t count);

/* Each value as a configuration file has it; a count as a number, a list as an array. */
struct json_object *json_settings(const struct settings *settings);

#endif
