/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/answer.h"
#include "ctl/commands.h"
#include "ctl/fields.h"

#include <tcpwatch/control.h>

static int print_resync(struct print *p, struct json_object *answer)
{
	char buffer[FIELD_TEXT_SIZE];
	const char *resync = field_text(answer, "resync", buffer, sizeof(buffer));

	print_cell(p, PRINT_PLAIN, 0, "resync %s", resync ? resync : "?");
	print_end(p);
	return 0;
}

int command_resync(const struct invocation *in)
{
	return answer_document(in, true, TW_PATH_RESYNC, print_resync);
}
