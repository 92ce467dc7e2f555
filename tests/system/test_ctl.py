# SPDX-License-Identifier: GPL-2.0-or-later
"""tcpwatchctl by itself: its usage, what it prints, and how it stands up to a daemon that is not there, not
allowed, broken or hostile. The daemons here are fakes: a real one cannot be made to answer such things."""

import contextlib
import grp
import json
import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import urllib.parse
import time

import pytest

OUTPUT = os.environ.get("TCPWATCH_OUTPUT", pathlib.Path(__file__).parents[2] / ".output")
CTL = pathlib.Path(OUTPUT) / "tcpwatchctl"
STATES = ("established syn_sent syn_recv fin_wait1 fin_wait2 time_wait close close_wait last_ack "
          "listen closing").split()
COMMANDS = ["status", "states", "list", "watch", "resync", "reload", "config"]
OWN_NETNS = os.stat("/proc/self/ns/net").st_ino
NOBODY = 65534

LINE_MAX = 32 * 1024        # LINE_SIZE in client.c
DOCUMENT_MAX = 16 << 20     # DOCUMENT_MAX in client.c
MEMORY_MAX = 100 << 20      # far above what the bounds allow, far below an endless answer


def run(*arguments, **options):
    options = {"timeout": 60, "env": {**os.environ, "TZ": "UTC"}, **options}
    return subprocess.run([CTL, *map(str, arguments)], stdin=subprocess.DEVNULL, text=True, errors="strict",
                          stdout=options.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE, **options)


def assert_refused(result, code, *words):
    """One line on stderr, which a terminal can be shown, and nothing else."""
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert re.fullmatch(r"tcpwatchctl: [ -~]+\n", result.stderr), result.stderr
    for word in words:
        assert word in result.stderr


@pytest.fixture
def directory():
    """Open to all, and with a name short enough for a socket's path."""
    with tempfile.TemporaryDirectory(prefix="tcpwatchctl-") as path:
        os.chmod(path, 0o755)
        yield pathlib.Path(path)


class Fake:
    """Answers every connection by a function, and keeps the requests. The function gets the socket."""

    def __init__(self, path, answer):
        self.path, self.answer, self.requests = path, answer, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(16)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.talk, args=self.listener.accept()[:1], daemon=True).start()

    def talk(self, connection):
        with connection, contextlib.suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4096)
            self.requests.append(request.decode())
            self.answer(connection)

    def run(self, *arguments, **options):
        return run("--socket", self.path, *arguments, **options)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.path.unlink()


@pytest.fixture
def fake(directory):
    made = []

    def make(answer):
        if isinstance(answer, bytes):
            return make(lambda connection: connection.sendall(answer))
        made.append(Fake(directory / f"{len(made)}.sock", answer))
        return made[-1]

    yield make
    for one in made:
        one.close()


def document(value, status="200 OK"):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
        status.encode(), len(body), body)


STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
STREAM_END = b"0\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def lines(rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def rows_answer(rows):
    return STREAM + chunk(lines(rows)) + STREAM_END


def per_state(default, **values):
    return {**dict.fromkeys(STATES, default), **values}


def status(**changes):
    states = per_state(0, established=148, syn_recv=1, time_wait=391, close_wait=6012, listen=12)
    return {
        "version": "0.1.0", "mode": "ebpf", "mode_reason": "", "kernel": "6.1.0", "uptime_seconds": 7512.3,
        "connections": sum(states.values()), "untracked": 0, "states": states,
        "rates": per_state(0.0, established=1234.56),
        "oldest_seconds": per_state(None, established=273600.5, syn_recv=0.25, time_wait=59.99,
                                    close_wait=250, listen=86400),
        "namespaces": [{"netns": OWN_NETNS, "states": states}],
        "events": {"received": 1234567, "lost": 0, "malformed": 0},
        "resync": {"count": 7, "last_drift": 2, "last_cause": "loss", "last_seconds": 0.0124},
        "syn_accounting": True,
        "syn": {"rate": 1234.567, "prefixes": 2, "top_prefix": "203.0.113.0/24", "top_share": 0.98},
        "alerts": {"pending": 0, "firing": 0}, **changes}


def owner(kind="process", pid=77, comm="nginx", uid=33):
    return {"kind": kind, "pid": pid, "comm": comm, "uid": uid, "unit": None, "cgroup": "/system.slice/x"}


def row(**changes):
    return {
        "cookie": 123, "netns": OWN_NETNS, "state": "close_wait", "age_seconds": 12.345, "age_exact": True,
        "family": "ipv4", "local": "127.0.0.1", "local_port": 8080, "remote": "192.168.100.200",
        "remote_port": 47110, "owner": owner(), "recv_queue": None, "send_queue": None, **changes}


def transition(**changes):
    return {
        "time": 1790000000.123456, "cookie": 123, "netns": OWN_NETNS, "from": "established",
        "to": "close_wait", "family": "ipv4", "local": "127.0.0.1", "local_port": 8080,
        "remote": "192.168.100.200", "remote_port": 47110, "error": None, "pid": None, "comm": None,
        "uid": 0, **changes}


# Usage


