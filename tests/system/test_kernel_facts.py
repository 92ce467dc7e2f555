# SPDX-License-Identifier: GPL-2.0-or-later
"""What the model takes for granted of the kernel, seen on the kernel that runs: a daemon built on other facts
would count wrong."""

import collections
import operator
import os
import re
import socket
import struct
import time

import pytest

from oracle import counts, patient, wait_for
from recording import transitions

# linux/sock_diag.h, linux/inet_diag.h, linux/netlink.h
NETLINK_SOCK_DIAG = 4
TCPDIAG_GETSOCK = 18
NLM_F_REQUEST, NLM_F_DUMP, NLMSG_DONE = 1, 0x300, 3
HEADER = struct.Struct("=IHHII")
REQUEST = struct.Struct("=4B48sII")
MESSAGE = struct.Struct("=4B2s2s16s16sI2I5I")
ATTRIBUTE = struct.Struct("=HH")
INET_DIAG_SHUTDOWN, INET_DIAG_CGROUP_ID = 8, 21
Row = collections.namedtuple("Row", "family state port peer cookie inode retransmits expires attributes")

ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, TIME_WAIT = 1, 2, 3, 4, 5, 6
CLOSE, CLOSE_WAIT, LAST_ACK, LISTEN = 7, 8, 9, 10


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
    all_of_it = [e for e in transitions(path) if e.netns == netns.inum]
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
        fields[0], fields[1], int.from_bytes(fields[4], "big"), int.from_bytes(fields[5], "big"),
        fields[9] | fields[10] << 32, fields[15], fields[3], fields[11] / 1000, attributes)


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


def timers(netns, state):
    """What ss says, by both ports: which timer runs, for how many seconds more, and how often it ran out."""
    units = {"ms": 0.001, "sec": 1, "min": 60}
    found = {}
    for line in netns.run("ss", "-Htano", "state", state, capture_output=True, text=True).stdout.splitlines():
        name, left, count = re.search(r"timer:\((\w+),([\w.]*),(\d+)\)", line).groups()
        # ss puts a point in place of the thousands' comma: 1.788ms is 1788 ms
        rest = [(float(n.replace(".", "") if unit == "ms" else n), units[unit])
                for n, unit in re.findall(r"([\d.]+)(ms|sec|min)", left)]
        ports = tuple(int(address.rpartition(":")[2]) for address in line.split()[2:4])
        found[ports] = (name, sum(n * unit for n, unit in rest), int(count))
    return found


class Since:
    """A time that is known from a moment before and one after."""

    def __enter__(self):
        self.before = time.monotonic()
        return self

    def __exit__(self, *_):
        self.after = time.monotonic()

    def agrees(self, ages, looked, more=0):
        least, most = looked.before - self.after - 0.25, looked.after - self.before + 0.1 + more
        return all(least <= age <= most for age in ages)

    def __repr__(self):
        return f"{self.before:.3f}..{self.after:.3f}"


def rows_in(netns, state):
    """By both ports."""
    return {(r.port, r.peer): r for r in dump(netns) if r.state == state}


def two_looks(netns, state, name, timer):
    """Rows by both ports, and when they were seen: ss says the same of each timer, less what went by between the two
    looks. Looked again when a timer ran out in the meantime. name: of the state, as ss has it."""
    for _ in range(5):
        with Since() as looked:
            first = rows_in(netns, state)
        with Since() as again:
            second = timers(netns, name)
        if {p: r.retransmits for p, r in first.items()} == {p: count for p, (_, _, count) in second.items()}:
            break
    assert sorted(first) == sorted(second)
    for ports, (kind, left, count) in second.items():
        assert (kind, count) == (timer, first[ports].retransmits)
        assert round(left, 3) <= first[ports].expires
        truncated = 1 if left > 9 else 0
        assert looked.agrees([first[ports].expires - left], again, truncated), (first[ports], left, looked, again)
    return first, looked


