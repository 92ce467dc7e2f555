# SPDX-License-Identifier: GPL-2.0-or-later
"""Thousands of connections of random life: the counts afterwards, and the drift meanwhile."""

import pytest

from oracle import assert_right_when_quiet, wait_for


@pytest.mark.both_modes
@pytest.mark.parametrize("seed", [11, 12])
def test_random_lives(daemon, netns, mode, seed):
    """Counts equal those of ss, not by a resync but by themselves."""
    load = netns.load(seed=seed, connections=2000, keep=0.05)
    load.wait()
    assert_right_when_quiet(daemon, netns)
    assert daemon.metrics().sum("tcpwatch_events_lost_total") == 0
    if mode == "ebpf":
        assert daemon.status()["events"]["received"] > 10000
        assert daemon.resync()["last_drift"] == 0
    load.end()
    assert_right_when_quiet(daemon, netns)
    if mode == "ebpf":
        assert daemon.resync()["last_drift"] == 0
        assert daemon.metrics().sum("tcpwatch_resync_drift") == 0


def test_several_namespaces(daemon, make_netns):
    spaces = [make_netns() for _ in range(3)]
    loads = [space.load(seed=number, connections=600, keep=0.1) for number, space in enumerate(spaces)]
    for load in loads:
        load.wait()
    assert_right_when_quiet(daemon, *spaces)
    assert daemon.resync()["last_drift"] == 0


def test_no_drift_under_load(daemon, netns):
    """Rounds of dumps while connections come and go find nothing that the events had not told."""
    load = netns.load(seed=13, seconds=8, keep=0.002)
    drifts = []
    while not load.done():
        drifts.append(daemon.resync()["last_drift"])
    load.wait()
    assert daemon.metrics().sum("tcpwatch_events_lost_total") == 0
    assert drifts == [0] * len(drifts)
    assert_right_when_quiet(daemon, netns)
    assert daemon.resync()["last_drift"] == 0


def test_transitions_add_up(daemon, netns):
    """Each connection of a load makes the ten moves of a plain close, and each is counted once."""
    def moved():
        metrics = daemon.metrics()
        return {
            (a, b): metrics.sum("tcpwatch_transitions_total", **{"from": a, "to": b})
            for a, b in PLAIN}

    listener = netns.listener()
    before = moved()
    for _ in range(50):
        client, server = netns.pair(listener)
        client.close()
        assert server.recv(1) == b""
        server.close()
    wait_for(lambda: all(n - before[move] >= 50 for move, n in moved().items()), 5, moved)
    assert_right_when_quiet(daemon, netns)


PLAIN = (
    ("close", "syn_sent"), ("syn_sent", "established"), ("established", "fin_wait1"),
    ("fin_wait1", "fin_wait2"), ("fin_wait2", "close"), ("listen", "syn_recv"),
    ("syn_recv", "established"), ("established", "close_wait"), ("close_wait", "last_ack"),
    ("last_ack", "close"),
)
