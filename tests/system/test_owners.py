# SPDX-License-Identifier: GPL-2.0-or-later
"""Who holds each connection: real programs, held against /proc, `ss -p` and what the programs say of themselves."""

import collections
import contextlib
import ctypes
import json
import os
import pathlib
import pty
import re
import resource
import select
import shutil
import socket
import subprocess
import sys
import time

import pytest

from daemon import TCPWATCHCTL
from netns import HERE
from oracle import assert_right_when_quiet, counts, sockets, wait_for

both_modes = pytest.mark.both_modes

CGROUPS = next(line.split()[1] for line in open("/proc/self/mounts") if line.split()[2] == "cgroup2")
HOSTILE = b'a"\\\n\x1b[31m\xff{}'  # 15 bytes at most: a quote, a backslash, a newline, an escape, no UTF-8


class Program:
    """The other end of owned.py."""

    def __init__(self, netns, kind, *argv, prefix=(), python=sys.executable):
        self.process = netns.popen(
            *prefix, python, HERE / "owned.py", kind, *argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True)
        self.netns = netns
        self.told = self.answer()
        self.port, self.pid = self.told["port"], self.told["pid"]

    def answer(self):
        ready, _, _ = select.select([self.process.stdout], [], [], 30)
        assert ready, "the program says nothing"
        return json.loads(self.process.stdout.readline())

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.answer()

    def connect(self, count=1):
        clients = []
        for _ in range(count):
            c = self.netns.open_socket()
            c.connect(("127.0.0.1", self.port))
            clients.append(c)
        return clients

    def rows(self, daemon, **filters):
        """The server's ends."""
        return [r for r in daemon.connections(netns=self.netns.inum, **filters) if r["local_port"] == self.port]


def owners(rows):
    """How many of each kind, state, and process."""
    return collections.Counter((r["owner"]["kind"], r["state"], r["owner"]["pid"]) for r in rows)


def assert_owners(daemon, program, expected, timeout=15):
    """Of its connections; those that listen are told apart."""
    def told():
        return owners(r for r in program.rows(daemon) if r["state"] != "listen")

    wait_for(lambda: told() == expected, timeout, lambda: f"told {told()}, expected {expected}")


def assert_sums(daemon):
    """The kinds of owners make up all connections."""
    status = daemon.status()
    assert sum(status["owners"].values()) == status["connections"]


def make_pass(daemon):
    """Asks for one and waits for its end."""
    before = daemon.status()["passes"]["count"]
    daemon.resync()
    wait_for(lambda: daemon.status()["passes"]["count"] > before, 10, "a pass over all descriptors")


@contextlib.contextmanager
def cgroup(path):
    """A control group of version 2; gone at the end, with those above it that the test made."""
    made = pathlib.Path(CGROUPS)
    parts = []
    for part in path.strip("/").split("/"):
        made = made / part
        if not made.exists():
            made.mkdir()
            parts.append(made)
    try:
        yield made
    except BaseException as failure:
        # what it has left running ends after it, and what failed is what matters
        for part in reversed(parts):
            with contextlib.suppress(OSError):
                part.rmdir()
        raise failure
    else:
        for part in reversed(parts):
            wait_for(lambda: not (part / "cgroup.procs").read_text(), 10, "the control group to be empty")
            part.rmdir()


def within(group):
    """A prefix that starts a program in the control group."""
    return "sh", "-c", f'echo $$ > "$0/cgroup.procs" && exec "$@"', group


@contextlib.contextmanager
def running(program):
    """Has ended when its control group is to go."""
    try:
        yield program
    finally:
        program.process.kill()
        program.process.wait()


def comm_of(pid):
    return pathlib.Path(f"/proc/{pid}/comm").read_text().rstrip("\n")


def true_holders(netns):
    """Of each connection, by its two ports, the processes that ss finds."""
    out = netns.run("ss", "-Htanp", capture_output=True, text=True).stdout
    found = {}
    for line in out.splitlines():
        words = line.split()
        ports = tuple(word.rpartition(":")[2] for word in words[3:5])
        found[ports] = {int(pid) for pid in re.findall(r"pid=(\d+)", line)}
    return found


def assert_like_ss(daemon, netns, timeout=15):
    """Whom we name holds it, by ss, the one with the lowest pid; whom nobody holds there nobody holds here."""
    def differences():
        true = true_holders(netns)
        wrong = []
        for row in daemon.connections(netns=netns.inum):
            pids = true.get((str(row["local_port"]), str(row["remote_port"] or "*")), set())
            owner = row["owner"]
            if owner["kind"] == "process" and owner["pid"] != min(pids, default=None):
                wrong.append((row, pids))
            if owner["kind"] != "process" and pids:
                wrong.append((row, pids))
        return wrong

    make_pass(daemon)
    wait_for(lambda: not differences(), timeout, lambda: f"told, and by ss: {differences()}")


