# SPDX-License-Identifier: GPL-2.0-or-later
"""Half-open connections: request sockets, of which the tracepoint says nothing (facts 1, 10 and 16)."""

import pytest

from oracle import assert_right_when_quiet, assert_settles, counts, wait_for

pytestmark = pytest.mark.both_modes


def half_open(netns, listener, count):
    """Clients whose SYN-ACKs are dropped."""
    netns.drop(f"tcp sport {listener.getsockname()[1]} tcp flags & (syn|ack) == (syn|ack)")
    return [netns.begin(listener.getsockname(), listener.family) for _ in range(count)]


def states(daemon, netns):
    return daemon.status().states_of(netns.inum)


@pytest.mark.parametrize("syncookies, shown", [(0, 20), (1, 17), (2, 0)])
def test_backlog(daemon, netns, syncookies, shown):
    """With SYN cookies SYN_RECV stops at backlog + 1; with 2, each SYN gets one and the queue stays empty."""
    netns.sysctl("net.ipv4.tcp_syncookies", syncookies)
    backlog = 16 if syncookies else 64
    listener = netns.listener(backlog=backlog)
    half_open(netns, listener, 20)
    assert counts(netns)["syn_recv"] == shown
    assert_right_when_quiet(daemon, netns)
    assert states(daemon, netns)["syn_recv"] == shown


def test_completed(daemon, netns):
    """The final ACK makes a socket of each: SYN_RECV goes down as ESTABLISHED goes up, and LISTEN stays."""
    listener = netns.listener()
    half_open(netns, listener, 8)
    assert_right_when_quiet(daemon, netns)
    assert states(daemon, netns)["syn_recv"] == 8
    netns.release()
    wait_for(lambda: counts(netns)["established"] == 16)
    assert_right_when_quiet(daemon, netns)
    assert states(daemon, netns)["syn_recv"] == 0


def test_given_up_by_the_client(daemon, netns):
    """The clients close; the SYN-ACK that then gets through is answered with RST."""
    listener = netns.listener()
    clients = half_open(netns, listener, 8)
    assert_settles(daemon, netns)
    for client in clients:
        client.close()
    netns.release()
    wait_for(lambda: counts(netns)["syn_recv"] == 0)
    assert_right_when_quiet(daemon, netns)


def test_expired(daemon, netns):
    netns.sysctl("net.ipv4.tcp_synack_retries", 1)
    listener = netns.listener()
    for client in half_open(netns, listener, 8):
        client.close()
    assert_settles(daemon, netns)
    assert states(daemon, netns)["syn_recv"] == 8
    wait_for(lambda: counts(netns)["syn_recv"] == 0)
    assert_right_when_quiet(daemon, netns)


def test_listener_closed(daemon, netns):
    """Half-open connections and those not accepted yet go with their listener."""
    listener = netns.listener()
    waiting = [netns.connect(listener) for _ in range(3)]
    half_open(netns, listener, 5)
    assert_settles(daemon, netns)
    listener.close()
    wait_for(lambda: counts(netns)["syn_recv"] == 0)
    assert counts(netns)["established"] == 0 and len(waiting) == 3
    assert_right_when_quiet(daemon, netns)


def test_full_accept_queue(daemon, netns):
    """The final ACK finds no room: the client is ESTABLISHED and the server still SYN_RECV."""
    listener = netns.listener(backlog=8)
    half_open(netns, listener, 8)
    listener.listen(2)
    netns.release()
    wait_for(lambda: counts(netns)["syn_recv"] == 5 and counts(netns)["syn_sent"] == 0)
    assert counts(netns)["established"] == 8 + 3
    assert_right_when_quiet(daemon, netns)
    for _ in range(3):
        netns.sockets.append(listener.accept()[0])
    assert_settles(daemon, netns)


def test_several_listeners(daemon, netns, other_netns):
    for space, count in ((netns, 5), (other_netns, 7)):
        sockets = space.holder()
        sockets.hold("syn_recv", count, "ipv4")
        sockets.hold("syn_recv", count + 1, "ipv6")
        sockets.hold("syn_recv", count + 2, "mapped")
    assert_right_when_quiet(daemon, netns, other_netns)
    assert states(daemon, netns)["syn_recv"] == 18
    assert states(daemon, other_netns)["syn_recv"] == 24
