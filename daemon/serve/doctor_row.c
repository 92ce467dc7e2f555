/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "serve/doctor_row.h"

#include <stdarg.h>
#include <string.h>

#include "base/json.h"

void doctor_say(struct doctor_row *row, enum doctor_level level, const char *format, ...)
{
	size_t used = strlen(row->finding);
	va_list arguments;

	if (used && used + 1 < sizeof(row->finding))
		row->finding[used++] = ' ';
	va_start(arguments, format);
	vsnprintf(row->finding + used, sizeof(row->finding) - used, format, arguments);
	va_end(arguments);
	if (level > row->level)
		row->level = level;
}

struct json_object *doctor_json(const struct doctor_row *row)
{
	static const char *const labels[] = {
#define X(name, label) label,
		DOCTOR_LEVELS(X)
#undef X
	};
	struct json_object *object = json_object_new_object();

	json_add_text(object, "name", row->name);
	json_add_known(object, "netns", row->netns);
	json_add_known_text(object, "value", row->value);
	json_add_known_text(object, "recommended", row->recommended);
	json_add_text(object, "level", labels[row->level]);
	json_add_text(object, "what", row->what);
	json_add_known_text(object, "finding", row->finding);
	return object;
}
