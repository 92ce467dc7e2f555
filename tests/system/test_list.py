# SPDX-License-Identifier: GPL-2.0-or-later
"""GET /v1/connections: the same sockets as ss lists, by the same cookie (fact 12), narrowed by filters."""

import ipaddress
import json
import os
import socket
import time

import pytest

from oracle import assert_right_when_quiet, assert_settles, sockets, wait_for

KEYS = {
    "cookie", "netns", "state", "age_seconds", "age_exact", "family", "local", "local_port", "remote",
    "remote_port", "owner", "recv_queue", "send_queue",
}
OWNER_KEYS = {"kind", "pid", "comm", "executable", "uid", "unit", "slice", "container", "cgroup"}
NOT_BRIEF = {"cookie", "family"}
BRIEF_OWNER = {"kind", "pid", "comm", "uid"}
FULL = ("listen", "established", "half_closed", "syn_sent", "fin_wait1", "closing", "last_ack")
SHADOWS = ("time_wait", "orphan", "syn_recv")


def plain(text):
    """An address without the prefix of a v4-mapped one."""
    mapped = ipaddress.ip_address(text)
    return str(getattr(mapped, "ipv4_mapped", None) or mapped)


def told(rows):
    return sorted(
        (r["state"], plain(r["local"]), r["local_port"], plain(r["remote"]), r["remote_port"]) for r in rows)


def true(rows):
    return sorted((s.state, plain(s.local), s.local_port, plain(s.remote), s.remote_port) for s in rows)


@pytest.fixture
def held(netns):
    """Some of everything, before or after the daemon's start as the test asks for them."""
    sockets_of = netns.holder()
    for count, kind in enumerate(FULL + SHADOWS, 2):
        sockets_of.hold(kind, count, ("ipv4", "ipv6", "mapped")[count % 3])
    return sockets_of


@pytest.mark.both_modes
@pytest.mark.parametrize("order", [("held", "daemon"), ("daemon", "held")])
def test_whole_list(request, mode, netns, order):
    for fixture in order:
        request.getfixturevalue(fixture)
    daemon = request.getfixturevalue("daemon")
    assert_right_when_quiet(daemon, netns)
    # No event tells the local port of a connect() that still waits: the next round of dumps does (fact 6).
    daemon.resync()
    rows = daemon.connections(netns=netns.inum)
    assert told(rows) == true(sockets(netns))
    for row in rows:
        assert set(row) == KEYS and set(row["owner"]) == OWNER_KEYS
        assert row["netns"] == netns.inum and row["age_seconds"] >= 0


@pytest.mark.both_modes
@pytest.mark.parametrize("order", [("held", "daemon"), ("daemon", "held")])
def test_cookies(request, mode, netns, order):
    for fixture in order:
        request.getfixturevalue(fixture)
    daemon = request.getfixturevalue("daemon")
    assert_right_when_quiet(daemon, netns)
    shadows = ("time_wait", "syn_recv")
    daemon.resync()
    cookies = {
        (plain(s.local), s.local_port, plain(s.remote), s.remote_port): s.cookie
        for s in sockets(netns, "-e") if s.state not in shadows and s.inode}
    assert len(cookies) > 20
    rows = {
        (plain(r["local"]), r["local_port"], plain(r["remote"]), r["remote_port"]): r["cookie"]
        for r in daemon.connections(netns=netns.inum) if r["state"] not in shadows}
    assert {key: rows.get(key) for key in cookies} == cookies


def test_filters(daemon, netns, other_netns, held):
    other_netns.holder().hold("established", 4)
    assert_settles(daemon, netns, other_netns)
    everything = sockets(netns)
    here = {"netns": netns.inum}
    port = next(s.local_port for s in everything if s.state == "close_wait")

    def within(network):
        network = ipaddress.ip_network(network)
        return [s for s in everything if ipaddress.ip_address(plain(s.remote)) in network]

    assert told(daemon.connections(**here, state="close_wait")) == \
        true(s for s in everything if s.state == "close_wait")
    assert told(daemon.connections(**here, state="fin_wait2,time_wait,listen")) == \
        true(s for s in everything if s.state in ("fin_wait2", "time_wait", "listen"))
    assert told(daemon.connections(**here, port=port)) == \
        true(s for s in everything if port in (s.local_port, s.remote_port))
    assert told(daemon.connections(**here, remote="::1")) == true(s for s in everything if s.remote == "::1")
    assert told(daemon.connections(**here, remote="::1/128", state="established")) == \
        true(s for s in within("::1/128") if s.state == "established")
    assert told(daemon.connections(netns=other_netns.inum)) == true(sockets(other_netns))
    assert daemon.connections(netns=1) == []
    assert daemon.connections(**here, port=9) == []


