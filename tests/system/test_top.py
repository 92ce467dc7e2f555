# SPDX-License-Identifier: GPL-2.0-or-later
"""GET /v1/top: connections added up by what they have in common. The rows are what ss shows, and their sum its sum."""

import collections
import ipaddress
import json
import os

import pytest

from oracle import STATES, assert_settles, counts, sockets, wait_for

KEYS = {"by", "key", "kind", "connections", "share", "oldest_seconds", "states", "executable", "processes"}
DIMENSIONS = ("unit", "process", "user", "port", "remote", "prefix", "netns")


def top(daemon, **parameters):
    rows = daemon.rows("/v1/top", parameters)
    for row in rows:
        assert set(row) - {"keys", "keys_all"} == KEYS and set(row["states"]) == set(STATES)
        assert row["connections"] == sum(row["states"].values()) > 0
    return rows


def peer(text):
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def by_remote(s):
    return str(peer(s.remote)) if s.remote_port else "none"


def by_prefix(s):
    address = peer(s.remote)
    bits = 24 if address.version == 4 else 64
    return str(ipaddress.ip_network((address, bits), strict=False)) if s.remote_port else "none"


def by_port(s):
    return str(s.local_port)


@pytest.fixture
def crowd(netns):
    held = netns.holder()
    for count, kind in enumerate(("listen", "established", "half_closed", "last_ack", "unaccepted", "time_wait"), 2):
        for family in ("ipv4", "ipv6", "mapped"):
            held.hold(kind, count, family)
    return held


@pytest.fixture
def alone(make_daemon, netns, crowd):
    """A daemon that sees this namespace alone, so that all it says is what ss says there."""
    daemon = make_daemon(netns=netns, namespaces="host", metrics={"listen": "off"}).start()
    assert_settles(daemon, netns)
    daemon.resync()
    assert_settles(daemon, netns)
    return daemon


@pytest.mark.both_modes
@pytest.mark.parametrize("by, key_of", [("port", by_port), ("remote", by_remote), ("prefix", by_prefix)])
@pytest.mark.parametrize("state", [None, "close_wait"])
def test_rows_are_those_of_ss(alone, mode, netns, by, key_of, state):
    true = collections.Counter(key_of(s) for s in sockets(netns) if state in (None, s.state))
    rows = top(alone, by=by, limit=1000, **({"state": state} if state else {}))
    assert {r["key"]: r["connections"] for r in rows} == true
    assert [r["connections"] for r in rows] == sorted(true.values(), reverse=True)
    assert all(r["oldest_seconds"] > 0 for r in rows)


@pytest.mark.both_modes
@pytest.mark.parametrize("by", DIMENSIONS)
@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_sum(alone, mode, netns, by, limit):
    """Of each state, whatever the number of rows; what is cut off is in the last one."""
    rows = top(alone, by=by, limit=limit)
    assert {s: sum(r["states"][s] for r in rows) for s in STATES} == counts(netns)
    assert len(rows) <= limit + 1 and all(r["by"] == by for r in rows)
    for row in rows[:-1]:
        assert "keys" not in row
    if len(rows) > limit:
        assert rows[-1]["key"] == "other" and rows[-1]["keys"] >= 1 and rows[-1]["keys_all"] is True


@pytest.mark.both_modes
@pytest.mark.parametrize("by", DIMENSIONS)
def test_oldest(alone, mode, netns, by):
    """The row that has the oldest connection of the state says how old it is; none says more."""
    before = alone.status()["oldest_seconds"]["close_wait"]
    oldest = max(r["oldest_seconds"] for r in top(alone, by=by, state="close_wait"))
    assert before <= oldest <= alone.status()["oldest_seconds"]["close_wait"]


@pytest.mark.both_modes
def test_processes(make_daemon, netns, mode):
    daemon = make_daemon(netns=netns, namespaces="host", metrics={"listen": "off"}).start()
    held = netns.holder()
    held.hold("half_closed", 7)
    assert_settles(daemon, netns)
    comm = open(f"/proc/{held.pid}/comm").read().strip()

    def row():
        return next((r for r in top(daemon, by="process", state="close_wait")
                     if (r["key"], r["kind"]) == (comm, "process")), None)

    if mode == "ebpf":
        assert wait_for(row)["connections"] == 7 and row()["processes"] == 1
        daemon.resync()
        wait_for(lambda: row()["executable"] == os.readlink(f"/proc/{held.pid}/exe"), 10, row)
    users = top(daemon, by="user", state="close_wait")
    assert [(r["key"], r["connections"]) for r in users] == [(str(os.geteuid()), 7)]


def test_wrong_parameters(shared_daemon):
    for query, word in (("by=colour", "prefix"), ("limit=0", "limit"), ("sort=age", "by"), ("port=80", "by")):
        answer = shared_daemon.control(f"/v1/top?{query}")
        assert answer.status == 400 and word in json.loads(answer.body)["error"]


def test_metrics(daemon, netns, crowd):
    """Owners' series sum to the state's, and so do those of ages; none names a pid or a peer."""
    assert_settles(daemon, netns)
    page = daemon.metrics()
    for state in STATES:
        total = page.sum("tcpwatch_connections", state=state)
        assert page.sum("tcpwatch_owner_connections", state=state) == total
        assert page.sum("tcpwatch_state_age_seconds_count", state=state) == total
        buckets = [page.sum("tcpwatch_state_age_seconds_bucket", state=state, le=le)
                   for le in ("1", "10", "60", "300", "3600", "86400", "+Inf")]
        assert buckets == sorted(buckets) and buckets[-1] == total
    labels = {frozenset(label for label, _ in labels)
              for name, labels in page if name == "tcpwatch_owner_connections"}
    assert labels == {frozenset({"state", "owner", "owner_kind"})}
