# SPDX-License-Identifier: GPL-2.0-or-later
"""SYNs and RSTs counted where they arrive, whence they come, and what the kernel says of cookies and drops."""

import contextlib
import os
import re
import socket
import struct
import subprocess
import sys
import time

import pytest

from hook import occupied
from netns import HERE, VETH, route_back, veth
from oracle import assert_right_when_quiet, counts, kernel_before, wait_for
from test_doctor import advice
from test_half_open import half_open
from test_listeners import assert_listeners, row_of

FAMILIES = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
PORTS_MAX = 16384  # that are counted one by one


def assert_counting(daemon):
    """Kernels before 6.4 have no BPF netfilter programs; on all others a daemon that counts nothing is broken."""
    if kernel_before(6, 4):
        pytest.skip("this kernel has no BPF netfilter programs")
    assert daemon.status()["syn_accounting"], daemon.text()


@pytest.fixture
def counting(daemon):
    """A daemon that counts SYNs."""
    assert_counting(daemon)
    return daemon


@pytest.fixture
def ends(make_netns):
    """The receiving namespace and the sending one."""
    first, second = make_netns(), make_netns()
    veth(first, second)
    route_back(first)
    return first, second


def target(netns, daemon=None, family=socket.AF_INET, **options):
    """A listener for a flood, once its SYNs are counted."""
    listener = netns.listener(family, host=VETH[family][0], **options)
    if daemon:
        await_counting(daemon, netns, listener)
    return listener


def await_counting(daemon, netns, listener):
    wait_for(lambda: any(row["syn_received_total"] is not None for row in daemon.listeners(
        netns=netns.inum, port=listener.getsockname()[1])), 5, "the port to be counted")


def received(daemon, netns, listener):
    return row_of(daemon, netns, listener)["syn_received_total"]


def netstat(netns):
    """TcpExt of the namespace."""
    text = netns.run("cat", "/proc/net/netstat", capture_output=True, text=True).stdout
    names, values = [line.split()[1:] for line in text.splitlines() if line.startswith("TcpExt: ")]
    return dict(zip(names, map(int, values)))


def assert_received(daemon, netns, listener, count):
    wait_for(lambda: received(daemon, netns, listener) >= count, 5,
             lambda: f"{received(daemon, netns, listener)} of {count} SYNs")
    assert received(daemon, netns, listener) == count


# How many.


@FAMILIES
def test_all_are_counted(counting, ends, family):
    netns, sender = ends
    listener = target(netns, counting, family, backlog=64)
    assert received(counting, netns, listener) == 0
    sent = sender.flood(listener, count=700, rate=2000).wait()
    assert_received(counting, netns, listener, sent)
    assert_listeners(counting, netns)
    assert row_of(counting, netns, listener)["syn_queue"] == 65


def test_those_that_complete(counting, netns):
    """A SYN is one whatever becomes of it; SYN-ACKs and ACKs are none."""
    listener = netns.listener()
    await_counting(counting, netns, listener)
    for _ in range(20):
        netns.pair(listener)
    assert_received(counting, netns, listener, 20)


def test_behind_a_rule_that_drops(counting, ends):
    """They have arrived, and are counted, though no listener sees them."""
    netns, sender = ends
    listener = target(netns, counting)
    netns.drop("tcp flags & (syn|ack) == syn")
    sent = sender.flood(listener, count=300).wait()
    assert_received(counting, netns, listener, sent)
    assert row_of(counting, netns, listener)["syn_queue"] == 0


def test_with_ip_options(counting, netns):
    """An IPv4 header that is longer than usual: record route."""
    listener = netns.listener()
    await_counting(counting, netns, listener)
    for _ in range(3):
        client = netns.open_socket()
        client.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([7, 11, 4]) + bytes(8) + b"\0")
        client.connect(listener.getsockname())
    assert_received(counting, netns, listener, 3)