@pytest.mark.parametrize("network", ["127.0.0.0/8", "127.0.0.1", "127.0.0.1/32", "10.0.0.0/8", "0.0.0.0/0"])
def test_filter_by_ipv4_network(daemon, netns, held, network):
    """A v4-mapped peer is in the IPv4 network, for who asks for 10.0.0.0/8 means its hosts."""
    assert_settles(daemon, netns)
    wanted = ipaddress.ip_network(network)
    rows = daemon.connections(netns=netns.inum, remote=network, state="established,close_wait,fin_wait2")
    expected = [
        s for s in sockets(netns) if s.state in ("established", "close_wait", "fin_wait2")
        and ipaddress.ip_address(plain(s.remote)) in wanted]
    assert told(rows) == true(expected)
    assert bool(rows) == (network != "10.0.0.0/8")


def test_limit(daemon, netns, held):
    assert_settles(daemon, netns)
    for limit in (1, 7, 100000):
        rows = daemon.connections(netns=netns.inum, limit=limit)
        assert len(rows) == min(limit, len(sockets(netns)))


def test_older_than(daemon, netns):
    held = netns.holder()
    held.hold("half_closed", 3)
    time.sleep(1.2)
    held.hold("half_closed", 4)
    assert_settles(daemon, netns)
    query = {"netns": netns.inum, "state": "close_wait"}
    assert len(daemon.connections(**query)) == 7
    assert len(daemon.connections(**query, older_than=1.1)) == 3
    assert len(daemon.connections(**query, older_than=0)) == 7
    assert daemon.connections(**query, older_than=3600) == []


def test_oldest_first(daemon, netns):
    held = netns.holder()
    for kind in ("half_closed", "established", "half_closed", "orphan"):
        held.hold(kind, 2)
        time.sleep(0.05)
    assert_settles(daemon, netns)
    rows = daemon.connections(netns=netns.inum, state="close_wait", sort="age")
    ages = [row["age_seconds"] for row in rows]
    assert len(ages) == 6 and ages == sorted(ages, reverse=True)


def test_oldest_first_with_older_sockets(make_daemon, netns):
    """Estimated ages take their places among the true ones."""
    held = netns.holder()
    held.hold("half_closed", 3)
    daemon = make_daemon().start()
    held.hold("half_closed", 3, "ipv6")
    assert_settles(daemon, netns)
    rows = daemon.connections(netns=netns.inum, state="close_wait", sort="age")
    assert [row["age_exact"] for row in rows] == [False] * 3 + [True] * 3
    ages = [row["age_seconds"] for row in rows]
    assert ages == sorted(ages, reverse=True)


def test_owners(daemon, netns):
    """Who holds it, and what nobody holds (facts 10 and 11); test_owners.py has the programs."""
    listener = netns.listener()
    clients = [netns.pair(listener) for _ in range(3)]
    for client, _ in clients[:2]:
        client.close()  # orphans
    clients[0][1].close()  # and of one of them, TIME_WAIT
    unaccepted = netns.connect(listener)
    assert_right_when_quiet(daemon, netns)
    wait_for(lambda: any(r["owner"]["kind"] == "unaccepted" for r in daemon.connections(netns=netns.inum)), 5,
             "the accept queue to be looked at")
    kinds = {}
    for row in daemon.connections(netns=netns.inum):
        kinds.setdefault(row["state"], []).append(row["owner"])
    assert [owner["kind"] for owner in kinds["time_wait"] + kinds["fin_wait2"]] == ["kernel"] * 2
    assert [owner["pid"] for owner in kinds["listen"]] == [os.getpid()]
    assert {owner["pid"] for owner in kinds["established"]} == {os.getpid()}
    assert sorted(owner["kind"] for owner in kinds["established"]) == ["process"] * 3 + ["unaccepted"]
    assert unaccepted.fileno() >= 0
    named = daemon.connections(netns=netns.inum, owner=os.getpid())
    assert {row["owner"]["pid"] for row in named} == {os.getpid()}
    with open("/proc/self/comm") as f:
        assert len(daemon.connections(netns=netns.inum, owner=f.read().strip())) == len(named)
    assert len(daemon.connections(netns=netns.inum, owner="uid:0", state="listen")) == 1
    assert daemon.connections(netns=netns.inum, owner="no-such-program") == []


