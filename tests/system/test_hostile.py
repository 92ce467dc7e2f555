# SPDX-License-Identifier: GPL-2.0-or-later
"""A local user who is not in the group and means no good: what it can neither see nor spoil."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest

from oracle import assert_right_when_quiet, assert_settles, wait_for
from test_alerts import shipped

STRANGER = 54321  # a user that no system has
RANGE = range(100000, 165536)  # the uids of a user's containers: subuid(5)

# Ends without TIME_WAIT, which would outlive it.
CONNECT = """
import socket, struct, sys
listener = socket.create_server(("127.0.0.1", 0), backlog=64)
pairs = []
for _ in range(int(sys.argv[1])):
    client = socket.create_connection(listener.getsockname())
    pairs.append((client, listener.accept()[0]))
    for s in pairs[-1]:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
print("done", flush=True)
sys.stdin.read()
"""

# Clients of /metrics on several addresses, as one address may have few connections.
SLOW = """
import select, socket, sys
socks = []
for number in range(48):
    sock = socket.socket()
    sock.bind((f"127.0.0.{100 + number // 8}", 0))
    sock.settimeout(5)
    sock.connect(("127.0.0.1", int(sys.argv[1])))
    sock.setblocking(False)
    socks.append(sock)

def send(sock, data):
    try:
        sock.send(data)
    except OSError:
        pass

for slow, deaf in zip(socks[::2], socks[1::2]):
    send(slow, b"GET /met")
    send(deaf, b"GET /metrics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" * 64)
print("done", flush=True)
while not select.select([sys.stdin], [], [], 0.1)[0]:
    for sock in socks[::2]:
        send(sock, b"r")
"""

# Processes that make namespaces as fast as they can, use each for a moment, and leave it.
CHURN = """
import ctypes, os, socket, sys
libc = ctypes.CDLL(None)
print("done", flush=True)
while True:
    if os.fork() == 0:
        if libc.unshare(0x50000000):  # CLONE_NEWUSER, CLONE_NEWNET
            os._exit(1)
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", 1))
        os._exit(0)
    os.wait()