PADDING = bytes([1, 4, 0, 0, 0, 0])  # one option of IPv6, with which a header has eight bytes


@pytest.mark.parametrize("options", [
    {socket.IPV6_HOPOPTS: bytes([0, 0]) + PADDING},
    {socket.IPV6_DSTOPTS: bytes([0, 1, 0x1e, 12]) + bytes(12)},
    {socket.IPV6_HOPOPTS: bytes([0, 0]) + PADDING, socket.IPV6_DSTOPTS: bytes([0, 0]) + PADDING},
], ids=["hop-by-hop", "destination", "both"])
def test_with_extension_headers(counting, netns, options):
    """Between the IPv6 header and the segment."""
    listener = netns.listener(socket.AF_INET6)
    await_counting(counting, netns, listener)
    for _ in range(3):
        client = netns.open_socket(socket.AF_INET6)
        for option, value in options.items():
            client.setsockopt(socket.IPPROTO_IPV6, option, value)
        client.connect(listener.getsockname())
    assert_received(counting, netns, listener, 3)


OPTIONS = (60, PADDING)                       # destination options; the number is the header's own
ROUTED = (43, bytes([0, 0, 0, 0, 0, 0]))      # a routing header that has led here,
TO_ROUTE = (43, bytes([0, 1, 0, 0, 0, 0]))    # and one that leads elsewhere
WHOLE = (44, bytes([0, 0, 0, 0, 0, 7]))       # a fragment that is all there is,
LATER = (44, bytes([0, 8, 0, 0, 0, 7]))       # and one that is not the first


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def syn_behind(headers, source, target, port):
    """A SYN from an address that nobody has, behind extension headers of eight bytes."""
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    segment = struct.pack("!HHIIBBHHH", 40000, port, 1, 0, 5 << 4, 2, 1024, 0, 0)
    correct = checksum(ends + struct.pack("!II", len(segment), socket.IPPROTO_TCP) + segment)
    packet = segment[:16] + struct.pack("!H", correct) + segment[18:]
    follows = socket.IPPROTO_TCP
    for number, body in reversed(headers):
        packet = bytes([follows, 0]) + body + packet
        follows = number
    return struct.pack("!IHBB", 6 << 28, len(packet), follows, 64) + ends + packet


@pytest.mark.parametrize("headers, is_one", [
    ([OPTIONS] * 4, True), ([OPTIONS] * 5, False), ([WHOLE, OPTIONS], True), ([ROUTED, OPTIONS], True),
    ([LATER], False), ([TO_ROUTE], False)],
    ids=["four", "five", "whole", "routed", "later", "to_route"])
def test_behind_extension_headers(counting, ends, headers, is_one):
    """As many as are followed, of the kinds that the kernel takes a SYN behind."""
    netns, sender = ends
    listener = target(netns, counting, socket.AF_INET6)
    address, port = listener.getsockname()[:2]
    with sender.inside():
        raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with raw:
        for number in range(10):
            raw.sendto(syn_behind(headers, f"2001:db8::{number + 1}", address, port), (address, 0))
    sender.flood(listener, count=1).wait()  # what came before it has been counted
    wait_for(lambda: row_of(counting, netns, listener)["syn_queue"] == (1 if headers[0] in (LATER, TO_ROUTE) else 11), 5)
    assert_received(counting, netns, listener, 11 if is_one else 1)


def test_cookies_for_all(counting, ends):
    """tcp_syncookies = 2: the queue says nothing, the count all."""
    netns, sender = ends
    netns.sysctl("net.ipv4.tcp_syncookies", 2)
    listener = target(netns, counting)
    before = netstat(netns)["SyncookiesSent"]
    flood = sender.flood(listener, seconds=4, rate=1000)
    wait_for(lambda: row_of(counting, netns, listener)["syn_rate"] > 500, 5, "the rate to be seen")
    wait_for(lambda: row_of(counting, netns, listener)["cookies_sent_rate"] > 300, 5, "the cookies to be seen")
    assert row_of(counting, netns, listener)["syn_queue"] == 0
    sent = flood.wait()
    assert_received(counting, netns, listener, sent)
    assert netstat(netns)["SyncookiesSent"] - before == sent
    assert_listeners(counting, netns)
    wait_for(lambda: row_of(counting, netns, listener)["syn_rate"] == 0, 5, "the rate to end with the flood")
    wait_for(lambda: row_of(counting, netns, listener)["cookies_sent_rate"] == 0, 5)


