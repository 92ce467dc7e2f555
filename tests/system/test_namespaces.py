# SPDX-License-Identifier: GPL-2.0-or-later
"""Each network namespace is counted apart, found when it comes, and let go of when it ends (fact 9)."""

import os
import subprocess
import sys

import pytest

from netns import HERE, RUN, Holder, veth
from oracle import (
    assert_right_when_quiet, assert_settles, counts, wait_for)

pytestmark = pytest.mark.both_modes


def test_three_apart(make_daemon, make_netns):
    """Two from before the start, one from after."""
    before = [make_netns(), make_netns()]
    for number, space in enumerate(before, 3):
        space.holder().hold("established", number)
    daemon = make_daemon().start()
    after = make_netns()
    after.holder().hold("half_closed", 5)
    assert_right_when_quiet(daemon, *before, after)
    told = [daemon.status().states_of(space.inum) for space in (*before, after)]
    assert [states["established"] for states in told] == [6, 8, 0]
    assert [states["close_wait"] for states in told] == [0, 0, 5]


def test_connection_between_two(daemon, netns, other_netns):
    """One end in each, over a veth pair."""
    veth(netns, other_netns)
    listener = netns.open_socket()
    listener.bind(("192.0.2.1", 0))
    listener.listen()
    for _ in range(4):
        client = other_netns.open_socket()
        client.connect(listener.getsockname())
        netns.sockets.append(listener.accept()[0])
    assert_right_when_quiet(daemon, netns, other_netns)
    for client in other_netns.sockets:
        client.close()
    assert_right_when_quiet(daemon, netns, other_netns)
    assert daemon.status().states_of(other_netns.inum)["fin_wait2"] == 4


def test_socket_belongs_where_it_was_opened(daemon, netns, other_netns):
    """Used from another namespace, a socket still counts in its own."""
    listener = netns.listener()
    client = netns.open_socket()
    with other_netns.inside():
        client.connect(listener.getsockname())
        server, _ = listener.accept()
    netns.sockets.append(server)
    assert counts(netns)["established"] == 2
    assert_settles(daemon, netns, other_netns)


