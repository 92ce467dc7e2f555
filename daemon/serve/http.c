/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"
#include "serve/http.h"
#include "serve/reader.h"

#define DEADLINE_NS (10 * NSEC_PER_SEC) /* Prometheus gives up on a scrape after 10 s too */
#define TICK_USEC \
	UINT64_C(250000) /* at the connection limit MHD stops listening until its next run */
#define TICK_ACCURACY_USEC UINT64_C(50000)
#define URI_LIMIT 4096    /* bytes, query included */
#define HEADER_LIMIT 8192 /* bytes, URI included */
#define BODY_LIMIT 4096   /* bytes of a request's body, which no handler wants: read and dropped */
#define ERROR_LENGTH 512  /* bytes of a message, what is quoted from the request included */
#define STREAM_TURN                                                                                \
	65536              /* bytes of a stream, about a millisecond, before the loop has its turn \
			    */
#define STREAM_BLOCK 65536 /* bytes; the connection's memory is the tighter bound */
/* Who takes nothing for longer gives way to the next: a pager may rest as long as there is room. */
#define STREAM_REST_SECONDS 5

const struct http_profile http_public = {
	.connections = 32, /* a few Prometheus servers and people, and room for what is stuck */
	.per_address = 8,
	.memory = 8192, /* MHD's own refusal of what does not fit comes before ours */
};

const struct http_profile http_control = {
	.connections = 16,
	.streams = 14,   /* so that a status or a resync can always be asked for */
	.endless = 12,   /* so that those who watch leave room for lists, which come to an end */
	.memory = 65536, /* so that what is too long is refused in JSON */
	.json_errors = true,
};

/* One connection. */
struct client {
	LIST_ENTRY(client) list;
	int fd;
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
};

struct http {
	const struct http_profile *profile;
	const struct http_route *routes;
	size_t route_count;
	void *userdata;
	struct MHD_Daemon *daemon;
	sd_event_source *readiness, *tick, *again;
	uint64_t turn; /* counts the runs of MHD */
	LIST_HEAD(, client) clients;
	LIST_HEAD(, http_stream) streams;
};

struct http_request {
	struct http *http;
	struct MHD_Connection *connection;
	size_t uri;        /* length */
	const char *fault; /* of the URI: a sentence, or NULL */
	bool begun;        /* its header has come */
	bool head;         /* the method is HEAD */
	bool answered;
};

struct http_stream {
	LIST_ENTRY(http_stream) list;
	struct http *http;
	struct MHD_Connection *connection;
	const struct http_source *source;
	void *userdata;
	struct reader reader;
	bool suspended;
	bool ended;     /* before its end, to make room */
	uint64_t turn;  /* in which it was last asked */
	size_t written; /* bytes, in that turn */
};

static struct client *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void set_deadline(struct MHD_Connection *connection, uint64_t deadline_ns)
{
	struct client *client = client_of(connection);

	if (client)
		client->deadline_ns = deadline_ns;
}

static uint64_t next_deadline(void)
{
	return now_ns(CLOCK_MONOTONIC) + DEADLINE_NS;
}

static void start_tick(struct http *h)
{
	int enabled;

	if (sd_event_source_get_enabled(h->tick, &enabled) < 0 || enabled != SD_EVENT_OFF)
		return;
	sd_event_source_set_time_relative(h->tick, TICK_USEC);
	sd_event_source_set_enabled(h->tick, SD_EVENT_ONESHOT);
}

static void add_client(struct http *h, struct MHD_Connection *connection, void **context)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct client *client = calloc(1, sizeof(*client));

	if (!client) {
		shutdown(info->connect_fd, SHUT_RDWR); /* rather none than one without a deadline */
		return;
	}
	client->fd = info->connect_fd;
	client->deadline_ns = next_deadline();
	LIST_INSERT_HEAD(&h->clients, client, list);
	*context = client;
	start_tick(h);
}

static void on_connection(void *userdata, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct client *client = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		add_client(userdata, connection, context);
	} else if (client) {
		LIST_REMOVE(client, list);
		free(client);
		*context = NULL;
	}
}