def test_rate_of_a_flood(counting, ends):
    """From its first second on, also after some in which nothing came, and no longer than it lasts; whenever it is
    looked at."""
    netns, sender = ends
    listener = target(netns, counting)
    time.sleep(5)
    flood = sender.flood(listener, seconds=2, rate=1000)
    row = wait_for(lambda: (row := row_of(counting, netns, listener))["syn_rate"] and row, 3, "the rate")
    assert row["syn_rate"] > row["syn_received_total"] / 2
    flood.wait()

    def ended():
        counting.resync()  # it looks at the end of a round, too
        return row_of(counting, netns, listener)["syn_rate"] == 0

    wait_for(ended, 3, "the rate to end with the flood")


def test_closed_and_opened_again(counting, ends):
    """A port counts from when somebody listens on it."""
    netns, sender = ends
    listener = target(netns, counting)
    port = listener.getsockname()[1]
    sender.flood(listener, count=50).wait()
    assert_received(counting, netns, listener, 50)
    listener.close()
    wait_for(lambda: not counting.listeners(netns=netns.inum, port=port), 5)
    time.sleep(1)
    listener = target(netns, counting, port=port)
    sender.flood(listener, count=40).wait()
    assert_received(counting, netns, listener, 40)


def test_shared_port(counting, ends):
    """Counted for the port, whichever of its listeners they go to."""
    netns, sender = ends
    first = target(netns, counting, share=True)
    netns.listener(host=VETH[socket.AF_INET][0], port=first.getsockname()[1], share=True)
    sent = sender.flood(first, count=80).wait()
    rows = wait_for(lambda: [
        row for row in counting.listeners(netns=netns.inum) if row["syn_received_total"] == sent], 5)
    assert_listeners(counting, netns)
    assert len(rows) == 2


def test_namespaces_apart(counting, make_netns):
    """The same port in two namespaces is two ports."""
    spaces = [make_netns() for _ in range(2)]
    listeners = [space.listener(port=7000) for space in spaces]
    for space, listener, count in zip(spaces, listeners, (3, 5)):
        await_counting(counting, space, listener)
        for _ in range(count):
            space.pair(listener)
    for space, listener, count in zip(spaces, listeners, (3, 5)):
        assert_received(counting, space, listener, count)


# As metrics.


@pytest.fixture
def own(make_daemon, ends):
    """A daemon that sees the receiving namespace alone, and is asked from inside."""
    daemon = make_daemon(netns=ends[0], namespaces="host", metrics={"top": 2})
    with ends[0].inside():
        daemon.start()
        assert_counting(daemon)
        yield daemon


def test_metrics(own, ends):
    """Two ports by number, the others together; nothing ever goes down, and the sum is all that came."""
    netns, sender = ends
    assert own.metrics().sum("tcpwatch_syn_accounting") == 1
    listeners = [target(netns, own) for _ in range(4)]
    time.sleep(1.2)
    before, last, sent = own.metrics(), {}, 0
    for turn in range(4):
        for number, listener in enumerate(listeners):
            sent += sender.flood(listener, count=50 * (number + 1 if turn < 2 else 4 - number)).wait()
        if turn == 2:
            listeners[3].close()
            listeners[3] = target(netns, own)
        time.sleep(1.1)
        metrics = own.metrics()
        now = {key: value for key, value in metrics.items() if key[0] == "tcpwatch_syn_received_total"}
        assert len(now) <= 3
        for key, value in last.items():
            assert now.get(key, value) >= value, key
        # a port's place goes to another one for far more segments alone
        assert all(2 * last[key] < max(now.values()) for key in last.keys() - now.keys())
        last = now
    # the scrapes are connections too, and SYNs of the same namespace: one each
    grown = metrics.sum("tcpwatch_syn_received_total") - before.sum("tcpwatch_syn_received_total")
    assert sent <= grown <= sent + 60
    assert metrics.sum("tcpwatch_syn_received_total", port="other") > 0


