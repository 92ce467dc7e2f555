/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/fields.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/decimal.h"

#define RATE_MAX 1e15 /* SYNs a second: no host gets there, and FIELD_SYNS_SIZE has room for it */

struct json_object *field_get(struct json_object *object, const char *key, enum json_type type)
{
	struct json_object *member = NULL;

	if (json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, key, &member);
	return json_object_is_type(member, type) ? member : NULL;
}

const char *field_text(struct json_object *object, const char *key, char *buffer, size_t size)
{
	struct json_object *member = field_get(object, key, json_type_string);

	if (!member)
		return NULL;
	return print_clean(buffer, size, json_object_get_string(member),
			   (size_t)json_object_get_string_len(member));
}

double field_number(struct json_object *object, const char *key)
{
	struct json_object *member = field_get(object, key, json_type_double);

	if (!member)
		member = field_get(object, key, json_type_int);
	return member ? json_object_get_double(member) : (double)NAN;
}

uint64_t field_count(struct json_object *object, const char *key)
{
	return json_object_get_uint64(field_get(object, key, json_type_int));
}

void field_print_endpoint(struct print *p, struct json_object *row, const char *address_key,
			  const char *port_key)
{
	char buffer[FIELD_TEXT_SIZE], text[sizeof("[]:") + FIELD_TEXT_SIZE + DECIMAL_SIZE];
	const char *address = field_text(row, address_key, buffer, sizeof(buffer));
	bool ipv6 = address && strchr(address, ':');
	uint64_t port = field_count(row, port_key);
	char *end = stpcpy(text, ipv6 ? "[" : "");

	end = stpcpy(end, address ? address : "?");
	end = stpcpy(end, ipv6 ? "]:" : ":");
	if (port)
		decimal(end, port);
	else
		stpcpy(end, "*");
	print_text(p, PRINT_PLAIN, -FIELD_ENDPOINT_WIDTH, text);
}

void field_print_process(struct print *p, struct json_object *object)
{
	char buffer[FIELD_TEXT_SIZE], text[sizeof("/") + FIELD_TEXT_SIZE + DECIMAL_SIZE];
	const char *comm = field_text(object, "comm", buffer, sizeof(buffer));
	bool pid = field_get(object, "pid", json_type_int);
	char *end = stpcpy(text, comm && *comm ? comm : "?");

	if (pid)
		decimal(stpcpy(end, "/"), field_count(object, "pid"));
	print_text(p, PRINT_PLAIN, 0, text);
}

void field_print_owner(struct print *p, struct json_object *row)
{
	struct json_object *owner = field_get(row, "owner", json_type_object);
	struct json_object *comm = field_get(owner, "comm", json_type_string);
	char buffer[FIELD_TEXT_SIZE];
	const char *kind = field_text(owner, "kind", buffer, sizeof(buffer));
	bool process = kind && strcmp(kind, "process") == 0;
	bool known = kind && strcmp(kind, "unknown") != 0;

	if (field_get(owner, "pid", json_type_int) || json_object_get_string_len(comm) > 0)
		field_print_process(p, owner);
	else if (field_get(owner, "uid", json_type_int))
		print_cell(p, PRINT_PLAIN, 0, "uid:%" PRIu64, field_count(owner, "uid"));
	else if (process || !known)
		print_text(p, PRINT_PLAIN, 0, "-");
	if (known && !process)
		print_cell(p, PRINT_DIM, 0, "(%s)", kind);
}

/* Of this program, 0 when that cannot be known; it does not change while the program runs. */
static uint64_t own_netns(void)
{
	static struct stat st;

	if (st.st_ino == 0)
		stat("/proc/self/ns/net", &st);
	return st.st_ino;
}

void field_print_netns(struct print *p, struct json_object *row)
{
	uint64_t netns = field_count(row, "netns"), own = own_netns();

	if (netns && own && own != netns)
		print_cell(p, PRINT_DIM, 0, "netns:%" PRIu64, netns);
}

const char *field_syns(struct json_object *status, char text[static FIELD_SYNS_SIZE])
{
	struct json_object *syn = field_get(status, "syn", json_type_object);
	uint64_t prefixes = field_count(syn, "prefixes");
	char buffer[FIELD_TEXT_SIZE];
	const char *top = field_text(syn, "top_prefix", buffer, sizeof(buffer));
	double rate = field_number(syn, "rate");
	int used;

	if (!(rate > 0 && rate < RATE_MAX)) {
		snprintf(text, FIELD_SYNS_SIZE, rate == 0 ? "none" : "not counted");
		return text;
	}
	used = snprintf(text, FIELD_SYNS_SIZE, "%.*f/s from about %" PRIu64 " network%s", rate < 10,
			rate, prefixes, prefixes == 1 ? "" : "s");
	if (top && field_number(syn, "top_share") > 0.5)
		snprintf(text + used, FIELD_SYNS_SIZE - (size_t)used, ", most from %s", top);
	return text;
}
