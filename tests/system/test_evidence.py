# SPDX-License-Identifier: GPL-2.0-or-later
"""What is found when an alert fires, of a real leak, and how tcpwatchctl shows it."""

import json
import os
import re
import socket
import subprocess

import pytest

from daemon import TCPWATCHCTL
from oracle import wait_for
from test_alerts import make_watched, rule  # noqa: F401
from test_check import verdict
from test_owners import make_pass

LENGTH_MAX = 8192


@pytest.fixture
def watched(make_watched):  # noqa: F811
    """A daemon of the test's namespace alone with one rule, whose name is leak."""
    def make(**keys):
        daemon = make_watched(rule("leak", for_="0s", **keys), text="")
        daemon.expect("leak is firing")
        return daemon

    return make


def leak(daemon, netns, count, unread=0):
    """Connections that the peer has closed: in some are bytes that nobody reads, in one it is the end, of the others
    the end was read."""
    listener = netns.listener()
    for n in range(count):
        client, server = netns.pair(listener)
        if n < unread:
            client.sendall(b"x" * 10)
        client.shutdown(socket.SHUT_WR)
        if n >= unread + 1:
            assert server.recv(1) == b""  # the end
    return listener


def alert(daemon):
    rows = wait_for(lambda: [row for row in daemon.rows("/v1/alerts", {}) if row["status"] == "firing"], 10)
    assert len(rows) == 1
    return rows[0]


def ctl(daemon, *words):
    return subprocess.run([TCPWATCHCTL, "--socket", daemon.socket, *words], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=30)


def test_leak(watched, netns):
    netns.sysctl("net.ipv4.tcp_keepalive_time", 4711)
    daemon = watched(state="close_wait", scope="process", above=19)
    listener = leak(daemon, netns, 20, unread=12)
    row = alert(daemon)
    found = row["evidence"]
    assert len(json.dumps(found)) < LENGTH_MAX
    assert (found["count"], found["threshold"], found["limit"]) == (20, 19, None)
    assert found["found"] == 20 and found["whole"]
    assert [(o["kind"], o["pid"], o["connections"]) for o in found["owners"]] == [("process", os.getpid(), 20)]
    assert found["remotes"] == [{"remote": "127.0.0.1", "connections": 20}] and found["remotes_other"] == 0
    assert found["prefixes"] == [{"prefix": "127.0.0.0/24", "connections": 20}]
    assert found["ages"]["oldest_seconds"] >= found["ages"]["median_seconds"] >= found["ages"]["youngest_seconds"] >= 0
    assert found["ages"]["exact"] == 20
    # of the last one the end may be read a moment later
    assert found["recv_queue"] in [{"looked_at": 20, "unread": 12, "end_unread": n, "bytes": 120} for n in (13, 14)]
    assert ("established", "close_wait", listener.getsockname()[1]) in [
        (t["from"], t["to"], t["local_port"]) for t in found["transitions"]]
    assert {"name": "net.ipv4.tcp_keepalive_time", "value": 4711} in found["sysctls"]


def test_owners_are_looked_at_again(watched, netns):
    """A pass over all descriptors is made when an alert fires, though by time alone the next is not due for long:
    each that finds nothing new doubles the time."""
    daemon = watched(state="close_wait", scope="process", above=4)
    listener = leak(daemon, netns, 4)
    assert listener
    for _ in range(3):
        make_pass(daemon)
    before = daemon.status()["passes"]["count"]
    client, server = netns.pair(listener)
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    alert(daemon)
    wait_for(lambda: daemon.status()["passes"]["count"] > before, 3, "a pass over all descriptors")


def test_shown(watched, netns):
    """By explain, in words that fit a terminal; check says how bad it is."""
    daemon = watched(state="close_wait", scope="process", above=4, severity="critical")
    assert verdict(ctl(daemon, "check"))[:2] == ("OK", "no alert fires")
    result = ctl(daemon, "explain", "leak")
    assert result.returncode == 1 and "no alert 'leak'" in result.stderr
    leak(daemon, netns, 5, unread=5)
    row = alert(daemon)
    result = ctl(daemon, "explain", "leak")
    assert (result.returncode, result.stderr) == (0, "")
    assert all(len(line) <= 80 and line == line.rstrip() for line in result.stdout.splitlines())
    words = " ".join(result.stdout.split())
    assert re.search(rf"leak firing \(critical\) since {row['since']}", words)
    assert "value 5, above 4" in words
    assert re.search(rf"owners 5 of [^ ]+/{os.getpid()}", words)
    assert "Recv-Q 5 of 5 looked at have unread bytes, 50 in all; of 5 the program has not read the end" in words
    assert "the peer has closed; the program here has not" in words
    word, text, figures = verdict(ctl(daemon, "check"))
    assert word == "CRITICAL" and text == f"leak of {row['target']}"
    assert figures["firing"][0] == 1 and figures["close_wait"][0] == 5


def test_accept_queue(watched, netns):
    """Nobody has accepted them: that is another bug, and the listener's owner is told."""
    daemon = watched(source="accept_queue", scope="listener", above="50%")
    listener = netns.listener(backlog=8)
    for _ in range(6):
        netns.connect(listener).sendall(b"hello")
    found = alert(daemon)["evidence"]
    assert found["limit"] == 8
    wait_for(lambda: alert(daemon)["evidence"]["owners"], 10)
    assert {o["kind"] for o in alert(daemon)["evidence"]["owners"]} == {"unaccepted"}
    assert {s["name"] for s in found["sysctls"]} == {"net.core.somaxconn", "net.ipv4.tcp_abort_on_overflow"}
    assert "open, and not taken by the program" in ctl(daemon, "explain", "leak").stdout
