# SPDX-License-Identifier: GPL-2.0-or-later
"""Each listener with its queues, held against what `ss -ltn` and the SYN_RECVs of `ss` say."""

import collections
import json
import os
import socket
import struct
import subprocess
import sys
import time

import pytest

from netns import HERE, VETH, route_back, veth
from oracle import assert_right_when_quiet, counts, sockets, wait_for
from recording import LISTENER, LISTENERS, LISTENERS_CHANGED, records
from test_half_open import half_open

both_modes = pytest.mark.both_modes

Listener = collections.namedtuple("Listener", "local port accept_queue backlog")


def true_listeners(netns):
    """As ss has them, in order, and the half-open connections of each port that is listened on."""
    out = netns.run("ss", "-Hltn", capture_output=True, text=True).stdout
    rows, listed = sockets(netns), [s for s in sockets(netns) if s.state == "listen"]
    queues = [[int(word) for word in line.split()[1:3]] for line in out.splitlines()]
    assert len(listed) == len(queues)
    ports = {s.local_port for s in listed}
    half = collections.Counter(s.local_port for s in rows if s.state == "syn_recv" and s.local_port in ports)
    return sorted(Listener(s.local, s.local_port, *q) for s, q in zip(listed, queues)), +half


def told_listeners(daemon, netns):
    rows = daemon.listeners(netns=netns.inum)
    half = collections.Counter()
    for row in rows:
        assert row["netns"] == netns.inum
        half[row["local_port"]] += row["syn_queue"]
    listed = [Listener(r["local"], r["local_port"], r["accept_queue"], r["backlog"]) for r in rows]
    return sorted(listed), +half


def assert_listeners(daemon, *namespaces):
    """Within two ticks, for a busy host ten; then all eleven counts are those of ss, too."""
    for netns in namespaces:
        wait_for(lambda: told_listeners(daemon, netns) == true_listeners(netns), 5,
                 lambda: f"{netns.name}: told {told_listeners(daemon, netns)}, true {true_listeners(netns)}")
    assert_right_when_quiet(daemon, *namespaces)


def row_of(daemon, netns, listener):
    """The one row of a listener's port."""
    row, = daemon.listeners(netns=netns.inum, port=listener.getsockname()[1])
    return row


@both_modes
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_half_open(daemon, netns, family):
    listener = netns.listener(family)
    half_open(netns, listener, 13)
    assert_listeners(daemon, netns)
    row = row_of(daemon, netns, listener)
    assert (row["syn_queue"], row["accept_queue"], row["backlog"]) == (13, 0, 128)
    assert row["family"] == {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}[family]
    assert row["local"] == listener.getsockname()[0]


@both_modes
def test_emptied(daemon, netns):
    """The queues go down as they went up."""
    listener = netns.listener()
    half_open(netns, listener, 6)
    assert_listeners(daemon, netns)
    netns.release()
    wait_for(lambda: counts(netns)["established"] == 12)
    assert_listeners(daemon, netns)
    assert row_of(daemon, netns, listener)["accept_queue"] == 6
    for _ in range(6):
        netns.sockets.append(listener.accept()[0])
    assert_listeners(daemon, netns)
    assert row_of(daemon, netns, listener)["accept_queue"] == 0


@both_modes
def test_full_accept_queue(daemon, netns):
    """Nobody accepts: it holds one more than the backlog, and what comes then stays half-open."""
    netns.sysctl("net.ipv4.tcp_syncookies", 0)
    listener = netns.listener(backlog=4)
    for _ in range(7):
        netns.begin(listener.getsockname())
    wait_for(lambda: true_listeners(netns)[0][0].accept_queue == 5)
    assert_listeners(daemon, netns)
    row = row_of(daemon, netns, listener)
    assert (row["accept_queue"], row["backlog"]) == (5, 4)


def test_reuseport(daemon, netns):
    """Four listeners on one port: each is shown, with its own part."""
    first = netns.listener(share=True)
    port = first.getsockname()[1]
    for _ in range(3):
        netns.listener(port=port, share=True)
    for _ in range(16):
        netns.connect(first)
    half_open(netns, first, 12)
    assert_listeners(daemon, netns)
    rows = daemon.listeners(netns=netns.inum, port=port)
    assert len(rows) == 4
    assert sum(row["syn_queue"] for row in rows) == 12
    assert sum(row["accept_queue"] for row in rows) == 16