def test_timer_of_a_half_open_connection(netns):
    """The SYN-ACK goes out again after 1, 3, 7 s, of which the row has the number and the rest: so it tells the age
    (fact 10). It does not where the client sends its SYN again: each answer counts, and puts the timer off."""
    listener = netns.listener()
    netns.drop(f"tcp sport {listener.getsockname()[1]} tcp flags & (syn|ack) == (syn|ack)")
    with Since() as made:
        silent, repeating = (netns.begin(listener.getsockname()) for _ in range(2))
        ports = [(listener.getsockname()[1], s.getsockname()[1]) for s in (silent, repeating)]
        silent.close()
    for sent in (0, 2):
        wait_for(lambda: rows_in(netns, SYN_RECV)[ports[0]].retransmits >= sent, 10, "the SYN-ACK to go out again")
        rows, looked = two_looks(netns, SYN_RECV, "syn-recv", "on")
        assert rows.keys() == set(ports)
        assert all(r.inode == 0 for r in rows.values())
        row = rows[ports[0]]
        assert made.agrees([2 ** (row.retransmits + 1) - 1 - row.expires], looked), (row, made, looked)
    wait_for(lambda: operator.gt(*(rows_in(netns, SYN_RECV)[p].retransmits for p in reversed(ports))), 5,
             "the one that is asked again to have answered more often")


def test_timer_of_a_minisocket(netns):
    """60 s from the change, of which the row has the rest: TIME_WAIT, and FIN_WAIT2 with the preset tcp_fin_timeout
    (fact 10)."""
    with Since() as made:
        netns.holder().hold("time_wait", 2)
        netns.holder().hold("orphan", 3)
    time.sleep(1)
    for state, name, count in ((TIME_WAIT, "time-wait", 2), (FIN_WAIT2, "fin-wait-2", 3)):
        rows, looked = two_looks(netns, state, name, "timewait")
        assert {(r.inode, r.retransmits) for r in rows.values()} == {(0, 0)}
        assert len(rows) == count
        assert made.agrees([60 - r.expires for r in rows.values()], looked), (rows, made, looked)


def test_sums_of_the_kernel(netns):
    """sockstat's "inuse" is each whole socket in any state but CLOSE, its "tw" the minisockets of both states: what
    ss has, besides the half-open connections. snmp's "CurrEstab" is what is ESTABLISHED, with CLOSE_WAIT or, before
    Linux 6.10 and the stable kernels of that time, without (fact 15)."""
    sockets = netns.holder()
    for number, (kind, family) in enumerate((
            ("listen", "ipv4"), ("half_closed", "ipv6"), ("orphan", "ipv4"), ("orphan", "ipv6"), ("time_wait", "mapped"),
            ("syn_recv", "ipv4"), ("fin_wait1", "ipv4"), ("last_ack", "ipv6"), ("established", "mapped")), 2):
        sockets.hold(kind, number, family)
    wait_for(lambda: counts(netns)["fin_wait1"] == 8, 5, "the other FINs to be acknowledged")
    netns.open_socket().bind(("127.0.0.1", 0))

    def read(name):
        return netns.run("cat", f"/proc/net/{name}", capture_output=True, text=True).stdout

    def told(name, field):
        return int(re.search(rf"^TCP6?:.* ?{field} (\d+)", read(name), re.M)[1])

    true = counts(netns)
    minisockets = true["time_wait"] + 4 + 5
    assert told("sockstat", "tw") == minisockets
    assert told("sockstat", "inuse") + told("sockstat6", "inuse") == sum(true.values()) - minisockets - true["syn_recv"]
    names, numbers = [line.split() for line in read("snmp").splitlines() if line.startswith("Tcp:")]
    assert int(dict(zip(names, numbers))["CurrEstab"]) - true["established"] in (0, true["close_wait"]), true
    assert true["established"] and true["close_wait"]


def test_records_wait_for_the_timer(make_daemon, netns):
    """Not every record wakes the reader: that costs more than all else (fact 8). What it wakes up for is the timer,
    fifty times a second."""
    daemon = make_daemon(netns=netns, namespaces="host", metrics={"listen": "off"}).start()

    def woken():
        with open(f"/proc/{daemon.pid}/status") as f:
            return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", f.read(), re.M)[1])

    received, switches = daemon.status()["events"]["received"], woken()
    netns.load(seed=21, seconds=patient(2)).wait()
    switches = woken() - switches
    received = daemon.status()["events"]["received"] - received
    assert received > 500 and switches < received / 4, (received, switches)
