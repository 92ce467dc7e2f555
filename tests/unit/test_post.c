/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "alert/post.h"
#include "base/util.h"

#define PATIENCE_USEC (20 * 1000 * 1000) /* for a loop that should end long before */

/* A client, and a server of one connection at a time that says what the test wants, in one loop. */
struct fixture {
	sd_event *loop;
	struct post_client *client;
	int listener, connection;
	sd_event_source *source; /* of the connection */
	char url[64];
	char request[8192];
	size_t length;
	const char *answer; /* NULL: none ever */
	bool endless;       /* the answer's body goes on */
	size_t sent;        /* bytes of it */
	unsigned connections, done;
	enum post_result result;
	char reason[POST_REASON_SIZE];
};

static void hang_up(struct fixture *f)
{
	f->source = sd_event_source_disable_unref(f->source);
	if (f->connection >= 0)
		close(TAKE_FD(f->connection));
}

static bool is_whole(const struct fixture *f)
{
	const char *end = strstr(f->request, "\r\n\r\n");
	const char *length = strcasestr(f->request, "Content-Length: ");

	return end && length && strlen(end + 4) >= strtoul(length + 16, NULL, 10);
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	static const char more[4096] = {'x'};
	struct fixture *f = userdata;
	ssize_t n = recv(fd, f->request + f->length, sizeof(f->request) - 1 - f->length,
			 MSG_DONTWAIT);

	(void)events;
	if (n > 0)
		f->length += (size_t)n;
	f->request[f->length] = '\0';
	if (n == 0 || (n < 0 && errno != EAGAIN)) {
		hang_up(f);
		return 0;
	}
	if (!f->answer || !is_whole(f))
		return 0;
	if (f->sent == 0)
		assert_true(send(fd, f->answer, strlen(f->answer), MSG_NOSIGNAL) > 0);
	if (f->endless) {
		sd_event_source_set_io_events(source, EPOLLIN | EPOLLOUT);
		n = send(fd, more, sizeof(more), MSG_DONTWAIT | MSG_NOSIGNAL);
		f->sent += n > 0 ? (size_t)n : 0;
		return 0;
	}
	hang_up(f);
	return 0;
}

static int on_listener(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct fixture *f = userdata;

	(void)source, (void)events;
	hang_up(f);
	f->connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	f->connections++;
	f->length = 0;
	assert_true(sd_event_add_io(f->loop, &f->source, f->connection, EPOLLIN, on_connection,
				    f) >= 0);
	return 0;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(a);

	if (!f)
		return -1;
	f->connection = -1;
	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(f->listener, (struct sockaddr *)&a, size) < 0 || listen(f->listener, 4) < 0 ||
	    getsockname(f->listener, (struct sockaddr *)&a, &size) < 0)
		return -1;
	snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u/hook", ntohs(a.sin_port));
	if (sd_event_new(&f->loop) < 0 || post_client_new(f->loop, &f->client) < 0)
		return -1;
	*state = f;
	return sd_event_add_io(f->loop, NULL, f->listener, EPOLLIN, on_listener, f) < 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	post_client_free(f->client);
	hang_up(f);
	sd_event_unref(f->loop);
	close(f->listener);
	free(f);
	return 0;
}

static void on_done(enum post_result result, const char *reason, void *userdata)
{
	struct fixture *f = userdata;

	f->result = result;
	snprintf(f->reason, sizeof(f->reason), "%s", reason);
	f->done++;
}

static struct post *begin(struct fixture *f, const char *text, uint64_t timeout_ns)
{
	struct post *p = NULL;

	assert_int_equal(post_send(f->client, f->url, text, timeout_ns, on_done, f, &p), 0);
	return p;
}

static void run(struct fixture *f)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + PATIENCE_USEC * NSEC_PER_USEC;
	unsigned before = f->done;

	while (f->done == before) {
		assert_true(now_ns(CLOCK_MONOTONIC) < end);
		assert_true(sd_event_run(f->loop, PATIENCE_USEC) >= 0);
	}
}