def test_leak(daemon, netns):
    """What is accepted and never closed: the peers' FINs leave it to the program, by name and unit."""
    with cgroup("twtest.slice/twtest-leak.service") as group, \
            running(Program(netns, "leak", prefix=within(group))) as program:
        clients = program.connect(5)
        for _ in clients:
            program.step()
        for c in clients:
            c.close()
        assert_owners(daemon, program, {("process", "close_wait", program.pid): 5})
        wait_for(lambda: all(r["owner"]["unit"] for r in program.rows(daemon)), 10, "the unit to be known")
        for row in program.rows(daemon):
            owner = row["owner"]
            assert owner["comm"] == comm_of(program.pid) and owner["uid"] == 0
            assert owner["unit"] == "twtest-leak.service" and owner["slice"] == "twtest.slice"
            assert owner["cgroup"] == "/twtest.slice/twtest-leak.service" and owner["container"] is None
        by_unit = daemon.connections(netns=netns.inum, owner="twtest-leak.service", state="close_wait")
        assert len(by_unit) == 5
        # as of the last look at the listeners, which comes with each tick
        wait_for(lambda: [r["local_port"] for r in daemon.listeners(owner="twtest-leak.service")] == [program.port],
                 5, lambda: daemon.listeners())
        assert_right_when_quiet(daemon, netns)
        assert_sums(daemon)
        assert_like_ss(daemon, netns)


@both_modes
@pytest.mark.parametrize("older", [False, True])
def test_unaccepted(make_daemon, mode, netns, older):
    """Before and after the peer's FIN it is in the queue, and nobody's until it is accepted."""
    daemon = make_daemon()
    if not older:
        daemon.start()
    program = Program(netns, "leak")
    clients = program.connect(6)
    if older:
        daemon.start()
    pid = program.pid if mode == "ebpf" else None
    assert_owners(daemon, program, {("unaccepted", "established", pid): 6})
    for c in clients[:3]:
        c.close()
    assert_owners(daemon, program, {("unaccepted", "established", pid): 3, ("unaccepted", "close_wait", pid): 3})
    assert_sums(daemon)
    for _ in range(4):
        program.step()
    if mode == "ebpf":
        make_pass(daemon)
        accepted = {("process", "close_wait", pid): 3, ("process", "established", pid): 1}
    else:
        accepted = {("unknown", "close_wait", None): 3, ("unknown", "established", None): 1}
    assert_owners(daemon, program, {**accepted, ("unaccepted", "established", pid): 2})
    if mode == "ebpf":
        assert_like_ss(daemon, netns)


@pytest.fixture
def many_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(6000, before[0]), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_descriptors")
def test_a_full_queue(daemon, netns):
    """Of one that is longer than what is told one by one, a pass finds the rest."""
    netns.sysctl("net.core.somaxconn", 5000)
    program = Program(netns, "deaf", 5000)
    program.connect(999)
    assert_owners(daemon, program, {("unaccepted", "established", program.pid): 999})
    program.connect(201)
    wait_for(lambda: daemon.listeners(netns=netns.inum)[0]["accept_queue"] == 1200, 5)
    make_pass(daemon)
    assert_owners(daemon, program, {("unaccepted", "established", program.pid): 1200})
    for _ in range(300):
        program.step()
    make_pass(daemon)
    assert_owners(daemon, program, {
        ("unaccepted", "established", program.pid): 900, ("process", "established", program.pid): 300})


def test_preforked(daemon, netns):
    """The process that has the descriptor, and not the one that listens."""
    program = Program(netns, "preforked")
    program.connect(3)
    for _ in range(3):
        workers = program.step()["workers"]
    make_pass(daemon)
    assert_owners(daemon, program, {("process", "established", pid): 1 for pid in workers})
    assert_like_ss(daemon, netns)


def test_shared_listener(daemon, netns):
    """Whoever accepted; before that is known, the name alone."""
    program = Program(netns, "shared")
    program.step()
    program.connect(3)
    accepted = program.answer()["accepted"]
    make_pass(daemon)
    for row in program.rows(daemon, state="established"):
        assert row["owner"]["pid"] == int(accepted[str(row["remote_port"])]), row
    listener, = daemon.listeners(netns=netns.inum)
    assert listener["holders"] == 4 and listener["owner"]["pid"] == program.pid
    program.connect(1)
    wait_for(lambda: owners(program.rows(daemon, state="established"))["unaccepted", "established", None] == 1, 5,
             "the one more that nobody accepts")
    assert_like_ss(daemon, netns)


