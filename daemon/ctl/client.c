/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/util.h"
#include "ctl/print.h"

#include <tcpwatch/control.h>

/* A row with a cgroup path of PATH_MAX bytes, each of them written as a \u escape, and the rest. */
#define LINE_SIZE (32 * 1024)
/* A status with 65,535 namespaces, the most that the daemon knows, takes about 13 MB. */
#define DOCUMENT_MAX (16 * 1024 * 1024)
#define HEADERS_MAX (16 * 1024) /* the daemon sends about 200 bytes of them */
#define URL_SIZE 4096           /* all filters at once, each as long as it may be and encoded */
#define PATIENCE_SECONDS 10     /* of silence, from a daemon that works in milliseconds */

struct client {
	CURL *curl;
	const char *socket_path;

	/* of the answer that is coming */
	int error; /* negative errno: told already, and the reason to stop */
	const struct client_reader *reader;
	uint64_t heard_ns; /* CLOCK_MONOTONIC, of the last bytes */
	size_t headers;    /* bytes of them */
	FILE *document;
	size_t document_length;
	size_t line_length;
	char line[LINE_SIZE];
};

static int tell_memory(void)
{
	log_error("out of memory.");
	return -ENOMEM;
}

/* Of the socket, or of the directory on the way that hides it. */
static int stat_barrier(const char *path, char *ret_barrier, size_t size, struct stat *ret_st)
{
	snprintf(ret_barrier, size, "%s", path);
	while (stat(ret_barrier, ret_st) < 0) {
		char *slash = strrchr(ret_barrier, '/');

		if (!slash || slash == ret_barrier)
			return -errno;
		*slash = '\0';
	}
	return 0;
}