def abort(netns, listener):
    """A connection that the client aborts: one SYN, and one RST."""
    client, server = netns.pair(listener)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    server.close()


def test_many_ports_go_at_once(own, ends):
    """What came for them is in the sums once, as before."""
    netns, _ = ends
    listeners = [netns.listener() for _ in range(200)]
    for listener in listeners:
        await_counting(own, netns, listener)
    before = own.metrics()
    for listener in listeners:
        for _ in range(5):
            abort(netns, listener)

    def grown():
        metrics = own.metrics()
        return [metrics.sum(name) - before.sum(name)
                for name in ("tcpwatch_syn_received_total", "tcpwatch_rst_received_total")]

    wait_for(lambda: min(grown()) >= 1000, 5, grown)
    for listener in listeners:
        listener.close()
    for _ in range(6):
        time.sleep(1)
        # the scrapes are connections too, of the same namespace
        assert all(1000 <= count < 1060 for count in grown()), grown()


def test_resets(own, ends):
    """A client that aborts is counted at the port that it comes to."""
    netns, _ = ends
    listener = netns.listener()
    port = str(listener.getsockname()[1])
    await_counting(own, netns, listener)
    for _ in range(30):
        abort(netns, listener)

    def resets():
        metrics = own.metrics()
        return sum(value for (name, labels), value in metrics.items()
                   if name == "tcpwatch_rst_received_total" and dict(labels)["port"] in (port, "other"))

    wait_for(lambda: resets() >= 30, 5, resets)
    assert resets() < 40


def test_nobody_listens(own, ends):
    """SYNs for ports without a listener are counted together, and so is a port that had one."""
    netns, sender = ends
    gone = target(netns, own)
    address = gone.getsockname()
    before = own.metrics()
    sent = sender.flood(gone, count=100).wait()
    assert_received(own, netns, gone, sent)
    gone.close()
    time.sleep(1.5)
    sent += sender.flood(address, count=200).wait()

    def grown():
        return own.metrics().sum("tcpwatch_syn_received_total") - before.sum("tcpwatch_syn_received_total")

    wait_for(lambda: grown() >= sent, 5, grown)
    assert grown() <= sent + 60  # the scrapes are connections too, of the same namespace


# Whence.


def sources(daemon):
    return daemon.status()["syn"]


@pytest.mark.parametrize("family, prefix", [
    (socket.AF_INET, "198.51.100.0/24"), (socket.AF_INET6, "2001:db8:1:2::/64")])
def test_one_network(own, ends, family, prefix):
    netns, sender = ends
    listener = target(netns, own, family)
    flood = sender.flood(listener, seconds=5, rate=2000, **{"from": prefix})
    seen = wait_for(lambda: (s := sources(own))["rate"] and s["rate"] > 1000 and s, 5, "the rate")
    assert seen["top_prefix"] == prefix
    assert seen["top_share"] > 0.95 and seen["prefixes"] <= 5
    flood.wait()
    assert_right_when_quiet(own, netns)


@FAMILIES
def test_random_sources(own, ends, family):
    netns, sender = ends
    listener = target(netns, own, family)
    flood = sender.flood(listener, seconds=5, rate=3000)
    seen = wait_for(lambda: (s := sources(own))["rate"] and s["rate"] > 1500 and s, 5, "the rate")
    assert seen["prefixes"] > 300
    assert seen["top_share"] is None or seen["top_share"] < 0.1
    flood.wait()


