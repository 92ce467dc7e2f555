# SPDX-License-Identifier: GPL-2.0-or-later
"""Every state held by real sockets: each count equals that of ss, whatever made it."""

import socket

import pytest

import holder
from oracle import assert_right_when_quiet, assert_settles, counts, wait_for

FAMILIES = ("ipv4", "ipv6", "mapped")

# What each kind must show at least, lest a holder that fails makes a test that cannot.
SHOWN = {
    "listen": ["listen"],
    "established": ["established"],
    "half_closed": ["fin_wait2", "close_wait"],
    "orphan": ["fin_wait2", "close_wait"],
    "unaccepted": ["close_wait", "listen"],
    "time_wait": ["time_wait"],
    "reset": ["listen"],
    "syn_sent": ["syn_sent"],
    "syn_recv": ["syn_recv", "syn_sent"],
    "syn_recv_socket": ["syn_recv"],
    "fin_wait1": ["fin_wait1"],
    "fin_wait1_orphan": ["fin_wait1"],
    "last_ack": ["last_ack"],
    "closing": ["closing"],
}


def test_no_kind_is_forgotten():
    assert set(SHOWN) == set(holder.KINDS)


@pytest.mark.both_modes
@pytest.mark.parametrize("kind", SHOWN)
def test_held(daemon, netns, kind):
    sockets = netns.holder()
    for count, family in enumerate(FAMILIES, 2):
        sockets.hold(kind, count, family)
    wait_for(lambda: all(counts(netns)[state] for state in SHOWN[kind]), 5, lambda: counts(netns))
    assert_right_when_quiet(daemon, netns)

    sockets.release()
    sockets.close()
    assert_settles(daemon, netns)


@pytest.mark.both_modes
def test_all_at_once(daemon, netns):
    """All kinds in one namespace, then all ended at once."""
    sockets = netns.holder()
    for count, kind in enumerate(holder.KINDS, 1):
        sockets.hold(kind, count, FAMILIES[count % 3])
    assert_right_when_quiet(daemon, netns)
    sockets.close()
    assert_right_when_quiet(daemon, netns)


@pytest.mark.both_modes
def test_holder_killed(daemon, netns):
    """A process that dies leaves orphans, which are nobody's but still there."""
    sockets = netns.holder()
    for kind in ("listen", "established", "half_closed", "closing", "syn_recv", "last_ack"):
        sockets.hold(kind, 3)
    sockets.process.kill()
    sockets.process.wait()
    assert_right_when_quiet(daemon, netns)


@pytest.mark.both_modes
def test_killed_by_ss(daemon, netns):
    """`ss -K` ends connections from outside, TIME_WAIT and request sockets too."""
    sockets = netns.holder()
    for kind in ("established", "half_closed", "orphan", "time_wait", "syn_recv"):
        sockets.hold(kind, 3)
    assert_settles(daemon, netns)
    netns.run("ss", "-K", "-tn", "state", "connected", capture_output=True)
    found = counts(netns)
    assert found["time_wait"] == found["fin_wait2"] == found["syn_recv"] == 0
    assert_right_when_quiet(daemon, netns)


def test_listeners_come_and_go(daemon, netns):
    """LISTEN to CLOSE and back; a child's 10->3 takes nothing from LISTEN (fact 3)."""
    listeners = [netns.listener() for _ in range(5)]
    held = [netns.pair(listeners[0]) for _ in range(20)]
    assert_settles(daemon, netns)
    assert daemon.status().states_of(netns.inum)["listen"] == 5
    for listener in listeners[1:]:
        listener.close()
    listeners[0].shutdown(socket.SHUT_RDWR)  # LISTEN -> CLOSE, with the descriptor kept
    assert_settles(daemon, netns)
    assert daemon.status().states_of(netns.inum)["listen"] == 0
    listeners[0].listen()
    assert_settles(daemon, netns)
    states = daemon.status().states_of(netns.inum)
    assert (states["listen"], states["established"]) == (1, 2 * len(held))


def test_socket_connected_again(daemon, netns):
    """One socket, one cookie, two connections: connect(AF_UNSPEC) ends the first."""
    listener = netns.listener()
    client, server = netns.pair(listener)
    assert_settles(daemon, netns)
    disconnect(client)
    server.close()
    assert_settles(daemon, netns)
    client.connect(listener.getsockname())
    assert_settles(daemon, netns)
    assert counts(netns)["established"] == 2