static void tell_forbidden(const struct client *c)
{
	char barrier[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct group *group = NULL;
	struct stat st;

	if (stat_barrier(c->socket_path, barrier, sizeof(barrier), &st) == 0)
		group = getgrgid(st.st_gid);
	if (group && st.st_gid != 0)
		log_error("no permission to use %s: %s is for root and the group '%s'. Become "
			  "root, or join it with 'usermod -aG %s USER' and log in again.",
			  c->socket_path, barrier, group->gr_name, group->gr_name);
	else
		log_error("no permission to use %s: it is for root only. Become root, or set "
			  "control_group in the daemon's configuration.",
			  c->socket_path);
}

/*
 * error: what connect(2) said. It says EAGAIN when too many wait for the daemon to accept; libcurl
 * takes that for a connection under way, and has no error to show in the end.
 */
static int tell_connect(const struct client *c, int error)
{
	if (error == 0 || error == EAGAIN) {
		log_error("tcpwatchd takes no more connections on %s: it is busy, or hangs. Try "
			  "again, or see 'systemctl status tcpwatchd'.",
			  c->socket_path);
		return -EAGAIN;
	}
	if (error == EACCES || error == EPERM)
		tell_forbidden(c);
	else
		log_error("no tcpwatchd answers on %s: %s. Start it with 'systemctl start "
			  "tcpwatchd', or name its socket with --socket.",
			  c->socket_path, strerror(error));
	return -error;
}

/* Called about once a second when nothing else happens. */
static int on_progress(void *userdata, curl_off_t dl_total, curl_off_t dl, curl_off_t ul_total,
		       curl_off_t ul)
{
	struct client *c = userdata;

	(void)dl_total;
	(void)dl;
	(void)ul_total;
	(void)ul;
	if (c->error < 0)
		return 1;
	if (c->reader && c->reader->endless && c->headers > 0)
		return 0;
	if (now_ns(CLOCK_MONOTONIC) - c->heard_ns < PATIENCE_SECONDS * NSEC_PER_SEC)
		return 0;
	log_error("tcpwatchd on %s has been silent for %d seconds: it hangs. See 'systemctl status "
		  "tcpwatchd'.",
		  c->socket_path, PATIENCE_SECONDS);
	c->error = -ETIMEDOUT;
	return 1;
}

static size_t on_header(char *data, size_t size, size_t count, void *userdata)
{
	struct client *c = userdata;

	(void)data;
	c->heard_ns = now_ns(CLOCK_MONOTONIC);
	c->headers += size * count;
	if (c->headers <= HEADERS_MAX)
		return size * count;
	log_error("what answers on %s is not tcpwatchd: its HTTP headers are longer than %d bytes.",
		  c->socket_path, HEADERS_MAX);
	c->error = -EMSGSIZE;
	return 0;
}

/* Collects up to the line's end, or up to the bound. Returns how many bytes it took. */
static size_t take_part(struct client *c, const char *data, size_t size)
{
	size_t room = LINE_SIZE - 1 - c->line_length;
	const char *end = memchr(data, '\n', size);
	size_t length = end ? (size_t)(end - data) : size;

	if (length > room)
		length = room;
	memcpy(c->line + c->line_length, data, length);
	c->line_length += length;
	return length;
}

static int end_line(struct client *c)
{
	size_t length = c->line_length;

	c->line_length = 0;
	if (length > 0 && c->line[length - 1] == '\r')
		length--;
	c->line[length] = '\0';
	if (length == 0)
		return 0;
	return c->reader->line(c->reader->userdata, c->line, length);
}

static int take_lines(struct client *c, const char *data, size_t size)
{
	while (size > 0) {
		size_t taken = take_part(c, data, size);
		int r;

		data += taken;
		size -= taken;
		if (size == 0)
			break;
		if (*data != '\n') {
			log_error("tcpwatchd sent a line of more than %d bytes, which no row can "
				  "take; are the two of one version?",
				  LINE_SIZE - 1);
			return -EMSGSIZE;
		}
		data++;
		size--;
		r = end_line(c);
		if (r < 0)
			return r;
	}
	return c->reader->pause(c->reader->userdata);
}

static int take_document(struct client *c, const char *data, size_t size)
{
	c->document_length += size;
	if (c->document_length > DOCUMENT_MAX) {
		log_error("tcpwatchd sent a document of more than %d bytes, which none can take; "
			  "are the two of one version?",
			  DOCUMENT_MAX);
		return -EMSGSIZE;
	}
	if (fwrite(data, 1, size, c->document) != size)
		return tell_memory();
	return 0;
}

static long http_status(const struct client *c)
{
	long status = 0;

	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static bool is_success(long status)
{
	return status >= 200 && status < 300;
}

/* The sentence of {"error":"…"}, or one of our own. */
static int tell_refused(struct client *c, long status)
{
	struct json_object *answer, *error = NULL;
	char sentence[512];

	c->line[c->line_length] = '\0';
	answer = json_tokener_parse(c->line);
	if (json_object_is_type(answer, json_type_object))
		json_object_object_get_ex(answer, "error", &error);
	if (json_object_is_type(error, json_type_string))
		log_error("%s",
			  print_clean(sentence, sizeof(sentence), json_object_get_string(error),
				      (size_t)json_object_get_string_len(error)));
	else
		log_error("what answers on %s refused with HTTP status %ld and did not say why; is "
			  "it a tcpwatchd?",
			  c->socket_path, status);
	json_object_put(answer);
	return status == 403 ? -EACCES : -EPROTO;
}

/* The daemon's refusals are one line; more is neither wanted nor waited for. */
static int take_refusal(struct client *c, const char *data, size_t size)
{
	return take_part(c, data, size) == size ? 0 : tell_refused(c, http_status(c));
}

static size_t on_body(char *data, size_t size, size_t count, void *userdata)
{
	struct client *c = userdata;

	size *= count;
	if (!is_success(http_status(c)))
		c->error = take_refusal(c, data, size);
	else if (c->reader)
		c->error = take_lines(c, data, size);
	else
		c->error = take_document(c, data, size);
	c->heard_ns = now_ns(CLOCK_MONOTONIC); /* and the reader's time is not the daemon's */
	return c->error < 0 ? 0 : size;
}

int client_new(const char *socket_path, struct client **ret)
{
	_cleanup_free_ struct client *c = calloc(1, sizeof(*c));

	if (!c || curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
		return tell_memory();
	c->socket_path = socket_path;
	c->curl = curl_easy_init();
	if (!c->curl)
		return tell_memory();
	*ret = TAKE_PTR(c);
	return 0;
}

struct client *client_free(struct client *c)
{
	if (!c)
		return NULL;
	curl_easy_cleanup(c->curl);
	curl_global_cleanup();
	free(c);
	return NULL;
}

static int tell_failed(const struct client *c, CURLcode code)
{
	long error = 0;

	curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &error);
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return tell_connect(c, (int)error);
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
		log_error("tcpwatchd on %s closed the connection before its answer was complete: "
			  "it has stopped or failed, or nothing of it was taken for long and its "
			  "place was wanted. See 'journalctl -u tcpwatchd'.",
			  c->socket_path);
		return -ECONNRESET;
	default:
		log_error("what answers on %s is not tcpwatchd: %s.", c->socket_path,
			  curl_easy_strerror(code));
		return -EPROTO;
	}
}

/* An answer that came to its end, as far as HTTP can tell. */
static int check_end(struct client *c)
{
	long status = http_status(c);

	if (!is_success(status))
		return tell_refused(c, status);
	if (c->reader && c->reader->endless) {
		log_error("tcpwatchd on %s ended the stream: it has stopped. See 'systemctl status "
			  "tcpwatchd'.",
			  c->socket_path);
		return -ECONNRESET;
	}
	if (c->reader && c->line_length > 0)
		return tell_failed(c, CURLE_PARTIAL_FILE);
	return 0;
}

static int set_options(struct client *c, bool post, const char *target)
{
	CURL *curl = c->curl;
	char url[URL_SIZE];

	if (snprintf(url, sizeof(url), "http://tcpwatchd%s", target) >= (int)sizeof(url)) {
		log_error("the filters are too long: %zu bytes, and %d are possible.",
			  strlen(target), URL_SIZE);
		return -E2BIG;
	}
	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, c->socket_path);
	curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "tcpwatchctl/" TW_VERSION);
	if (post)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, c);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	return 0;
}

static int converse(struct client *c, bool post, const char *target)
{
	CURLcode code;
	int r = set_options(c, post, target);

	if (r < 0)
		return r;
	c->error = 0;
	c->headers = c->line_length = c->document_length = 0;
	c->heard_ns = now_ns(CLOCK_MONOTONIC);
	code = curl_easy_perform(c->curl);
	if (c->error < 0)
		return c->error;
	return code == CURLE_OK ? check_end(c) : tell_failed(c, code);
}

int client_document(struct client *c, bool post, const char *target, char **ret_text,
		    size_t *ret_length)
{
	_cleanup_free_ char *text = NULL;
	size_t length;
	int r;

	c->reader = NULL;
	c->document = open_memstream(&text, &length);
	if (!c->document)
		return tell_memory();
	r = converse(c, post, target);
	if (fclose(TAKE_PTR(c->document)) != 0 && r == 0)
		return tell_memory();
	if (r < 0)
		return r;
	*ret_text = TAKE_PTR(text);
	*ret_length = length;
	return 0;
}

int client_lines(struct client *c, const char *target, const struct client_reader *reader)
{
	c->reader = reader;
	return converse(c, false, target);
}