def test_one_among_many(own, ends):
    """Half from one network, half from anywhere."""
    netns, sender = ends
    listener = target(netns, own)
    floods = [sender.flood(listener, seconds=5, rate=2000, **{"from": "203.0.113.0/24"}),
              sender.flood(listener, seconds=5, rate=2000, seed=3)]
    seen = wait_for(lambda: (s := sources(own))["rate"] and s["rate"] > 2000 and s, 5, "the rate")
    assert seen["top_prefix"] == "203.0.113.0/24"
    assert 0.2 < seen["top_share"] < 0.7 and seen["prefixes"] > 200
    for flood in floods:
        flood.wait()


def test_quiet_again(own, ends):
    netns, sender = ends
    listener = target(netns, own)
    sender.flood(listener, count=2000, rate=2000).wait()
    wait_for(lambda: sources(own)["rate"] < 50, 5, lambda: sources(own))


# What the kernel counts.


COUNTERS = {
    "SyncookiesSent": ("tcpwatch_syncookies_sent_total", {}),
    "SyncookiesRecv": ("tcpwatch_syncookies_received_total", {}),
    "SyncookiesFailed": ("tcpwatch_syncookies_failed_total", {}),
    "ListenDrops": ("tcpwatch_listen_drops_total", {}),
    "ListenOverflows": ("tcpwatch_listen_overflows_total", {}),
    "TCPReqQFullDoCookies": ("tcpwatch_request_queue_full_total", {"action": "cookies"}),
    "TCPReqQFullDrop": ("tcpwatch_request_queue_full_total", {"action": "drop"}),
}


# Their members in the rows of namespaces of /v1/status.
MEMBERS = {
    "SyncookiesSent": "syncookies_sent", "SyncookiesRecv": "syncookies_received",
    "SyncookiesFailed": "syncookies_failed", "ListenDrops": "listen_drops", "ListenOverflows": "listen_overflows",
    "TCPReqQFullDoCookies": "request_queue_full_cookies", "TCPReqQFullDrop": "request_queue_full_drops",
    "TCPAbortOnOverflow": "aborts_on_overflow",
}


def told_of(daemon, netns):
    """Of one namespace, since it was made."""
    return next(row["netstat"] for row in daemon.status()["namespaces"] if row["netns"] == netns.inum)


def told_counters(daemon):
    metrics = daemon.metrics()
    return {name: metrics.sum(metric, **labels) for name, (metric, labels) in COUNTERS.items()}


@pytest.mark.both_modes
def test_counters(make_daemon, ends):
    """Each of them, made to move, moves by as much as /proc/net/netstat says."""
    netns, sender = ends
    daemon = make_daemon(netns=netns, namespaces="host")
    with netns.inside():
        daemon.start()
        time.sleep(1.5)  # it looks once a second, and tells what came since it first did
        before, told = netstat(netns), told_counters(daemon)
        full = target(netns, backlog=8)
        sender.flood(full, count=100).wait()
        netns.connect(full)                       # by a cookie
        netns.sysctl("net.ipv4.tcp_syncookies", 0)
        sender.flood(full, count=50).wait()       # dropped
        netns.sysctl("net.ipv4.tcp_syncookies", 1)
        small = netns.listener(backlog=1)
        for _ in range(6):
            netns.begin(small.getsockname())
        time.sleep(0.5)
        expected = {name: netstat(netns)[name] - before[name] for name in COUNTERS}
        assert all(expected[name] for name in COUNTERS if name != "SyncookiesFailed"), expected

        def grown():
            expected.update({name: netstat(netns)[name] - before[name] for name in COUNTERS})
            now = told_counters(daemon)
            return {name: now[name] - told[name] for name in COUNTERS}

        wait_for(lambda: grown() == expected, 8, lambda: (grown(), expected))

        def all_of():
            now = netstat(netns)
            # a kernel need not have each: none so far has TCPAbortOnOverflow
            return {member: now.get(name, 0) for name, member in MEMBERS.items()}

        wait_for(lambda: told_of(daemon, netns) == all_of(), 8, lambda: (told_of(daemon, netns), all_of()))
        assert_right_when_quiet(daemon, netns)