/* MHD's own time-out counts from the last byte, and a byte a second would keep a connection for
 * ever. */
static void end_late_clients(struct http *h)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	struct client *client;

	LIST_FOREACH(client, &h->clients, list) {
		if (client->deadline_ns && client->deadline_ns <= now)
			shutdown(client->fd, SHUT_RDWR);
	}
}

const char *http_header(const struct http_request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

int http_socket(const struct http_request *request)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info->connect_fd;
}

struct argument_walk {
	int (*callback)(const char *name, const char *value, void *userdata);
	void *userdata;
	int result;
};

static enum MHD_Result on_argument(void *userdata, enum MHD_ValueKind kind, const char *name,
				   const char *value)
{
	struct argument_walk *walk = userdata;

	(void)kind;
	walk->result = walk->callback(name, value, walk->userdata);
	return walk->result ? MHD_NO : MHD_YES;
}

int http_arguments(const struct http_request *request,
		   int (*callback)(const char *name, const char *value, void *userdata),
		   void *userdata)
{
	struct argument_walk walk = {callback, userdata, 0};

	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, on_argument, &walk);
	return walk.result;
}

/* Queues the response, which may be NULL, and gives it up. */
static void queue(struct http_request *request, unsigned status, const char *type,
		  struct MHD_Response *response)
{
	if (!response)
		return;
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES)
		request->answered = MHD_queue_response(request->connection, status, response) ==
				    MHD_YES;
	MHD_destroy_response(response);
}

static struct MHD_Response *response_of(char *body, size_t length)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(length, body,
									MHD_RESPMEM_MUST_FREE);

	if (!response)
		free(body);
	return response;
}

void http_answer(struct http_request *request, unsigned status, const char *type, char *body,
		 size_t length)
{
	queue(request, status, type, response_of(body, length));
}

static char *json_error(const char *message)
{
	char clean[UTF8_CLEAN_SIZE(ERROR_LENGTH)];
	struct json_object *error = json_object_new_object();
	char *body = NULL;

	utf8_clean(message, strlen(message), clean, sizeof(clean));
	json_add_text(error, "error", clean);
	if (asprintf(&body, "%s\n", json_object_to_json_string_ext(error, JSON_TEXT)) < 0)
		body = NULL;
	json_object_put(error);
	return body;
}

static char *plain_error(const char *message)
{
	char *body;

	return asprintf(&body, "%s\n", message) < 0 ? NULL : body;
}

/* A header more, where name is not NULL. */
static void refuse(struct http_request *request, unsigned status, const char *message,
		   const char *name, const char *value)
{
	bool json = request->http->profile->json_errors;
	char *body = json ? json_error(message) : plain_error(message);
	struct MHD_Response *response = body ? response_of(body, strlen(body)) : NULL;

	if (response && name)
		MHD_add_response_header(response, name, value);
	queue(request, status, json ? "application/json" : "text/plain; charset=utf-8", response);
}

void http_answer_error(struct http_request *request, unsigned status, const char *format, ...)
{
	char message[ERROR_LENGTH];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	refuse(request, status, message, NULL, NULL);
}

/* Once, after the rest of the loop had its turn. */
static void run_again(struct http *h)
{
	sd_event_source_set_enabled(h->again, SD_EVENT_ONESHOT);
}

static void suspend(struct http_stream *stream)
{
	stream->suspended = true;
	MHD_suspend_connection(stream->connection);
}

void http_stream_wake(struct http_stream *stream)
{
	if (!stream->suspended)
		return;
	stream->suspended = false;
	MHD_resume_connection(stream->connection);
	run_again(stream->http); /* without a thread MHD has nothing to wake itself with */
}

/* A reader as fast as we are would else keep MHD busy with its stream alone. */
static ssize_t next_in_turn(struct http_stream *stream, char *buffer, size_t size)
{
	if (stream->turn != stream->http->turn) {
		stream->turn = stream->http->turn;
		stream->written = 0;
	}
	if (stream->written >= STREAM_TURN)
		return HTTP_STREAM_AGAIN;
	return stream->source->next(buffer, size, stream->userdata);
}