def test_passed(daemon, netns):
    """In flight it is nobody's that could be named; then it is the receiver's."""
    program = Program(netns, "passed")
    program.connect(1)
    program.step()
    make_pass(daemon)
    make_pass(daemon)
    assert_owners(daemon, program, {("unknown", "established", None): 1})
    receiver = program.step()["receiver"]

    def received():
        make_pass(daemon)
        return owners(program.rows(daemon, state="established")) == {("process", "established", receiver): 1}

    wait_for(received, 10, lambda: program.rows(daemon))
    assert_like_ss(daemon, netns)


@pytest.mark.parametrize("by", ["systemd-socket-activate", "launcher"])
def test_activated(daemon, netns, by):
    """A listener that another process has opened: its unit is that of the program it was given to."""
    with cgroup("twtest.slice/twtest-activated.service") as group:
        if by == "launcher":
            # the launcher stays outside; only the program that it starts moves
            program = Program(netns, "launch")
            (group / "cgroup.procs").write_text(str(program.pid))
        else:
            program = activated_by_systemd(netns, group)
        clients = program.connect(2)
        for _ in clients:
            program.step()
        make_pass(daemon)
        assert_owners(daemon, program, {("process", "established", program.pid): 2})
        wait_for(lambda: all(r["owner"]["unit"] == "twtest-activated.service" for r in program.rows(daemon)), 10,
                 lambda: program.rows(daemon))
        listener, = daemon.listeners(netns=netns.inum)
        assert listener["owner"]["pid"] == program.pid and listener["owner"]["comm"] == "activated"
        assert_like_ss(daemon, netns)
        os.kill(program.pid, 9)
        program.process.stdin.close()
        program.process.wait()


@contextlib.contextmanager
def no_pass(daemon):
    """None is made meanwhile: a thrifty daemon makes those alone that are asked for."""
    before = daemon.status()["passes"]["count"]
    yield
    assert daemon.status()["passes"]["count"] == before


def units(rows):
    return collections.Counter((r["state"], r["owner"]["pid"], r["owner"]["unit"]) for r in rows)


@pytest.fixture
def thrifty(make_daemon):
    return make_daemon(resync_budget="0.01%").start()


def await_unit(daemon, netns, unit):
    wait_for(lambda: {r["owner"]["unit"] for r in daemon.listeners(netns=netns.inum)} == {unit}, 10,
             lambda: daemon.listeners(netns=netns.inum))


def test_connections_of_a_passed_listener(thrifty, netns):
    """They have the unit of the program that holds the listener, not of the one that opened it, also before a pass."""
    with cgroup("twtest.slice/twtest-opener.service") as opener, cgroup("twtest.slice/twtest-holder.service") as group:
        program = Program(netns, "launch", prefix=within(opener))
        (group / "cgroup.procs").write_text(str(program.pid))
        make_pass(thrifty)
        await_unit(thrifty, netns, group.name)
        with no_pass(thrifty):
            clients = program.connect(3)
            for _ in clients:
                program.step()
            rows = program.rows(thrifty, state="established")
            assert units(rows) == {("established", program.pid, group.name): 3}
            os.kill(program.pid, 9)
            program.process.wait()
            for c in clients:
                c.close()
            left = {("time_wait", program.pid, group.name): 3}
            wait_for(lambda: units(program.rows(thrifty)) == left, 10, lambda: units(program.rows(thrifty)))


def test_closed_by_another(thrifty, netns):
    """Who closes it has left it behind, with a unit of its own."""
    with cgroup("twtest.slice/twtest-sender.service") as group, cgroup("twtest.slice/twtest-closer.service") as other, \
            running(Program(netns, "passed", prefix=within(group))) as program:
        make_pass(thrifty)
        await_unit(thrifty, netns, group.name)
        with no_pass(thrifty):
            client, = program.connect(1)
            program.step()
            receiver = program.step()["receiver"]
            (other / "cgroup.procs").write_text(str(receiver))
            wait_for(lambda: {receiver} in true_holders(netns).values(), 10, "it to be received")
            # the receiver has the listener as well
            wait_for(lambda: units(program.rows(thrifty, state="established")) == {
                ("established", None, group.name): 1}, 10, lambda: program.rows(thrifty))
            os.kill(receiver, 9)
            wait_for(lambda: counts(netns)["fin_wait2"] == 1, 10, "its end")
            client.close()
            left = {("time_wait", receiver, other.name): 1}
            wait_for(lambda: units(program.rows(thrifty, state="time_wait")) == left, 10,
                     lambda: units(program.rows(thrifty)))