@pytest.mark.parametrize("mode", ["diag"])
def test_reuseport_by_dumps(make_daemon, netns):
    """The kernel does not tell whose of the four the half-open connections are: of them only the sum is known."""
    daemon = make_daemon(netns=netns, namespaces="host")
    with netns.inside():
        daemon.start()
        first = netns.listener(share=True)
        port = first.getsockname()[1]
        for _ in range(3):
            netns.listener(port=port, share=True)
        other = netns.listener()
        for _ in range(16):
            netns.connect(first)
        assert_listeners(daemon, netns)
        assert [row["syn_queue"] for row in daemon.listeners(port=port)] == [0] * 4
        half_open(netns, first, 12)
        wait_for(lambda: [row["syn_queue"] for row in daemon.listeners(port=port)] == [None] * 4, 5)
        wait_for(lambda: daemon.status().states_of(netns.inum)["syn_recv"] == 12, 5)
        assert sum(row["accept_queue"] for row in daemon.listeners(port=port)) == 16
        assert row_of(daemon, netns, other)["syn_queue"] == 0
        assert daemon.metrics().sum("tcpwatch_listener_syn_queue", port=str(port)) == 12
        assert len(daemon.connections(state="syn_recv", port=port)) == 12


@both_modes
def test_one_port_at_several_addresses(daemon, netns):
    """A half-open connection is one of the listener that it came to."""
    wide = netns.listener(host="0.0.0.0", share=True)
    port = wide.getsockname()[1]
    wide6 = netns.listener(socket.AF_INET6, host="::", port=port, share=True)
    narrow = netns.listener(host="127.0.0.2", port=port, share=True)
    other = netns.listener()
    half_open(netns, narrow, 3)
    for host, family, count in (("127.0.0.1", socket.AF_INET, 5), ("::1", socket.AF_INET6, 7)):
        for _ in range(count):
            netns.begin((host, port), family)
    assert_listeners(daemon, netns)
    queues = {(row["family"], row["local"]): row["syn_queue"] for row in daemon.listeners(port=port)
              if row["netns"] == netns.inum}
    assert queues == {("ipv4", "0.0.0.0"): 5, ("ipv6", "::"): 7, ("ipv4", "127.0.0.2"): 3}
    assert row_of(daemon, netns, other)["syn_queue"] == 0 and wide6.family == socket.AF_INET6


@both_modes
@pytest.mark.parametrize("client", ["ipv4", "mapped"])
def test_mapped(make_daemon, netns, client):
    """An IPv4 client's half-open connection to a dual listener is IPv6 for ss, and so it is for us."""
    daemon = make_daemon(netns=netns, namespaces="host")
    with netns.inside():
        daemon.start()
        listener = netns.listener(socket.AF_INET6, dual=True)
        port = listener.getsockname()[1]
        netns.drop(f"tcp sport {port} tcp flags & (syn|ack) == (syn|ack)")
        for _ in range(4):
            if client == "ipv4":
                netns.begin(("127.0.0.1", port))
            else:
                netns.begin(("::ffff:127.0.0.1", port), socket.AF_INET6)
        assert_listeners(daemon, netns)
        assert row_of(daemon, netns, listener)["syn_queue"] == 4
        metrics = daemon.metrics()
    for family, option in (("ipv4", "-4"), ("ipv6", "-6")):
        told = metrics.sum("tcpwatch_connections", state="syn_recv", family=family)
        assert told == counts(netns, option)["syn_recv"], family


@both_modes
def test_older_than_the_daemon(make_daemon, netns):
    held = netns.holder()
    held.hold("syn_recv", 9)
    daemon = make_daemon().start()
    assert told_listeners(daemon, netns) == true_listeners(netns), "ready means: the queues are known"
    row, = daemon.listeners(netns=netns.inum)
    assert row["syn_queue"] == 9
    assert_listeners(daemon, netns)