"""


@pytest.fixture
def stranger():
    """Runs code as the stranger; what was started ends with the test."""
    with contextlib.ExitStack() as stack:
        def run(code, *arguments, netns=None, uid=STRANGER):
            argv = [sys.executable, "-c", code, *map(str, arguments)]
            drop = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
            argv = netns.command(*drop, *argv) if netns else [*drop, *argv]
            process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
            stack.callback(end, process)
            assert process.stdout.readline() == "done\n"
            return process
        yield run


def end(process):
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def prompt(daemon):
    """Answers within a second, on both sockets."""
    started = time.monotonic()
    assert daemon.status() and daemon.http("/metrics").status == 200
    return time.monotonic() - started < 1


def test_control_socket_is_closed_to_him(daemon):
    """Neither read nor replaced, nor its directory written to."""
    result = subprocess.run(
        ["curl", "--silent", "--unix-socket", daemon.socket, "http://localhost/v1/status"],
        capture_output=True, timeout=30, user=STRANGER, group=STRANGER, extra_groups=[])
    assert (result.returncode, result.stdout) == (7, b"")  # it could not connect
    result = subprocess.run(
        ["rm", "-f", daemon.socket], capture_output=True, timeout=30, user=STRANGER, group=STRANGER, extra_groups=[])
    assert result.returncode != 0 and daemon.status()


def test_neither_process_is_open_to_him(daemon):
    """Not to a debugger, not to a reader of its memory or its descriptors, not to a signal."""
    children = pathlib.Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()
    for pid in (daemon.pid, *map(int, children)):
        for path in ("mem", "environ", "maps"):
            result = subprocess.run(["head", "-c", "1", f"/proc/{pid}/{path}"], capture_output=True, timeout=30,
                                    user=STRANGER, group=STRANGER, extra_groups=[])
            assert result.returncode != 0, (pid, path)
        result = subprocess.run(["kill", str(pid)], capture_output=True, timeout=30,
                                user=STRANGER, group=STRANGER, extra_groups=[])
        assert result.returncode != 0
    assert daemon.status()


@pytest.mark.parametrize("uids", [[STRANGER], RANGE[:8], RANGE[-8:]], ids=["one", "subordinate", "last_of_them"])
@pytest.mark.parametrize("older", [False, True])
def test_table_stays_bounded(make_daemon, netns, stranger, uids, older):
    """More connections than there is room for, of one user or of a range that is his: all are counted, and those of
    others are followed, up to an equal share."""
    limit, held = 300, 60  # of which each is two, and a listener
    # it sees the test's namespace alone: what else is on the host takes no room
    daemon = make_daemon(max_connections=limit, netns=netns, namespaces="host", metrics={"listen": "off"})
    if not older:
        daemon.start()
    processes = [stranger(CONNECT, 400 // len(uids), netns=netns, uid=uid) for uid in uids]
    if older:
        daemon.start()
    assert_right_when_quiet(daemon, netns)
    assert daemon.status().states_of(netns.inum)["established"] == 800
    assert len(daemon.connections()) <= limit and daemon.status()["untracked"] >= 800 - limit
    netns.holder().hold("half_closed", held)
    wait_for(lambda: len(daemon.connections(netns=netns.inum, state="close_wait")) == held, 5,
             lambda: len(daemon.connections(netns=netns.inum, state="close_wait")))
    assert_right_when_quiet(daemon, netns)
    daemon.resync()
    assert_right_when_quiet(daemon, netns)
    assert len(daemon.connections(netns=netns.inum, state="close_wait")) == held
    for process in processes:
        end(process)
    assert_settles(daemon, netns)
    assert daemon.status()["untracked"] == 0


def test_loop_goes_on(daemon, netns, stranger):
    """While he holds connections to /metrics open, feeds some byte by byte, and does not read what others answer."""
    clients = stranger(SLOW, daemon.port)
    stranger(CONNECT, 100, netns=netns)
    netns.holder().hold("half_closed", 3)
    assert_right_when_quiet(daemon, netns)
    started = time.monotonic()
    daemon.status()
    assert time.monotonic() - started < 1
    end(clients)
    wait_for(lambda: prompt(daemon), 15)


def test_churn_of_namespaces(daemon, netns, stranger):
    """Any user can make network namespaces, within one of his own users; each takes the daemon files to open."""
    before = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    process = stranger(CHURN)
    netns.holder().hold("half_closed", 3)
    wait_for(lambda: daemon.status().states_of(netns.inum)["close_wait"] == 3, 5)
    for _ in range(20):
        assert prompt(daemon)
    end(process)
    assert_settles(daemon, netns)
    wait_for(lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) <= before + 64, 15)


def test_more_namespaces_than_files(make_daemon, make_netns):
    """Those who ask are still heard, and it says what it cannot see."""
    first = make_netns()
    first.holder().hold("half_closed", 3)
    daemon = make_daemon(prefix=("prlimit", "--nofile=400:400")).start()
    daemon.expect("more network namespaces than can be followed.*LimitNOFILE")
    spaces = [make_netns() for _ in range(24)]
    wait_for(lambda: "than can be followed" in daemon.text(), 60)
    assert len(daemon.status()["namespaces"]) < len(spaces)
    assert all(prompt(daemon) for _ in range(20))
    assert sum("than can be followed" in line for line in daemon.text().splitlines()) == 1
    for space in spaces:
        space.remove()
    assert_settles(daemon, first)


HOSTILE_NAMES = ("$(touch x)", "`id>x`", "../../../x", "a\nb\tc", "';exit;'", "%n%n%s")

# A listener that accepts nothing: what comes after its queue is full is not answered.
CALL_YOURSELF = """
import socket, sys
with open("/proc/self/comm", "w") as comm:
    comm.write(sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0), backlog=1)
socks = [socket.create_connection(listener.getsockname()) for _ in range(2)]
for _ in range(30):
    socks.append(socket.socket())
    socks[-1].setblocking(False)
    socks[-1].connect_ex(listener.getsockname())