static ssize_t read_stream(void *userdata, uint64_t position, char *buffer, size_t size)
{
	struct http_stream *stream = userdata;
	ssize_t n;

	(void)position;
	if (stream->ended)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	n = next_in_turn(stream, buffer, size);
	if (n > 0) {
		stream->written += (size_t)n;
		reader_wrote(&stream->reader, (size_t)n);
		return n;
	}
	if (n == HTTP_STREAM_END)
		return MHD_CONTENT_READER_END_OF_STREAM;
	suspend(stream);
	if (n == HTTP_STREAM_AGAIN)
		http_stream_wake(stream);
	return 0;
}

static void free_stream(void *userdata)
{
	struct http_stream *stream = userdata;

	LIST_REMOVE(stream, list);
	stream->source->free(stream->userdata);
	free(stream);
}

static void look_at_readers(struct http *h)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	struct http_stream *stream;

	LIST_FOREACH(stream, &h->streams, list)
		reader_look(&stream->reader, now);
}

/* What it has sent can still be read, and then the client learns that this was not all. */
static void end_stream(struct http_stream *stream)
{
	stream->ended = true;
	shutdown(stream->reader.fd, SHUT_RDWR);
	http_stream_wake(stream);
}

/* Whether one more is within the limit, where need be in place of the one that rests longest. */
static bool make_room(struct http *h, bool endless, unsigned limit)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), rests, longest = STREAM_REST_SECONDS * NSEC_PER_SEC;
	struct http_stream *stream, *idlest = NULL;
	unsigned count = 0;

	LIST_FOREACH(stream, &h->streams, list) {
		if (stream->ended || (endless && !stream->source->endless))
			continue;
		count++;
		rests = reader_rests(&stream->reader, now);
		if (rests >= longest) {
			longest = rests;
			idlest = stream;
		}
	}
	if (count < limit)
		return true;
	if (!idlest)
		return false;
	if (longest != UINT64_MAX)
		log_info("an answer of which its client has taken nothing for %u seconds is ended: "
			 "its place is wanted",
			 (unsigned)(longest / NSEC_PER_SEC));
	end_stream(idlest);
	return true;
}

/* Whether there is a place for the stream; else the request has been answered, as far as memory
 * goes. */
static bool admit(struct http_request *request, const struct http_source *source)
{
	const struct http_profile *profile = request->http->profile;
	char message[ERROR_LENGTH];

	if (source->endless && !make_room(request->http, true, profile->endless))
		snprintf(message, sizeof(message),
			 "%u clients watch already, which is as many as may: end one of them, or "
			 "try again later",
			 profile->endless);
	else if (!make_room(request->http, false, profile->streams))
		snprintf(message, sizeof(message),
			 "%u long answers are being read already, which is as many as may be: try "
			 "again in %d seconds, when one that nobody reads can be ended",
			 profile->streams, STREAM_REST_SECONDS);
	else
		return true;
	refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, message, MHD_HTTP_HEADER_CONNECTION, "close");
	return false;
}

int http_answer_stream(struct http_request *request, const char *type,
		       const struct http_source *source, void *userdata,
		       struct http_stream **ret_stream)
{
	struct http_stream *stream;
	struct MHD_Response *response;

	if (!admit(request, source)) {
		source->free(userdata);
		return -EBUSY;
	}
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		source->free(userdata);
		return -ENOMEM;
	}
	stream->http = request->http;
	stream->connection = request->connection;
	stream->source = source;
	stream->userdata = userdata;
	reader_init(&stream->reader, http_socket(request), now_ns(CLOCK_MONOTONIC));
	LIST_INSERT_HEAD(&request->http->streams, stream, list);
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream,
						     stream, free_stream);
	if (!response) {
		free_stream(stream);
		return -ENOMEM;
	}
	/* MHD 0.9.75 ends the chunks of an answer to HEAD, which has none: do without chunks */
	if (request->head)
		MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
	queue(request, MHD_HTTP_OK, type, response);
	if (!request->answered)
		return -ENOMEM;
	set_deadline(request->connection, 0);
	if (ret_stream)
		*ret_stream = stream;
	return 0;
}