static void sends(struct fixture *f, const char *answer, enum post_result result,
		  const char *reason)
{
	f->answer = answer;
	begin(f, "{}", 5 * NSEC_PER_SEC);
	run(f);
	assert_int_equal(f->result, result);
	assert_string_equal(f->reason, reason);
}

static void test_a_request(void **state)
{
	struct fixture *f = *state;

	sends(f, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", POST_ARRIVED, "HTTP status 200");
	assert_int_equal(strncmp(f->request, "POST /hook HTTP/1.1\r\n", 21), 0);
	assert_non_null(strstr(f->request, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(f->request, "\r\nUser-Agent: tcpwatchd/"));
	assert_null(strstr(f->request, "Expect:"));
	assert_string_equal(strstr(f->request, "\r\n\r\n"), "\r\n\r\n{}");
	/* no connection is kept */
	sends(f, "HTTP/1.1 204 No Content\r\n\r\n", POST_ARRIVED, "HTTP status 204");
	assert_int_equal(f->connections, 2);
}

static void test_what_an_answer_means(void **state)
{
	struct fixture *f = *state;

	sends(f, "HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nsorry", POST_FAILED,
	      "HTTP status 500: sorry");
	sends(f, "HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n", POST_FAILED, "HTTP status 429");
	sends(f, "HTTP/1.1 400 No\r\nContent-Length: 10\r\n\r\na\nb\x1b[2J\xff\x01x", POST_REFUSED,
	      "HTTP status 400: a b [2J\xef\xbf\xbd x");
	sends(f, "SMTP ready\r\n", POST_FAILED, "no answer: Received HTTP/0.9 when not allowed");
}

static void test_a_redirect_is_not_followed(void **state)
{
	struct fixture *f = *state;
	char answer[128];

	snprintf(answer, sizeof(answer),
		 "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", f->url);
	sends(f, answer, POST_REFUSED, "HTTP status 302");
	assert_int_equal(f->connections, 1);
}

static void test_no_answer_in_time(void **state)
{
	struct fixture *f = *state;

	begin(f, "{}", 200 * NSEC_PER_MSEC);
	run(f);
	assert_int_equal(f->result, POST_FAILED);
	assert_int_equal(strncmp(f->reason, "no answer: ", 11), 0);
}

static void test_nobody_listens(void **state)
{
	struct fixture *f = *state;

	snprintf(f->url, sizeof(f->url), "http://127.0.0.1:1/"); /* tcpmux, long forgotten */
	begin(f, "{}", 5 * NSEC_PER_SEC);
	run(f);
	assert_int_equal(f->result, POST_FAILED);
}

static void test_an_endless_answer(void **state)
{
	struct fixture *f = *state;

	f->answer = "HTTP/1.1 200 OK\r\n\r\n";
	f->endless = true;
	begin(f, "{}", 15 * NSEC_PER_SEC);
	run(f);
	assert_int_equal(f->result, POST_ARRIVED);
	assert_true(f->sent > POST_ANSWER_MAX);
}

static void test_the_environment_names_no_proxy(void **state)
{
	struct fixture *f = *state;

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	sends(f, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", POST_ARRIVED, "HTTP status 200");
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
}

static void test_cancelled(void **state)
{
	struct fixture *f = *state;
	struct post *p = begin(f, "{}", 5 * NSEC_PER_SEC);

	while (f->connections == 0)
		assert_true(sd_event_run(f->loop, PATIENCE_USEC) >= 0);
	post_cancel(p);
	sends(f, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", POST_ARRIVED, "HTTP status 200");
	assert_int_equal(f->done, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_request),
		TEST(test_what_an_answer_means),
		TEST(test_a_redirect_is_not_followed),
		TEST(test_no_answer_in_time),
		TEST(test_nobody_listens),
		TEST(test_an_endless_answer),
		TEST(test_the_environment_names_no_proxy),
		TEST(test_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
