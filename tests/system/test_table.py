# SPDX-License-Identifier: GPL-2.0-or-later
"""At max_connections the counts stay right; only the list is short, and says by how much."""

import pytest

from oracle import assert_right_when_quiet, counts, wait_for

pytestmark = pytest.mark.both_modes

LIMIT = 100


def full(daemon):
    metrics = daemon.metrics()
    return metrics.sum("tcpwatch_table_entries"), metrics.sum("tcpwatch_table_capacity")


def test_more_than_the_table_holds(make_daemon, netns):
    daemon = make_daemon(max_connections=LIMIT)
    daemon.expect("max_connections")
    daemon.start()
    listener = netns.listener()
    pairs = [netns.pair(listener) for _ in range(300)]
    assert_right_when_quiet(daemon, netns)
    status = daemon.status()
    assert status["untracked"] >= 601 - LIMIT
    assert full(daemon) == (LIMIT, LIMIT)
    assert len(daemon.connections()) <= LIMIT

    for client, _ in pairs[:150]:
        client.close()
    assert_right_when_quiet(daemon, netns)
    for _, server in pairs[:150]:
        server.close()
    for client, server in pairs[150:]:
        server.close()
        client.close()
    listener.close()
    assert_right_when_quiet(daemon, netns)


def test_room_again(make_daemon, netns):
    """Once there are fewer, all are in the table again."""
    daemon = make_daemon(max_connections=LIMIT)
    daemon.expect("max_connections")
    daemon.start()
    held = netns.holder()
    held.hold("listen", 300)
    wait_for(lambda: daemon.status()["untracked"] > 0)
    held.close()
    wait_for(lambda: daemon.status()["untracked"] == 0, 10, "untracked to go back to 0")
    held.hold("established", 10)
    held.hold("half_closed", 10)
    assert_right_when_quiet(daemon, netns)
    wait_for(
        lambda: len(daemon.connections(netns=netns.inum)) == sum(counts(netns).values()), 10,
        "the list to be whole again")


def test_full_at_the_start(make_daemon, netns):
    """Older sockets that do not all fit."""
    held = netns.holder()
    held.hold("established", 100)
    held.hold("half_closed", 60)
    held.hold("time_wait", 60)
    daemon = make_daemon(max_connections=LIMIT)
    daemon.expect("max_connections")
    daemon.start()
    assert_right_when_quiet(daemon, netns)
    assert daemon.status()["untracked"] > 0
    held.close()
    assert_right_when_quiet(daemon, netns)


def test_random_lives_in_a_small_table(make_daemon, netns):
    daemon = make_daemon(max_connections=LIMIT)
    daemon.expect("max_connections")
    daemon.start()
    load = netns.load(seed=21, connections=1000, keep=0.1)
    load.wait()
    assert_right_when_quiet(daemon, netns)
    load.end()
    assert_right_when_quiet(daemon, netns)