static const struct {
	const char *name;
	unsigned method;
} methods[] = {
	{MHD_HTTP_METHOD_GET, HTTP_GET},
	{MHD_HTTP_METHOD_HEAD, HTTP_GET},
	{MHD_HTTP_METHOD_POST, HTTP_POST},
};

static unsigned method_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (!strcmp(methods[i].name, name))
			return methods[i].method;
	}
	return 0;
}

static const struct http_route *route_of(const struct http *h, const char *path)
{
	for (size_t i = 0; i < h->route_count; i++) {
		if (!strcmp(h->routes[i].path, path))
			return &h->routes[i];
	}
	return NULL;
}

static const char *allow_of(unsigned allowed)
{
	static const char *const allow[] = {
		[HTTP_GET] = "GET, HEAD",
		[HTTP_POST] = "POST",
		[HTTP_GET | HTTP_POST] = "GET, HEAD, POST",
	};

	return allow[allowed];
}

static void dispatch(struct http_request *request, const char *path, const char *method)
{
	const struct http *h = request->http;
	const struct http_route *route = route_of(h, path);

	if (!route) {
		http_answer_error(request, MHD_HTTP_NOT_FOUND, "nothing is served at %.64s", path);
	} else if (!(route->methods & method_of(method))) {
		char message[ERROR_LENGTH];

		snprintf(message, sizeof(message), "%s takes %s, not %.16s", path,
			 allow_of(route->methods), method);
		refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, message, MHD_HTTP_HEADER_ALLOW,
		       allow_of(route->methods));
	} else {
		route->handler(request, h->userdata);
		if (!request->answered)
			http_answer_error(request, MHD_HTTP_INTERNAL_SERVER_ERROR,
					  "no memory for the answer");
	}
}

static size_t header_size(const struct http_request *request)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info ? info->header_size : 0;
}

/* No handler wants a body: a short one is dropped, one that may not be short is not read at all. */
static bool body_too_long(const struct http_request *request)
{
	const char *length = http_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);

	if (http_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING))
		return true;
	return length && strtoull(length, NULL, 10) > BODY_LIMIT;
}

/* RFC 9112 section 3.2. */
static bool lacks_host(const struct http_request *request, const char *version)
{
	return strcmp(version, MHD_HTTP_VERSION_1_0) != 0 &&
	       !http_header(request, MHD_HTTP_HEADER_HOST);
}

/* Whether the request is malformed, or larger than any needs to be; then it has been answered, as
 * far as memory goes. */
