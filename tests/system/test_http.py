# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP itself, on both kinds of socket: what a client may ask, and what one that means no good may cost."""

import contextlib
import http.client
import io
import json
import os
import random
import re
import select
import socket
import subprocess
import time

import pytest

from daemon import TCPWATCHCTL, UnixConnection
from oracle import wait_for

DEADLINE = 10  # seconds for a request, and a second for what comes on top
LATE = 12
BOTH = ("tcp", "control")
CONNECTIONS = {"tcp": 32, "control": 16}
STREAMS, ENDLESS = 14, 12  # of those on the control socket
REST = 5  # seconds in which a client may take nothing of its stream though its place is wanted
PER_ADDRESS = 8


def dial(daemon, kind, source="127.0.0.1"):
    if kind == "control":
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(LATE)
        sock.connect(str(daemon.socket))
        return sock
    return socket.create_connection(("127.0.0.1", daemon.port), LATE, (source, 0))


def path_of(kind):
    return "/-/healthy" if kind == "tcp" else "/v1/config"


def head(method, path, *lines):
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *lines, "", ""]).encode()


class Replay:
    """Bytes that were read already, for http.client to parse."""

    def __init__(self, data):
        self.file = io.BytesIO(data)

    def makefile(self, *_):
        return self.file


def read_all(sock):
    """Until the daemon closes, with a reset or without."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(65536):
            data += piece
    return data


def read_answers(data, methods):
    """The answers in data, which has these and nothing more."""
    replay = Replay(data)
    replay.file.close = lambda: None
    answers = []
    for method in methods:
        answer = http.client.HTTPResponse(replay, method=method)
        answer.begin()
        answers.append((answer.status, answer.headers, answer.read()))
    assert replay.file.read() == b""
    return answers


def exchange(daemon, kind, request, method="GET"):
    """One answer to the bytes of a request, after which the daemon has to close."""
    with dial(daemon, kind) as sock:
        sock.sendall(request)
        return read_answers(read_all(sock), [method])[0]


def closing(method, path, *lines):
    return head(method, path, "Connection: close", *lines)


def error_of(kind, answer):
    """Its text, in the form that is that socket's."""
    _, headers, body = answer
    if kind == "tcp":
        assert headers["Content-Type"].startswith("text/plain")
        return body.decode()
    assert headers["Content-Type"] == "application/json"
    document = json.loads(body)
    assert set(document) == {"error"}
    return document["error"]


def answers_promptly(daemon, kind="tcp", source="127.0.0.1"):
    started = time.monotonic()
    with dial(daemon, kind, source) as sock:
        sock.sendall(closing("GET", path_of(kind)))
        assert read_all(sock).startswith(b"HTTP/1.1 200 ")
    assert time.monotonic() - started < 1


def closed(sock):
    """The daemon has closed it and said nothing."""
    if not select.select([sock], [], [], 0)[0]:
        return False
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except ConnectionResetError:
        return True


# What may be asked


@pytest.mark.parametrize("kind", BOTH)
def test_unknown_path(shared_daemon, kind):
    for path in ("/nothing", "/metrics/", "//metrics", "/v1/", "/METRICS", "/v1/statu"):
        answer = exchange(shared_daemon, kind, closing("GET", path))
        assert answer[0] == 404
        assert path in error_of(kind, answer)


def test_neither_socket_serves_the_others_paths(shared_daemon):
    for kind, path in (("control", "/metrics"), ("tcp", "/v1/status"), ("tcp", "/v1/connections")):
        assert exchange(shared_daemon, kind, closing("GET", path))[0] == 404


@pytest.mark.parametrize("kind, method, path, allow", [
    ("tcp", "POST", "/metrics", "GET, HEAD"), ("tcp", "DELETE", "/", "GET, HEAD"),
    ("tcp", "OPTIONS", "/-/ready", "GET, HEAD"), ("tcp", "get", "/metrics", "GET, HEAD"),
    ("tcp", "NONSENSE", "/metrics", "GET, HEAD"), ("control", "GET", "/v1/resync", "POST"),
    ("control", "HEAD", "/v1/resync", "POST"), ("control", "PUT", "/v1/status", "GET, HEAD"),
    ("control", "GET", "/v1/reload", "POST"), ("control", "POST", "/v1/connections", "GET, HEAD")])
