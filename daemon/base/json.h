/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Members of JSON objects, for those who write them. It knows nothing of what they mean, nor in
 * which layer. key: a constant, and new in the object. Without memory a value is NULL, which JSON
 * writes as null.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdint.h>

#include <json-c/json.h>

/* How values become text, on one line. */
#define JSON_TEXT (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* value is the object's from here on. */
void json_add(struct json_object *object, const char *key, struct json_object *value);
void json_add_text(struct json_object *object, const char *key, const char *text);
void json_add_number(struct json_object *object, const char *key, uint64_t number);
/* With as many digits after the point: json-c itself writes 17 in all. */
void json_add_decimal(struct json_object *object, const char *key, int digits, double value);

/* null where nothing is known: for NULL and "", or for 0. */
void json_add_known_text(struct json_object *object, const char *key, const char *text);
void json_add_known(struct json_object *object, const char *key, uint64_t number);

/* The value of json_add_decimal(), the caller's. */
struct json_object *json_decimal(int digits, double value);

#endif
