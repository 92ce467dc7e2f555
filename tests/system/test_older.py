# SPDX-License-Identifier: GPL-2.0-or-later
"""Sockets older than the daemon count from the first moment, and end like all others."""

import time

import pytest

import holder
from oracle import assert_right_when_quiet, assert_settles, compare, counts, wait_for

pytestmark = pytest.mark.both_modes


def test_all_states(make_daemon, netns):
    held = netns.holder()
    for count, kind in enumerate(holder.KINDS, 1):
        held.hold(kind, count)
    time.sleep(1)
    daemon = make_daemon().start()
    assert not compare(daemon, [netns]), "ready means: the counts are whole"
    rows = daemon.connections(netns=netns.inum)
    assert len(rows) == sum(counts(netns).values())
    assert not any(row["age_exact"] for row in rows)
    held.release()
    held.close()
    assert_right_when_quiet(daemon, netns)


@pytest.mark.parametrize("kind", ["established", "half_closed", "orphan", "closing", "syn_recv", "listen"])
def test_end_as_others_do(make_daemon, netns, kind):
    """Every later move of a socket that was only ever seen in a dump."""
    held = netns.holder()
    for count, family in enumerate(("ipv4", "ipv6", "mapped"), 2):
        held.hold(kind, count, family)
    daemon = make_daemon().start()
    held.release()
    held.close()
    assert_right_when_quiet(daemon, netns)


def test_opened_while_it_starts(make_daemon, netns):
    """No gap between attach and dump: connections come and go all through the start."""
    load = netns.load(seconds=2)
    daemon = make_daemon().start()
    load.wait()
    assert_right_when_quiet(daemon, netns)


def assert_dated(make_daemon, netns, kind, state, count):
    held = netns.holder()
    began = time.monotonic()
    held.hold(kind, count)
    made = time.monotonic()
    time.sleep(2)
    daemon = make_daemon().start()

    def dated():
        rows = daemon.connections(netns=netns.inum, state=state)
        now = time.monotonic()
        assert len(rows) == count
        return all(now - made - 0.5 <= row["age_seconds"] for row in rows) and (rows, now)

    rows, now = wait_for(dated)
    assert not any(row["age_exact"] for row in rows)
    assert max(row["age_seconds"] for row in rows) <= now - began + 0.1
    rows = daemon.connections(netns=netns.inum, state=state, sort="age")
    assert [r["age_seconds"] for r in rows] == sorted((r["age_seconds"] for r in rows), reverse=True)


@pytest.mark.parametrize("kind, state, count", [
    ("half_closed", "close_wait", 5), ("half_closed", "fin_wait2", 5), ("unaccepted", "close_wait", 5),
    ("fin_wait1", "fin_wait1", 5), ("last_ack", "last_ack", 5), ("closing", "closing", 5),
    ("time_wait", "time_wait", 5), ("orphan", "fin_wait2", 5)])
def test_best_known_ages(make_daemon, netns, kind, state, count):
    """Of a socket older than the daemon the kernel still knows when its peer last spoke, or its FIN's timer
    (fact 13), and of one that is none any more when its timer ends (fact 10): close to the true age, where the
    connection was not idle before, and never more than it."""
    assert_dated(make_daemon, netns, kind, state, count)


def test_best_known_age_of_an_orphan(make_daemon, netns):
    """Its timer runs for tcp_fin_timeout, which is the namespace's."""
    netns.sysctl("net.ipv4.tcp_fin_timeout", 20)
    assert_dated(make_daemon, netns, "orphan", "fin_wait2", 5)


@pytest.mark.by_events
def test_ages_of_half_open_connections(make_daemon, netns):
    """The kernel's count of SYN-ACKs has those that answered a client's SYNs too (fact 10): no age is more than the
    true one for that."""
    held = netns.holder()
    began = time.monotonic()
    held.hold("syn_recv", 5)
    made = time.monotonic()
    time.sleep(2.5)
    daemon = make_daemon().start()
    asked = time.monotonic()
    rows = daemon.connections(netns=netns.inum, state="syn_recv")
    now = time.monotonic()
    assert len(rows) == 5
    for row in rows:
        assert (asked - made) / 2 - 0.5 <= row["age_seconds"] <= now - began + 0.1


def test_ages(make_daemon, netns, mode):
    """What was there before has an age that is said to be an estimate; what came after has a true one."""
    held = netns.holder()
    held.hold("half_closed", 2)
    daemon = make_daemon().start()
    start = time.monotonic()
    held.hold("half_closed", 3, "ipv6")
    made = time.monotonic()
    assert_settles(daemon, netns)
    time.sleep(0.5)
    asked = time.monotonic()
    rows = daemon.connections(netns=netns.inum, state="close_wait")
    now = time.monotonic()
    young = [row for row in rows if row["family"] == "ipv6"]
    old = [row for row in rows if row["family"] == "ipv4"]
    assert (len(young), len(old)) == (3, 2)
    assert not any(row["age_exact"] for row in old)
    assert all(row["age_exact"] == (mode == "ebpf") for row in young)
    if mode == "ebpf":
        for row in young:
            assert asked - made - 0.1 <= row["age_seconds"] <= now - start + 0.1
    assert daemon.status()["oldest_seconds"]["close_wait"] >= max(r["age_seconds"] for r in old)
