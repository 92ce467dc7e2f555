/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/log.h"

static const char *log_program;
static bool log_to_journal;
static char *log_kept; /* NULL: no error is to be kept, or one is */

/* systemd sets JOURNAL_STREAM to device:inode of the stream it reads; see systemd.exec(5). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
		return false;
	return !fstat(STDERR_FILENO, &st) && st.st_dev == device && st.st_ino == inode;
}

void log_open(const char *program)
{
	log_program = program;
	log_to_journal = stderr_is_journal();
}

void log_keep_error(char *ret)
{
	if (ret)
		*ret = '\0';
	log_kept = ret;
}

void log_message(int priority, const char *format, ...)
{
	char line[LOG_LINE_SIZE]; /* one write(2): lines of two processes do not mix */
	va_list arguments;

	if (priority > LOG_INFO)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (log_kept && priority <= LOG_ERR)
		snprintf(TAKE_PTR(log_kept), LOG_LINE_SIZE, "%s", line);
	if (log_to_journal)
		dprintf(STDERR_FILENO, "<%d>%s\n", priority, line);
	else
		dprintf(STDERR_FILENO, "%s: %s\n", log_program, line);
}
