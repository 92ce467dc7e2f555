/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libcurl's multi_socket interface: it says which descriptors and which moment it waits for, and is
 * told when they come.
 */
#include "alert/post.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "alert/curl.h"
#include "base/utf8.h"
#include "base/util.h"

#include <tcpwatch/control.h>

#define ANSWER_KEPT 160 /* bytes of a refusal: its first sentence */
#define WHAT_SIZE 32    /* "HTTP status 500", ": " and a NUL */

struct post_client {
	sd_event *loop;
	CURLM *multi;
	sd_event_source *timer;
};

struct post {
	struct post_client *client;
	CURL *easy;
	struct curl_slist *headers;
	post_done done;
	void *userdata;
	size_t received; /* bytes of the answer's body */
	char answer[ANSWER_KEPT];
	char error[CURL_ERROR_SIZE];
};

/* What the answer was. */

static size_t on_body(char *data, size_t size, size_t count, void *userdata)
{
	struct post *p = userdata;
	size_t kept = p->received < ANSWER_KEPT ? p->received : ANSWER_KEPT;
	size_t room = ANSWER_KEPT - kept;

	size *= count;
	memcpy(p->answer + kept, data, size < room ? size : room);
	p->received += size;
	return p->received <= POST_ANSWER_MAX ? size : 0;
}

static enum post_result result_of(long status)
{
	if (status >= 200 && status < 300)
		return POST_ARRIVED;
	return status == 408 || status == 429 || status >= 500 ? POST_FAILED : POST_REFUSED;
}

/* The answer's beginning, behind "what: ". Whoever sent it may have put anything into it. */
static void write_reason(char reason[static POST_REASON_SIZE], const char *what, const char *text,
			 size_t size)
{
	char clean[POST_REASON_SIZE - WHAT_SIZE];

	size = utf8_clean(text, size, clean, sizeof(clean));
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)clean[i] < ' ' || clean[i] == '\x7f')
			clean[i] = ' ';
	snprintf(reason, POST_REASON_SIZE, "%.*s%s%s", WHAT_SIZE - 3, what, *clean ? ": " : "",
		 clean);
}

static enum post_result judge(const struct post *p, CURLcode code,
			      char reason[static POST_REASON_SIZE])
{
	size_t kept = p->received < ANSWER_KEPT ? p->received : ANSWER_KEPT;
	const char *words = *p->error ? p->error : curl.easy_strerror(code);
	char what[WHAT_SIZE - 3];
	long status = 0;

	curl.easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
	/* an answer too long to be waited for is one nevertheless */
	if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && status)) {
		write_reason(reason, "no answer", words, strnlen(words, CURL_ERROR_SIZE));
		return POST_FAILED;
	}
	snprintf(what, sizeof(what), "HTTP status %ld", status);
	write_reason(reason, what, p->answer, kept);
	return result_of(status);
}

struct post *post_cancel(struct post *p)
{
	if (!p)
		return NULL;
	curl.multi_remove_handle(p->client->multi, p->easy);
	curl.easy_cleanup(p->easy);
	curl.slist_free_all(p->headers);
	free(p);
	return NULL;
}

static void finish(struct post *p, CURLcode code)
{
	char reason[POST_REASON_SIZE];
	enum post_result result = judge(p, code, reason);
	post_done done = p->done;
	void *userdata = p->userdata;

	post_cancel(p);
	done(result, reason, userdata);
}

static void finish_all(struct post_client *client)
{
	CURLMsg *message;
	int left;

	while ((message = curl.multi_info_read(client->multi, &left))) {
		CURLcode code = message->data.result;
		char *p = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &p);
		finish((struct post *)(void *)p, code);
	}
}

/* The loop. */

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct post_client *client = userdata;
	int what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		   (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
	int running;

	(void)source;
	curl.multi_socket_action(client->multi, fd, what, &running);
	finish_all(client);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct post_client *client = userdata;
	int running;

	(void)source, (void)usec;
	curl.multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	finish_all(client);
	return 0;
}