def test_counters_stay_when_a_namespace_goes(daemon, ends):
    netns, sender = ends
    netns.sysctl("net.ipv4.tcp_syncookies", 2)
    listener = target(netns, None if kernel_before(6, 4) else daemon)
    wait_for(lambda: daemon.listeners(netns=netns.inum), 5)
    time.sleep(1.2)
    before = told_counters(daemon)["SyncookiesSent"]
    sent = sender.flood(listener, count=1000).wait()
    wait_for(lambda: told_counters(daemon)["SyncookiesSent"] >= before + sent, 5)
    netns.remove()
    wait_for(lambda: not daemon.status().knows(netns.inum), 10)
    assert told_counters(daemon)["SyncookiesSent"] >= before + sent


# The hook.


def hooks(daemon):
    """Netfilter links that the daemon holds."""
    found = 0
    for fd in os.listdir(f"/proc/{daemon.pid}/fdinfo"):
        try:
            with open(f"/proc/{daemon.pid}/fdinfo/{fd}") as file:
                found += bool(re.search(r"^link_type:\s+netfilter$", file.read(), re.M))
        except FileNotFoundError:
            pass
    return found


def test_off(make_daemon, ends):
    """No hook anywhere; everything else is as it is."""
    netns, sender = ends
    daemon = make_daemon(syn_accounting="off").start()
    listener = target(netns, backlog=16)
    sender.flood(listener, count=100).wait()
    assert_listeners(daemon, netns)
    row = row_of(daemon, netns, listener)
    assert (row["syn_queue"], row["syn_received_total"], row["syn_rate"]) == (17, None, None)
    status = daemon.status()
    assert status["syn_accounting"] is False and status["syn"]["rate"] is None
    assert status["syn"]["top_prefix"] is None
    assert hooks(daemon) == 0
    metrics = daemon.metrics()
    assert metrics.sum("tcpwatch_syn_accounting") == 0
    assert metrics.sum("tcpwatch_syn_received_total") == 0 == metrics.sum("tcpwatch_rst_received_total")
    assert not any("SYN" in text for _, text in daemon.messages())


@pytest.mark.parametrize("mode", ["diag"])
def test_none_without_bpf(daemon, ends, mode):
    netns, sender = ends
    listener = target(netns, backlog=16)
    sender.flood(listener, count=100).wait()
    assert_listeners(daemon, netns)
    row = row_of(daemon, netns, listener)
    assert (row["syn_queue"], row["syn_received_total"], row["syn_rate"]) == (17, None, None)
    assert daemon.status()["syn_accounting"] is False and hooks(daemon) == 0


def test_gone_with_the_namespace(counting, netns, make_netns):
    """The hook keeps no namespace, and the namespace keeps no hook."""
    daemon = counting
    doomed = make_netns()
    veth(netns, doomed)
    target_of_doomed = doomed.listener()
    await_counting(daemon, doomed, target_of_doomed)
    files = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    with_it = hooks(daemon)
    doomed.remove()
    wait_for(lambda: "tw0" not in netns.run("ip", "link", capture_output=True, text=True).stdout, 5,
             "the kernel to free the namespace")
    wait_for(lambda: hooks(daemon) <= with_it - 2 and len(os.listdir(f"/proc/{daemon.pid}/fd")) < files, 5,
             lambda: f"{hooks(daemon)} hooks of {with_it}")


def test_gone_with_the_daemon(make_daemon, ends):
    """One that was killed is no hindrance to the next."""
    netns, sender = ends
    daemon = make_daemon().start()
    assert_counting(daemon)
    target(netns, daemon)
    daemon.kill()
    daemon.start()
    listener = target(netns, daemon)
    sent = sender.flood(listener, count=100).wait()
    assert_received(daemon, netns, listener, sent)


