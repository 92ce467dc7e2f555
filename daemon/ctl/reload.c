/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "ctl/answer.h"
#include "ctl/commands.h"
#include "ctl/fields.h"

#include <tcpwatch/control.h>

static int print_reload(struct print *p, struct json_object *answer)
{
	if (!json_object_get_boolean(field_get(answer, "reloaded", json_type_boolean)))
		return -EBADMSG;
	print_cell(p, PRINT_PLAIN, 0, "the configuration is in force");
	print_end(p);
	return 0;
}

int command_reload(const struct invocation *in)
{
	return answer_document(in, true, TW_PATH_RELOAD, print_reload);
}
