/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/print.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/decimal.h"
#include "base/utf8.h"

/* U+0080 to U+009F, which some terminals obey as they do ESC and a letter, in UTF-8. */
#define C1_FIRST_BYTE 0xc2
#define C1_END 0xa0
#define DEL 0x7f

#define MINUTE 60
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define AGE_MAX (106752.0 * DAY) /* 2^63 ns: no clock of the kernel's goes further */

static const char *const style_sequences[PRINT_STYLE_COUNT] = {
	[PRINT_PLAIN] = NULL,     [PRINT_BOLD] = "\033[1m",    [PRINT_DIM] = "\033[2m",
	[PRINT_RED] = "\033[31m", [PRINT_YELLOW] = "\033[33m", [PRINT_CYAN] = "\033[36m",
};

static void put_styled(const struct print *p, enum print_style style, const char *text,
		       size_t length)
{
	const char *sequence = p->color ? style_sequences[style] : NULL;

	if (sequence)
		fprintf(p->out, "%s%s\033[0m", sequence, text);
	else
		fwrite(text, 1, length, p->out);
}

static void put_blanks(const struct print *p, size_t count)
{
	static const char blanks[] = "                                ";

	for (size_t part; count > 0; count -= part) {
		part = count < sizeof(blanks) - 1 ? count : sizeof(blanks) - 1;
		fwrite(blanks, 1, part, p->out);
	}
}

static void put_cell(struct print *p, enum print_style style, int width, const char *text,
		     size_t length)
{
	size_t room = (size_t)abs(width), start = p->stop, gap;

	p->stop += room + 1;
	if (length == 0)
		return;
	if (width > 0 && length < room)
		start += room - length;
	gap = start > p->at ? start - p->at : p->at > 0;
	put_blanks(p, gap);
	put_styled(p, style, text, length);
	p->at += gap + length;
}

void print_cell(struct print *p, enum print_style style, int width, const char *format, ...)
{
	char text[PRINT_CELL_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	print_text(p, style, width, text);
}

void print_text(struct print *p, enum print_style style, int width, const char *text)
{
	put_cell(p, style, width, text, strlen(text));
}

void print_count(struct print *p, enum print_style style, int width, uint64_t count)
{
	char digits[DECIMAL_SIZE];

	put_cell(p, style, width, digits, decimal(digits, count));
}

void print_end(struct print *p)
{
	fputc('\n', p->out);
	p->at = p->stop = 0;
}

void print_entry(struct print *p, int label_width, const char *label, const char *text,
		 enum print_style style)
{
	size_t indent = (size_t)label_width;
	char word[PRINT_CELL_SIZE];

	print_text(p, PRINT_BOLD, 1 - label_width, label);
	for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
		size_t length = strcspn(text, " ");

		if (p->at > indent && p->at + 1 + length > PRINT_WIDTH) {
			print_end(p);
			p->stop = indent;
		}
		snprintf(word, sizeof(word), "%.*s", (int)length, text);
		print_text(p, style, 0, word);
		p->stop = p->at + 1;
		text += length;
	}
	print_end(p);
}

const char *print_clean(char *copy, size_t size, const char *text, size_t length)
{
	size_t n = length < size ? length : size - 1;

	for (size_t i = 0; i < n; i++)
		copy[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	copy[n] = '\0';
	return copy;
}

int print_json(FILE *out, const char *json, size_t length)
{
	_cleanup_free_ char *clean = malloc(UTF8_CLEAN_SIZE(length));

	if (!clean)
		return -ENOMEM;
	length = utf8_clean(json, length, clean, UTF8_CLEAN_SIZE(length));
	for (const unsigned char *at = (unsigned char *)clean; length > 0; at++, length--) {
		if (*at < ' ' || *at == DEL) {
			fprintf(out, "\\u%04x", *at);
		} else if (*at == C1_FIRST_BYTE && at[1] < C1_END) {
			fprintf(out, "\\u%04x", *++at);
			length--;
		} else {
			fputc(*at, out);
		}
	}
	return 0;
}

void print_age(char text[static PRINT_AGE_SIZE], double seconds)
{
	uint64_t s;
	unsigned d, h, m, tenths;

	if (!(seconds >= 0 && seconds <= AGE_MAX)) {
		snprintf(text, PRINT_AGE_SIZE, "-");
		return;
	}
	s = (uint64_t)seconds;
	tenths = (unsigned)((seconds - (double)s) * 10);
	d = (unsigned)(s / DAY);
	h = (unsigned)(s % DAY / HOUR);
	m = (unsigned)(s % HOUR / MINUTE);
	s %= MINUTE;
	if (d)
		snprintf(text, PRINT_AGE_SIZE, "%ud%02uh", d, h);
	else if (h)
		snprintf(text, PRINT_AGE_SIZE, "%uh%02um", h, m);
	else if (m)
		snprintf(text, PRINT_AGE_SIZE, "%um%02us", m, (unsigned)s);
	else
		snprintf(text, PRINT_AGE_SIZE, "%u.%us", (unsigned)s, tenths);
}