def test_two_daemons(make_daemon, ends):
    """Each has its hooks, and each counts all."""
    netns, sender = ends
    daemons = [make_daemon().start() for _ in range(2)]
    assert_counting(daemons[0])
    listener = target(netns, daemons[0])
    await_counting(daemons[1], netns, listener)
    sent = sender.flood(listener, count=300).wait()
    for daemon in daemons:
        assert_received(daemon, netns, listener, sent)
        assert_listeners(daemon, netns)
    daemons[0].stop()
    sent += sender.flood(listener, count=200).wait()
    assert_received(daemons[1], netns, listener, sent)


@FAMILIES
def test_refused(make_daemon, make_netns, family):
    """Where others hold all its priorities SYNs are not told as none, and it is said so once."""
    if kernel_before(6, 4):
        pytest.skip("this kernel has no BPF netfilter programs")
    free, *shut = [make_netns() for _ in range(3)]
    listeners = {space: space.listener() for space in (free, *shut)}
    with contextlib.ExitStack() as stack:
        for space in shut:
            stack.enter_context(occupied(space, family))
        daemon = make_daemon()
        daemon.expect(r"SYNs are not counted in 2 network namespaces.*\(others hold the priorities -399 to -384\)")
        daemon.start()
    await_counting(daemon, free, listeners[free])
    for space, listener in listeners.items():
        for _ in range(3):
            space.pair(listener)
    assert_received(daemon, free, listeners[free], 3)
    for space in shut:
        row = row_of(daemon, space, listeners[space])
        assert (row["syn_received_total"], row["syn_rate"]) == (None, None)
    assert daemon.status()["syn_accounting"] is True
    row = advice(daemon, "tcpwatch SYN accounting")
    assert row["level"] == "warning" and row["finding"].startswith("In 2 network namespaces")
    assert sum("SYNs are not counted" in text for _, text in daemon.messages()) == 1


def test_refused_in_its_own(make_daemon, netns):
    """The only one that it looks at."""
    if kernel_before(6, 4):
        pytest.skip("this kernel has no BPF netfilter programs")
    daemon = make_daemon(netns=netns, namespaces="host")
    daemon.expect(rf"SYNs are not counted in 1 network namespaces, the first net:\[{netns.inum}\]")
    with netns.inside(), occupied(netns, socket.AF_INET):
        daemon.start()
        status = daemon.status()
        assert status["syn_accounting"] is False and status["syn"]["rate"] is None
        assert hooks(daemon) == 0
        assert daemon.metrics().sum("tcpwatch_syn_accounting") == 0