def activated_by_systemd(netns, group):
    """systemd-socket-activate listens, and becomes the program when the first client comes."""
    with netns.inside(), socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = netns.popen(
        *within(group), "systemd-socket-activate", f"--listen=127.0.0.1:{port}", sys.executable, HERE / "owned.py",
        "activated", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    wait_for(lambda: any(s.local_port == port for s in sockets(netns)), 10, "the listener")
    waker = netns.open_socket()
    waker.connect(("127.0.0.1", port))
    program = Program.__new__(Program)
    program.netns, program.process = netns, process
    program.told = program.answer()
    program.port, program.pid = program.told["port"], program.told["pid"]
    waker.close()
    program.step()  # accepts the waker
    wait_for(lambda: any(s.local_port == port and s.state == "close_wait" for s in sockets(netns)), 10,
             "the waker's end to be left")
    assert program.pid == process.pid
    return DropWaker(program)


class DropWaker:
    """The program without the connection that woke it."""

    def __init__(self, program):
        self.__dict__.update(program.__dict__)
        self.program = program

    def step(self):
        return self.program.step()

    def connect(self, count):
        return self.program.connect(count)

    def rows(self, daemon, **filters):
        return [r for r in self.program.rows(daemon, **filters) if r["state"] != "close_wait"]


def test_client_pool(daemon, netns):
    """The client's ends that their servers have closed."""
    program = Program(netns, "pool")
    program.step()
    make_pass(daemon)
    rows = daemon.connections(netns=netns.inum, state="close_wait")
    assert owners(rows) == {("process", "close_wait", program.pid): 5}
    assert {r["remote_port"] for r in rows} == {program.port}
    assert_like_ss(daemon, netns)


@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_mptcp(make_daemon, netns, family, older):
    """The descriptor leads to an MPTCP socket; told of are the TCP sockets beneath it, one or more."""
    more = {socket.AF_INET: "127.0.0.2", socket.AF_INET6: "::2"}[family]
    if family == socket.AF_INET6:
        netns.run("ip", "address", "add", f"{more}/128", "dev", "lo", "nodad")
    netns.run("ip", "mptcp", "endpoint", "add", more, "subflow")
    daemon = make_daemon()
    if not older:
        daemon.start()
    listener = netns.listener(family, protocol=socket.IPPROTO_MPTCP)
    connections = []
    for protocol in (socket.IPPROTO_MPTCP, socket.IPPROTO_TCP):
        connections += [netns.connect(listener, protocol=protocol), listener.accept()[0]]
    for c in connections:
        c.sendall(b"x")
    wait_for(lambda: counts(netns)["established"] == 6, 10, "the one that is MPTCP to have a second subflow")
    connections.append(netns.connect(netns.listener(family), protocol=socket.IPPROTO_MPTCP))
    if older:
        daemon.start()
    for _ in range(3):
        assert_like_ss(daemon, netns)
    assert owners(daemon.connections(netns=netns.inum)) == {
        ("process", "listen", os.getpid()): 2, ("process", "established", os.getpid()): 7,
        ("unaccepted", "established", os.getpid()): 1}
    assert_right_when_quiet(daemon, netns)


@pytest.mark.parametrize("acknowledged", [True, False])
def test_exited(daemon, netns, acknowledged):
    """What a process leaves behind is the kernel's, and who left it is remembered."""
    program = Program(netns, "exited")
    clients = program.connect(4)
    worker = program.step()["worker"]
    make_pass(daemon)
    assert_owners(daemon, program, {("process", "established", worker): 4})
    if not acknowledged:
        netns.drop(f"tcp sport {program.port} tcp flags & fin == fin")
    program.step()
    state = "fin_wait2" if acknowledged else "fin_wait1"
    wait_for(lambda: counts(netns)[state] == 4, 10, "the orphans")
    if not acknowledged:
        make_pass(daemon)
    assert_owners(daemon, program, {("kernel", state, worker): 4})
    assert_right_when_quiet(daemon, netns)
    assert_sums(daemon)
    assert all(c.fileno() >= 0 for c in clients)


def test_two_containers(daemon, make_netns):
    """Each in namespaces and a control group of its own."""
    ids = ["a1" * 32, "b2" * 32]
    spaces = [make_netns(), make_netns()]
    with contextlib.ExitStack() as stack:
        programs = []
        for identity, space, path in zip(ids, spaces, ("system.slice/docker-{}.scope", "twdocker/{}")):
            group = stack.enter_context(cgroup(path.format(identity)))
            programs.append(Program(space, "leak", prefix=(*within(group), "unshare", "--mount", "--uts", "--ipc")))
        for program in programs:
            program.connect(2)
            program.step()
            program.step()
        for identity, program in zip(ids, programs):
            assert_owners(daemon, program, {("process", "established", program.pid): 2})
            wait_for(lambda: {r["owner"]["container"] for r in program.rows(daemon)} == {identity}, 10,
                     lambda: program.rows(daemon))
            assert len(daemon.connections(owner=identity, state="established")) == 2
            assert_like_ss(daemon, program.netns)
        units = [program.rows(daemon)[0]["owner"]["unit"] for program in programs]
        assert units == [f"docker-{ids[0]}.scope", None]
        for program in programs:
            program.process.kill()
            program.process.wait()


def told_by_sd_login(pid, what):
    """None where there is none."""
    text = ctypes.c_char_p()
    found = getattr(ctypes.CDLL("libsystemd.so.0"), f"sd_pid_get_{what}")(pid, ctypes.byref(text)) >= 0
    return text.value.decode() if found and text.value != b"-.slice" else None


@pytest.mark.parametrize("path", [
    "system.slice/twa.service", "system.slice/system-tw.slice/tw@b.service/payload/init.scope", "twb.service",
    "twc.slice/twc-d.slice/twc-d-e.slice/tw.scope", "twf/twg.service", "system.slice/_cgroup.twh.service",
    r"system.slice/twi\x2dj.service", "system.slice/twk.unit", "system.slice/tw l.service", "twm.slice",
    "user.slice/user-4242.slice/session-c3.scope", "user.slice/user-4242.slice/user@4242.service/init.scope",
    "user.slice/user-4242.slice/user@4242.service/tw.slice/app-org.tw-42.scope"])
def test_names_are_those_of_sd_login(daemon, netns, path):
    """Of a process that lives libsystemd tells them as well; of one that has ended its control group alone does."""
    with cgroup(path) as group, running(Program(netns, "leak", prefix=within(group))) as program:
        if told_by_sd_login(program.pid, "cgroup") != "/" + path:
            pytest.skip("libsystemd does not look at control groups of version 2 here")
        wait_for(lambda: [r["owner"]["cgroup"] for r in program.rows(daemon)] == ["/" + path], 10,
                 lambda: program.rows(daemon))
        owner = program.rows(daemon)[0]["owner"]
        for name in ("unit", "slice"):
            of_user = told_by_sd_login(program.pid, f"user_{name}")
            assert owner[name] == (of_user or told_by_sd_login(program.pid, name))


def hostile_parts(length):
    """Names of directories, one in another, that together are so many bytes long."""
    parts = ["twdeep"]
    left = length - len(parts[0])
    while left:
        size = 1 + min(250, left - 1 if left <= 251 else left - 3)
        parts.append(os.fsdecode((b'd"\\\x1b\xff' * 50)[:size - 1]))
        left -= size
    assert len(os.fsencode("/".join(parts))) == length
    return parts


@contextlib.contextmanager
def deep_cgroup(parts):
    """A control group that may be deeper than a path can be long; gives a path that leads there."""
    with contextlib.ExitStack() as stack:
        fds = [os.open(CGROUPS, os.O_RDONLY)]
        stack.callback(os.close, fds[0])
        for part in parts:
            os.mkdir(part, dir_fd=fds[-1])
            stack.callback(os.rmdir, part, dir_fd=fds[-1])
            fds.append(os.open(part, os.O_RDONLY, dir_fd=fds[-1]))
            stack.callback(os.close, fds[-1])
        group = pathlib.Path(f"/proc/{os.getpid()}/fd/{fds[-1]}")
        yield group
        wait_for(lambda: not (group / "cgroup.procs").read_text(), 10, "the control group to be empty")


def as_told(name):
    """As the daemon tells of it."""
    return os.fsencode(name).decode("utf-8", "replace")


def label(path):
    """As top and the metrics have it: cut to 255 bytes, whole characters only."""
    return as_told(path).encode()[:255].decode("utf-8", "ignore")


def unescaped(value):
    return re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), value)


