# SPDX-License-Identifier: GPL-2.0-or-later
"""Lost events are known, told, and made good; so are a killed daemon's (fact 8)."""

import signal
import time

import pytest

from oracle import assert_right_when_quiet, assert_settles, compare, wait_for


def overflow(daemon, netns):
    """Many more transitions than the ring holds, while nobody reads it."""
    daemon.signal(signal.SIGSTOP)
    load = netns.load(seed=7, connections=1500, keep=0.1)
    load.wait()
    held = netns.holder()
    for kind in ("half_closed", "orphan", "time_wait", "syn_recv", "closing", "listen"):
        held.hold(kind, 4)
    daemon.signal(signal.SIGCONT)
    return load


@pytest.fixture
def small(make_daemon, netns):
    """A daemon with a small ring that has this namespace alone to fill it."""
    return make_daemon(ring_size="256K", netns=netns, namespaces="host")


def resyncs(metrics):
    return metrics.sum("tcpwatch_resyncs_total", cause="loss")


def test_ring_overflow(small, netns):
    with netns.inside():
        daemon = small.start()
        before = daemon.metrics()
    assert before.sum("tcpwatch_events_lost_total") == 0 and resyncs(before) == 0

    load = overflow(daemon, netns)
    assert_right_when_quiet(daemon, netns)  # "right again within a second"

    with netns.inside():
        metrics = daemon.metrics()
    assert metrics.sum("tcpwatch_events_lost_total") > 0
    assert resyncs(metrics) >= 1
    status = daemon.status()
    assert status["events"]["lost"] > 0
    assert status["resync"]["last_cause"] == "loss" and status["resync"]["last_drift"] > 0

    load.end()
    assert_right_when_quiet(daemon, netns)


def test_lost_twice(small, netns):
    """The second loss is made good as the first was."""
    with netns.inside():
        daemon = small.start()
    for number in (1, 2):
        overflow(daemon, netns)
        with netns.inside():
            wait_for(lambda: resyncs(daemon.metrics()) >= number)
        assert_right_when_quiet(daemon, netns)


def test_stopped_without_loss(make_daemon, netns):
    """A daemon that slept for a while has its events in the ring: no loss, no drift."""
    daemon = make_daemon(ring_size="8M").start()
    daemon.signal(signal.SIGSTOP)
    load = netns.load(seed=8, connections=400, keep=0.1)
    load.wait()
    daemon.signal(signal.SIGCONT)
    assert_settles(daemon, netns)
    assert daemon.resync()["last_drift"] == 0 or daemon.status()["events"]["lost"] > 0


def test_stopped_beyond_the_life_of_connections(make_daemon, netns):
    """Events that come late are older than the dump that follows them, and change nothing in it."""
    daemon = make_daemon(ring_size="8M").start()
    netns.sysctl("net.ipv4.tcp_fin_timeout", 1)
    held = netns.holder()
    daemon.signal(signal.SIGSTOP)
    held.hold("orphan", 10)
    held.hold("time_wait", 10)
    time.sleep(2.5)
    daemon.signal(signal.SIGCONT)
    assert_right_when_quiet(daemon, netns)


@pytest.mark.both_modes
def test_killed_and_started_again(make_daemon, netns):
    """The stale control socket is taken over, and the counts are right at once."""
    daemon = make_daemon().start()
    load = netns.load(seed=9, connections=200, keep=0.2)
    load.wait()
    daemon.kill()
    assert daemon.socket.exists()
    held = netns.holder()
    held.hold("half_closed", 5)
    daemon.start()
    assert not compare(daemon, [netns])
    load.end()
    assert_right_when_quiet(daemon, netns)


def test_killed_under_load(make_daemon, netns):
    daemon = make_daemon().start()
    load = netns.load(seed=10, seconds=3, keep=0.05)
    for _ in range(3):
        time.sleep(0.3)
        daemon.kill()
        daemon.start()
    load.wait()
    assert_right_when_quiet(daemon, netns)
    assert daemon.resync()["last_drift"] == 0 or daemon.status()["events"]["lost"] > 0
