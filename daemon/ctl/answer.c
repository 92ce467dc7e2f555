/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/answer.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/util.h"
#include "ctl/client.h"

#include <tcpwatch/control.h>

#define JSON_DEPTH 8    /* the deepest answer, a status, has 4 */
#define EXCERPT_SIZE 64 /* of what is no JSON, in the message */
/* More than libcurl hands over at a time, so that what is written ends with a line's end. */
#define OUTPUT_SIZE (64 * 1024)
#define AGAIN_SECONDS 1
#define CLEAR "\033[H\033[2J" /* of ECMA-48: the cursor goes home, the display is erased */

struct answer {
	struct print print;
	struct json_tokener *tokener;
	bool json;
	void (*head)(struct print *p); /* NULL once it is printed, or when there is none */
	void (*row)(struct print *p, struct json_object *row);
};

static void answer_done(struct answer *a)
{
	if (a->tokener)
		json_tokener_free(a->tokener);
}

static void client_done(struct client **c)
{
	client_free(*c);
}

void answer_put(struct json_object **object)
{
	json_object_put(*object);
}

/* https://no-color.org: any value but the empty one. */
static bool wants_color(const struct invocation *in)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (options_get(in, "no-color") || (no_color && *no_color))
		return false;
	return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

struct print answer_print(const struct invocation *in)
{
	if (!isatty(STDOUT_FILENO))
		setvbuf(stdout, NULL, _IOFBF, OUTPUT_SIZE);
	return (struct print){.out = stdout, .color = wants_color(in)};
}

static int answer_start(struct answer *a, const struct invocation *in)
{
	a->print = answer_print(in);
	a->json = options_get(in, "json") != NULL;
	a->tokener = json_tokener_new_ex(JSON_DEPTH);
	if (!a->tokener) {
		log_error("out of memory.");
		return -ENOMEM;
	}
	json_tokener_set_flags(a->tokener, JSON_TOKENER_STRICT);
	return 0;
}

/* Nothing is left to do: all that came is written before more is waited for. */
static void on_signal(int number)
{
	(void)number;
	_exit(TW_EXIT_OK);
}

void answer_until_signal(void)
{
	const struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int parse(struct answer *a, const char *text, size_t length, struct json_object **ret)
{
	_cleanup_(answer_put) struct json_object *object = NULL;
	char excerpt[EXCERPT_SIZE];

	json_tokener_reset(a->tokener);
	if (!memchr(text, '\0', length))
		object = json_tokener_parse_ex(a->tokener, text, (int)length);
	if (!json_object_is_type(object, json_type_object)) {
		log_error("tcpwatchd sent what is no JSON object: '%s'; is it one, and of this "
			  "version (" TW_VERSION ")?",
			  print_clean(excerpt, sizeof(excerpt), text, length));
		return -EBADMSG;
	}
	*ret = TAKE_PTR(object);
	return 0;
}

static bool is_plain(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return true;
}

/* As it came; written anew when it has bytes that a terminal might obey. */
static int put_json(struct json_object *object, const char *text, size_t length)
{
	int r = 0;

	if (is_plain(text, length)) {
		fwrite(text, 1, length, stdout);
	} else {
		text = json_object_to_json_string_length(object, JSON_TEXT, &length);
		r = text ? print_json(stdout, text, length) : -ENOMEM;
	}
	if (r < 0)
		log_error("out of memory.");
	putchar('\n');
	return r;
}

/* -EPIPE, without a message: whoever reads has what he wanted. */
static int flush(void)
{
	struct pollfd reader = {.fd = STDOUT_FILENO};
	int error;

	if (fflush(stdout) == 0)
		return poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR) ? -EPIPE : 0;
	error = errno;
	if (error != EPIPE)
		log_error("cannot write the output: %s.", strerror(error));
	return -error;
}

static int exit_code(int r)
{
	return r == 0 || r == -EPIPE ? TW_EXIT_OK : TW_EXIT_FAILED;
}

int answer_end(void)
{
	return exit_code(flush());
}

int answer_own_json(struct json_object *object)
{
	_cleanup_(answer_put) struct json_object *own = object;
	size_t length;
	const char *text = json_object_to_json_string_length(own, JSON_TEXT, &length);
	int r = put_json(own, text, length);

	return r < 0 ? exit_code(r) : answer_end();
}

const char *answer_socket(const struct invocation *in)
{
	const char *path = options_get(in, "socket");

	return path ? path : TW_CONTROL_SOCKET;
}

static int open_client(const struct invocation *in, struct client **ret)
{
	return client_new(answer_socket(in), ret);
}

static int put_document(struct answer *a, struct client *client, bool post, const char *path,
			int (*print)(struct print *p, struct json_object *document))
{
	_cleanup_(answer_put) struct json_object *document = NULL;
	_cleanup_free_ char *text = NULL;
	size_t length;
	int r;

	r = client_document(client, post, path, &text, &length);
	if (r == 0)
		r = parse(a, text, length, &document);
	if (r < 0)
		return r;
	if (a->json)
		return put_json(document, text, length);
	r = print(&a->print, document);
	if (r < 0)
		log_error("tcpwatchd's answer to %s lacks what it should have; is it of this "
			  "version (" TW_VERSION ")?",
			  path);
	return r;
}