def series(page):
    """The owners that have series of their own."""
    return {unescaped(dict(labels)["owner"]) for name, labels in page if name == "tcpwatch_owner_connections"}


def ctl(daemon, *arguments):
    out = subprocess.run(
        [TCPWATCHCTL, "--socket", daemon.socket, *arguments], stdout=subprocess.PIPE, check=True, timeout=30).stdout
    assert not re.search("[^ -~\n\xa0-\U0010ffff]", out.decode())
    return out.decode()


def on_a_terminal(daemon, *arguments):
    """What it writes to one, without the colours that are its own."""
    master, slave = pty.openpty()
    with os.fdopen(master, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            [TCPWATCHCTL, "--socket", daemon.socket, *arguments], stdin=slave, stdout=slave, stderr=slave,
            env={**os.environ, "TERM": "xterm", "NO_COLOR": ""})
        os.close(slave)
        out = b""
        with contextlib.suppress(OSError):  # EIO: the program has ended
            while part := screen.read(65536):
                out += part
        assert process.wait() == 0
    assert b"\x1b[1m" in out and HOSTILE[4:9] not in out  # its head, and the colour that is not its own
    return re.sub(rb"\x1b\[[0-9]+m", b"", out)


def test_hostile_names(make_daemon, netns):
    """Whatever a process and its control group are called, and however deep that is, all answers are whole."""
    names = ['tw"quote\\', "tw\x1b[31mred", "tw\udcff\udc80", "twé".ljust(100, "x"), "tw test", "tw{}[]',"]
    deep = hostile_parts(4094)  # PATH_MAX has room for these, a slash before them, and a NUL
    paths = ["/" + name for name in [*names, "/".join(deep)]]
    daemon = make_daemon(metrics={"top": 100}).start()
    with contextlib.ExitStack() as stack:
        groups = [stack.enter_context(cgroup(name)) for name in names]
        groups.append(stack.enter_context(deep_cgroup(deep)))
        # in the root, and in one whose path is too long to be known, it is the process that names its connections
        groups += [pathlib.Path(CGROUPS), stack.enter_context(deep_cgroup([deep[0] + "er", *deep[1:], "x" * 9]))]
        comms = [HOSTILE] * len(paths) + [HOSTILE, b"sshd.service"]
        programs = [Program(netns, "hostile", comm.hex(), prefix=within(group))
                    for group, comm in zip(groups, comms)]
        for program in programs:
            program.connect(1)
            program.step()
        for program, comm, path in zip(programs, comms, [*paths, "/", None]):
            expected = path and as_told(path)
            wait_for(lambda: all(r["owner"]["cgroup"] == expected for r in program.rows(daemon)), 15,
                     lambda: program.rows(daemon))
            for row in program.rows(daemon):
                assert row["owner"]["comm"] == comm.decode("utf-8", "replace")
        keys = {*map(label, paths), HOSTILE.decode("utf-8", "replace"), "[sshd.service]"}
        assert len(keys) == len(programs) and max(len(key.encode()) for key in keys) > 250
        page = daemon.metrics()
        assert keys <= series(page)
        check = subprocess.run(
            ["promtool", "check", "metrics"], input=page.text.encode(), capture_output=True, timeout=30)
        assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")
        rows = [json.loads(line) for line in ctl(daemon, "--json", "top", "--limit", "1000").splitlines()]
        assert keys <= {row["key"] for row in rows}
        rows = [json.loads(line) for line in ctl(daemon, "--json", "list").splitlines()]
        assert set(map(as_told, paths)) <= {row["owner"]["cgroup"] for row in rows}
        for key in keys:
            assert daemon.connections(netns=netns.inum, owner=key), key
        for command in (["list"], ["top", "--limit", "1000"]):
            assert len(ctl(daemon, *command).splitlines()) > len(programs)
            assert not re.search(rb"[^ -~\r\n]", on_a_terminal(daemon, *command))
        for program in programs:
            program.process.kill()
            program.process.wait()


