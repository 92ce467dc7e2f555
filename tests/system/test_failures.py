# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that never began, and how the others ended: by reason, with the culprit (facts 6 and 6a)."""

import contextlib
import errno
import os
import socket
import struct
import time

import pytest

from oracle import assert_settles, wait_for

TCP_USER_TIMEOUT = 18


@pytest.fixture
def failures(daemon, netns):
    return Reasons(daemon, netns, "tcpwatch_connect_failures_total",
                   "refused", "timed_out", "unreachable", "no_port", "other")


@pytest.fixture
def endings(daemon, netns):
    return Reasons(daemon, netns, "tcpwatch_closed_total",
                   "normal", "reset", "timed_out", "aborted", "other")


class Reasons:
    """A family of counters by reason; they are the whole host's, on which others may be at work too."""

    def __init__(self, daemon, netns, family, *reasons):
        self.daemon, self.netns, self.family, self.reasons = daemon, netns, family, reasons

    def read(self, scrape):
        metrics = scrape()
        return {reason: metrics.sum(self.family, reason=reason) for reason in self.reasons}

    @contextlib.contextmanager
    def grow(self, **expected):
        """Within the block each grows by just that much, and the others do not."""
        expected = {reason: expected.get(reason, 0) for reason in self.reasons}
        ours = self.daemon.watch(netns=self.netns.inum)
        with self.daemon.scraper() as scrape:
            before, received = self.read(scrape), self.daemon.status()["events"]["received"]
            yield

            def grown():
                now = self.read(scrape)
                return {reason: now[reason] - before[reason] for reason in self.reasons}

            wait_for(lambda: all(n >= expected[reason] for reason, n in grown().items()), 5, grown)
            after = grown()
            alone = self.daemon.status()["events"]["received"] - received == len(ours.rest())
            assert not alone or after == expected


def fail(netns, host, port, error):
    s = netns.open_socket()
    s.settimeout(None)  # with a time-out Python polls, and an ICMP error comes before the kernel heeds it
    with pytest.raises(OSError) as caught:
        s.connect((host, port))
    assert caught.value.errno == error
    s.close()


def test_refused(daemon, netns, failures):
    watch = daemon.watch(netns=netns.inum)
    with failures.grow(refused=3):
        for _ in range(3):
            fail(netns, "127.0.0.1", 1, errno.ECONNREFUSED)
    opened, closed = watch.take(2)
    assert (opened["from"], opened["to"], opened["error"]) == ("close", "syn_sent", None)
    assert (closed["from"], closed["to"]) == ("syn_sent", "close")
    assert closed["error"] == "ECONNREFUSED"
    assert closed["remote_port"] == 1 and closed["local_port"] != 0
    assert_settles(daemon, netns)


def test_timed_out(daemon, netns, failures):
    netns.sysctl("net.ipv4.tcp_syn_retries", 1)
    netns.sysctl("net.ipv4.tcp_syn_linear_timeouts", 0, since=(6, 5))
    netns.drop("tcp dport 9 tcp flags & (syn|ack) == syn")
    watch = daemon.watch(netns=netns.inum, state="close")
    with failures.grow(timed_out=1):
        fail(netns, "127.0.0.1", 9, errno.ETIMEDOUT)
    assert [row["error"] for row in watch.take(2)] == [None, "ETIMEDOUT"]
    assert_settles(daemon, netns)


def test_unreachable(daemon, netns, failures):
    """A router's word: an ICMP error for the SYN."""
    netns.nft(
        "add table inet test",
        "add chain inet test in { type filter hook input priority 0; }",
        "add rule inet test in tcp dport 9 reject with icmpx type host-unreachable")
    watch = daemon.watch(netns=netns.inum, state="close")
    with failures.grow(unreachable=1):
        fail(netns, "127.0.0.1", 9, errno.EHOSTUNREACH)
    assert [row["error"] for row in watch.take(2)] == [None, "EHOSTUNREACH"]


def test_no_route(daemon, netns, failures):
    """Without a route connect() fails before it changes any state: there is nothing to see, or to get wrong."""
    with failures.grow():
        fail(netns, "192.0.2.1", 9, errno.ENETUNREACH)
    assert_settles(daemon, netns)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_no_port(daemon, netns, failures, family):
    """Six ports and eight connections: exactly two find none left, and it is known whose they were."""
    netns.sysctl("net.ipv4.ip_local_port_range", "40000 40005")
    listener = netns.listener(family, port=50001)
    watch = daemon.watch(netns=netns.inum, state="syn_sent")
    with failures.grow(no_port=2):
        for number in range(8):
            s = netns.open_socket(family)
            assert s.connect_ex(listener.getsockname()) == (0 if number < 6 else errno.EADDRNOTAVAIL)
    rows = [row for row in watch.take(16) if row["from"] == "syn_sent" and row["to"] == "close"]
    assert len(rows) == 2
    for row in rows:
        assert (row["pid"], row["remote_port"], row["local_port"]) == (os.getpid(), 50001, 0)
        assert row["remote"] == listener.getsockname()[0]
    assert_settles(daemon, netns)


def test_given_up(daemon, netns, failures):
    """close() of a connect() that still waits."""
    netns.drop("tcp dport 9 tcp flags & (syn|ack) == syn")
    s = netns.begin(("127.0.0.1", 9))
    assert_settles(daemon, netns)
    with failures.grow(other=1):
        s.close()
    assert_settles(daemon, netns)


def test_closed_in_order(daemon, netns, endings):
    listener = netns.listener()
    first, second = netns.pair(listener)
    with endings.grow(normal=2):
        first.close()
        second.close()


def test_listener_closed(daemon, netns, endings, failures):
    """LISTEN to CLOSE is neither a failure nor the end of a connection."""
    listener = netns.listener()
    with endings.grow(), failures.grow():
        listener.close()
        assert_settles(daemon, netns)


@pytest.mark.parametrize("shut", [False, True])
def test_aborted_and_reset(daemon, netns, endings, shut):
    """SO_LINGER 0: this side aborts, the other is reset."""
    first, second = netns.pair(netns.listener())
    if shut:
        second.shutdown(socket.SHUT_WR)
        assert first.recv(1) == b""
    first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with endings.grow(aborted=1, reset=1):
        first.close()
    second.close()
    assert_settles(daemon, netns)


def test_aborted_with_unread_data(daemon, netns, endings):
    first, second = netns.pair(netns.listener())
    first.send(b"never read")
    with endings.grow(aborted=1, reset=1):
        second.close()
    first.close()
    assert_settles(daemon, netns)


def test_peer_fell_silent(daemon, netns, endings):
    first, second = netns.pair(netns.listener())
    netns.drop("tcp flags & syn == 0")
    first.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 500)
    with endings.grow(timed_out=1):
        first.send(b"x")
        time.sleep(0.5)
    assert_settles(daemon, netns)
    netns.release()
    second.close()
