# SPDX-License-Identifier: GPL-2.0-or-later
"""recv_queue and send_queue of /v1/connections are what ss shows at that moment; null where there are none."""

import os
import socket
import subprocess

import pytest

from oracle import assert_settles, row, wait_for

pytestmark = pytest.mark.both_modes


def true_queues(netns):
    """(receive, send) of full sockets, by cookie, as ss has them."""
    out = subprocess.run(["nsenter", f"--net={netns.path}", "ss", "-HOtane"],
                         stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout
    found = {}
    for line in out.splitlines():
        words, s = line.split(), row(line)
        if s.state not in ("time_wait", "syn_recv"):
            found[s.cookie] = (int(words[1]), int(words[2]))
    return found


def told_queues(daemon, netns, **filters):
    return {r["cookie"]: (r["recv_queue"], r["send_queue"])
            for r in daemon.connections(netns=netns.inum, **filters) if r["state"] not in ("time_wait", "syn_recv")}


@pytest.mark.parametrize("family, host", [
    (socket.AF_INET, None), (socket.AF_INET6, None), (socket.AF_INET6, "::ffff:127.0.0.1")])
def test_unread_data(daemon, netns, family, host):
    """A CLOSE_WAIT with data that nobody reads, and what it sends and nobody reads there."""
    with netns.listener(family, dual=host is not None) as listener:
        client, server = netns.pair(listener, host)
        with client, server:
            client.send(b"x" * 1234)
            server.setblocking(False)
            while True:
                try:
                    server.send(b"y" * 65536)
                except BlockingIOError:
                    break
            client.shutdown(socket.SHUT_WR)
            assert_settles(daemon, netns)
            wait_for(lambda: told_queues(daemon, netns) == true_queues(netns),
                     what=lambda: (told_queues(daemon, netns), true_queues(netns)))
            waiting, = daemon.connections(netns=netns.inum, state="close_wait")
            assert waiting["recv_queue"] == 1235  # the FIN counts
            assert waiting["send_queue"] > 65536


def test_full_accept_queue(daemon, netns):
    with netns.listener(backlog=2) as listener:
        clients = [netns.connect(listener) for _ in range(3)]
        assert_settles(daemon, netns)
        wait_for(lambda: told_queues(daemon, netns) == true_queues(netns))
        row, = daemon.connections(netns=netns.inum, state="listen")
        assert (row["recv_queue"], row["send_queue"]) == (3, 2)
        for client in clients:
            client.close()


def test_listeners_of_one_address(daemon, netns):
    """A look-up by address finds any of them, and each must have its own queue."""
    with netns.inside():
        group = []
        for _ in range(3):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            s.bind(("127.0.0.1", group[0].getsockname()[1] if group else 0))
            s.listen(7)
            group.append(s)
        clients = [socket.create_connection(group[0].getsockname()) for _ in range(8)]
    assert_settles(daemon, netns)
    wait_for(lambda: told_queues(daemon, netns, state="listen") == {
        cookie: queues for cookie, queues in true_queues(netns).items() if queues[1] == 7})
    for s in group + clients:
        s.close()


def test_all_states(daemon, netns):
    held = netns.holder()
    for count, kind in enumerate(("listen", "established", "half_closed", "syn_sent", "fin_wait1", "last_ack",
                                  "closing", "orphan", "unaccepted", "time_wait", "syn_recv"), 1):
        held.hold(kind, count, ("ipv4", "ipv6", "mapped")[count % 3])
    assert_settles(daemon, netns)
    daemon.resync()
    assert_settles(daemon, netns)
    for r in daemon.connections(netns=netns.inum):
        if r["state"] in ("time_wait", "syn_recv"):
            assert r["recv_queue"] is None and r["send_queue"] is None
    true = true_queues(netns)
    told = told_queues(daemon, netns)
    orphans = {r["cookie"] for r in daemon.connections(netns=netns.inum, state="fin_wait2")
               if r["recv_queue"] is None}
    assert len(orphans) == 8 + 9, "minisockets have none: orphans, and the clients of those unaccepted"
    assert {c: q for c, q in told.items() if c not in orphans} == {c: q for c, q in true.items() if c in told
                                                                  and c not in orphans}
    assert len(told) > 60


def test_cost_no_descriptors(daemon, netns):
    """Asking often leaves nothing open."""
    with netns.listener() as listener:
        pairs = [netns.pair(listener) for _ in range(200)]
        assert_settles(daemon, netns)

        def answered():
            return len([r for r in daemon.connections(netns=netns.inum) if r["recv_queue"] == 0]) >= 400

        wait_for(answered, 5, "the new namespace to be asked")
        before = len(os.listdir(f"/proc/{daemon.pid}/fd"))
        for _ in range(5):
            assert answered()
        # the connections of those who asked, and what a look at something opens, are closed a moment later
        wait_for(lambda: len(os.listdir(f"/proc/{daemon.pid}/fd")) <= before, 5, "descriptors closed")
        for pair in pairs:
            for s in pair:
                s.close()