int answer_document(const struct invocation *in, bool post, const char *path,
		    int (*print)(struct print *p, struct json_object *document))
{
	_cleanup_(client_done) struct client *client = NULL;
	_cleanup_(answer_done) struct answer a = {};
	int r;

	r = answer_start(&a, in);
	if (r == 0)
		r = open_client(in, &client);
	if (r == 0)
		r = put_document(&a, client, post, path, print);
	return exit_code(r < 0 ? r : flush());
}

static void put_head(struct answer *a)
{
	if (a->head)
		a->head(&a->print);
	a->head = NULL;
}

static int on_line(void *userdata, const char *line, size_t length)
{
	_cleanup_(answer_put) struct json_object *object = NULL;
	struct answer *a = userdata;
	int r = parse(a, line, length, &object);

	if (r < 0)
		return r;
	if (a->json)
		return put_json(object, line, length);
	put_head(a);
	a->row(&a->print, object);
	return 0;
}

static int on_pause(void *userdata)
{
	(void)userdata;
	return flush();
}

int answer_rows(const struct invocation *in, const char *path, bool endless,
		void (*head)(struct print *p),
		void (*row)(struct print *p, struct json_object *row))
{
	_cleanup_(client_done) struct client *client = NULL;
	_cleanup_(answer_done) struct answer a = {.head = head, .row = row};
	const struct client_reader reader = {on_line, on_pause, &a, endless};
	_cleanup_free_ char *target = NULL;
	int r;

	r = answer_start(&a, in);
	if (r == 0)
		r = options_target(in, path, &target);
	if (r == 0)
		r = open_client(in, &client);
	if (r < 0)
		return exit_code(r);
	r = client_lines(client, target, &reader);
	if (r == 0 && !a.json)
		put_head(&a);
	return exit_code(r < 0 ? r : flush());
}

/* A table is written in one go: it is short, and on a terminal it should not flicker. */
static int on_table_pause(void *userdata)
{
	(void)userdata;
	return 0;
}

static int put_table(struct answer *a, struct client *client, const char *target,
		     const struct answer_table *table)
{
	const struct client_reader reader = {on_line, on_table_pause, a, false};
	int r;

	a->head = table->head;
	r = client_lines(client, target, &reader);
	if (r < 0 || a->json)
		return r;
	put_head(a);
	return table->tail ? put_document(a, client, false, table->tail_path, table->tail) : 0;
}

/* Between one table and the next. */
static int turn_over(const struct answer *a, bool terminal)
{
	int r = flush();

	if (r < 0)
		return r;
	sleep(AGAIN_SECONDS);
	if (!a->json)
		fputs(terminal ? CLEAR : "\n", stdout);
	return 0;
}

int answer_table(const struct invocation *in, const struct answer_table *table, bool watch)
{
	_cleanup_(client_done) struct client *client = NULL;
	_cleanup_(answer_done) struct answer a = {.row = table->row};
	_cleanup_free_ char *target = NULL;
	bool terminal = isatty(STDOUT_FILENO);
	int r;

	setvbuf(stdout, NULL, _IOFBF, OUTPUT_SIZE);
	r = answer_start(&a, in);
	if (r == 0)
		r = options_target(in, table->path, &target);
	if (r == 0)
		r = open_client(in, &client);
	if (r == 0 && watch)
		answer_until_signal();
	if (r == 0 && watch && terminal && !a.json)
		fputs(CLEAR, stdout);
	while (r == 0) {
		r = put_table(&a, client, target, table);
		if (r < 0 || !watch)
			break;
		r = turn_over(&a, terminal);
	}
	return exit_code(r < 0 ? r : flush());
}

int answer_get(const struct invocation *in, const char *path, struct json_object **ret)
{
	_cleanup_(client_done) struct client *client = NULL;
	_cleanup_(answer_done) struct answer a = {};
	_cleanup_free_ char *text = NULL;
	size_t length;
	int r;

	r = answer_start(&a, in);
	if (r == 0)
		r = open_client(in, &client);
	if (r == 0)
		r = client_document(client, false, path, &text, &length);
	return r < 0 ? r : parse(&a, text, length, ret);
}

struct each {
	struct answer answer;
	int (*row)(struct json_object *row, void *userdata);
	void *userdata;
};

static int on_each(void *userdata, const char *line, size_t length)
{
	_cleanup_(answer_put) struct json_object *object = NULL;
	struct each *each = userdata;
	int r = parse(&each->answer, line, length, &object);

	return r < 0 ? r : each->row(object, each->userdata);
}

static void each_done(struct each *each)
{
	answer_done(&each->answer);
}

int answer_each(const struct invocation *in, const char *path,
		int (*row)(struct json_object *row, void *userdata), void *userdata)
{
	_cleanup_(client_done) struct client *client = NULL;
	_cleanup_(each_done) struct each each = {.row = row, .userdata = userdata};
	const struct client_reader reader = {on_each, on_table_pause, &each, false};
	int r;

	r = answer_start(&each.answer, in);
	if (r == 0)
		r = open_client(in, &client);
	return r < 0 ? r : client_lines(client, path, &reader);
}