def test_help():
    result = run("--help")
    assert (result.returncode, result.stderr) == (0, "")
    for command in COMMANDS:
        assert re.search(rf"^  {command} +\w", result.stdout, re.M)
        own = run(command, "--help")
        assert (own.returncode, own.stderr) == (0, "")
        assert own.stdout == run("--help", command).stdout
        assert max(map(len, (result.stdout + own.stdout).splitlines())) <= 80
    for option in ["state", "port", "remote", "owner", "netns", "older-than", "sort", "limit"]:
        assert f"--{option} " in run("list", "--help").stdout
    assert all(state in run("watch", "--help").stdout for state in STATES)


def test_version():
    result = run("--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(r"tcpwatchctl \d+\.\d+\.\d+\n", result.stdout)


@pytest.mark.parametrize("arguments, words", [
    ([], ["no command", "--help"]),
    (["lst"], ["unknown command 'lst'", "'list'"]),
    (["connections"], ["unknown command 'connections'", "--help"]),
    (["\033[31mx\n"], ["unknown command '?[31mx?'"]),
    (["status", "list"], ["'status'", "'list'"]),
    (["--jsn", "list"], ["--jsn", "'--json'"]),
    (["list", "--prot", "5"], ["--prot", "'--port'"]),
    (["status", "--port", "5"], ["--port", "status --help"]),
    (["--port", "5", "list"], ["--port", "behind the command"]),
    (["list", "-p"], ["'-p'", "--help"]),
    (["list", "--port"], ["--port", "1 to 65535"]),
    (["list", "--port", "70000"], ["'70000'", "1 to 65535"]),
    (["list", "--port", "1", "--port", "2"], ["--port", "twice"]),
    (["list", "--json=yes"], ["--json", "no value"]),
    (["list", "--state", "close-wait"], ["'close-wait'", "'close_wait'"]),
    (["list", "--state", "listen,nonsense"], ["'listen,nonsense'", "--help"]),
    (["list", "--remote", "10.0.0.0/33"], ["'10.0.0.0/33'", "10.0.0.0/8"]),
    (["list", "--remote", "example.org"], ["'example.org'"]),
    (["list", "--owner", "uid:www"], ["'uid:www'", "uid:N"]),
    (["list", "--netns", "0"], ["'0'", "lsns"]),
    (["list", "--older-than", "5 minutes"], ["'5 minutes'", "5m"]),
    (["list", "--sort", "size"], ["'size'", "'age'"]),
    (["list", "--limit", "0"], ["'0'"]),
    (["watch", "--limit", "5"], ["--limit", "watch --help"]),
    (["--socket", "", "list"], ["--socket"]),
    (["--socket", "/" + "x" * 107, "list"], ["--socket", "107"]),
])
def test_wrong_usage(arguments, words):
    assert_refused(run(*arguments), 2, *words)


@pytest.mark.parametrize("arguments", [
    ["--json", "--socket", "{}", "config"], ["config", "--socket", "{}", "--json"],
    ["--json", "config", "--socket={}"]])
def test_global_options_before_and_after(fake, arguments):
    daemon = fake(document({"daemon": {"mode": "auto"}}))
    result = run(*[a.format(daemon.path) for a in arguments])
    assert result.stdout == '{"daemon": {"mode": "auto"}}\n'


# No daemon, no permission


def test_no_daemon(directory):
    path = directory / "none.sock"
    for command in COMMANDS:
        assert_refused(run("--socket", path, command), 1, f"no tcpwatchd answers on {path}: No such file",
                       "systemctl start tcpwatchd", "--socket")


def test_dead_socket(directory):
    path = directory / "dead.sock"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
    assert_refused(run("--socket", path, "status"), 1, f"no tcpwatchd answers on {path}: Connection refused",
                   "systemctl start tcpwatchd")


@pytest.mark.parametrize("closed", ["socket", "directory"])
def test_no_permission(directory, closed):
    program = shutil.copy(CTL, directory)
    inner = directory / "inner"
    inner.mkdir()
    path = inner / "control.sock"
    barrier = path if closed == "socket" else inner
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
        s.listen()
        path.chmod(0o660)
        os.chown(barrier, 0, grp.getgrnam("adm").gr_gid)
        inner.chmod(0o755 if closed == "socket" else 0o750)
        result = subprocess.run([program, "--socket", path, "status"], text=True, capture_output=True,
                                user=NOBODY, group=NOBODY, extra_groups=[], timeout=60)
    assert_refused(result, 1, f"no permission to use {path}: {barrier} is for root and the group 'adm'",
                   "usermod -aG adm")


def test_root_only(directory):
    program = shutil.copy(CTL, directory)
    path = directory / "control.sock"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
        path.chmod(0o600)
        result = subprocess.run([program, "--socket", path, "status"], text=True, capture_output=True,
                                user=NOBODY, group=NOBODY, extra_groups=[], timeout=60)
    assert_refused(result, 1, "root only", "control_group")


def test_no_more_connections(directory):
    path = directory / "full.sock"
    with socket.socket(socket.AF_UNIX) as s, socket.socket(socket.AF_UNIX) as waiting:
        s.bind(str(path))
        s.listen(0)
        waiting.connect(str(path))
        assert_refused(run("--socket", path, "status"), 1, "takes no more connections", str(path))


# What is asked


def test_request(fake):
    daemon = fake(rows_answer([]))
    daemon.run("list", "--state", "close_wait,fin_wait2", "--port", 8080, "--remote", "2001:db8::/32",
               "--owner", "a b&c=ä%", "--netns", OWN_NETNS, "--older-than", "2h", "--sort", "age",
               "--limit", 10)
    daemon.run("list")
    daemon.run("list", "--json", "--port", 8080)
    daemon.run("watch", "--owner", "uid:33")
    targets = [re.match(r"GET (\S+) HTTP/1.1\r\n", request)[1] for request in daemon.requests]
    assert targets == [
        "/v1/connections?brief=yes&state=close_wait%2Cfin_wait2&port=8080&remote=2001%3Adb8%3A%3A%2F32"
        f"&owner=a%20b%26c%3D%C3%A4%25&netns={OWN_NETNS}&older_than=7200&sort=age&limit=10",
        "/v1/connections?brief=yes", "/v1/connections?port=8080", "/v1/watch?owner=uid%3A33"]


def test_proxy_is_not_asked(fake):
    daemon = fake(document(status()))
    proxies = {name: "http://127.0.0.1:1" for name in ["http_proxy", "all_proxy", "ALL_PROXY"]}
    assert daemon.run("status", env={**os.environ, **proxies}).returncode == 0


def test_resync(fake):
    daemon = fake(document({"resync": "started"}, "202 Accepted"))
    assert daemon.run("resync").stdout == "resync started\n"
    assert daemon.run("resync", "--json").stdout == '{"resync": "started"}\n'
    assert all(r.startswith("POST /v1/resync HTTP/1.1\r\n") for r in daemon.requests)


def test_reload(fake):
    daemon = fake(document({"reloaded": True}))
    result = daemon.run("reload")
    assert (result.returncode, result.stdout) == (0, "the configuration is in force\n")
    assert daemon.run("reload", "--json").stdout == '{"reloaded": true}\n'
    assert all(r.startswith("POST /v1/reload HTTP/1.1\r\n") for r in daemon.requests)
    refused = fake(document({"error": "/etc/tcpwatch/tcpwatchd.conf:3: 'x' is no key"}, "409 Conflict"))
    assert_refused(refused.run("reload"), 1, "/etc/tcpwatch/tcpwatchd.conf:3: 'x' is no key")


# What is printed


def test_states(fake):
    result = fake(document(status())).run("states")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == """\
STATE       CONNECTIONS  NEW/SECOND   OLDEST
established         148      1234.6    3d04h #
syn_sent              0         0.0        -
syn_recv              1         0.0     0.2s #
fin_wait1             0         0.0        -
fin_wait2             0         0.0        -
time_wait           391         0.0    59.9s ##
close                 0         0.0        -
close_wait         6012         0.0    4m10s ###################################
last_ack              0         0.0        -
listen               12         0.0    1d00h #
closing               0         0.0        -
"""


def test_states_without_connections(fake):
    result = fake(document(status(states=per_state(0)))).run("states")
    assert result.returncode == 0
    assert "#" not in result.stdout


def test_status(fake):
    result = fake(document(status())).run("status")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == """\
mode         ebpf
up           2h05m, tcpwatchd 0.1.0 on Linux 6.1.0
connections  6564
states       established=148 syn_recv=1 time_wait=391 close_wait=6012 listen=12
namespaces   1
SYNs         1235/s from about 2 networks, most from 203.0.113.0/24
events       1234567 received, 0 lost
resyncs      7; the last one: cause loss, 12 ms, 2 connections corrected
"""


def test_status_in_trouble(fake):
    reason = "the kernel has no BTF at /sys/kernel/btf/vmlinux, so that no BPF program can be loaded"
    result = fake(document(status(
        mode="diag", mode_reason=reason, untracked=5, states=per_state(0),
        events={"received": 10, "lost": 3, "malformed": 1},
        resync={"count": 0, "last_drift": 0, "last_cause": "none", "last_seconds": 0}))).run("status")
    assert result.stdout.startswith("""\
mode         diag: the kernel has no BTF at /sys/kernel/btf/vmlinux, so that no
             BPF program can be loaded
""")
    assert "6564, 5 of them counted but not listed" in result.stdout
    assert "10 received, 3 lost, 1 malformed" in result.stdout
    assert "no connection in any state" in result.stdout
    assert re.search("^resyncs +none yet$", result.stdout, re.M)


def test_status_with_polled_listeners(fake):
    result = fake(document(status(listeners_polled=True))).run("status")
    assert result.stdout.startswith("mode         ebpf: listeners and half-open connections are polled\n")


LONG = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"


def test_list(fake):
    result = fake(rows_answer([
        row(), row(age_exact=False, age_seconds=250, recv_queue=11),
        row(state="established", owner=owner(comm=None)),
        row(family="ipv6", local=LONG, remote=LONG),
        row(state="listen", local="::", remote="::", remote_port=0, recv_queue=3, send_queue=4096),
        row(state="time_wait", owner=owner("kernel", None, None, None)),
        row(owner=owner("unaccepted", None, None, 33), recv_queue=1234567, send_queue=0),
        row(owner=owner("unknown", None, None, 33)),
        row(owner=owner("unknown", None, None, None), age_seconds=None),
        row(netns=OWN_NETNS + 1),
    ])).run("list")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"""\
STATE            AGE RECV-Q SEND-Q LOCAL                 REMOTE                OWNER
close_wait     12.3s      -      - 127.0.0.1:8080        192.168.100.200:47110 nginx/77
close_wait    ~4m10s     11      - 127.0.0.1:8080        192.168.100.200:47110 nginx/77
established    12.3s      -      - 127.0.0.1:8080        192.168.100.200:47110 ?/77
close_wait     12.3s      -      - [{LONG}]:8080 [{LONG}]:47110 nginx/77
listen         12.3s      3   4096 [::]:8080             [::]:*                nginx/77
time_wait      12.3s      -      - 127.0.0.1:8080        192.168.100.200:47110 (kernel)
close_wait     12.3s 1234567     0 127.0.0.1:8080        192.168.100.200:47110 uid:33 (unaccepted)
close_wait     12.3s      -      - 127.0.0.1:8080        192.168.100.200:47110 uid:33
close_wait         -      -      - 127.0.0.1:8080        192.168.100.200:47110 -
close_wait     12.3s      -      - 127.0.0.1:8080        192.168.100.200:47110 nginx/77 netns:{OWN_NETNS + 1}
"""


def sums(key, connections, kind=None, oldest=None, share=0.5, **changes):
    return {"by": "process", "key": key, "kind": kind, "connections": connections, "share": share,
            "oldest_seconds": oldest, "states": {}, "processes": None, **changes}


def test_top(fake):
    result = fake(rows_answer([
        sums("nginx", 7, "process", states={"established": 4, "close_wait": 3}),
        sums("nginx", 2, "kernel", share=1, oldest=250, states={"last_ack": 2}),
        sums("10.0.0.1", 400000, states={"established": 400000 - 3, "close_wait": 1, "closing": 1, "last_ack": 1}),
        sums("ffff:ffff:ffff:ffff::/64", 1, share=None, states={"time_wait": 1}),
        sums("other", 5, keys=17, keys_all=True),
        sums("other", 5, keys=16384, keys_all=False),
    ])).run("top")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == """\
NAME                       CONNECTIONS  SHARE   OLDEST STATES
nginx                                7  50.0%        - established 4 +1
nginx (kernel)                       2 100.0%    4m10s last_ack 2
10.0.0.1                        400000  50.0%        - established 399997 +3
ffff:ffff:ffff:ffff::/64             1      -        - time_wait 1
other (17)                           5  50.0%        -
other (16384+)                       5  50.0%        -
"""
    assert all(len(line) <= 80 for line in result.stdout.splitlines())


def test_top_processes(fake):
    """The file that they run is right of what a narrow terminal shows."""
    result = fake(rows_answer([
        sums("worker", 7, "process", states={"established": 4, "close_wait": 3}, executable="/opt/a/worker"),
        sums("worker", 2, "unaccepted", states={"established": 2}, executable="/opt/b\x1b[31m\n/worker"),
        sums("worker", 1, "process", states={"established": 1}, executable=None),
        sums("other", 5, keys=17, keys_all=True),
    ])).run("top", "--by", "process")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == """\
NAME                       CONNECTIONS  SHARE   OLDEST STATES                    EXECUTABLE
worker                               7  50.0%        - established 4 +1          /opt/a/worker
worker (unaccepted)                  2  50.0%        - established 2             /opt/b?[31m?/worker
worker                               1  50.0%        - established 1             -
other (17)                           5  50.0%        -                           -
"""


def test_top_asks(fake):
    daemon = fake(rows_answer([]))
    daemon.run("top", "--by", "prefix", "--state", "close_wait,last_ack", "--limit", "3")
    asked = urllib.parse.unquote(daemon.requests[-1].split()[1])
    assert asked == "/v1/top?by=prefix&state=close_wait,last_ack&limit=3"
    result = daemon.run("top", "--by", "port,user")
    assert result.returncode == 2 and "prefix or netns" in result.stderr


def listener(**changes):
    return {
        "netns": OWN_NETNS, "local": "10.0.0.1", "local_port": 80, "family": "ipv4", "syn_queue": 0, "accept_queue": 0,
        "backlog": 128, "syn_received_total": 9, "syn_rate": 0.0, "cookies_sent_rate": 0.0, "holders": 1,
        "owner": owner(), **changes}


@pytest.fixture
def roster(fake):
    """A daemon with these listeners, and with this said of SYNs by its status."""
    def make(rows, **syn):
        def answer(connection):
            asked = daemon.requests[-1].split()[1]
            connection.sendall({
                "/v1/listeners": rows_answer(rows),
                "/v1/status": document(status(syn={**status()["syn"], **syn}))}[asked])

        daemon = fake(answer)
        return daemon

    return make


QUIET = {"rate": 99.9}      # fewer SYNs a second than the line below the table is for


def test_listeners(roster):
    result = roster([
        listener(), listener(syn_queue=1, accept_queue=3), listener(syn_queue=64), listener(syn_queue=127),
        listener(syn_queue=128, accept_queue=129, syn_rate=9.96),
        listener(syn_queue=4096, backlog=4096, syn_rate=12345.6), listener(syn_queue=7, backlog=0),
        listener(family="ipv6", local="2001:db8::1", local_port=443, syn_rate=0.5, cookies_sent_rate=1234.6),
        listener(family="ipv6", local="::", syn_rate=None, owner=owner("unknown", None, None, 33)),
        listener(local="0.0.0.0", cookies_sent_rate=None, owner=owner("unknown", None, None, None)),
        listener(syn_queue=None, accept_queue=3),
        listener(netns=OWN_NETNS + 1),
    ], **QUIET).run("listeners")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"""\
LOCAL                 SYN QUEUE          ACCEPT   SYN/S COOKIES/S OWNER
10.0.0.1:80               0/128           0/128     0.0       0.0 nginx/77
10.0.0.1:80               1/128 #         3/128     0.0       0.0 nginx/77
10.0.0.1:80              64/128 ###       0/128     0.0       0.0 nginx/77
10.0.0.1:80             127/128 ####      0/128     0.0       0.0 nginx/77
10.0.0.1:80             128/128 #####   129/128    10.0       0.0 nginx/77
10.0.0.1:80           4096/4096 #####    0/4096   12346       0.0 nginx/77
10.0.0.1:80                 7/0             0/0     0.0       0.0 nginx/77
[2001:db8::1]:443         0/128           0/128     0.5      1235 nginx/77
[::]:80                   0/128           0/128       -       0.0 uid:33
0.0.0.0:80                0/128           0/128     0.0         - -
10.0.0.1:80                   -           3/128     0.0       0.0 nginx/77
10.0.0.1:80               0/128           0/128     0.0       0.0 nginx/77 netns:{OWN_NETNS + 1}
"""


def test_listeners_asks(roster):
    daemon = roster([], **QUIET)
    assert daemon.run("listeners").stdout.split() == [
        "LOCAL", "SYN", "QUEUE", "ACCEPT", "SYN/S", "COOKIES/S", "OWNER"]
    assert [request.split()[1] for request in daemon.requests] == ["/v1/listeners", "/v1/status"]


@pytest.mark.parametrize("syn, line", [
    ({}, "SYNs: 1235/s from about 2 networks, most from 203.0.113.0/24"),
    ({"rate": 100.0, "prefixes": 1, "top_share": 0.3}, "SYNs: 100/s from about 1 network"),
    (QUIET, None), ({"rate": None}, None)])
def test_listeners_and_syns(roster, syn, line):
    """Whence they come is told below the rows, when there are so many that somebody may ask."""
    text = roster([listener()], **syn).run("listeners").stdout.splitlines()
    assert text[0].startswith("LOCAL ") and text[1].startswith("10.0.0.1:80 ")
    assert text[2:] == ([line] if line else [])


def test_listeners_json(roster):
    """Each row as it came, and nothing else is asked."""
    rows = [listener(), listener(syn_rate=None, local_port=2**16 - 1), {"new": [1, None]}]
    daemon = roster(rows)
    assert daemon.run("listeners", "--json").stdout.encode() == lines(rows)
    assert [request.split()[1] for request in daemon.requests] == ["/v1/listeners"]


@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["text", "json"])
def test_listeners_watched(roster, arguments):
    """One table after the other, each what the daemon says by then, as whole as without --watch."""
    rows = [listener(syn_queue=2)]
    daemon = roster(rows)
    second = daemon.run("listeners", *arguments).stdout
    rows[0] = listener(syn_queue=1)
    first = daemon.run("listeners", *arguments).stdout
    between = "" if arguments else "\n"
    with subprocess.Popen([CTL, "--socket", daemon.path, "listeners", "--watch", *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        def take(text):
            return "".join(process.stdout.readline() for _ in text.splitlines())

        assert take(first) == first
        rows[0] = listener(syn_queue=2)
        while (text := take(between + second)) == between + first:
            pass  # it had been asked for before
        assert text == between + second
        process.terminate()
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


def test_list_of_nothing(fake):
    daemon = fake(rows_answer([]))
    assert daemon.run("list").stdout.split() == ["STATE", "AGE", "RECV-Q", "SEND-Q", "LOCAL", "REMOTE", "OWNER"]
    assert daemon.run("list", "--json").stdout == ""


def test_rows_come_in_pieces(fake):
    body = lines([row(cookie=n) for n in range(50)])
    daemon = fake(STREAM + b"".join(chunk(body[i:i + 7]) for i in range(0, len(body), 7)) + STREAM_END)
    assert daemon.run("list", "--json").stdout == body.decode()


def test_rows_are_printed_as_they_come(fake):
    going = threading.Event()

    def answer(connection):
        connection.sendall(STREAM + chunk(lines([row()])))
        assert going.wait(30)
        connection.sendall(STREAM_END)

    daemon = fake(answer)
    with subprocess.Popen([CTL, "--socket", daemon.path, "list"], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().startswith(b"STATE")
        assert process.stdout.readline().startswith(b"close_wait")
        going.set()
        assert process.wait(30) == 0


def test_config(fake):
    daemon = fake(document({"daemon": {"mode": "auto", "max_connections": 1000},
                            "metrics": {"listen": ["127.0.0.1:1", "[::1]:1"], "compat": "none"}}))
    assert daemon.run("config").stdout == (
        "[daemon]\nmode = auto\nmax_connections = 1000\n\n"
        "[metrics]\nlisten = 127.0.0.1:1\nlisten = [::1]:1\ncompat = none\n")
    assert fake(document({"metrics": {"listen": []}})).run("config").stdout == "[metrics]\nlisten = off\n"


def test_json_is_passed_on(fake):
    rows = [row(cookie=2**64 - 1, age_seconds=0.1), row(netns=1), {"new": [1, {"a": None}], "e": 1e-7}]
    daemon = fake(rows_answer(rows))
    assert [json.loads(line) for line in daemon.run("list", "--json").stdout.splitlines()] == rows
    whole = status()
    for command in ["status", "states"]:
        assert json.loads(fake(document(whole)).run(command, "--json").stdout) == whole


def watch(daemon, *arguments, wait_for, stop=signal.SIGINT):
    """What watch prints up to a line with wait_for in it; then it is stopped."""
    process = subprocess.Popen([CTL, "--socket", daemon.path, "watch", *arguments], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env={**os.environ, "TZ": "UTC"})
    with process:
        text = ""
        while wait_for not in text:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            text += line
        process.send_signal(stop)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""
        return text + process.stdout.read()


def stream_and_wait(rows, separator=b""):
    def answer(connection):
        connection.sendall(STREAM)
        for r in rows:
            connection.sendall(chunk(lines([r]) + separator))
        connection.recv(1)

    return answer


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_watch(fake, stop):
    daemon = fake(stream_and_wait([
        transition(), {"missed": 17}, transition(pid=5, comm="curl"),
        transition(**{"from": "syn_sent", "to": "close"}, pid=5, comm="curl", error="ECONNREFUSED"),
        transition(netns=OWN_NETNS + 1)], b"\n\r\n"))
    assert watch(daemon, wait_for="netns", stop=stop) == f"""\
14:13:20.123 established->close_wait 127.0.0.1:8080        192.168.100.200:47110
(missed 17 transitions: this reader was too slow)
14:13:20.123 established->close_wait 127.0.0.1:8080        192.168.100.200:47110 curl/5
14:13:20.123 syn_sent->close         127.0.0.1:8080        192.168.100.200:47110 curl/5 ECONNREFUSED
14:13:20.123 established->close_wait 127.0.0.1:8080        192.168.100.200:47110 netns:{OWN_NETNS + 1}
"""


def test_watch_json(fake):
    rows = [transition(), {"missed": 17}, transition(cookie=9)]
    text = watch(fake(stream_and_wait(rows, b"\n")), "--json", wait_for='"cookie": 9')
    assert [json.loads(line) for line in text.splitlines()] == rows


@pytest.mark.parametrize("heartbeat", [b"\n", lines([transition()])], ids=["silent", "busy"])
def test_watch_ends_with_its_reader(fake, heartbeat):
    def answer(connection):
        connection.sendall(STREAM + chunk(lines([transition()])))
        while True:
            time.sleep(0.05)
            connection.sendall(chunk(heartbeat))

    daemon = fake(answer)
    with subprocess.Popen([CTL, "--socket", daemon.path, "watch"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(10) == 0
        assert process.stderr.read() == b""


def test_list_ends_with_its_reader(fake):
    daemon = fake(rows_answer([row()] * 10000))
    result = subprocess.run(f"{CTL} --socket {daemon.path} list | head -1; echo ${{PIPESTATUS[0]}}", shell=True,
                            executable="/bin/bash", text=True, capture_output=True, timeout=60)
    assert result.stdout.startswith("STATE") and result.stdout.endswith("\n0\n")
    assert result.stderr == ""


def test_reader_is_gone(fake):
    for command, answer in [("status", document(status())), ("list", rows_answer([row()]))]:
        reading, writing = os.pipe()
        os.close(reading)
        result = fake(answer).run(command, stdout=writing)
        os.close(writing)
        assert (result.returncode, result.stderr) == (0, "")


def test_full_disk(fake):
    for command, answer in [("status", document(status())), ("list", rows_answer([row()])),
                            ("list", rows_answer([row()] * 10000))]:
        with open("/dev/full", "w") as full:
            result = fake(answer).run(command, stdout=full)
        assert result.returncode == 1
        assert re.fullmatch("tcpwatchctl: cannot write the output: No space left.*\n", result.stderr)


def test_closed_output(fake):
    """What is meant for a reader does not go to the daemon, whose socket would have the number."""
    for command, answer in [("status", document(status())), ("list", rows_answer([row()] * 10000))]:
        closed = ("sh", "-c", 'exec "$@" 1>&-', "sh", CTL, "--socket", fake(answer).path, command)
        result = subprocess.run(closed, capture_output=True, text=True, timeout=60)
        assert_refused(result, 1, "cannot write the output: Bad file descriptor")


# Colour


def run_on_terminal(daemon, *arguments, **environment):
    controller, terminal = pty.openpty()
    variables = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    try:
        result = daemon.run(*arguments, stdout=terminal, env={**variables, "TERM": "xterm", **environment})
        os.close(terminal)
        assert result.returncode == 0
        text = b""
        with contextlib.suppress(OSError):  # EIO: the terminal's other end is closed
            while True:
                text += os.read(controller, 65536)
        return text.decode()
    finally:
        os.close(controller)


def test_color(fake):
    daemon = fake(document(status()))
    plain = daemon.run("states").stdout
    assert "\033" not in plain
    colored = run_on_terminal(daemon, "states")
    assert "\033[1mSTATE\033[0m" in colored
    assert re.sub(r"\033\[\d*m", "", colored).replace("\r", "") == plain
    assert "\033" in run_on_terminal(daemon, "states", NO_COLOR="")
    for arguments, environment in [
            (["--no-color"], {}), (["--json"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "dumb"})]:
        assert "\033" not in run_on_terminal(daemon, "states", *arguments, **environment)


def styled(number, text):
    return f"\033[{number}m{text}\033[0m"


def test_color_of_listeners(roster):
    """Nearly full is yellow and full red, both of the queue and of its bar."""
    rows = [listener(syn_queue=1), listener(syn_queue=103, accept_queue=128, syn_rate=None),
            listener(syn_queue=128, accept_queue=102), listener(netns=OWN_NETNS + 1)]
    daemon = roster(rows)
    plain = daemon.run("listeners").stdout
    assert "\033" not in plain
    text = run_on_terminal(daemon, "listeners").replace("\r", "")
    assert re.sub(r"\033\[\d*m", "", text) == plain
    assert re.findall(r"\033\[\d+m.*?\033\[0m", text) == [
        *(styled(1, title) for title in ["LOCAL", "SYN QUEUE", "ACCEPT", "SYN/S", "COOKIES/S", "OWNER"]),
        styled(36, "#"),
        styled(33, "103/128"), styled(33, "####"), styled(31, "128/128"), styled(2, "-"),
        styled(31, "128/128"), styled(31, "#####"),
        styled(2, f"netns:{OWN_NETNS + 1}"),
        styled(33, "SYNs: 1235/s from about 2 networks, most from 203.0.113.0/24")]
    assert "\033" not in run_on_terminal(daemon, "listeners", "--no-color")


# Hostile strings


EVIL = "a\033[2J\r\n\t\x00\x7f\x9b31m\u202eä"


def evil(value):
    """The value with every string in it made hostile."""
    if isinstance(value, dict):
        return {k: evil(v) for k, v in value.items()}
    return value + EVIL if isinstance(value, str) else value


@pytest.mark.parametrize("raw", [False, True], ids=["escaped", "raw"])
@pytest.mark.parametrize("command", COMMANDS)
def test_escape_sequences(fake, command, raw):
    """As JSON escapes, and as raw bytes, which JSON forbids and json-c reads."""
    value = {"status": status(), "states": status(), "config": {"daemon": {"mode": "auto"}},
             "resync": {"resync": "started"}, "reload": {"reloaded": True}, "list": row(), "watch": transition()}[command]
    body, expected = json.dumps(evil(value)).encode(), evil(value)
    if raw:
        for escape, byte in [(rb"\u001b", b"\033"), (rb"\u007f", b"\x7f"), (rb"\u009b", b"\x9b"),
                             (rb"\u00e4", b"\xe4")]:
            body = body.replace(escape, byte)
        expected = json.loads(body.decode(errors="replace"), strict=False)
    daemon = fake(STREAM + chunk(body + b"\n") + STREAM_END)
    text = daemon.run(command)
    assert re.fullmatch(r"[ -~\n]+", text.stdout), text.stdout
    assert text.stdout.count("\n") < 20
    result = daemon.run(command, "--json")
    assert not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f]", result.stdout)
    (line,) = result.stdout.splitlines()
    assert json.loads(line) == expected


def test_escape_sequences_in_an_error(fake):
    answer = document({"error": "no\033[2J such\nthing"}, "404 Not Found")
    assert_refused(fake(answer).run("status"), 1, "no?[2J such?thing")


def test_escape_sequences_in_a_section(fake):
    result = fake(document({"a\033[2J\n": {"b\033\n": ["c\033\n"]}})).run("config")
    assert result.stdout == "[a?[2J?]\nb?? = c??\n"


# Broken daemons


@pytest.mark.parametrize("code", ["400 Bad Request", "403 Forbidden", "404 Not Found", "503 Unavailable"])
@pytest.mark.parametrize("command", ["status", "list", "watch", "resync", "reload"])
def test_error_sentence(fake, command, code):
    sentence = "port '0' is not a port: use 1 to 65535"
    for end in [b"", b"\n"]:
        body = json.dumps({"error": sentence}).encode() + end
        result = fake(document(body, code)).run(command)
        assert_refused(result, 1)
        assert result.stderr == f"tcpwatchctl: {sentence}\n"


def test_error_without_sentence(fake):
    for body in [b"", b"<html>\nno</html>", b"{}", b'{"error":7}', b"[]", b"x" * 100000]:
        assert_refused(fake(document(body, "500 Internal Server Error")).run("list"), 1, "500")


def endless(head, data):
    def answer(connection):
        connection.sendall(head)
        while True:
            connection.sendall(data)

    return answer


@contextlib.contextmanager
def bounded_memory():
    """That no child takes more; the kernel keeps the maximum over all children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    yield
    after = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert after == before or after * 1024 < MEMORY_MAX


PLAIN = b"HTTP/1.1 200 OK\r\n\r\n"


ENDLESS = {
    "line": ("list", endless(PLAIN, b"x" * 65536), ["a line of more than", str(LINE_MAX - 1)]),
    "watched line": ("watch", endless(PLAIN, b"x" * 65536), ["a line of more than"]),
    "document": ("status", endless(PLAIN, b" " * 65536), ["a document of more than", str(DOCUMENT_MAX)]),
    "headers": ("list", endless(b"HTTP/1.1 200 OK\r\n", b"X-Filler: " + b"y" * 1000 + b"\r\n"), ["headers"]),
    "header": ("list", endless(b"HTTP/1.1 200 OK\r\n", b"y" * 65536), ["not tcpwatchd"]),
    "interim answers": ("list", endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), ["headers"]),
    "error": ("list", endless(b"HTTP/1.1 500 No\r\n\r\n", b"z" * 65536), ["500"]),
    "error of many lines": ("list", endless(b"HTTP/1.1 500 No\r\n\r\n", b"z\n" * 32768), ["500"]),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_endless(fake, name):
    command, answer, words = ENDLESS[name]
    with bounded_memory():
        assert_refused(fake(answer).run(command), 1, *words)


def test_line_of_the_greatest_length(fake):
    value = row(local="")
    value["local"] = "x" * (LINE_MAX - 1 - len(json.dumps(value)))
    assert len(json.dumps(value)) == LINE_MAX - 1
    assert json.loads(fake(rows_answer([value])).run("list", "--json").stdout) == value
    value["local"] += "x"
    assert_refused(fake(rows_answer([value])).run("list", "--json"), 1, "a line of more than")


BODY = lines([row()])


DEATHS = {  # and how many rows came before
    "at once": ("status", b"", 0),
    "in a document": ("status", b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n{", 0),
    "before the rows": ("list", STREAM, 0),
    "after a row": ("list", STREAM + chunk(BODY), 1),
    "in a row": ("list", STREAM + chunk(BODY + BODY)[:-20], 1),
    "after a row, length known": ("list", b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + BODY, 1),
    "in a row, length unknown": ("list", PLAIN + BODY + BODY[:50], 1),
    "while watched": ("watch", STREAM + chunk(lines([transition()])), 1),
}


@pytest.mark.parametrize("name", DEATHS)
def test_daemon_dies(fake, name):
    command, answer, rows = DEATHS[name]
    result = fake(answer).run(command)
    assert result.returncode == 1
    assert re.fullmatch("tcpwatchctl: .* closed the connection before its answer was complete.*\n", result.stderr)
    assert result.stdout.count("close_wait") == rows


def test_watch_ended_by_the_daemon(fake):
    result = fake(rows_answer([transition()])).run("watch")
    assert result.returncode == 1
    assert "established->close_wait" in result.stdout
    assert "ended the stream" in result.stderr


def test_not_http(fake):
    for answer in [b"SSH-2.0-OpenSSH_9.2p1\r\n", b"\0" * 1000, b"\xff" * 1000, b"{}\n",
                   b"HTTP/1.1 abc\r\n\r\n"]:
        assert_refused(fake(answer).run("status"), 1, "is not tcpwatchd")


def test_not_json(fake):
    for body in [b"", b"hello", b"[]", b"7", b'"x"', b"null", b"{} {}", b'{"a":1', b"{\0}", b"{}\0x", b'{"a":"\0"}',
                 b"[" * 20000, b'{"a":' * 1000 + b"1" + b"}" * 1000, b"\xff\xfe{}"]:
        assert_refused(fake(document(body)).run("status"), 1, "no JSON object")
        if body:
            assert_refused(fake(document(body + b"\n")).run("list"), 1, "no JSON object")


def test_status_without_states(fake):
    for body in [{}, {"states": 7}, {"states": []}]:
        for command in ["status", "states"]:
            assert_refused(fake(document(body)).run(command), 1, "/v1/status")


ODD = [None, True, -1, 0.5, 2**64 - 1, 2**64, -2**63, float("1e308"), "", "x" * 5000, [], [[]], {}, {"x": {}}]


def changed(value):
    """The value with one member after another replaced by what it should not be, or left out."""
    for key, member in value.items():
        for odd in ODD:
            yield {**value, key: odd}
        yield {k: v for k, v in value.items() if k != key}
        if isinstance(member, dict):
            for inner in changed(member):
                yield {**value, key: inner}


def test_odd_members_of_rows(fake):
    rows = list(changed(row()))
    result = fake(rows_answer(rows)).run("list")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("\n") == len(rows) + 1
    rows = list(changed(transition())) + list(changed({"missed": 1}))
    result = fake(rows_answer(rows)).run("watch")
    assert "ended the stream" in result.stderr
    assert result.stdout.count("\n") == len(rows)


def test_odd_members_of_a_status(fake):
    bodies = iter(every := list(changed(status(namespaces=[]))))
    daemon = fake(lambda connection: connection.sendall(document(next(bodies))))
    for n in range(len(every)):
        result = daemon.run(["status", "states"][n % 2])
        assert result.returncode in (0, 1), (n, result)
        assert bool(result.stderr) == (result.returncode == 1)


def test_silent_daemon(fake):
    """A hanging daemon is given up, but not for as long as only the reader takes its time."""
    silent = fake(lambda connection: connection.recv(1))
    headers = fake(stream_and_wait([]))
    started = time.monotonic()
    processes = [subprocess.Popen([CTL, "--socket", path, command], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
                 for path, command in [(silent.path, "status"), (silent.path, "watch"), (headers.path, "list")]]
    patient = subprocess.Popen([CTL, "--socket", headers.path, "watch"], stdout=subprocess.PIPE)
    many = fake(rows_answer([row()] * 10000))
    paged = subprocess.Popen([CTL, "--socket", many.path, "list"], stdout=subprocess.PIPE)
    for process in processes:
        out, error = process.communicate(timeout=30)
        assert (process.returncode, out) == (1, "")
        assert re.fullmatch("tcpwatchctl: tcpwatchd on .* has been silent for 10 seconds.*\n", error)
    assert time.monotonic() - started > 9
    time.sleep(2)
    assert patient.poll() is None
    patient.terminate()
    assert patient.communicate(timeout=30)[0] == b""
    assert paged.communicate(timeout=30)[0].count(b"\n") == 10001
    assert paged.returncode == 0