def copy_of_python(path):
    """The words that run it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(os.path.realpath(sys.executable), path)
    return {"prefix": ("env", f"PYTHONHOME={sys.base_prefix}"), "python": path}


def executable(program):
    return os.fsencode(os.readlink(f"/proc/{program.pid}/exe")).decode("utf-8", "replace")


def assert_executable(daemon, program, expected):
    """Of the listener, and of a connection that comes once the process is known: as soon as that is there."""
    make_pass(daemon)
    clients = program.connect(1)
    program.step()
    wait_for(lambda: len(program.rows(daemon, state="established")) == 1, 5, "the connection")
    told = [row["owner"]["executable"] for row in program.rows(daemon)]
    told += [row["owner"]["executable"] for row in daemon.listeners(netns=program.netns.inum, port=program.port)]
    assert told == [expected] * 3 and clients, told


def test_executables(daemon, netns, open_directory):
    """What /proc/PID/exe has, whatever that is; of the same name, different files are apart."""
    hostile = os.fsdecode(HOSTILE.replace(b"/", b""))
    paths = [open_directory / part / "worker" for part in ("a", "b", hostile)]
    with contextlib.ExitStack() as stack:
        programs = [stack.enter_context(running(Program(netns, "leak", **copy_of_python(path)))) for path in paths]
        for program in programs:
            assert comm_of(program.pid) == "worker"
            assert_executable(daemon, program, executable(program))
        rows = [r for r in daemon.rows("/v1/top", {"by": "process", "limit": 1000}) if r["key"] == "worker"]
        assert {r["executable"]: (r["kind"], r["connections"], r["processes"]) for r in rows} == {
            executable(program): ("process", 2, 1) for program in programs}
        assert len(rows) == len(programs)
        assert not re.search(rb"[^ -~\r\n]", on_a_terminal(daemon, "top", "--by", "process", "--limit", "1000"))
        # a newer file has taken the place of this one
        paths[0].unlink()
        make_pass(daemon)
        assert {r["owner"]["executable"] for r in programs[0].rows(daemon)} == {str(paths[0])}


def test_executable_in_a_mount(daemon, netns, open_directory):
    """In a mount namespace of its own, in a mount within a mount."""
    inner = open_directory / "mount" / "inner"
    inner.parent.mkdir()
    mount = (f"mount -t tmpfs x {inner.parent} && mkdir {inner} && mount -t tmpfs y {inner} && "
             f"cp {os.path.realpath(sys.executable)} {inner}/worker && exec \"$@\"")
    prefix = ("unshare", "-m", "sh", "-c", mount, "sh", "env", f"PYTHONHOME={sys.base_prefix}")
    with running(Program(netns, "leak", prefix=prefix, python=inner / "worker")) as program:
        assert executable(program) == str(inner / "worker")
        assert_executable(daemon, program, str(inner / "worker"))


@pytest.mark.parametrize("parts", [["d" * 60] * 5, ["e"] * 40, ["f" * 255, "g" * 255]])
def test_executable_that_is_far_away(daemon, netns, open_directory, parts):
    """Of a path that is too long the end is told, without a slash before it."""
    path = open_directory.joinpath(*parts)
    with running(Program(netns, "leak", **copy_of_python(path))) as program:
        make_pass(daemon)
        told, = {row["owner"]["executable"] for row in program.rows(daemon)}
        assert executable(program) == str(path) and str(path).endswith(told)
        assert told and told[0] != "/" and len(told) <= 255 and told.endswith(parts[-1])
        assert_executable(daemon, program, told)


@pytest.mark.parametrize("length, lacking", [(255, 0), (256, 1)])
def test_executable_that_just_fits(daemon, netns, open_directory, length, lacking):
    path = open_directory / ("h" * 100)
    path /= "i" * (length - len(str(path)) - 1)
    with running(Program(netns, "leak", **copy_of_python(path))) as program:
        assert len(executable(program)) == length
        assert_executable(daemon, program, str(path)[lacking:])


def test_executable_without_a_directory(daemon, netns):
    fd = os.memfd_create("worker", 0)
    with open(os.path.realpath(sys.executable), "rb") as source:
        os.write(fd, source.read())
    os.set_inheritable(fd, True)
    python = f"/proc/{os.getpid()}/fd/{fd}"
    with running(Program(netns, "leak", prefix=("env", f"PYTHONHOME={sys.base_prefix}"), python=python)) as program:
        assert executable(program) == "/memfd:worker (deleted)"
        assert_executable(daemon, program, "/memfd:worker")
    os.close(fd)


def test_a_group_that_is_gone(daemon, netns):
    """Its name stays with what it has left behind."""
    with cgroup("twgone.slice/twgone.service") as group:
        program = Program(netns, "leak", prefix=within(group))
        clients = program.connect(2)
        program.step()
        program.step()
        wait_for(lambda: all(r["owner"]["unit"] for r in program.rows(daemon)), 10, "the unit to be known")
        program.process.kill()
        program.process.wait()
    assert not group.exists()
    assert_right_when_quiet(daemon, netns)
    rows = program.rows(daemon)
    assert len(rows) == 2 and all(r["owner"]["unit"] == "twgone.service" for r in rows)
    assert owners(rows) == {("kernel", "fin_wait2", program.pid): 2} and clients


@contextlib.contextmanager
def wide_cgroup(path, count):
    """One with so many below it, in the order in which their directory lists them."""
    with cgroup(path) as parent:
        for i in range(count):
            (parent / f"{i:0200}").mkdir()
        groups = [parent / entry.name for entry in os.scandir(parent) if entry.is_dir()]
        try:
            yield groups
        finally:
            for group in groups:
                if group.exists():
                    group.rmdir()


def test_a_tree_that_is_too_wide(daemon, netns):
    """What is below directories that a walk has no room to remember is found once there is room."""
    def named(program):
        return all(r["owner"]["cgroup"] for r in program.rows(daemon))

    # paths of 4,000 bytes, and 4 MB of them are remembered
    with wide_cgroup("/".join(["twwide"] + ["d" * 250] * 15), 1100) as groups:
        first, *others, last = groups
        with cgroup(str((last / "x").relative_to(CGROUPS))) as below, \
                running(Program(netns, "leak", prefix=within(below))) as missed:
            wait_for(lambda: missed.rows(daemon), 10, "the listener")
            with running(Program(netns, "leak", prefix=within(first))) as met:
                wait_for(lambda: met.rows(daemon) and named(met), 15, "a walk to come by")
                assert not named(missed)
                for group in others:
                    group.rmdir()
                wait_for(lambda: named(missed), 30, "the group to be found")


def test_under_load(daemon, netns):
    """Connections come and go while passes are made: who has a descriptor in the end is right."""
    load = netns.load(seed=77, seconds=4, keep=0.02)
    while not load.done():
        make_pass(daemon)
        assert_sums(daemon)
    load.wait()
    assert_right_when_quiet(daemon, netns)
    assert_sums(daemon)
    assert_like_ss(daemon, netns)


class PassCosts:
    """The processor time of each pass, as the status tells it when one has ended."""

    def __init__(self, daemon):
        self.daemon, self.seconds = daemon, []

    def look(self):
        passes = self.daemon.status()["passes"]
        self.seconds += [passes["last_cpu_seconds"]] * (passes["count"] - len(self.seconds))


def test_passes_within_the_budget(make_daemon, netns):
    """Listeners that come and go ask for a pass in each tick; the default budget pays for few that are dear."""
    share, tick, least = 0.005, 0.5, 20
    Program(netns, "dear")
    daemon = make_daemon(resync_budget="0.5%")
    started = time.monotonic()
    daemon.start()
    costs = PassCosts(daemon)
    wait_for(lambda: costs.look() or costs.seconds, 10, "the pass at the start")
    at_start = len(costs.seconds)

    def churn():
        netns.listener().close()
        costs.look()
        return time.monotonic() - started > least and len(costs.seconds) > at_start + 1

    wait_for(churn, 90, lambda: f"passes have cost {costs.seconds}")
    elapsed = time.monotonic() - started
    # a second of the share to begin with; the one at the start that is free, and one that exceeds what was left
    allowed = share * (elapsed + 1) + 2 * max(costs.seconds)
    assert elapsed / tick * min(costs.seconds) > allowed, f"passes are too cheap to prove anything: {costs.seconds}"
    assert sum(costs.seconds) <= allowed, (elapsed, costs.seconds)


def nginx():
    out = pathlib.Path(__file__).parents[2] / ".output/tools/usr/sbin/nginx"
    return out if out.exists() else "nginx"


def test_nginx(daemon, netns, open_directory):
    """A master that listens and workers that accept, under load."""
    conf = open_directory / "nginx.conf"
    with netns.inside(), socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    conf.write_text(f"""