def test_more_ports_than_are_counted(make_daemon, make_netns):
    """The rest of a namespace that comes later is counted, and its ports once there is room; it is said once."""
    if kernel_before(6, 4):
        pytest.skip("this kernel has no BPF netfilter programs")
    crowd, netns, sender = [make_netns() for _ in range(3)]
    listening = crowd.popen(
        sys.executable, HERE / "listening.py", PORTS_MAX + 100, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    listening.stdout.readline()
    daemon = make_daemon()
    daemon.expect(f"listeners on more ports than the {PORTS_MAX} that SYNs are counted for")
    daemon.start()

    def counted():
        rows = daemon.listeners()
        return len({(row["netns"], row["local_port"]) for row in rows if row["syn_received_total"] is not None})

    wait_for(lambda: counted() == PORTS_MAX, 10, counted)
    veth(netns, sender)
    route_back(netns)
    listener = target(netns)
    wait_for(lambda: daemon.listeners(netns=netns.inum), 5)
    time.sleep(2)
    with daemon.scraper() as scrape:
        before = scrape().sum("tcpwatch_syn_received_total")
        nobody_listens = (VETH[socket.AF_INET][0], 9)
        sent = sender.flood(nobody_listens, count=5000, rate=5000).wait()
        wait_for(lambda: scrape().sum("tcpwatch_syn_received_total") - before >= sent, 5)
    listening.stdin.close()
    await_counting(daemon, netns, listener)
    assert sum("more ports" in text for _, text in daemon.messages()) == 1


@pytest.mark.skipif(not kernel_before(6, 4), reason="this kernel has BPF netfilter programs")
def test_before_6_4(make_daemon, ends):
    """It says once that SYNs are not counted, tells them as not known, and cookies and drops all the same."""
    netns, sender = ends
    daemon = make_daemon(netns=netns, namespaces="host")
    with netns.inside():
        daemon.start()
        time.sleep(1.5)  # it looks once a second, and tells what came since it first did
        before, told = netstat(netns), told_counters(daemon)
        listener = target(netns, backlog=8)
        flood = sender.flood(listener, seconds=4, rate=500)
        wait_for(lambda: any(row["cookies_sent_rate"] for row in daemon.listeners(port=listener.getsockname()[1])), 5)
        row = row_of(daemon, netns, listener)
        assert (row["syn_received_total"], row["syn_rate"]) == (None, None)
        sent = flood.wait()
        cookies = netstat(netns)["SyncookiesSent"] - before["SyncookiesSent"]
        assert 0 < cookies < sent
        wait_for(lambda: told_counters(daemon)["SyncookiesSent"] - told["SyncookiesSent"] == cookies, 5,
                 lambda: told_counters(daemon))
        status = daemon.status()
        assert (status["mode"], status["syn_accounting"]) == ("ebpf", False)
        assert status["syn"]["rate"] is None and status["syn"]["top_prefix"] is None
        metrics = daemon.metrics()
        assert metrics.sum("tcpwatch_mode", mode="ebpf") == 1 and metrics.sum("tcpwatch_syn_accounting") == 0
        assert metrics.sum("tcpwatch_syn_received_total") == 0
        assert advice(daemon, "tcpwatch SYN accounting")["value"] == "off"
        assert sum("SYNs are not counted" in text for _, text in daemon.messages()) == 1
        assert_right_when_quiet(daemon, netns)


# A flood.


def test_flood(counting, ends):
    """Full within a tick of being full, right within a second of the end; nothing is lost and nothing grows."""
    netns, sender = ends
    listener = target(netns, counting, backlog=256)
    before = counting.metrics()
    memory = resident(counting)
    floods = [sender.flood(listener, seconds=4, seed=seed) for seed in (1, 2)]
    wait_for(lambda: netstat(netns)["SyncookiesSent"] > 0, 5)
    # two processors that add to it at once may make it one longer than the limit
    wait_for(lambda: counting.status().states_of(netns.inum)["syn_recv"] > 256, 2, "the queue to be seen full")
    assert row_of(counting, netns, listener)["syn_queue"] in (257, 258)
    sent = sum(flood.wait() for flood in floods)
    assert_right_when_quiet(counting, netns)
    assert_received(counting, netns, listener, sent)
    after = counting.metrics()
    assert after.sum("tcpwatch_events_lost_total") == before.sum("tcpwatch_events_lost_total")
    assert after.sum("tcpwatch_table_entries") <= before.sum("tcpwatch_table_entries") + 300
    assert resident(counting) - memory < 1 << 20


def resident(daemon):
    with open(f"/proc/{daemon.pid}/status") as file:
        return int(re.search(r"^RssAnon:\s+(\d+) kB", file.read(), re.M)[1]) << 10


def test_flood_that_completes(counting, netns):
    """Beside half-open ones real connections come and go, and each is counted once."""
    listener = netns.listener()
    await_counting(counting, netns, listener)
    for _ in range(100):
        netns.pair(listener)
    half_open(netns, listener, 10)
    assert_listeners(counting, netns)
    assert counts(netns)["established"] == 200
    assert received(counting, netns, listener) >= 110
