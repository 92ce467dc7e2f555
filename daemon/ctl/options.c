/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/options.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/nearest.h"
#include "base/util.h"
#include "ctl/print.h"

#include <tcpwatch/control.h>

bool option_is_word(const char *text, size_t length, const char *const *words)
{
	for (; *words; words++)
		if (strlen(*words) == length && memcmp(*words, text, length) == 0)
			return true;
	return false;
}

static int check_socket(const char *value, char *ret)
{
	struct sockaddr_un address;

	if (!*value || strlen(value) >= sizeof(address.sun_path))
		return -EINVAL;
	snprintf(ret, OPTION_VALUE_SIZE, "%s", value);
	return 0;
}

const struct option_row options_global[] = {
	{.name = "json",
	 .help = "print JSON; of list, listeners, top and watch, one object a line"},
	{
		.name = "socket",
		.argument = "PATH",
		.help = "where the daemon answers (" TW_CONTROL_SOCKET ")",
		.check = check_socket,
		.wanted = "a path of 1 to 107 bytes, which is the kernel's limit",
	},
	{.name = "no-color", .help = "no colour on a terminal; NO_COLOR=1 does the same"},
	{.name = "help", .help = "this text, or that of the command it stands with"},
	{.name = "version", .help = "the version of this program"},
	{},
};

static const struct option_row *find_row(const struct option_row *rows, const char *name,
					 size_t length)
{
	for (; rows && rows->name; rows++)
		if (!rows->operand && strlen(rows->name) == length &&
		    memcmp(rows->name, name, length) == 0)
			return rows;
	return NULL;
}

static const struct option_row *find_operand(const struct option_row *rows)
{
	while (rows && rows->name && !rows->operand)
		rows++;
	return rows && rows->name ? rows : NULL;
}

static const struct command *find_command(const struct command *commands, const char *name)
{
	for (; commands->name; commands++)
		if (strcmp(commands->name, name) == 0)
			return commands;
	return NULL;
}

/* The value as it came from the command line, fit for a message. */
struct quoted {
	char text[OPTION_VALUE_SIZE];
};

static struct quoted quote(const char *value, size_t length)
{
	struct quoted q;

	print_clean(q.text, sizeof(q.text), value, length);
	return q;
}

static int complain_command(const struct command *commands, const char *word)
{
	struct quoted quoted = quote(word, strlen(word));
	struct nearest nearest = nearest_to(word);

	for (size_t i = 0; commands[i].name; i++)
		nearest_try(&nearest, commands[i].name);
	if (nearest.best)
		log_error("unknown command '%s'; did you mean '%s'?", quoted.text, nearest.best);
	else
		log_error("unknown command '%s'; --help lists those there are.", quoted.text);
	return -EINVAL;
}

static int complain_option(const struct command *command, const char *name, size_t length)
{
	const struct option_row *tables[] = {options_global, command ? command->options : NULL};
	struct quoted quoted = quote(name, length);
	struct nearest nearest = nearest_to(quoted.text);

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		for (const struct option_row *row = tables[i]; row && row->name; row++)
			if (!row->operand)
				nearest_try(&nearest, row->name);
	if (nearest.best)
		log_error("unknown option --%s; did you mean '--%s'?", quoted.text, nearest.best);
	else if (command)
		log_error("unknown option --%s; '%s --help' lists those there are.", quoted.text,
			  command->name);
	else
		log_error("unknown option --%s; a command's options stand behind the command.",
			  quoted.text);
	return -EINVAL;
}

/* The word that was meant by the first one, of those with commas between, that is none of words. */
static const char *nearest_word(const char *value, const char *const *words)
{
	for (const char *at = value; words; at++) {
		size_t length = strcspn(at, ",");

		if (!option_is_word(at, length, words)) {
			struct quoted quoted = quote(at, length);
			struct nearest nearest = nearest_to(quoted.text);

			while (*words)
				nearest_try(&nearest, *words++);
			return nearest.best;
		}
		at += length;
		if (!*at)
			break;
	}
	return NULL;
}

static int complain_value(const struct option_row *row, const char *value)
{
	const char *nearest = nearest_word(value, row->words);
	struct quoted quoted = quote(value, strlen(value));

	if (nearest)
		log_error("--%s does not take '%s'; did you mean '%s'?", row->name, quoted.text,
			  nearest);
	else
		log_error("--%s does not take '%s': it takes %s.", row->name, quoted.text,
			  row->wanted);
	return -EINVAL;
}