static bool refused(struct http_request *request, const char *version)
{
	const struct {
		bool is;
		unsigned status;
		const char *message;
	} faults[] = {
		{request->uri > URI_LIMIT, MHD_HTTP_URI_TOO_LONG, "the URI is too long"},
		{header_size(request) > HEADER_LIMIT, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
		 "the header is too long"},
		{request->fault, MHD_HTTP_BAD_REQUEST, request->fault},
		{lacks_host(request, version), MHD_HTTP_BAD_REQUEST, "the header names no host"},
		{body_too_long(request), MHD_HTTP_CONTENT_TOO_LARGE, "no request here has a body"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		if (!faults[i].is)
			continue;
		refuse(request, faults[i].status, faults[i].message, MHD_HTTP_HEADER_CONNECTION,
		       "close");
		return true;
	}
	return false;
}

/* MHD decodes a path into a C string, which a NUL would end before its time. */
static const char *fault_of(const char *uri)
{
	if (strstr(uri, "%00"))
		return "the URI has a NUL byte in it";
	return strchr(uri, ' ') ? "the URI has a space in it" : NULL;
}

/* The first that MHD tells of a request; the result becomes *context below. */
static void *on_uri(void *userdata, const char *uri, struct MHD_Connection *connection)
{
	struct http_request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->http = userdata;
	request->connection = connection;
	request->uri = strlen(uri);
	request->fault = fault_of(uri);
	return request;
}

/* Called once with the header, then for each piece of the body, then once more; see microhttpd.h.
 */
static enum MHD_Result on_request(void *userdata, struct MHD_Connection *connection,
				  const char *path, const char *method, const char *version,
				  const char *body, size_t *body_size, void **context)
{
	struct http_request *request = *context;

	(void)userdata;
	(void)connection;
	(void)body;
	if (!request)
		return MHD_NO;
	if (!request->begun) {
		request->begun = true;
		request->head = !strcmp(method, MHD_HTTP_METHOD_HEAD);
		return refused(request, version) && !request->answered ? MHD_NO : MHD_YES;
	}
	if (*body_size) {
		*body_size = 0;
		return MHD_YES;
	}
	dispatch(request, path, method);
	return request->answered ? MHD_YES : MHD_NO;
}

static void on_completed(void *userdata, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	(void)userdata;
	(void)code;
	set_deadline(connection, next_deadline());
	free(*context);
	*context = NULL;
}

static void run(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG timeout;

	h->turn++;
	MHD_run(h->daemon);
	if (MHD_get_timeout(h->daemon, &timeout) == MHD_YES && !timeout)
		run_again(h);
}

static int on_readiness(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	run(userdata);
	return 0;
}

static int on_again(sd_event_source *source, void *userdata)
{
	(void)source;
	run(userdata);
	return 0;
}

/* The last is when nobody was there any more: MHD, which may have stopped listening when there were
 * too many, has its run then. */
static int on_tick(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct http *h = userdata;
	bool idle = LIST_EMPTY(&h->clients);

	(void)source, (void)usec;
	end_late_clients(h);
	look_at_readers(h);
	run(h);
	if (!idle)
		start_tick(h);
	return 0;
}

static int start(struct http *h, int fd)
{
	h->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, h,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, h->profile->connections,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, h->profile->per_address,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, h->profile->memory,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_URI_LOG_CALLBACK, on_uri,
		h, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_END);
	return h->daemon ? 0 : -ENOMEM;
}

static int attach(struct http *h, sd_event *loop)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	int r;

	r = sd_event_add_io(loop, &h->readiness, info->epoll_fd, EPOLLIN, on_readiness, h);
	if (r >= 0)
		r = sd_event_add_defer(loop, &h->again, on_again, h);
	/* a defer source counts as the one that has waited longest: at the same priority it would
	 * always win */
	if (r >= 0)
		r = sd_event_source_set_priority(h->again, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_source_set_enabled(h->again, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(loop, &h->tick, CLOCK_MONOTONIC, TICK_USEC,
					       TICK_ACCURACY_USEC, on_tick, h);
	return r < 0 ? r : 0;
}

static void http_freep(struct http **h)
{
	http_free(*h);
}

int http_new(sd_event *loop, int fd, const struct http_profile *profile,
	     const struct http_route *routes, size_t route_count, void *userdata, struct http **ret)
{
	_cleanup_(http_freep) struct http *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->profile = profile;
	h->routes = routes;
	h->route_count = route_count;
	h->userdata = userdata;
	LIST_INIT(&h->clients);
	LIST_INIT(&h->streams);
	r = start(h, fd);
	if (r)
		return r;
	r = attach(h, loop);
	if (r) {
		MHD_quiesce_daemon(h->daemon); /* the fd stays the caller's */
		return r;
	}
	*ret = TAKE_PTR(h);
	return 0;
}

struct http *http_free(struct http *h)
{
	struct http_stream *stream;

	if (!h)
		return NULL;
	LIST_FOREACH(stream, &h->streams, list)
		http_stream_wake(stream); /* MHD cannot stop while a connection is suspended */
	if (h->daemon)
		MHD_stop_daemon(h->daemon);
	sd_event_source_disable_unref(h->readiness);
	sd_event_source_disable_unref(h->tick);
	sd_event_source_disable_unref(h->again);
	free(h);
	return NULL;
}
