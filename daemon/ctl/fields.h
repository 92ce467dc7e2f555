/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The members of what the daemon sent, when they are there and of the type that they should be; and
 * the few that several commands show alike. All text is cleaned for a terminal.
 */
#ifndef CTL_FIELDS_H
#define CTL_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <json-c/json.h>

#include "ctl/print.h"

#define FIELD_TEXT_SIZE 64 /* of an address, 45 bytes, or of a comm, 15 */

/* Of its type, or NULL. */
struct json_object *field_get(struct json_object *object, const char *key, enum json_type type);
/* buffer with the text in it, or NULL when the member is no string. */
const char *field_text(struct json_object *object, const char *key, char *buffer, size_t size);
/* NAN when the member is no number. */
double field_number(struct json_object *object, const char *key);
/* 0 when the member is no whole number. */
uint64_t field_count(struct json_object *object, const char *key);

#define FIELD_ENDPOINT_WIDTH 21 /* 255.255.255.255:65535 */

/* A cell of that width, at the left, with address and port, "[ADDRESS]:PORT" for IPv6, '*' for port
 * 0. */
void field_print_endpoint(struct print *p, struct json_object *row, const char *address_key,
			  const char *port_key);
/* COMM/PID of the members comm and pid, "?" for a comm that is not known, COMM where there is no
 * pid. */
void field_print_process(struct print *p, struct json_object *object);
/* COMM/PID, or what else is known of the owner, in cells at the end of a line. */
void field_print_owner(struct print *p, struct json_object *row);
/* A cell that names the network namespace, when it is another than this program's. */
void field_print_netns(struct print *p, struct json_object *row);

#define FIELD_SYNS_SIZE 192 /* two numbers of 20 digits and a network */

/* "12000/s from about 1 network, most from 192.0.2.0/24", "none" or "not counted". Returns text. */
const char *field_syns(struct json_object *status, char text[static FIELD_SYNS_SIZE]);

#endif