def disconnect(s):
    """connect(2) with AF_UNSPEC, which Python's socket does not offer."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    address = (ctypes.c_ushort * 8)()
    assert libc.connect(s.fileno(), address, ctypes.sizeof(address)) == 0


def test_simultaneous_open(daemon, netns):
    """Two sockets that connect to each other: 2->3->1, with SYN_RECV of a whole socket (fact 1)."""
    ends = [netns.open_socket() for _ in range(2)]
    for end in ends:
        end.bind(("127.0.0.1", 0))
        end.setblocking(False)
    ports = [end.getsockname()[1] for end in ends]
    watch = daemon.watch(netns=netns.inum)
    netns.drop(f"tcp dport {{ {ports[0]}, {ports[1]} }} tcp flags & (syn|ack) == syn")
    for end, port in zip(ends, reversed(ports)):
        end.connect_ex(("127.0.0.1", port))
    netns.release()  # each SYN comes again, a second later, and meets the other's
    wait_for(lambda: counts(netns)["established"] == 2)
    assert_settles(daemon, netns)
    moves = [(row["from"], row["to"]) for row in watch.take(4) + watch.rest()]
    assert ("syn_sent", "syn_recv") in moves and ("syn_recv", "established") in moves


@pytest.mark.both_modes
def test_fast_open(daemon, netns):
    """TCP Fast Open: data in the SYN, and a child that is a whole socket while in SYN_RECV."""
    netns.sysctl("net.ipv4.tcp_fastopen", 0x207)  # both sides, and no cookie asked for
    listener = netns.open_socket()
    listener.bind(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
    listener.listen(5)
    netns.drop(f"tcp sport {listener.getsockname()[1]} tcp flags & (syn|ack) == (syn|ack)")
    client = netns.open_socket()
    client.setblocking(False)
    client.sendto(b"x", socket.MSG_FASTOPEN, listener.getsockname())
    server, _ = listener.accept()
    found = counts(netns)
    assert (found["syn_recv"], found["syn_sent"]) == (1, 1)
    assert_settles(daemon, netns)
    netns.release()
    wait_for(lambda: counts(netns)["established"] == 2)
    assert_settles(daemon, netns)
    server.close()
    client.close()
    assert_settles(daemon, netns)


@pytest.mark.both_modes
def test_mptcp(daemon, netns):
    """Subflows are TCP sockets and count; the MPTCP sockets above them are not and do not (fact 7)."""
    listener = netns.listener(protocol=socket.IPPROTO_MPTCP)
    clients = [netns.connect(listener, protocol=socket.IPPROTO_MPTCP) for _ in range(3)]
    servers = [listener.accept()[0] for _ in range(3)]
    assert counts(netns)["established"] == 6
    assert_right_when_quiet(daemon, netns)
    for client in clients[:2]:
        client.close()
    assert_settles(daemon, netns)
    for server in servers:
        server.close()
    assert_right_when_quiet(daemon, netns)


@pytest.fixture(scope="module")
def healed():
    """What daemons had to correct without having lost anything that they knew of."""
    return []


@pytest.fixture
def lone(make_daemon, netns, healed):
    """A daemon for the test's namespace alone, which has no reason ever to look a second time. Once in all these tests
    it may have one: see test_load.py for what a kernel does not tell at all, here of a retransmission's timer."""
    daemon = make_daemon(netns=netns, namespaces="host", metrics={"listen": "off"}).start()
    yield daemon
    resync = daemon.status()["resync"]
    if resync["count"] > 1:
        healed.append(resync)
    assert all((r["count"], r["last_cause"]) == (2, "drift") and r["last_drift"] for r in healed), "a needless resync"
    assert len(healed) <= 1, f"right only by resyncs: {healed}"


def test_mptcp_by_events(lone, netns):
    listener = netns.listener(protocol=socket.IPPROTO_MPTCP)
    for _ in range(3):
        netns.connect(listener, protocol=socket.IPPROTO_MPTCP)
        listener.accept()[0].close()
        assert_right_when_quiet(lone, netns)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_kinds_by_events(lone, netns, family):
    """Not made good by a round of dumps, but right as they came."""
    sockets = netns.holder()
    for kind in SHOWN:
        sockets.hold(kind, 3, family)
        assert_settles(lone, netns)
    assert_right_when_quiet(lone, netns)
    sockets.release()
    sockets.close()
    assert_right_when_quiet(lone, netns)


def test_other_protocols_do_not_count(daemon, netns):
    """UDP has sock_diag rows with TCP's state numbers; they are not ours."""
    with netns.inside():
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    udp.connect(udp.getsockname())
    netns.listener()
    assert_right_when_quiet(daemon, netns)
    assert sum(daemon.status().states_of(netns.inum).values()) == 1
    udp.close()