class Unnamed:
    """A namespace that only its processes hold, as a container's."""

    name = "unnamed"

    def __init__(self):
        self.process = subprocess.Popen(
            ["unshare", "--net", sys.executable, HERE / "holder.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.path = f"/proc/{self.process.pid}/ns/net"
        self.holder = Holder(self)
        self.inum = os.stat(self.path).st_ino

    def popen(self, *_, **__):
        return self.process

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def unnamed():
    space = Unnamed()
    subprocess.run(["nsenter", f"--net={space.path}", "ip", "link", "set", "lo", "up"], check=True)
    yield space
    space.end()


@pytest.mark.parametrize("when", ["before", "after"])
def test_without_a_name(make_daemon, request, when):
    if when == "before":
        space = request.getfixturevalue("unnamed")
        space.holder.hold("time_wait", 3)
        space.holder.hold("half_closed", 4)
        daemon = make_daemon().start()
    else:
        daemon = make_daemon().start()
        space = request.getfixturevalue("unnamed")
        space.holder.hold("syn_recv", 3)
        space.holder.hold("half_closed", 4)
    assert_right_when_quiet(daemon, space)
    assert daemon.status().states_of(space.inum)["close_wait"] == 4


def forgotten(daemon, netns):
    """Not known any more; unless it is another's by now, for the kernel gives a number again at once."""
    named = {path.stat().st_ino for path in RUN.iterdir()}
    return netns.inum in named or not daemon.status().knows(netns.inum)


def devices(netns):
    return netns.run("ip", "-o", "link", capture_output=True, text=True).stdout


@pytest.mark.parametrize("kinds", [(), ("established", "time_wait", "half_closed")])
def test_gone(daemon, netns, make_netns, kinds):
    """The daemon does not keep a namespace: its half of a veth pair takes the other with it.

    (A FIN that nobody acknowledges does keep it, in the kernel, until it is given up.)
    """
    doomed = make_netns()
    veth(netns, doomed)
    held = doomed.holder()
    for kind in kinds:
        held.hold(kind, 3)
    assert_settles(daemon, doomed)
    assert "tw0" in devices(netns)
    doomed.remove()
    wait_for(lambda: "tw0" not in devices(netns), 30, "the namespace to be freed")
    wait_for(lambda: forgotten(daemon, doomed), 5, "the daemon to forget it")
    assert_settles(daemon, netns)


def held_open(daemon):
    """How many descriptors it has, and how many namespaces it knows: others on the host make some, too."""
    return len(os.listdir(f"/proc/{daemon.pid}/fd")), len(daemon.status()["namespaces"])


def test_many_come_and_go(daemon, make_netns):
    """No descriptor and no row is left of twenty that came and went."""
    files, known = held_open(daemon)
    for _ in range(2):
        spaces = [make_netns() for _ in range(10)]
        for space in spaces:
            space.holder().hold("half_closed", 2)
        assert_settles(daemon, *spaces)
        for space in spaces:
            space.remove()
        wait_for(lambda: all(forgotten(daemon, space) for space in spaces), 10)

    def back():
        now_files, now_known = held_open(daemon)
        return now_files <= files or now_known > known

    wait_for(back, 10, lambda: (held_open(daemon), files, known))


def test_only_the_daemons_own(make_daemon, netns, other_netns):
    """namespaces = host: its own and no other."""
    for space in (netns, other_netns):
        space.holder().hold("half_closed", 3)
    daemon = make_daemon(netns=netns, namespaces="host")
    with netns.inside():
        daemon.start()
        for space in (netns, other_netns):
            space.holder().hold("established", 4)
        wait_for(lambda: daemon.status()["states"]["close_wait"] == 3)
        status = daemon.status()
    assert [n["netns"] for n in status["namespaces"]] == [netns.inum]
    assert_settles(daemon, netns)


LEAVE = """
import ctypes, os, socket, sys
libc = ctypes.CDLL(None)
home = os.open("/proc/self/ns/net", os.O_RDONLY)
assert libc.unshare(0x40000000) == 0  # CLONE_NEWNET
listener = socket.socket()
print(os.stat("/proc/self/ns/net").st_ino, flush=True)
assert libc.setns(home, 0x40000000) == 0
listener.listen()
sys.stdin.readline()
listener.close()
sys.stdin.readline()
"""


@pytest.mark.by_events
def test_left_with_a_socket_in_it(daemon, make_netns):
    """No process and no name leads there any more: what transitions told of it holds until they tell its end."""
    with subprocess.Popen([sys.executable, "-c", LEAVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:
        inum = int(process.stdout.readline())
        wait_for(lambda: daemon.status().states_of(inum)["listen"] == 1)
        for _ in range(2):  # scans, which find that nothing leads there
            space = make_netns()
            space.holder().hold("listen", 1)
            assert_settles(daemon, space)
            space.remove()
            wait_for(lambda: forgotten(daemon, space), 10)
        assert daemon.status().states_of(inum)["listen"] == 1
        process.stdin.write("close\n")
        process.stdin.flush()
        wait_for(lambda: not daemon.status().knows(inum), 10, "the daemon to forget it")
        process.stdin.close()


COME_AND_GO = """
import ctypes, os, socket, time
libc = ctypes.CDLL(None)
while True:
    if os.fork() == 0:
        assert libc.unshare(0x40000000) == 0  # CLONE_NEWNET
        listener = socket.socket()
        listener.listen()
        time.sleep(0.5)  # found, and opened
        os._exit(0)
    time.sleep(0.05)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
"""


def test_new_ones_all_the_time(daemon, netns):
    """They do not keep the others from being looked at: what no transition tells, and a resync that is asked for."""
    held = netns.holder()
    held.hold("orphan", 6)
    assert_settles(daemon, netns)
    assert counts(netns)["fin_wait2"] == 6
    known = len(daemon.status()["namespaces"])
    with subprocess.Popen([sys.executable, "-c", COME_AND_GO]) as process:
        try:
            wait_for(lambda: len(daemon.status()["namespaces"]) >= known + 4)
            held.close()
            wait_for(lambda: counts(netns)["time_wait"] == 6)
            assert_settles(daemon, netns)
            daemon.resync()
        finally:
            process.kill()