def test_brief(daemon, held, netns):
    """What a table shows is the same as in whole rows, and nothing else is sent."""
    assert_right_when_quiet(daemon, netns)
    daemon.resync()
    whole, brief = [daemon.connections(netns=netns.inum, **more) for more in ({}, {"brief": "yes"})]
    assert len(whole) == len(sockets(netns))
    for row in whole:
        row["owner"] = {key: row["owner"][key] for key in BRIEF_OWNER}
        for key in NOT_BRIEF:
            del row[key]
    for row in whole + brief:
        assert row.pop("age_seconds") >= 0
    assert brief == whole


@pytest.mark.parametrize("query, word", [
    ("state=closewait", "state"), ("state=", "state"), ("port=0x50", "port"), ("port=65536", "port"),
    ("port=-1", "port"), ("remote=10.0.0.0/33", "remote"), ("remote=host", "remote"),
    ("remote=::1/129", "remote"), ("netns=x", "netns"), ("older_than=soon", "older_than"),
    ("older_than=-1", "older_than"), ("older_than=nan", "older_than"), ("sort=size", "sort"),
    ("limit=0", "limit"), ("limit=-5", "limit"), ("limit=ten", "limit"), ("owner=uid:x", "owner"),
    ("brief=1", "brief"),
    ("colour=red", "colour")])
@pytest.mark.parametrize("path", ["/v1/connections", "/v1/watch"])
def test_bad_filter(shared_daemon, path, query, word):
    answer = shared_daemon.control(f"{path}?{query}")
    assert answer.status == 400, answer
    document = json.loads(answer.body)
    assert set(document) == {"error"} and word in document["error"]


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/v1/nothing", 404), ("GET", "/", 404), ("GET", "/v1/resync", 405), ("POST", "/v1/status", 405),
    ("DELETE", "/v1/connections", 405), pytest.param("GET", "/v1/status?" + "x" * 60000, 414, id="long")])
def test_bad_request(shared_daemon, method, path, status):
    answer = shared_daemon.control(path, method)
    assert answer.status == status, answer
    assert set(json.loads(answer.body)) == {"error"}


def test_reader_that_stops(daemon, netns):
    """A list half-read: the daemon goes on, and the row order does not break it."""
    netns.holder().hold("established", 3000)
    assert_settles(daemon, netns)
    slow = socket.socket(socket.AF_UNIX)
    slow.connect(str(daemon.socket))
    slow.send(b"GET /v1/connections HTTP/1.1\r\nHost: x\r\n\r\n")
    assert slow.recv(100)
    load = netns.load(seed=41, connections=400)
    load.wait()
    assert_right_when_quiet(daemon, netns)
    slow.close()
    wait_for(lambda: len(daemon.connections(netns=netns.inum, state="established")) == 6000)


def test_list_under_load(daemon, netns):
    """Rows stay whole while connections come and go, and none comes twice."""
    load = netns.load(seed=42, seconds=3, keep=0.01)
    while not load.done():
        rows = daemon.connections(netns=netns.inum)
        keys = [(r["cookie"], r["local_port"], r["remote_port"]) for r in rows]
        assert len(keys) == len(set(keys))
    load.wait()
    assert_right_when_quiet(daemon, netns)
    wait_for(lambda: told(daemon.connections(netns=netns.inum)) == true(sockets(netns)), 5)