daemon off; user root; worker_processes 2; pid {open_directory}/pid; error_log {open_directory}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off; keepalive_timeout 60s; client_body_temp_path {open_directory}/body;
    proxy_temp_path {open_directory}/proxy; fastcgi_temp_path {open_directory}/fastcgi;
    uwsgi_temp_path {open_directory}/uwsgi; scgi_temp_path {open_directory}/scgi;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello"; }} }}
}}
""")
    server = netns.popen(nginx(), "-c", conf, "-p", open_directory, stderr=subprocess.DEVNULL)
    wait_for(lambda: any(s.local_port == port for s in sockets(netns)), 10, "nginx")
    kept = []
    for _ in range(200):
        c = netns.open_socket()
        c.connect(("127.0.0.1", port))
        c.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert c.recv(1000)
        kept.append(c)
        if len(kept) > 20:
            kept.pop(0).close()
    make_pass(daemon)
    children = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    rows = [r for r in daemon.connections(netns=netns.inum, state="established") if r["local_port"] == port]
    assert len(rows) == 20
    assert {r["owner"]["pid"] for r in rows} <= {int(pid) for pid in children}
    assert {(r["owner"]["kind"], r["owner"]["comm"]) for r in rows} == {("process", "nginx")}
    listener, = daemon.listeners(netns=netns.inum)
    assert listener["owner"]["pid"] == server.pid and listener["holders"] == 3
    assert_like_ss(daemon, netns)
    assert_right_when_quiet(daemon, netns)
    assert_sums(daemon)
    server.terminate()
    server.wait()