def test_wrong_method(shared_daemon, kind, method, path, allow):
    status, headers, body = answer = exchange(shared_daemon, kind, closing(method, path), method)
    assert status == 405
    assert headers["Allow"] == allow
    if method != "HEAD":
        assert allow in error_of(kind, answer)


@pytest.mark.parametrize("kind, path", [
    ("tcp", "/"), ("tcp", "/metrics"), ("tcp", "/-/healthy"), ("tcp", "/-/ready"), ("tcp", "/no"),
    ("control", "/v1/status"), ("control", "/v1/config"), ("control", "/v1/no")])
def test_head_is_get_without_a_body(shared_daemon, kind, path):
    """The next answer follows the header at once."""
    with dial(shared_daemon, kind) as sock:
        sock.sendall(head("HEAD", path) + closing("GET", path_of(kind)))
        first, second = read_answers(read_all(sock), ["HEAD", "GET"])
    assert second[0] == 200
    get = exchange(shared_daemon, kind, closing("GET", path))
    assert first[0] == get[0]
    assert first[1]["Content-Type"] == get[1]["Content-Type"]


@pytest.mark.parametrize("path", ["/v1/connections", "/v1/watch"])
def test_head_of_a_stream(shared_daemon, path):
    """Not even the last chunk of a body; the daemon closes, as the length is not known."""
    answer = exchange(shared_daemon, "control", head("HEAD", path), "HEAD")
    assert answer[0] == 200 and answer[1]["Content-Type"] == "application/x-ndjson"


@pytest.mark.parametrize("kind", BOTH)
def test_pipeline(shared_daemon, kind):
    good = path_of(kind)
    with dial(shared_daemon, kind) as sock:
        sock.sendall((head("GET", good) + head("GET", "/no")) * 20 + closing("GET", good))
        answers = read_answers(read_all(sock), ["GET"] * 41)
    assert [status for status, _, _ in answers] == [200, 404] * 20 + [200]


def test_http_1_0(shared_daemon):
    """No chunks, which that version does not have: the end of the connection is the end of the rows."""
    data = b""
    with dial(shared_daemon, "control") as sock:
        sock.sendall(b"GET /v1/connections HTTP/1.0\r\n\r\n")
        data = read_all(sock)
    header, body = data.split(b"\r\n\r\n", 1)
    assert b"chunked" not in header
    assert all(json.loads(line)["cookie"] for line in body.splitlines())


# Bodies, which nothing here wants


@pytest.mark.parametrize("kind", BOTH)
def test_small_body_is_dropped(shared_daemon, kind):
    """It is not taken for the next request either."""
    body = head("GET", "/no")
    with dial(shared_daemon, kind) as sock:
        sock.sendall(head("GET", path_of(kind), f"Content-Length: {len(body)}") + body)
        sock.sendall(closing("GET", path_of(kind)))
        answers = read_answers(read_all(sock), ["GET", "GET"])
    assert [status for status, _, _ in answers] == [200, 200]


def test_resync_with_an_empty_body(shared_daemon):
    for lines in ([], ["Content-Length: 0"]):
        status, _, body = exchange(shared_daemon, "control", closing("POST", "/v1/resync", *lines), "POST")
        assert status == 202 and json.loads(body) == {"resync": "started"}


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("line", [
    "Content-Length: 4097", "Content-Length: 18446744073709551615", "Transfer-Encoding: chunked"])
def test_large_body(shared_daemon, kind, method, line):
    """Refused before it comes; what comes is not taken for a request."""
    with dial(shared_daemon, kind) as sock:
        sock.sendall(head(method, path_of(kind), line) + head("GET", path_of(kind)))
        answers = read_answers(read_all(sock), [method])
    assert answers[0][0] == 413
    error_of(kind, answers[0])


@pytest.mark.parametrize("kind", BOTH)
def test_body_that_keeps_coming(shared_daemon, kind):
    """More than was announced is not read without end."""
    sent = 0
    with dial(shared_daemon, kind) as sock:
        with contextlib.suppress(ConnectionError, TimeoutError):
            sock.sendall(head("POST", "/v1/resync", "Content-Length: 1000000000"))
            while sent < 100 << 20:
                sent += sock.send(b"x" * 65536)
    assert sent < 100 << 20
    answers_promptly(shared_daemon, kind)


# What is no request


