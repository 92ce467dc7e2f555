# SPDX-License-Identifier: GPL-2.0-or-later
"""IPv4, IPv6, and IPv4 inside an IPv6 socket, which is one connection of family ipv6, as for ss."""

import collections
import socket

import pytest

from oracle import STATES, assert_right_when_quiet, assert_settles, counts, sockets

pytestmark = pytest.mark.both_modes

KINDS = ("established", "half_closed", "orphan", "time_wait", "syn_recv", "syn_sent", "fin_wait1", "closing")


def test_counts_by_family(make_daemon, netns):
    """In the list and in the metric. The daemon sees this namespace alone, where it is scraped, too."""
    daemon = make_daemon(netns=netns, namespaces="host")
    held = netns.holder()
    for kind in KINDS:
        held.hold(kind, 2, "ipv4")
        held.hold(kind, 3, "ipv6")
        held.hold(kind, 4, "mapped")
    with netns.inside():
        daemon.start()
        with daemon.scraper() as scrape:
            scrape()
            assert_right_when_quiet(daemon, netns)
            true = {"ipv4": counts(netns, "-4"), "ipv6": counts(netns, "-6")}
            metrics = scrape()
            listed = daemon.connections()
    told = {
        family: {state: metrics.sum("tcpwatch_connections", state=state, family=family) for state in STATES}
        for family in true}
    assert told == true
    rows = collections.Counter((r["family"], r["state"]) for r in listed)
    assert {f: {state: rows[f, state] for state in STATES} for f in true} == true


def test_mapped_addresses(daemon, netns):
    """Both ends of a v4-mapped connection have the addresses that ss shows, without the prefix of its own."""
    listener = netns.listener(socket.AF_INET6, dual=True)
    netns.pair(listener, "::ffff:127.0.0.1")
    client = netns.open_socket()  # an IPv4 client of the same listener
    client.connect(("127.0.0.1", listener.getsockname()[1]))
    netns.sockets.append(listener.accept()[0])
    assert_settles(daemon, netns)
    rows = [r for r in daemon.connections(netns=netns.inum) if r["state"] == "established"]
    assert sorted(r["family"] for r in rows) == ["ipv4", "ipv6", "ipv6", "ipv6"]
    told = sorted((r["local_port"], r["remote_port"]) for r in rows)
    true = sorted(
        (s.local_port, s.remote_port) for s in sockets(netns) if s.state == "established")
    assert told == true
    for row in rows:
        assert row["local"].removeprefix("::ffff:") == "127.0.0.1"
        assert row["remote"].removeprefix("::ffff:") == "127.0.0.1"


def test_link_local_and_long_addresses(daemon, netns):
    """Addresses of full length come out whole."""
    address = "2001:db8:1111:2222:3333:4444:5555:6666"
    netns.run("ip", "address", "add", f"{address}/128", "dev", "lo", "nodad")
    listener = netns.open_socket(socket.AF_INET6)
    listener.bind((address, 0))
    listener.listen()
    netns.pair(listener)
    assert_settles(daemon, netns)
    rows = [r for r in daemon.connections(netns=netns.inum) if r["state"] == "established"]
    assert [(r["local"], r["remote"]) for r in rows] == [(address, address)] * 2