@both_modes
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("older", [True, False])
def test_mptcp(make_daemon, netns, mode, family, older):
    """Its queues are those of the TCP socket beneath it."""
    daemon = make_daemon()
    if not older:
        daemon.start()
    listener = netns.listener(family, protocol=socket.IPPROTO_MPTCP, backlog=77)
    netns.connect(listener, protocol=socket.IPPROTO_MPTCP)
    half_open(netns, listener, 4)
    if older:
        daemon.start()
    assert_listeners(daemon, netns)
    row = row_of(daemon, netns, listener)
    assert (row["syn_queue"], row["accept_queue"], row["backlog"]) == (4, 1, 77)
    if mode == "ebpf":
        wait_for(lambda: row_of(daemon, netns, listener)["holders"] == 1, 10, "a pass to meet it")
        assert row_of(daemon, netns, listener)["owner"]["pid"] == os.getpid()


def let_go(listener):
    """Sends it into a pair of Unix sockets, and closes it: no process has a descriptor of it any more. The pair."""
    pair = socket.socketpair()
    socket.send_fds(pair[0], [b"x"], [listener.fileno()])
    listener.close()
    return pair


def iterators(daemon):
    """BPF iterators that the daemon has open."""
    files = subprocess.run(["ls", "-l", f"/proc/{daemon.process.pid}/fd"], capture_output=True, text=True).stdout
    return files.count("bpf_iter")


@both_modes
@pytest.mark.parametrize("elsewhere", [True, False])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_older_and_held_by_nobody(make_daemon, netns, elsewhere, family):
    """It is shown as ss shows it, beside one that somebody holds, and gone when it is gone."""
    listener, beside = netns.listener(family, backlog=77), netns.listener(family)
    name = listener.getsockname()
    for _ in range(2):
        netns.connect(listener)
    half_open(netns, listener, 4)
    half_open(netns, beside, 3)
    pair = let_go(listener)
    where = {} if elsewhere else {"netns": netns, "namespaces": "host", "metrics": {"listen": "off"}}
    daemon = make_daemon(**where).start()
    assert_listeners(daemon, netns)
    for _ in range(5):
        netns.begin(name, family)
    assert_listeners(daemon, netns)
    row, = daemon.listeners(netns=netns.inum, port=name[1])
    assert (row["syn_queue"], row["accept_queue"], row["backlog"]) == (9, 2, 77)
    assert (row["owner"]["kind"], row["owner"]["pid"], row["owner"]["uid"]) == ("unknown", None, os.getuid())
    assert daemon.status().states_of(netns.inum)["syn_recv"] == 12
    for end in pair:
        end.close()
    wait_for(lambda: not daemon.listeners(netns=netns.inum, port=name[1]), 5, "the listener to be gone")
    assert_listeners(daemon, netns)
    wait_for(lambda: not iterators(daemon), 5, "the iterators to be closed")


def test_mptcp_closed(daemon, netns):
    """What it leaves half-open is counted until that ends."""
    listener = netns.listener(protocol=socket.IPPROTO_MPTCP)
    half_open(netns, listener, 4)
    time.sleep(3.3)  # SYN and SYN-ACK have been sent three times: the next is due after 7 seconds
    listener.close()
    wait_for(lambda: not daemon.listeners(netns=netns.inum), 3, "the listener to be gone")
    assert counts(netns)["syn_recv"] == 4
    assert daemon.status().states_of(netns.inum)["syn_recv"] == 4
    assert_right_when_quiet(daemon, netns)


@both_modes
def test_three_namespaces(daemon, make_netns):
    spaces = [make_netns() for _ in range(3)]
    for number, space in enumerate(spaces, 2):
        half_open(space, space.listener(port=7000), number)
        space.listener(port=7001)
    assert_listeners(daemon, *spaces)
    rows = [row for row in daemon.listeners(port=7000) if row["netns"] in {space.inum for space in spaces}]
    assert sorted(row["syn_queue"] for row in rows) == [2, 3, 4]


@both_modes
def test_closed(daemon, netns):
    """It disappears, and with it what was half-open; another on the same port is another."""
    listener = netns.listener()
    half_open(netns, listener, 5)
    assert_listeners(daemon, netns)
    address = listener.getsockname()
    listener.close()
    wait_for(lambda: not daemon.listeners(netns=netns.inum), 3, "the listener to be gone")
    wait_for(lambda: daemon.status().states_of(netns.inum)["syn_recv"] == 0, 3, "the half-open ones to be gone")
    netns.listener(port=address[1])
    assert_listeners(daemon, netns)