CLOSED = None  # without an answer
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 200
HOST = b"\r\nHost: x\r\n\r\n"

# Where the first line is no request line at all, libmicrohttpd closes before anything can answer.
MALFORMED = {
    "empty lines": (b"\r\n" * 4, CLOSED),
    "no space in the line": (b"GET\r\n\r\n", CLOSED),
    "no method": (b" / HTTP/1.1" + HOST, CLOSED),
    "NULs": (b"\0" * 100, CLOSED),
    "lines of NULs": (b"\0\0\0\0\r\n" * 10, CLOSED),
    "TLS": (HELLO, CLOSED),
    "TLS with a line's end": (HELLO + b"\n", CLOSED),
    "random bytes": (random.Random(3).randbytes(4000), CLOSED),
    "random bytes with a space in their first line": (random.Random(1).randbytes(4000), 400),
    "no version": (b"GET /" + HOST, 400),
    "an old version": (b"GET / HTTP/0.9" + HOST, 505),
    "no such version": (b"GET / HTTP/9.9" + HOST, 505),
    "space after the version": (b"GET / HTTP/1.1 " + HOST, 400),
    "space in the path": (b"GET /metrics /.. HTTP/1.1" + HOST, 400),
    "space in the query": (b"GET /metrics?a b HTTP/1.1" + HOST, 400),
    "no path": (b"GET %ff%zz HTTP/1.1" + HOST, 404),
    "only a NUL": (b"GET %00 HTTP/1.1" + HOST, 400),
    "a NUL that ends the path": (b"GET /metrics%00 HTTP/1.1" + HOST, 400),
    "a NUL in a path": (b"GET /metrics%00/.. HTTP/1.1" + HOST, 400),
    "a NUL in a query": (b"GET /metrics?a=%00b HTTP/1.1" + HOST, 400),
    "a NUL after a percent sign": (b"GET /metrics%%00 HTTP/1.1" + HOST, 400),
    "no NUL": (b"GET /metrics%2500 HTTP/1.1" + HOST, 404),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "no colon": (b"GET / HTTP/1.1\r\nHost x\r\n\r\n", 400),
    "no name": (b"GET / HTTP/1.1\r\n x" + HOST, 400),
    "a length below 0": (b"GET / HTTP/1.1\r\nContent-Length: -1" + HOST, 400),
    "a length that is no number": (b"GET / HTTP/1.1\r\nContent-Length: 1x" + HOST, 400),
}


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("text, status", MALFORMED.values(), ids=MALFORMED)
def test_malformed(shared_daemon, kind, text, status):
    with dial(shared_daemon, kind) as sock:
        sock.sendall(text)
        select.select([sock], [], [], 0.2)  # else libmicrohttpd may see the end at the deadline only
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
        data = read_all(sock)
    # a set: libmicrohttpd refuses a length in the same words twice, one after the other
    assert set(map(int, re.findall(rb"HTTP/1\.1 (\d+)", data))) == ({status} - {CLOSED}), data
    assert bool(data) == (status is not CLOSED)
    answers_promptly(shared_daemon, kind)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("request_line, word", [
    ("GET /metrics%00/.. HTTP/1.1", "NUL"), ("HEAD /v1/status?%00 HTTP/1.1", "NUL"),
    ("GET /v1/status /.. HTTP/1.1", "space"), ("GET /metrics HTTP/1.1", "host")])
def test_malformed_is_refused_with_the_reason(shared_daemon, kind, request_line, word):
    """And what comes after it is not taken for a request."""
    host = b"\r\n\r\n" if word == "host" else HOST
    method = request_line.split()[0]
    answer = exchange(shared_daemon, kind, request_line.encode() + host + closing("GET", path_of(kind)), method)
    assert answer[0] == 400
    if method != "HEAD":
        assert word in error_of(kind, answer)