/* For libcurl: -1 is its sign of an error. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socket_data)
{
	struct post_client *client = userdata;
	sd_event_source *source = socket_data;
	uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
			  (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(source);
		return 0;
	}
	if (source)
		return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
	if (sd_event_add_io(client->loop, &source, fd, events, on_ready, client) < 0)
		return -1;
	curl.multi_assign(client->multi, fd, source);
	return 0;
}

static int on_timeout(CURLM *multi, long timeout_ms, void *userdata)
{
	struct post_client *client = userdata;

	(void)multi;
	if (timeout_ms < 0)
		return sd_event_source_set_enabled(client->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	if (sd_event_source_set_time_relative(client->timer, (uint64_t)timeout_ms * 1000) < 0)
		return -1;
	return sd_event_source_set_enabled(client->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

/* Start and stop. */

static int open_client(struct post_client *client)
{
	int r;

	client->multi = curl.multi_init();
	if (!client->multi)
		return -ENOMEM;
	r = sd_event_add_time(client->loop, &client->timer, CLOCK_MONOTONIC, 0, 0, on_timer,
			      client);
	if (r < 0)
		return r;
	r = sd_event_source_set_enabled(client->timer, SD_EVENT_OFF);
	curl.multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl.multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl.multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl.multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	return r;
}

int post_client_new(sd_event *loop, struct post_client **ret)
{
	struct post_client *client;
	int r = curl_load();

	if (r < 0)
		return r;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(client);
		return -ENOMEM;
	}
	client->loop = sd_event_ref(loop);
	r = open_client(client);
	if (r < 0) {
		post_client_free(client);
		return r;
	}
	*ret = client;
	return 0;
}

struct post_client *post_client_free(struct post_client *client)
{
	if (!client)
		return NULL;
	curl.multi_cleanup(client->multi);
	sd_event_source_disable_unref(client->timer);
	sd_event_unref(client->loop);
	free(client);
	curl.global_cleanup();
	return NULL;
}

static CURLcode set_body(struct post *p, const char *text)
{
	CURLcode code;

	p->headers = curl.slist_append(NULL, "Content-Type: application/json");
	if (!p->headers)
		return CURLE_OUT_OF_MEMORY;
	/* libcurl would first ask whether a long body is welcome, and wait a second for a word */
	if (!curl.slist_append(p->headers, "Expect:"))
		return CURLE_OUT_OF_MEMORY;
	curl.easy_setopt(p->easy, CURLOPT_HTTPHEADER, p->headers);
	curl.easy_setopt(p->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(text));
	code = curl.easy_setopt(p->easy, CURLOPT_COPYPOSTFIELDS, text);
	return code;
}

static CURLcode set_options(struct post *p, const char *url, uint64_t timeout_ns)
{
	CURL *easy = p->easy;

	curl.easy_setopt(easy, CURLOPT_PRIVATE, p);
	curl.easy_setopt(easy, CURLOPT_ERRORBUFFER, p->error);
	curl.easy_setopt(easy, CURLOPT_USERAGENT, "tcpwatchd/" TW_VERSION);
	curl.easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl.easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(timeout_ns / NSEC_PER_MSEC));
	curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl.easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl.easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl.easy_setopt(easy, CURLOPT_PROXY, "");
	curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl.easy_setopt(easy, CURLOPT_WRITEDATA, p);
	return curl.easy_setopt(easy, CURLOPT_URL, url);
}

int post_send(struct post_client *client, const char *url, const char *text, uint64_t timeout_ns,
	      post_done done, void *userdata, struct post **ret)
{
	struct post *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->client = client;
	p->done = done;
	p->userdata = userdata;
	p->easy = curl.easy_init();
	if (!p->easy || set_options(p, url, timeout_ns) != CURLE_OK ||
	    set_body(p, text) != CURLE_OK ||
	    curl.multi_add_handle(client->multi, p->easy) != CURLM_OK) {
		post_cancel(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}
