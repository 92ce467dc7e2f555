# SPDX-License-Identifier: GPL-2.0-or-later
"""At max_connections the counts stay right; only the list is short, and says by how much."""

import pytest

from oracle import assert_right_when_quiet, counts, wait_for

pytestmark = pytest.mark.both_modes

LIMIT = 100


@pytest.fixture
def small(make_daemon, netns):
    """A daemon with a small table, that sees the test's namespace alone: what else is on the host takes no room."""
    return make_daemon(max_connections=LIMIT, netns=netns, namespaces="host", metrics={"listen": "off"})


def test_more_than_the_table_holds(small, netns):
    daemon = small.start()
    listener = netns.listener()
    pairs = [netns.pair(listener) for _ in range(300)]
    assert_right_when_quiet(daemon, netns)
    status = daemon.status()
    assert status["untracked"] >= 601 - LIMIT
    assert LIMIT / 2 < len(daemon.connections()) <= LIMIT

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
    total = sum(counts(netns).values())  # a dump may just have found room for one more
    wait_for(lambda: daemon.status()["untracked"] == total - len(daemon.connections()), 5)


def test_room_again(small, netns):
    """Once there are fewer, all are in the table again."""
    daemon = small.start()
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


def test_full_at_the_start(small, netns):
    """Older sockets that do not all fit."""
    held = netns.holder()
    held.hold("established", 100)
    held.hold("half_closed", 60)
    held.hold("time_wait", 60)
    daemon = small.start()
    assert_right_when_quiet(daemon, netns)
    assert daemon.status()["untracked"] > 0
    held.close()
    assert_right_when_quiet(daemon, netns)


def test_random_lives_in_a_small_table(small, netns):
    daemon = small.start()
    load = netns.load(seed=21, connections=1000, keep=0.1)
    load.wait()
    assert_right_when_quiet(daemon, netns)
    load.end()
    assert_right_when_quiet(daemon, netns)
