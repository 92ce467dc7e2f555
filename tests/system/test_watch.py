# SPDX-License-Identifier: GPL-2.0-or-later
"""GET /v1/watch: one row for each transition, in order, true to its connection (facts 4, 5 and 6)."""

import os
import socket
import time

import pytest

from daemon import UnixConnection
from oracle import assert_settles, counts, kernel_before, sockets, wait_for

# Before Linux 6.14 a child has neither its cookie nor its peer yet when it is born: the row seems the listener's.
BORN_LATE = kernel_before(6, 14)

KEYS = {
    "time", "cookie", "netns", "from", "to", "family", "local", "local_port", "remote", "remote_port",
    "error", "pid", "comm", "uid",
}


def moves(rows):
    return [(row["from"], row["to"]) for row in rows]


def comm():
    with open("/proc/self/comm") as f:
        return f.read().strip()


def end(client, server):
    """One after the other, the client first."""
    client.shutdown(socket.SHUT_WR)  # and no close(): an orphan has its last change unseen
    assert server.recv(1) == b""
    server.close()
    assert client.recv(1) == b""
    client.close()


@pytest.mark.parametrize("family, host", [
    (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::ffff:127.0.0.1")])
def test_one_life(daemon, netns, family, host):
    listener = netns.listener(family, dual=host.startswith("::ffff"))
    port = listener.getsockname()[1]
    assert_settles(daemon, netns)
    watch = daemon.watch(netns=netns.inum)
    client, server = netns.pair(listener, host)
    client_port = client.getsockname()[1]
    cookies = {s.local_port: s.cookie for s in sockets(netns, "-e") if s.state == "established"}
    end(client, server)
    rows = watch.take(10)
    assert not watch.rest()
    assert all(set(row) == KEYS for row in rows)

    ours = [row for row in rows if row["cookie"] == cookies[client_port]]
    theirs = [row for row in rows if row["cookie"] != cookies[client_port]]
    known = theirs[BORN_LATE:]  # what is told of the child once it has all that it will have
    assert {row["cookie"] for row in known} == {cookies[port]}
    assert moves(ours) == [
        ("close", "syn_sent"), ("syn_sent", "established"), ("established", "fin_wait1"),
        ("fin_wait1", "fin_wait2"), ("fin_wait2", "time_wait")]
    assert moves(theirs) == [
        ("listen", "syn_recv"), ("syn_recv", "established"), ("established", "close_wait"),
        ("close_wait", "last_ack"), ("last_ack", "close")]

    # No port is chosen yet at 7->2, and none is forgotten at ->7 (fact 6).
    assert [row["local_port"] for row in ours] == [0] + [client_port] * 4
    assert {row["remote_port"] for row in ours} == {port}
    assert {row["local_port"] for row in theirs} == {port}
    assert {row["remote_port"] for row in known} == {client_port}
    for row in ours[1:] + known:
        assert row["local"] == row["remote"]
        assert row["local"].removeprefix("::ffff:") == host.removeprefix("::ffff:")
    assert {row["netns"] for row in rows} == {netns.inum}
    assert {row["error"] for row in rows} == {None}

    # The process is known where the call was its own, and nowhere else (fact 4).
    mine = {("close", "syn_sent"), ("established", "fin_wait1"), ("close_wait", "last_ack")}
    for row in rows:
        if (row["from"], row["to"]) in mine:
            assert (row["pid"], row["comm"]) == (os.getpid(), comm()), row
        else:
            assert (row["pid"], row["comm"]) == (None, None), row

    times = [row["time"] for row in rows]
    assert times == sorted(times)
    assert abs(times[-1] - time.time()) < 5


def test_listener(daemon, netns):
    watch = daemon.watch(netns=netns.inum)
    listener = netns.listener()
    port = listener.getsockname()[1]
    listener.close()
    opened, closed = watch.take(2)
    assert moves([opened, closed]) == [("close", "listen"), ("listen", "close")]
    assert (opened["pid"], opened["comm"]) == (os.getpid(), comm())
    assert opened["local_port"] == closed["local_port"] == port
    assert opened["remote_port"] == 0


def test_the_childs_user_is_the_listeners(daemon, netns):
    """Not root's, who connects, nor of whoever runs when the ACK comes (fact 5)."""
    server = netns.popen(
        "setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c",
        "import socket, time; l = socket.create_server(('127.0.0.1', 5000)); l.accept(); time.sleep(60)")
    wait_for(lambda: counts(netns)["listen"] == 1)
    watch = daemon.watch(netns=netns.inum)
    client = netns.open_socket()
    client.connect(("127.0.0.1", 5000))
    rows = [row for row in watch.take(4) if row["to"] != "listen"]
    by_side = {row["local_port"] == 5000: row["uid"] for row in rows}
    assert by_side == {True: 65534, False: 0}
    server.kill()


def test_filters(daemon, netns, other_netns):
    """Only what was asked for; a state is matched at its beginning and at its end."""
    listener = netns.listener()
    port = listener.getsockname()[1]
    other = netns.listener(socket.AF_INET6)
    wanted = {
        "state": ({"state": "close_wait", "netns": netns.inum},
                  [("established", "close_wait"), ("close_wait", "last_ack")] * 2),
        "port": ({"port": port, "state": "close_wait"},
                 [("established", "close_wait"), ("close_wait", "last_ack")]),
        "remote": ({"remote": "::1/128", "state": "last_ack", "netns": netns.inum},
                   [("close_wait", "last_ack"), ("last_ack", "close")]),
        "two": ({"state": "fin_wait2,listen", "remote": "127.0.0.0/8", "netns": netns.inum},
                [("listen", "syn_recv")][BORN_LATE:] + [("fin_wait1", "fin_wait2"), ("fin_wait2", "time_wait")]),
        "netns": ({"netns": other_netns.inum}, []),
    }
    watches = {name: daemon.watch(**filters) for name, (filters, _) in wanted.items()}
    for one in (listener, other):
        end(*netns.pair(one))
    for name, (_, expected) in wanted.items():
        assert moves(watches[name].take(len(expected)) + watches[name].rest()) == expected, name


def test_owner_filter(daemon, netns):
    listener = netns.listener()
    mine = daemon.watch(owner=os.getpid(), netns=netns.inum)
    nobodys = daemon.watch(owner="no-such-comm", netns=netns.inum)
    client, server = netns.pair(listener)
    client.close()
    server.close()
    assert ("close", "syn_sent") in moves(mine.take(1) + mine.rest())
    assert nobodys.rest() == []


def test_two_watchers(daemon, netns):
    watches = [daemon.watch(netns=netns.inum) for _ in range(2)]
    listener = netns.listener()
    for _ in range(20):
        end(*netns.pair(listener))
    first, second = (watch.take(201) for watch in watches)
    assert first == second


def test_slow_reader(daemon, netns):
    """One who does not read is told how much it missed; the daemon, and other readers, do not wait for it."""
    slow = UnixConnection(daemon.socket)
    slow.request("GET", f"/v1/watch?netns={netns.inum}")
    answer = slow.getresponse()
    quick = daemon.watch(netns=netns.inum)
    load = netns.load(seed=31, connections=3000)
    load.wait()
    load.end()
    assert_settles(daemon, netns)
    rows = quick.rest(1)
    assert not any("missed" in row for row in rows)
    told = len(rows)
    assert told > 10000

    import json
    read = missed = 0
    while read + missed < told:
        line = answer.readline().strip()
        if line:
            row = json.loads(line)
            missed += row.get("missed", 0)
            read += "missed" not in row
    assert missed > 0 and read + missed == told
    slow.close()
    assert daemon.metrics().sum("tcpwatch_events_lost_total", reason="ring_full") == 0


def test_watcher_that_leaves(make_daemon, netns):
    """Half-read and gone: nothing of it is left."""
    daemon = make_daemon(netns=netns, namespaces="host", metrics={"listen": "off"}).start()
    files = len(os.listdir(f"/proc/{daemon.pid}/fd"))
    for _ in range(20):
        watch = daemon.watch(netns=netns.inum)
        netns.listener()
        watch.close()
    netns.listener()
    wait_for(lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) <= files, 10, "its descriptors to be closed")
    assert_settles(daemon, netns)


def test_nothing_moves(daemon, netns):
    """The answer begins at once, before the first row, so that a client knows that it watches."""
    started = time.monotonic()
    watch = daemon.watch(netns=netns.inum)
    assert time.monotonic() - started < 2
    assert watch.answer.getheader("Content-Type") == "application/x-ndjson"
    assert watch.rest() == []
