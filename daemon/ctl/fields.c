/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/fields.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

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
	char buffer[FIELD_TEXT_SIZE], port_text[21] = "*";
	const char *address = field_text(row, address_key, buffer, sizeof(buffer));
	uint64_t port = field_count(row, port_key);

	if (port)
		snprintf(port_text, sizeof(port_text), "%" PRIu64, port);
	print_cell(p, PRINT_PLAIN, -FIELD_ENDPOINT_WIDTH,
		   address && strchr(address, ':') ? "[%s]:%s" : "%s:%s", address ? address : "?",
		   port_text);
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
