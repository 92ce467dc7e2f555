# SPDX-License-Identifier: GPL-2.0-or-later
"""TIME_WAIT and the orphans' FIN_WAIT2, of which no event tells: neither coming, nor change, nor end (fact 2)."""

import socket
import struct
import time

import pytest

from oracle import assert_right_when_quiet, counts, sockets, wait_for

pytestmark = pytest.mark.both_modes

TCP_LINGER2 = 8


def abort(s):
    """close() with a reset in place of a FIN."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def settled(daemon, netns, **expected):
    """ss shows what the test set up, and the daemon shows the same."""
    wait_for(lambda: all(counts(netns)[s] == n for s, n in expected.items()), 10,
             lambda: f"{expected}: ss has {counts(netns)}")
    assert_right_when_quiet(daemon, netns)


@pytest.mark.parametrize("closer", ["client", "server"])
def test_close(daemon, netns, closer):
    listener = netns.listener()
    for _ in range(5):
        first, second = netns.pair(listener)
        if closer == "server":
            first, second = second, first
        first.close()
        second.close()
    settled(daemon, netns, time_wait=5)
    port = listener.getsockname()[1]
    side = [s.local_port == port for s in sockets(netns) if s.state == "time_wait"]
    assert all(side) if closer == "server" else not any(side)


def test_orphan_ends_when_the_peer_closes(daemon, netns):
    """A minisocket with substate FIN_WAIT2 becomes TIME_WAIT with no event of its own."""
    listener = netns.listener()
    servers = []
    for _ in range(6):
        client, server = netns.pair(listener)
        client.close()
        servers.append(server)
    settled(daemon, netns, fin_wait2=6, time_wait=0)
    for server in servers[:4]:
        server.close()
    settled(daemon, netns, fin_wait2=2, time_wait=4)


def test_orphan_expires(daemon, netns):
    """The peers stay in CLOSE_WAIT, most of them: an orphan whose FIN is acknowledged while close() still has the socket
    becomes no minisocket, and the kernel ends it, and its peer with it, by a reset."""
    netns.sysctl("net.ipv4.tcp_fin_timeout", 4)
    netns.holder().hold("orphan", 7)
    settled(daemon, netns, fin_wait2=7, close_wait=7)
    settled(daemon, netns, fin_wait2=0, time_wait=0)


def test_orphan_of_a_long_fin_timeout(daemon, netns):
    """Past 60 s the orphan stays a whole socket for what is beyond, and then is a minisocket for as long again."""
    netns.sysctl("net.ipv4.tcp_fin_timeout", 68)
    listener = netns.listener()
    servers = []
    for _ in range(4):
        client, server = netns.pair(listener)
        client.close()
        servers.append(server)
    made = time.monotonic()
    settled(daemon, netns, fin_wait2=4)
    servers.pop().close()
    settled(daemon, netns, fin_wait2=3, time_wait=1)
    time.sleep(max(0, made + 8.6 - time.monotonic()))
    settled(daemon, netns, fin_wait2=3, time_wait=1)
    for server in servers:
        server.close()
    settled(daemon, netns, fin_wait2=0, time_wait=4)


def test_no_minisocket_after_linger2(daemon, netns):
    """TCP_LINGER2 below 0 ends a FIN_WAIT2 at close(), as an event 5->7 that leaves nothing behind."""
    listener = netns.listener()
    for _ in range(5):
        client, server = netns.pair(listener)
        client.setsockopt(socket.IPPROTO_TCP, TCP_LINGER2, -1)
        client.shutdown(socket.SHUT_WR)
        wait_for(lambda: server.recv(1) == b"")
        client.close()
        server.close()
    settled(daemon, netns, fin_wait2=0, time_wait=0, listen=1)


def test_no_minisocket_after_abort(daemon, netns):
    listener = netns.listener()
    for _ in range(5):
        client, server = netns.pair(listener)
        client.shutdown(socket.SHUT_WR)
        wait_for(lambda: server.recv(1) == b"")
        abort(client)
        server.close()
    settled(daemon, netns, fin_wait2=0, time_wait=0)


def test_no_minisocket_after_a_reset(daemon, netns):
    """The peer answers a FIN_WAIT2, orphan or not, with RST."""
    listener = netns.listener()
    kept = []
    for orphan in (True, False) * 3:
        client, server = netns.pair(listener)
        client.shutdown(socket.SHUT_WR)
        wait_for(lambda: server.recv(1) == b"")
        if orphan:
            client.close()
        else:
            kept.append(client)
        abort(server)
    settled(daemon, netns, fin_wait2=0, time_wait=0, close_wait=0)


def test_limited_time_wait(daemon, netns):
    """At tcp_max_tw_buckets the kernel keeps no more, and tells nobody."""
    netns.sysctl("net.ipv4.tcp_max_tw_buckets", 4)
    netns.holder().hold("time_wait", 12)
    wait_for(lambda: 0 < counts(netns)["time_wait"] < 12)
    assert_right_when_quiet(daemon, netns)


def test_both_sides_after_a_simultaneous_close(daemon, netns):
    """CLOSING goes on to TIME_WAIT when the lost FIN comes after all: on both sides."""
    clients = netns.holder()
    clients.hold("closing", 4)
    settled(daemon, netns, closing=4, fin_wait2=4)
    clients.release()
    settled(daemon, netns, closing=0, fin_wait2=0, time_wait=8)


def test_orphans_of_a_simultaneous_close(daemon, netns):
    """The same, with the descriptors closed meanwhile."""
    clients = netns.holder()
    clients.hold("closing", 4)
    clients.close()
    assert_right_when_quiet(daemon, netns)
    clients.release()
    settled(daemon, netns, closing=0, time_wait=8)


@pytest.mark.parametrize("kind, left", [("fin_wait1", "fin_wait2"), ("fin_wait1_orphan", "fin_wait2")])
def test_fin_that_comes_late(daemon, netns, kind, left):
    clients = netns.holder()
    clients.hold(kind, 4)
    settled(daemon, netns, fin_wait1=4, established=4)
    clients.release()
    settled(daemon, netns, **{"fin_wait1": 0, left: 4, "close_wait": 4})


def test_last_ack_ends(daemon, netns):
    servers = netns.holder()
    servers.hold("last_ack", 4)
    settled(daemon, netns, last_ack=4, fin_wait2=4)
    servers.release()
    settled(daemon, netns, last_ack=0, time_wait=4)


def test_port_used_again(daemon, netns):
    """connect() from the port of a TIME_WAIT puts an end to it, without an event (tcp_tw_reuse)."""
    netns.sysctl("net.ipv4.tcp_tw_reuse", 0)
    netns.sysctl("net.ipv4.ip_local_port_range", "40000 40003")
    listener = netns.listener(port=50000)
    for _ in range(4):
        client, server = netns.pair(listener)
        client.close()
        server.close()
    settled(daemon, netns, time_wait=4)
    netns.sysctl("net.ipv4.tcp_tw_reuse", 1)
    time.sleep(1.1)  # the peer's clock of timestamps has to move on, and so long a port is kept (tcp_tw_reuse_delay)
    again = netns.pair(listener)
    settled(daemon, netns, time_wait=3, established=2)
    for end in again:
        end.close()
    settled(daemon, netns, time_wait=4, established=0)


def test_syn_ends_a_time_wait(daemon, netns):
    """The server's TIME_WAIT ends when the same client port connects again (tcp_timewait_state_process)."""
    listener = netns.listener()
    client, server = netns.pair(listener)
    name = client.getsockname()
    server.close()
    client.close()
    settled(daemon, netns, time_wait=1)
    time.sleep(1.1)
    client = netns.open_socket()
    client.bind(name)
    client.connect(listener.getsockname())
    settled(daemon, netns, time_wait=0, established=2)


def test_many_ports_closed_by_both(daemon, netns):
    """Hundreds in a moment: TIME_WAIT is exact, not about right."""
    netns.holder().hold("time_wait", 800)
    settled(daemon, netns, time_wait=800)


@pytest.mark.last
def test_expiry_after_60_seconds(expiries, mode):
    expiry = expiries[mode]
    expiry.join()
    assert expiry.error is None
    assert expiry.left() == 0, "the kernel has not let go of them"
    assert expiry.quiet_looks > 20
    assert not expiry.wrong, "\n".join(map(str, expiry.wrong))
