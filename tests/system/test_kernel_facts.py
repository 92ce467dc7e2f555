# SPDX-License-Identifier: GPL-2.0-or-later
"""What the model takes for granted of the kernel, seen on the kernel that runs: a daemon built on other facts
would count wrong."""

import collections
import os
import socket
import struct

import pytest

from oracle import patient, wait_for

# include/tcpwatch/record.h and event.h
MAGIC = b"TCPWREC\2"
RECORD = struct.Struct("=HHI")
EVENT = 1
EVENT_BODY = struct.Struct("=QQQ3I3H4B2x16s16s16s")
Event = collections.namedtuple(
    "Event", "time cookie cgroup netns uid pid sport dport error family old new flags saddr daddr comm")

# linux/sock_diag.h, linux/inet_diag.h, linux/netlink.h
NETLINK_SOCK_DIAG = 4
TCPDIAG_GETSOCK = 18
NLM_F_REQUEST, NLM_F_DUMP, NLMSG_DONE = 1, 0x300, 3
HEADER = struct.Struct("=IHHII")
REQUEST = struct.Struct("=4B48sII")
MESSAGE = struct.Struct("=4B2s2s16s16sI2I5I")
ATTRIBUTE = struct.Struct("=HH")
INET_DIAG_SHUTDOWN, INET_DIAG_CGROUP_ID = 8, 21
Row = collections.namedtuple("Row", "family state port cookie inode attributes")

ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2 = 1, 2, 3, 4, 5
CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN = 7, 8, 9, 10


def recorded(path):
    """The transitions of a recording."""
    data = path.read_bytes()
    assert data.startswith(MAGIC)
    at = len(MAGIC)
    found = []
    while at < len(data):
        kind, size, _ = RECORD.unpack_from(data, at)
        if kind == EVENT:
            found.append(Event(*EVENT_BODY.unpack_from(data, at + RECORD.size)))
        at += RECORD.size + size
    return found


@pytest.fixture(params=["ipv4", "ipv6"])
def family(request):
    return {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}[request.param]


@pytest.fixture
def events(make_daemon, netns, tmp_path, family):
    """The transitions of a connection that its client closes first, by whether the port is the listener's."""
    path = tmp_path / "recording"
    daemon = make_daemon(arguments=("--record", path)).start()
    listener = netns.listener(family)
    port = listener.getsockname()[1]
    client, server = netns.pair(listener)
    client.close()
    server.settimeout(patient(10))
    assert server.recv(1) == b""
    server.close()
    wait_for(lambda: daemon.status().states_of(netns.inum)["time_wait"] == 1, 10, "the connection to be closed")
    daemon.stop()
    all_of_it = [e for e in recorded(path) if e.netns == netns.inum]
    return [e for e in all_of_it if e.sport == port], [e for e in all_of_it if e.sport != port]


def test_transitions(events):
    ours, theirs = events
    assert [(e.old, e.new) for e in ours if e.new == LISTEN] == [(CLOSE, LISTEN)]
    assert [(e.old, e.new) for e in ours if e.old != CLOSE] == [
        (LISTEN, SYN_RECV), (SYN_RECV, ESTABLISHED), (ESTABLISHED, CLOSE_WAIT), (CLOSE_WAIT, LAST_ACK),
        (LAST_ACK, CLOSE)]
    assert [(e.old, e.new) for e in theirs] == [
        (CLOSE, SYN_SENT), (SYN_SENT, ESTABLISHED), (ESTABLISHED, FIN_WAIT1), (FIN_WAIT1, FIN_WAIT2),
        (FIN_WAIT2, CLOSE)]
    assert len({e.cookie for e in theirs}) == 1


def test_child_of_a_listener(events):
    """A child that knows its peer has its cookie; one that does not may get another, at its next transition."""
    first, *rest = [e for e in events[0] if LISTEN not in (e.new,) and e.old != CLOSE]
    assert (first.old, first.new) == (LISTEN, SYN_RECV)
    assert len({e.cookie for e in rest}) == 1
    assert all(e.dport for e in rest)
    if first.dport:
        assert first.cookie == rest[0].cookie
        assert (first.saddr, first.daddr) == (rest[0].saddr, rest[0].daddr)
    else:
        assert rest[0].old == SYN_RECV and rest[0].time - first.time < 100_000_000


def test_owner(events):
    """The child's user and cgroup are its listener's, whoever runs when it changes."""
    ours, theirs = events
    assert {e.uid for e in ours + theirs} == {os.getuid()}
    assert len({e.cgroup for e in ours + theirs}) == 1
    assert ours[0].cgroup


def dump(netns):
    """All rows of one request of the older form, which names no family."""
    with netns.inside():
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    with s:
        s.settimeout(patient(10))
        body = REQUEST.pack(0, 0, 0, 0, b"", 0xfff, 0)
        s.send(HEADER.pack(HEADER.size + len(body), TCPDIAG_GETSOCK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body)
        rows = []
        while True:
            data = s.recv(1 << 18)
            at = 0
            while at < len(data):
                length, kind = HEADER.unpack_from(data, at)[:2]
                if kind == NLMSG_DONE:
                    return rows
                assert kind == TCPDIAG_GETSOCK
                rows.append(row(data[at + HEADER.size:at + length]))
                at += length + 3 & ~3


def row(data):
    fields = MESSAGE.unpack_from(data)
    at = MESSAGE.size
    attributes = {}
    while at < len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        attributes[kind] = data[at + ATTRIBUTE.size:at + length]
        at += length + 3 & ~3
    return Row(
        fields[0], fields[1], int.from_bytes(fields[4], "big"), fields[9] | fields[10] << 32, fields[15], attributes)


def test_one_dump_has_both_families(netns):
    ports = {netns.listener(f).getsockname()[1]: f for f in (socket.AF_INET, socket.AF_INET6)}
    assert {r.port: r.family for r in dump(netns)} == ports


def test_dump_tells_the_kinds_apart(netns):
    """Full sockets alone tell how they are shut; they tell their cgroup, and have the cookie of SO_COOKIE."""
    holder = netns.holder()
    for kind in ("established", "half_closed", "orphan", "time_wait", "syn_recv"):
        holder.hold(kind)
    listener = netns.listener()
    # the half-closed one's FIN is acknowledged a moment later
    wait_for(lambda: FIN_WAIT1 not in {r.state for r in dump(netns)}, 5, "the FINs to be acknowledged")
    rows = dump(netns)
    assert {r.state for r in rows if INET_DIAG_SHUTDOWN not in r.attributes} == {3, 5, 6}
    full = [r for r in rows if INET_DIAG_SHUTDOWN in r.attributes]
    assert {r.state for r in full} >= {ESTABLISHED, SYN_SENT, FIN_WAIT2, CLOSE_WAIT, LISTEN}
    assert all(len(r.attributes.get(INET_DIAG_CGROUP_ID, b"")) == 8 for r in full)
    cookie = struct.unpack("=Q", listener.getsockopt(socket.SOL_SOCKET, 57, 8))[0]  # SO_COOKIE
    assert cookie in {r.cookie for r in full if r.port == listener.getsockname()[1]}