def test_others_come_and_go(daemon, netns):
    """Among many that stay, more than the kernel tells in one piece: each is there once all the time."""
    churn = netns.popen(
        sys.executable, HERE / "churn.py", 2000, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    staying = set(json.loads(churn.stdout.readline()))

    def told():
        return collections.Counter(row["local_port"] for row in daemon.listeners(netns=netns.inum))

    wait_for(lambda: staying <= told().keys(), 5, "the listeners")
    for _ in range(20):
        ports = told()
        assert {ports[port] for port in staying} == {1}
        time.sleep(0.5)
    churn.stdin.close()
    assert churn.wait() == 0
    assert_listeners(daemon, netns)


def test_only_changes_are_told(make_daemon, netns, open_directory):
    """Of listeners that nobody wants to connect to, most looks tell nothing; of the others all."""
    idle, wanted = netns.listener(), netns.listener()
    path = open_directory / "recording"
    daemon = make_daemon(arguments=("--record", path)).start()
    assert_listeners(daemon, netns)
    time.sleep(4)
    half_open(netns, wanted, 3)
    wait_for(lambda: row_of(daemon, netns, wanted)["syn_queue"] == 3, 1.5, "what is half open")
    idle.listen(99)
    assert_listeners(daemon, netns)
    time.sleep(4)
    assert_listeners(daemon, netns)
    daemon.stop()
    kinds = collections.Counter(kind for kind, _ in records(path.read_bytes()))
    told = collections.Counter(
        struct.unpack_from("=H", body, 44) for kind, body in records(path.read_bytes())
        if kind == LISTENER and struct.unpack_from("=I", body, 16) == (netns.inum,))
    looks = kinds[LISTENERS] + kinds[LISTENERS_CHANGED]
    idle_told, wanted_told = (told[listener.getsockname()[1:2]] for listener in (idle, wanted))
    assert kinds[LISTENERS] <= idle_told <= kinds[LISTENERS] + 4 < looks / 2
    assert wanted_told > idle_told + 6


@both_modes
def test_backlog_changed(daemon, netns):
    listener = netns.listener(backlog=7)
    assert_listeners(daemon, netns)
    listener.listen(99)
    assert_listeners(daemon, netns)
    assert row_of(daemon, netns, listener)["backlog"] == 99


def test_limited_backlog(daemon, netns):
    """It is the lesser of listen()'s and somaxconn."""
    netns.sysctl("net.core.somaxconn", 33)
    listener = netns.listener(backlog=1000)
    assert_listeners(daemon, netns)
    assert row_of(daemon, netns, listener)["backlog"] == 33


def test_order_and_filters(make_daemon, make_netns):
    first, second = make_netns(), make_netns()
    for space in (first, second):
        for port in (9000, 80, 443):
            space.listener(port=port)
        space.listener(host="0.0.0.0", port=8080)
    daemon = make_daemon().start()
    rows = [row for row in daemon.listeners() if row["netns"] in (first.inum, second.inum)]
    keys = [(row["netns"], row["local_port"], row["local"]) for row in rows]
    assert len(keys) == 8 and keys == sorted(keys)
    assert {row["local_port"] for row in daemon.listeners(port=443, netns=first.inum)} == {443}
    owned = daemon.listeners(owner=os.getpid(), netns=second.inum)
    assert [row["local_port"] for row in owned] == [80, 443, 8080, 9000]
    assert not daemon.listeners(owner=1, netns=second.inum)
    for query in ("port=x", "port=70000", "netns=-1", "state=listen", "nonsense=1"):
        answer = daemon.control(f"/v1/listeners?{query}")
        assert answer.status == 400 and json.loads(answer.body)["error"], query


def test_a_row(daemon, netns):
    listener = netns.listener()
    assert_listeners(daemon, netns)
    row = row_of(daemon, netns, listener)
    assert set(row) == {
        "netns", "local", "local_port", "family", "syn_queue", "accept_queue", "backlog", "syn_received_total",
        "syn_rate", "cookies_sent_rate", "holders", "owner"}
    assert set(row["owner"]) == {
        "kind", "pid", "comm", "executable", "uid", "unit", "slice", "container", "cgroup"}
    assert (row["owner"]["kind"], row["owner"]["pid"], row["owner"]["uid"]) == ("process", os.getpid(), os.getuid())


# Whose it is.


def start_workers(netns, kind):
    process = netns.popen(sys.executable, HERE / "workers.py", kind, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True)
    return process, json.loads(process.stdout.readline())


def workers(netns, kind):
    return start_workers(netns, kind)[1]


@pytest.mark.parametrize("kind", ["forked", "orphaned", "passed"])
def test_changed_hands_before(make_daemon, netns, kind):
    listener = workers(netns, kind)
    daemon = make_daemon().start()
    row, = daemon.listeners(netns=netns.inum)
    assert row["local_port"] == listener["port"]
    assert row["holders"] == len(listener["pids"])
    assert row["owner"]["kind"] == "process" and row["owner"]["pid"] in listener["pids"]
    assert_listeners(daemon, netns)


@pytest.mark.parametrize("kind", ["forked", "orphaned", "passed"])
def test_changed_hands_after(daemon, netns, kind):
    """It is followed, once those who hold it now are met."""
    listener = workers(netns, kind)
    assert_listeners(daemon, netns)

    def followed():
        row, = daemon.listeners(netns=netns.inum)
        assert row["local_port"] == listener["port"]
        return row["owner"]["pid"] in listener["pids"] and row["holders"] == len(listener["pids"])

    wait_for(followed, 15, lambda: (listener, daemon.listeners(netns=netns.inum)))
    row, = daemon.connections(netns=netns.inum, state="listen")
    assert row["owner"]["kind"] == "process" and row["owner"]["pid"] in listener["pids"]


def test_in_flight(make_daemon, netns):
    """It is nobody's that could be named, and a process that is no more is looked for no more than once.

    (Of this namespace alone, as those who end elsewhere on the host ask for passes, too.)
    """
    daemon = make_daemon(netns=netns, namespaces="host")
    with netns.inside():
        daemon.start()
    process, _ = start_workers(netns, "in_flight")

    def owner():
        return [(r["owner"]["kind"], r["owner"]["pid"], r["owner"]["comm"], r["holders"])
                for r in daemon.listeners(netns=netns.inum) if r["local_port"] != daemon.port]

    wait_for(lambda: owner() == [("unknown", None, None, None)], 15, owner)
    before = daemon.status()["passes"]["count"]
    time.sleep(4)
    assert daemon.status()["passes"]["count"] - before <= 1, "time asks for one in five seconds"
    process.stdin.write("\n")
    process.stdin.flush()
    pid, = json.loads(process.stdout.readline())["pids"]
    daemon.resync()
    wait_for(lambda: [row[:2] for row in owner()] == [("process", pid)], 5, owner)


# What the counts of SYN_RECV are made of.


@both_modes
def test_only_the_daemons_own(make_daemon, netns, other_netns):
    """namespaces = host: no listener of another is shown or counted."""
    for space, count in ((netns, 3), (other_netns, 4)):
        half_open(space, space.listener(), count)
    daemon = make_daemon(netns=netns, namespaces="host")
    with netns.inside():
        daemon.start()
        other_netns.listener()
        assert_listeners(daemon, netns)
        status = daemon.status()
    assert {row["netns"] for row in daemon.listeners()} == {netns.inum}
    assert [n["netns"] for n in status["namespaces"]] == [netns.inum]
    assert status["states"]["syn_recv"] == 3


def test_gone_with_its_namespace(daemon, netns, make_netns):
    doomed = make_netns()
    veth(netns, doomed)
    half_open(doomed, doomed.listener(), 5)
    assert_listeners(daemon, doomed)
    doomed.remove()
    wait_for(lambda: not daemon.listeners(netns=doomed.inum), 5, "the listener to be gone")
    wait_for(lambda: not daemon.status().knows(doomed.inum), 10, "the daemon to forget the namespace")
    wait_for(lambda: "tw0" not in netns.run("ip", "link", capture_output=True, text=True).stdout, 5,
             "the kernel to free the namespace")
    assert_right_when_quiet(daemon, netns)


def test_whole_sockets_in_syn_recv(daemon, netns):
    """Those of a simultaneous open have no listener, and are counted beside the queues."""
    netns.holder().hold("syn_recv_socket", 3)
    listener = netns.listener()
    half_open(netns, listener, 4)
    assert_listeners(daemon, netns)
    assert daemon.status().states_of(netns.inum)["syn_recv"] == 7
    assert row_of(daemon, netns, listener)["syn_queue"] == 4


@both_modes
def test_peers_are_told_at_once(daemon, netns, other_netns):
    """Nobody but the dump that the question causes knows who they are."""
    veth(netns, other_netns)
    route_back(netns)
    listener = netns.listener(host=VETH[socket.AF_INET][0])
    assert_right_when_quiet(daemon, netns, other_netns)
    other_netns.flood(listener, count=60, **{"from": "198.51.100.0/24"}).wait()
    if daemon.status()["mode"] == "diag":
        wait_for(lambda: daemon.status().states_of(netns.inum)["syn_recv"] == 60, 5)
    told = {(r["remote"], r["remote_port"]) for r in daemon.connections(state="syn_recv", netns=netns.inum)}
    true = {(s.remote, s.remote_port) for s in sockets(netns) if s.state == "syn_recv"}
    assert told == true and len(true) == 60
    assert_listeners(daemon, netns)
    assert daemon.status().states_of(netns.inum)["syn_recv"] == 60


@pytest.mark.parametrize("mode", ["diag"])
def test_between_dear_rounds(make_daemon, netns):
    """A full round takes what is saved in 20 seconds; a flood is seen before the next one."""
    crowd = netns.holder()
    crowd.hold("established", 9000)
    daemon = make_daemon(netns=netns, namespaces="host", resync_budget="0.1%",
                         metrics={"listen": "off"}).start()

    def full_rounds():
        return daemon.status()["resync"]["count"]

    wait_for(lambda: full_rounds() == 2, 30, "a full round after the first, which nothing was saved for")
    listener = netns.listener()
    half_open(netns, listener, 13)
    wait_for(lambda: [row["syn_queue"] for row in daemon.listeners(port=listener.getsockname()[1])] == [13], 30)
    assert daemon.status().states_of(netns.inum)["syn_recv"] == 13
    assert full_rounds() == 2, "it was shown by another full round"


# The metrics.


@pytest.fixture
def own(make_daemon, netns):
    """A daemon that sees this namespace alone, and is asked from inside."""
    daemon = make_daemon(netns=netns, namespaces="host", metrics={"top": 2})
    with netns.inside():
        yield daemon.start()


QUEUES = ("tcpwatch_listener_syn_queue", "tcpwatch_listener_accept_queue", "tcpwatch_listener_accept_queue_limit")


def test_metrics(own, netns):
    """The fullest ports by name and all others together; the sum is always the whole."""
    fullest = netns.listener(backlog=10)
    half_open(netns, fullest, 9)
    filled = netns.listener(backlog=4)
    for _ in range(2):
        netns.connect(filled)
    rest = [netns.listener(backlog=100) for _ in range(5)]
    netns.connect(rest[0])
    assert_listeners(own, netns)
    with own.scraper() as scrape:
        scrape()
        wait_for(lambda: own.status().states_of(netns.inum) == counts(netns))
        metrics = scrape()
    ports = {str(s.getsockname()[1]): s for s in (fullest, filled)}
    series = {dict(labels)["port"] for name, labels in metrics if name == QUEUES[0]}
    assert series == {*ports, "other"}
    assert {dict(labels)["netns"] for name, labels in metrics if name == QUEUES[0]} == {str(netns.inum), "other"}
    rows = own.listeners()
    for name, key in zip(QUEUES, ("syn_queue", "accept_queue", "backlog")):
        assert metrics.sum(name) == sum(row[key] for row in rows), name
        for port in ports:
            assert metrics.all(name, port=port) == [r[key] for r in rows if r["local_port"] == int(port)]
    assert metrics.sum(QUEUES[0], port="other") == 0 and metrics.sum(QUEUES[1], port="other") == 1


def test_metrics_of_a_shared_port(own, netns):
    first = netns.listener(share=True, backlog=20)
    port = first.getsockname()[1]
    netns.listener(port=port, share=True, backlog=30)
    half_open(netns, first, 8)
    assert_listeners(own, netns)
    metrics = own.metrics()
    assert metrics.all(QUEUES[0], port=str(port)) == [8]
    assert metrics.all(QUEUES[2], port=str(port)) == [50]