print("done", flush=True)
sys.stdin.read()
"""
PROVOKED = {"accept-queue-full", "connect-stuck"}  # after five seconds, each once for each of his processes
EVIDENCE_FILES, EVIDENCE_SIZE = 8, 16 << 20
EVIDENCE = re.compile(r"\d{8}T\d{6}\.\d{3}Z-[a-z0-9-]+-[A-Za-z0-9._-]*-[0-9a-f]{16}\.json")


def files_of(pid):
    """Paths and flags of what it has open on a disk."""
    found = {}
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        path = os.readlink(link)
        if path.startswith("/") and not path.startswith(("/proc", "/dev/null")):
            info = pathlib.Path(f"/proc/{pid}/fdinfo/{link.name}").read_text()
            found[path] = int(info.split("flags:")[1].split()[0], 8)
    return found


def listing(directory):
    """All that is below it, by path from there."""
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def assert_only_evidence(paths, state, rules):
    """Of what has come: the file of alerts, and evidence, under names that the daemon has made."""
    assert paths >= {"state/alerts", "state/alerts.json"}
    evidence = {path.removeprefix("state/alerts/") for path in paths - {"state/alerts", "state/alerts.json"}}
    assert evidence and all(EVIDENCE.fullmatch(name) for name in evidence), evidence
    rows = [json.loads((state / "alerts" / name).read_text()) for name in evidence]
    assert {row["name"] for row in rows} <= rules
    assert sum((state / "alerts" / name).stat().st_size for name in evidence) <= EVIDENCE_SIZE
    assert all(path.stat().st_mode & 0o137 == 0 for path in (state / "alerts").iterdir())
    return rows


def test_nothing_else_is_written_or_run(make_daemon, netns, stranger):
    """Whatever he calls his processes, whatever he asks for, and whichever of the shipped rules he makes fire: there is
    bounded evidence of that, and nothing in its names is of his choice but letters, digits and dots."""
    daemon = make_daemon(evidence_files=EVIDENCE_FILES)
    daemon.config.write_text(daemon.config.read_text() + shipped())
    daemon.start()
    daemon.expect(" is firing")
    children = pathlib.Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children")
    before, processes = listing(daemon.directory), children.read_text()
    assert "state/alerts" not in before
    for name in HOSTILE_NAMES:
        stranger(CALL_YOURSELF, name, netns=netns)
    for method in ("PUT", "POST", "DELETE", "TRACE", "CONNECT", "OPTIONS"):
        assert daemon.http("/metrics", method).status in (405, 501)
    for path in ("/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/metrics/../../x"):
        assert daemon.http(path).status == 404
    assert_right_when_quiet(daemon, netns)
    assert len(daemon.connections(netns=netns.inum)) >= 32 * len(HOSTILE_NAMES)

    def fired():
        rows = [row["name"] for row in daemon.rows("/v1/alerts", {}) if row["status"] == "firing"]
        return all(rows.count(rule) == len(HOSTILE_NAMES) for rule in PROVOKED)
    wait_for(fired, 20, "his alerts to fire")

    come = listing(daemon.directory) - before
    rows = assert_only_evidence(come, daemon.directory / "state", set(re.findall(r"^\[alert (.*)\]", shipped(), re.M)))
    assert len(rows) == EVIDENCE_FILES  # of more that were written
    assert any(name in row["target"] for row in rows for name in HOSTILE_NAMES if name.isprintable())
    assert children.read_text() == processes and not pathlib.Path(f"/proc/{daemon.pid}/cwd/x").exists()
    opened = {path: flags for path, flags in files_of(daemon.pid).items() if flags & os.O_ACCMODE != os.O_RDONLY}
    assert set(opened) <= {str(daemon.log), "/dev/null"}
    lines = daemon.log.read_text().split("\n")[:-1]
    assert len(lines) < 10 + 2 * len(PROVOKED) * len(HOSTILE_NAMES)
    assert all(re.match(r"<\d>", line) and line.isprintable() for line in lines), lines