@pytest.mark.parametrize("kind, more", [("tcp", 3000), ("tcp", 100000), ("control", 3000), ("control", 20000)])
def test_long_uri_and_header(shared_daemon, kind, more):
    """Far too long is refused as well, by libmicrohttpd and in its own words."""
    ours = kind == "control" or more < 4000
    uri = exchange(shared_daemon, kind, closing("GET", "/?" + "x" * (4096 + more)))
    assert uri[0] == 414
    assert not ours or "URI" in error_of(kind, uri)
    long = exchange(shared_daemon, kind, closing("GET", "/", "X: " + "x" * (8192 + more)))
    assert long[0] == 431
    assert kind == "tcp" or "header" in error_of(kind, long)
    many = exchange(shared_daemon, kind, closing("GET", "/", *["X: y"] * ((8192 + more) // 6)))
    assert many[0] == 431  # by libmicrohttpd: each costs it more memory than it has bytes


@pytest.mark.parametrize("kind", BOTH)
def test_rather_long_uri_and_header(shared_daemon, kind):
    assert exchange(shared_daemon, kind, closing("GET", "/" + "x" * 4000))[0] == 404
    assert exchange(shared_daemon, kind, closing("GET", "/", "X: " + "x" * 5000))[0] == (
        200 if kind == "tcp" else 404)


def test_parameters_are_refused_with_the_reason(shared_daemon):
    for query, words in (
            ("port=x", ("port", "'x'", "65535")), ("state=closed", ("state", "'closed'", "close_wait")),
            ("prot=1", ("prot", "port")), ("port=1&port=1", ("port", "twice")),
            ("limit=0", ("limit", "'0'")), ("remote=10.0.0.1%2f8", ("remote", "'10.0.0.1/8'")),
            ("owner=%ff%fe", None), ("port=%00", ("NUL",)), ("port", ("port", "''"))):
        answer = exchange(shared_daemon, "control", closing("GET", f"/v1/connections?{query}"))
        if words is None:
            assert answer[0] == 200
            continue
        assert answer[0] == 400, query
        assert all(word in error_of("control", answer) for word in words), (query, answer)
    bytes_of_no_text = exchange(shared_daemon, "control", closing("GET", "/v1/connections?port=%ff"))
    assert "\ufffd" in error_of("control", bytes_of_no_text)
    for path in ("/v1/status", "/v1/config"):
        assert exchange(shared_daemon, "control", closing("GET", f"{path}?state=listen"))[0] == 400


# Clients that are stuck, or mean no good


class Dripping:
    """Connections on each of which a byte of a request that never ends is sent every half second."""

    def __init__(self, daemon, kind, sources):
        self.started = time.monotonic()
        self.socks = [dial(daemon, kind, source) for source in sources]
        self.ended = {}

    def drip(self):
        for sock in self.socks:
            if sock in self.ended:
                continue
            try:
                sock.send(b"G")
            except OSError:
                self.ended[sock] = time.monotonic() - self.started
            else:
                if closed(sock):
                    self.ended[sock] = time.monotonic() - self.started
        time.sleep(0.5)

    def drip_to_the_end(self):
        while len(self.ended) < len(self.socks):
            assert time.monotonic() - self.started < 2 * DEADLINE, f"{len(self.ended)} are ended"
            self.drip()
        assert all(DEADLINE - 1 < seconds < LATE for seconds in self.ended.values()), self.ended.values()

    def close(self):
        for sock in self.socks:
            sock.close()


def sources_for(kind):
    """As many as are served at once, from as few addresses as may have them."""
    return [f"127.0.1.{1 + i // PER_ADDRESS}" for i in range(CONNECTIONS[kind])]


@pytest.mark.parametrize("kind", BOTH)
def test_a_byte_now_and_then_until_the_deadline(daemon, kind):
    """All connections there are: they end by the deadline, and who waited is then served."""
    with contextlib.closing(Dripping(daemon, kind, sources_for(kind))) as dripping:
        with dial(daemon, kind) as waiting:
            waiting.sendall(closing("GET", path_of(kind)))
            assert not select.select([waiting], [], [], 1)[0], "there is no limit"
            dripping.drip_to_the_end()
            assert read_all(waiting).startswith(b"HTTP/1.1 200 ")
    answers_promptly(daemon, kind)


@pytest.mark.parametrize("kind", BOTH)
def test_served_again_after_the_limit(daemon, kind):
    """Again and again: at the limit libmicrohttpd stops listening, and has to be run to start again."""
    for _ in range(5):
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(dial(daemon, kind, s)) for s in sources_for(kind)]
            waiting = stack.enter_context(dial(daemon, kind))
            waiting.sendall(closing("GET", path_of(kind)))
            assert not select.select([waiting], [], [], 0.3)[0]
            for sock in socks:
                sock.close()
            waiting.settimeout(1)
            assert read_all(waiting).startswith(b"HTTP/1.1 200 ")
        answers_promptly(daemon, kind)


def test_connections_per_address(daemon):
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(dial(daemon, "tcp", "127.0.1.1")) for _ in range(PER_ADDRESS)]
        for sock in socks:
            sock.sendall(head("GET", "/-/healthy"))
            assert sock.recv(4096)
        with dial(daemon, "tcp", "127.0.1.1") as one_too_many:
            with contextlib.suppress(OSError):
                one_too_many.sendall(head("GET", "/-/healthy"))
            assert read_all(one_too_many) == b""
        answers_promptly(daemon, "tcp", "127.0.1.2")
        socks[0].close()
        wait_for(lambda: exchange_from(daemon, "127.0.1.1"), 1, "a place to be free again")


def exchange_from(daemon, source):
    with dial(daemon, "tcp", source) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(closing("GET", "/-/healthy"))
        return read_all(sock).startswith(b"HTTP/1.1 200 ")


def test_idle_connection_is_closed(daemon):
    """It had its answer, and asks no more."""
    with dial(daemon, "tcp") as sock:
        sock.sendall(head("GET", "/-/healthy"))
        assert sock.recv(4096)
        started = time.monotonic()
        assert sock.recv(1) == b""
        assert DEADLINE - 1 < time.monotonic() - started < LATE


@pytest.mark.parametrize("kind", BOTH)
def test_answer_that_nobody_reads(daemon, kind):
    """The deadline is for the answer too, which has to be longer than what the kernel buffers."""
    with dial(daemon, kind) as sock:
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            for _ in range(20000):
                sock.send(head("GET", path_of(kind)))
        answers_promptly(daemon, kind)
        time.sleep(DEADLINE + 1)
        with pytest.raises(ConnectionError):
            sock.send(b"x")
            sock.send(b"x")


# Streams


@pytest.fixture
def crowd():
    """Connections enough that a list of them is longer than what the kernel buffers."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=64))
        for _ in range(2000):
            stack.enter_context(socket.create_connection(listener.getsockname()))
            stack.enter_context(listener.accept()[0])
        yield listener.getsockname()[1]


def test_slow_reader_of_connections(crowd, daemon):
    """Others are served meanwhile, and it gets all of it in the end."""
    connection = UnixConnection(daemon.socket)
    connection.request("GET", f"/v1/connections?port={crowd}&state=established")
    answer = connection.getresponse()
    data = answer.read(1)
    for _ in range(20):
        answers_promptly(daemon, "control")
        answers_promptly(daemon)
        time.sleep(0.1)
    data += answer.read()
    connection.close()
    rows = [json.loads(line) for line in data.splitlines()]
    assert len(rows) == len({row["cookie"] for row in rows}) == 4000
    assert {row["state"] for row in rows} == {"established"}


def test_quick_reader_of_connections(crowd, daemon):
    """The stream takes turns with the rest of the daemon, and its next turn comes at once."""
    started = time.monotonic()
    answer = daemon.control(f"/v1/connections?port={crowd}&state=established")
    assert time.monotonic() - started < 1
    assert len(answer.body.splitlines()) == 4000


def test_list_outlives_the_deadline(crowd, daemon):
    connection = UnixConnection(daemon.socket)
    connection.request("GET", f"/v1/connections?port={crowd}&state=established")
    answer = connection.getresponse()
    time.sleep(LATE)
    assert len(answer.read().splitlines()) == 4000
    connection.close()


def test_abandoned_lists(crowd, daemon):
    """More than there are places: each is given back, and nothing of the walk is left in the table."""
    files = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    for _ in range(2 * CONNECTIONS["control"]):
        with dial(daemon, "control") as sock:
            sock.sendall(head("GET", "/v1/connections?sort=age"))
            sock.recv(1000)
    answers_promptly(daemon, "control")
    wait_for(lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) <= files, 2, "descriptors to be closed")


def test_heartbeat(daemon, netns):
    with dial(daemon, "control") as sock:
        sock.sendall(head("GET", f"/v1/watch?netns={netns.inum}"))
        data = sock.recv(4096)
        assert data.startswith(b"HTTP/1.1 200 ")
        data = data.split(b"\r\n\r\n", 1)[1]
        started = time.monotonic()
        while data.count(b"1\r\n\n\r\n") < 2:
            data += sock.recv(4096)
        assert 8 < time.monotonic() - started < 12
        assert data == b"1\r\n\n\r\n" * 2


def test_row_comes_at_once(daemon, netns):
    """Once the daemon knows of the transition, which the other socket's request sees to."""
    watch = daemon.watch(netns=netns.inum)
    waits = []
    for _ in range(9):
        netns.listener()
        daemon.http("/metrics")
        started = time.monotonic()
        watch.take(1)
        waits.append(time.monotonic() - started)
    assert sorted(waits)[4] < 0.06, waits


def ask_to_watch(daemon, netns):
    sock = dial(daemon, "control")
    sock.sendall(head("GET", f"/v1/watch?netns={netns.inum}"))
    assert sock.recv(15).startswith(b"HTTP/1.1 200 ")
    return sock


def may_not_watch(daemon):
    """What the refusal says."""
    with dial(daemon, "control") as sock:
        sock.sendall(head("GET", "/v1/watch"))
        start = sock.recv(15)
        assert start.startswith(b"HTTP/1.1 503 ")  # before all is read: an answer might have no end
        return error_of("control", read_answers(start + read_all(sock), ["GET"])[0])


def test_watchers_that_are_gone_leave_their_places(daemon, netns):
    """Without a transition to tell them of, and before the next heartbeat."""
    for _ in range(2 * CONNECTIONS["control"]):
        ask_to_watch(daemon, netns).close()
    answers_promptly(daemon, "control")


def test_watchers_who_read_stay(daemon, netns):
    """However long nothing happens; the next one is told so, and everything else goes on."""
    watches = [daemon.watch(netns=netns.inum) for _ in range(ENDLESS)]
    until = time.monotonic() + 2 * DEADLINE
    while time.monotonic() < until:
        assert may_not_watch(daemon) == \
            f"{ENDLESS} clients watch already, which is as many as may: end one of them, or try again later"
        assert daemon.connections(netns=netns.inum) == []
        answers_promptly(daemon, "control")
        time.sleep(1)
    result = subprocess.run([TCPWATCHCTL, "--socket", daemon.socket, "watch"], capture_output=True, text=True, timeout=10)
    assert (result.returncode, result.stdout) == (1, "")
    assert f"{ENDLESS} clients watch already" in result.stderr
    netns.listener()
    daemon.http("/metrics")
    assert all(watch.take(1)[0]["to"] == "listen" for watch in watches)


def test_watcher_who_does_not_read_gives_way(daemon, netns):
    """When his place is wanted, and not before; a heartbeat that fits into the buffer is not read for that."""
    watches = [daemon.watch(netns=netns.inum) for _ in range(ENDLESS - 1)]
    with ask_to_watch(daemon, netns) as idle:
        assert may_not_watch(daemon)
        time.sleep(2 * REST + 2)
        watches.append(daemon.watch(netns=netns.inum))
        assert may_not_watch(daemon)
        data = read_all(idle)
        assert data.count(b"1\r\n\n\r\n") >= 2 and not data.endswith(b"\r\n0\r\n\r\n")
    netns.listener()
    daemon.http("/metrics")
    assert all(watch.take(1)[0]["to"] == "listen" for watch in watches)
    assert "has taken nothing for" in daemon.text()


def test_lists_that_nobody_reads(crowd, daemon):
    """They leave room for short answers at once, and for other lists after some seconds."""
    path = f"/v1/connections?port={crowd}&state=established"
    with contextlib.ExitStack() as stack:
        stuck = []
        for number in range(CONNECTIONS["control"] + 4):
            sock = stack.enter_context(dial(daemon, "control"))
            sock.sendall(head("GET", path))
            if number < STREAMS:
                assert sock.recv(15).startswith(b"HTTP/1.1 200 ")
                stuck.append(sock)
            else:
                answer = read_answers(read_all(sock), ["GET"])[0]
                assert answer[0] == 503
                assert f"{STREAMS} long answers are being read" in error_of("control", answer)
        for _ in range(5):
            answers_promptly(daemon, "control")
        assert not any(map(hung_up, stuck))
        time.sleep(REST + 1)
        assert not any(map(hung_up, stuck))  # as nobody wants the places
        for _ in range(2):
            assert len(daemon.control(path).body.splitlines()) == 4000
            assert sum(map(hung_up, stuck)) == 1  # whose place the second list has as well


def hung_up(sock):
    poll = select.poll()
    poll.register(sock, 0)
    return any(events & select.POLLHUP for _, events in poll.poll(0))


def list_into(stack, daemon, output):
    process = subprocess.Popen([TCPWATCHCTL, "--socket", daemon.socket, "list"], stdin=subprocess.DEVNULL,
                               stdout=output, stderr=subprocess.PIPE, text=True)
    stack.enter_context(process)
    stack.callback(process.kill)
    return process


def test_pagers_that_rest(crowd, daemon):
    """tcpwatchctl waits for its pager, and the daemon for tcpwatchctl, which is told when it has waited too long."""
    with contextlib.ExitStack() as stack:
        pagers = [list_into(stack, daemon, subprocess.PIPE) for _ in range(STREAMS)]
        for process in pagers:
            assert process.stdout.read(1)
        status = [TCPWATCHCTL, "--socket", daemon.socket, "status"]
        assert subprocess.run(status, capture_output=True, timeout=1).returncode == 0
        time.sleep(REST + 1)
        another = list_into(stack, daemon, subprocess.DEVNULL)
        assert (another.wait(timeout=5), another.stderr.read()) == (0, "")
        ends = [(len(process.stdout.readlines()) >= 4000, process.wait(), process.stderr.read()) for process in pagers]
        assert [end for end in ends if end[:2] == (True, 0)] == [(True, 0, "")] * (STREAMS - 1)
        cut = next(end for end in ends if end[1])
        assert cut[:2] == (False, 1) and "nothing of it was taken" in cut[2]


def test_slow_reader_keeps_his_place(crowd, daemon):
    """He takes a little each second, and the list is long."""
    path = f"/v1/connections?port={crowd}&state=established"
    with contextlib.ExitStack() as stack:
        slow = UnixConnection(daemon.socket)
        stack.callback(slow.close)
        slow.request("GET", path)
        answer = slow.getresponse()
        for _ in range(STREAMS - 1):
            stack.enter_context(dial(daemon, "control")).sendall(head("GET", path))
        data = b""
        for _ in range(2 * REST):
            data += answer.read(65536)
            time.sleep(1)
        for _ in range(STREAMS - 1):
            stack.enter_context(dial(daemon, "control")).sendall(head("GET", path))
        assert len((data + answer.read()).splitlines()) == 4000


def test_stop_with_streams_open(make_daemon, crowd, netns):
    """The fixture wants the daemon to end at once and well."""
    daemon = make_daemon().start()
    with contextlib.ExitStack() as stack:
        for path in ("/v1/watch", f"/v1/watch?netns={netns.inum}", "/v1/connections", "/v1/connections?sort=age"):
            sock = stack.enter_context(dial(daemon, "control"))
            sock.sendall(head("GET", path))
            assert sock.recv(1)
        stack.enter_context(contextlib.closing(Dripping(daemon, "tcp", ["127.0.0.1"] * 3)))
        daemon.stop()


# Formats of the page


@pytest.mark.parametrize("compat", ["none", "node_exporter"])
def test_promtool_finds_no_fault(make_daemon, compat):
    daemon = make_daemon(metrics={"compat": compat}).start()
    page = daemon.http("/metrics").body
    assert (b"node_tcp_connection_states" in page) == (compat == "node_exporter")
    check = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, timeout=30)
    assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")


def test_accept(shared_daemon):
    def ask(accept):
        answer = shared_daemon.http("/metrics", headers={"Accept": accept})
        assert answer.status == 200
        return answer.headers["Content-Type"].split(";")[0], answer.body

    kind, body = ask("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1")
    assert kind == "application/openmetrics-text" and body.endswith(b"\n# EOF\n")
    kind, body = ask("*/*")
    assert kind == "text/plain" and b"# EOF" not in body


def test_page_is_quick(crowd, daemon):
    """Not more than 2 ms; the best of many, for the machine has other things to do."""
    best = 1
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port)
    for _ in range(50):
        started = time.monotonic()
        connection.request("GET", "/metrics")
        connection.getresponse().read()
        best = min(best, time.monotonic() - started)
    connection.close()
    assert best < 0.005  # with Python's own part in it