static int take_value(struct invocation *in, const struct option_row *row, const char *value)
{
	char *copy = in->given[in->given_count].value;

	if (options_get(in, row->name)) {
		if (!row->argument)
			return 0;
		log_error("--%s is given twice: it takes %s, once.", row->name, row->wanted);
		return -EINVAL;
	}
	assert(in->given_count < OPTIONS_MAX);
	if (row->check && (strlen(value) >= OPTION_VALUE_SIZE || row->check(value, copy) < 0))
		return complain_value(row, value);
	in->given[in->given_count++].row = row;
	return 0;
}

/* argv[at] is "--NAME" or "--NAME=VALUE". Returns how many words it took, or -EINVAL. */
static int take_option(struct invocation *in, char **argv, int at)
{
	const char *name = argv[at] + 2, *value = strchr(name, '=');
	size_t length = value ? (size_t)(value - name) : strlen(name);
	const struct option_row *row = find_row(options_global, name, length);
	int words = 1, r;

	if (!row && in->command)
		row = find_row(in->command->options, name, length);
	if (!row)
		return complain_option(in->command, name, length);
	if (!row->argument && value) {
		log_error("--%s takes no value.", row->name);
		return -EINVAL;
	}
	if (value) {
		value++;
	} else if (row->argument) {
		value = argv[at + 1];
		words = 2;
		if (!value) {
			log_error("--%s has no value: it takes %s.", row->name, row->wanted);
			return -EINVAL;
		}
	}
	r = take_value(in, row, value);
	return r < 0 ? r : words;
}

static int take_command(struct invocation *in, const struct command *commands, const char *word)
{
	const struct option_row *operand = in->command ? find_operand(in->command->options) : NULL;

	if (word[0] == '-') {
		log_error("unknown option '%s'; options begin with two dashes, see --help.",
			  quote(word, strlen(word)).text);
		return -EINVAL;
	}
	if (in->command && operand && !options_get(in, operand->name))
		return take_value(in, operand, word);
	if (in->command && operand) {
		log_error("'%s' takes one %s, and '%s' is the second.", in->command->name,
			  operand->name, quote(word, strlen(word)).text);
		return -EINVAL;
	}
	if (in->command) {
		log_error("'%s' takes options only, and '%s' is none; see '%s --help'.",
			  in->command->name, quote(word, strlen(word)).text, in->command->name);
		return -EINVAL;
	}
	in->command = find_command(commands, word);
	return in->command ? 0 : complain_command(commands, word);
}

int options_parse(struct invocation *in, const struct command *commands, int argc, char **argv)
{
	int r;

	for (int at = 1; at < argc; at += r) {
		if (strncmp(argv[at], "--", 2) == 0 && argv[at][2]) {
			r = take_option(in, argv, at);
		} else {
			r = take_command(in, commands, argv[at]);
			r = r < 0 ? r : 1;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

const char *options_get(const struct invocation *in, const char *name)
{
	for (size_t i = 0; i < in->given_count; i++)
		if (strcmp(in->given[i].row->name, name) == 0)
			return in->given[i].value;
	return NULL;
}

static void put_encoded(FILE *out, const char *text)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789-._~";

	for (; *text; text++) {
		if (strchr(unreserved, *text))
			fputc(*text, out);
		else
			fprintf(out, "%%%02X", (unsigned char)*text);
	}
}

int options_target(const struct invocation *in, const char *path, char **ret_target)
{
	_cleanup_free_ char *target = NULL;
	char separator = strchr(path, '?') ? '&' : '?';
	size_t size;
	FILE *out = open_memstream(&target, &size);

	if (!out)
		goto no_memory;
	fputs(path, out);
	for (size_t i = 0; i < in->given_count; i++) {
		if (!in->given[i].row->parameter)
			continue;
		fprintf(out, "%c%s=", separator, in->given[i].row->parameter);
		put_encoded(out, in->given[i].value);
		separator = '&';
	}
	if (fclose(out) != 0)
		goto no_memory;
	*ret_target = TAKE_PTR(target);
	return 0;
no_memory:
	log_error("out of memory.");
	return -ENOMEM;
}

static void print_words(struct print *p, const char *const *words)
{
	char text[PRINT_CELL_SIZE] = "";
	size_t used = 0;

	for (; *words && used < sizeof(text); words++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s ", *words);
	print_entry(p, OPTIONS_INDENT, "", text, PRINT_PLAIN);
}

void options_print(const struct option_row *rows, struct print *p)
{
	for (; rows && rows->name; rows++) {
		char left[OPTIONS_INDENT];

		snprintf(left, sizeof(left), "  %s%s%s%s", rows->operand ? "" : "--",
			 rows->operand ? "" : rows->name,
			 rows->argument && !rows->operand ? " " : "",
			 rows->argument ? rows->argument : "");
		print_entry(p, OPTIONS_INDENT, left, rows->help, PRINT_PLAIN);
		if (rows->words && rows->words[1])
			print_words(p, rows->words);
	}
}
