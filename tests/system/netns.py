# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces of the tests: made by name, with loopback up, gone with all that was in them."""

import contextlib
import ctypes
import json
import os
import pathlib
import re
import select
import socket
import subprocess
import sys

from oracle import kernel_before, patient

HERE = pathlib.Path(__file__).parent
FLOOD = pathlib.Path(os.environ.get("TCPWATCH_OUTPUT", HERE.parents[1] / ".output")) / "tests/bench/flood"
RUN = pathlib.Path("/run/netns")
PREFIX = "tcpwatch"
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
VETH = {socket.AF_INET: ("192.0.2.1", "192.0.2.2"), socket.AF_INET6: ("fd00:2::1", "fd00:2::2")}

libc = ctypes.CDLL(None, use_errno=True)


def enter(fd):
    if libc.setns(fd, 0x40000000):  # CLONE_NEWNET
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "setns")


class Holder:
    """The other end of holder.py: a process inside a namespace that holds sockets on command."""

    def __init__(self, netns, prefix=()):
        self.process = netns.popen(
            *prefix, sys.executable, HERE / "holder.py", stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.answer()

    @property
    def pid(self):
        return self.process.pid

    def answer(self):
        line = self.process.stdout.readline()
        answer = json.loads(line or '{"error": "the holder has ended"}')
        if "error" in answer:
            raise RuntimeError(f"holder: {answer['error']}")
        return answer

    def tell(self, verb, **words):
        self.process.stdin.write(json.dumps({"verb": verb, **words}) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def hold(self, kind, count=1, family="ipv4"):
        """Makes connections and leaves them in a state; see KINDS in holder.py."""
        return self.tell("hold", kind=kind, count=count, family=family)

    def release(self):
        """Lets through what was dropped, so that held handshakes and closes go on."""
        self.tell("release")

    def close(self):
        """Closes all sockets."""
        self.tell("close")


class Load:
    """The other end of load.py: connections of random life."""

    def __init__(self, netns, seed=1, connections=0, seconds=0, keep=0):
        self.process = netns.popen(
            sys.executable, HERE / "load.py", seed, connections, seconds, keep,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait(self):
        """Until no connection comes or goes any more."""
        assert self.process.stdout.readline() == "done\n", "the load has failed"

    def done(self):
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def end(self):
        """Closes what it left open."""
        self.process.stdin.close()
        assert self.process.wait(timeout=patient(30)) == 0


class Flood:
    """The other end of tests/bench/flood: SYNs from addresses that nobody has."""

    def __init__(self, netns, to, **options):
        host, port = (to if isinstance(to, tuple) else to.getsockname())[:2]
        words = [f"--{key}={value}" for key, value in options.items()]
        self.process = netns.popen(FLOOD, "--to", host, "--port", port, *words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "{}\n", "the flood has failed"

    def wait(self):
        """Until it ends; how many it sent."""
        answer = json.loads(self.process.stdout.readline())
        assert answer["refused"] == 0
        return answer["sent"]


class Namespace:
    def __init__(self, name):
        self.name = name
        self.path = RUN / name
        self.processes = []
        self.sockets = []
        self.removed = False
        subprocess.run(["ip", "netns", "add", name], check=True)
        self.inum = self.path.stat().st_ino
        self.run("ip", "link", "set", "lo", "up")

    def command(self, *argv):
        return ["nsenter", f"--net={self.path}", *map(str, argv)]

    def run(self, *argv, **options):
        options = {"check": True, "timeout": patient(60), **options}
        return subprocess.run(self.command(*argv), **options)

    def popen(self, *argv, **options):
        process = subprocess.Popen(self.command(*argv), **options)
        self.processes.append(process)
        return process

    def sysctl(self, key, value, since=None):
        """since: the kernel that has it, as (6, 5); older ones do by themselves what the value asks for."""
        if since is None or not kernel_before(*since):
            self.run("sysctl", "-qw", f"{key}={value}")

    def nft(self, *rules):
        self.run("nft", "; ".join(rules))

    def drop(self, match):
        """Drops the packets that match, on their way in; `release()` ends it."""
        self.nft(
            "add table inet test",
            "add chain inet test in { type filter hook input priority 0; }",
            f"add rule inet test in {match} drop")

    def release(self):
        self.nft("delete table inet test")

    def holder(self, prefix=()):
        return Holder(self, prefix)

    def load(self, **words):
        return Load(self, **words)

    def flood(self, to, **options):
        """SYNs to a listener, or an address that none has any more."""
        return Flood(self, to, **options)

    @contextlib.contextmanager
    def inside(self):
        """Sockets made by this thread belong to the namespace."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        there = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(there)
            yield self
        finally:
            enter(home)
            os.close(there)
            os.close(home)

    def open_socket(self, family=socket.AF_INET, protocol=0):
        with self.inside():
            s = socket.socket(family, socket.SOCK_STREAM, protocol)
        s.settimeout(patient(30))
        self.sockets.append(s)
        return s

    def listener(self, family=socket.AF_INET, port=0, backlog=128, dual=False, protocol=0, host=None,
                 share=False):
        s = self.open_socket(family, protocol)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT if share else socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
        s.bind((host or ("::" if dual else LOOPBACK[family]), port))
        s.listen(backlog)
        return s

    def connect(self, listener, host=None, protocol=0):
        """A client of the listener, connected."""
        c = self.open_socket(listener.family, protocol)
        name = listener.getsockname()
        c.connect((host or name[0], name[1]))
        return c

    def begin(self, address, family=socket.AF_INET):
        """A client whose connect() goes on, or has come to nothing."""
        c = self.open_socket(family)
        c.setblocking(False)
        c.connect_ex(address)
        return c

    def pair(self, listener, host=None):
        """A connection: the client's end and the server's."""
        c = self.connect(listener, host)
        s, _ = listener.accept()
        self.sockets.append(s)
        return c, s

    def remove(self):
        """Ends the test's processes in it and unmounts it; the kernel frees it once nothing holds it."""
        if self.removed:
            return
        self.removed = True
        for s in self.sockets:
            s.close()
        for process in self.processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream and not stream.closed:
                    stream.close()
        subprocess.run(["ip", "netns", "del", self.name], check=True)


def veth(first, second):
    """Joins two namespaces. The first sends what is for nobody it knows to the second, which drops it.

    Each knows the other's hardware address: IPv6 asks for it from a link-local address, which takes the kernel up
    to three seconds to have, and what is sent meanwhile waits or is lost.
    """
    ends = ((first, "tw0", 1), (second, "tw1", 2))
    subprocess.run(
        ["ip", "link", "add", "tw0", "address", hardware(1), "netns", first.name, "type", "veth",
         "peer", "name", "tw1", "address", hardware(2), "netns", second.name], check=True)
    for space, device, number in ends:
        space.run("ip", "address", "add", f"192.0.2.{number}/24", "dev", device)
        space.run("ip", "address", "add", f"fd00:2::{number}/64", "dev", device, "nodad")
        space.run("ip", "link", "set", device, "up")
    for space, device, number in ends:
        for family in VETH:
            space.run("ip", "neighbour", "replace", VETH[family][2 - number], "lladdr", hardware(3 - number),
                      "dev", device, "nud", "permanent")


def hardware(number):
    """A locally administered address."""
    return f"02:00:00:00:00:{number:02x}"


def route_back(first):
    """Answers of the first go to the second, whoever they are for."""
    first.run("ip", "route", "add", "default", "via", VETH[socket.AF_INET][1])
    first.run("ip", "-6", "route", "add", "default", "via", VETH[socket.AF_INET6][1])
    for device in ("all", "tw0"):
        first.sysctl(f"net.ipv4.conf.{device}.rp_filter", 0)


class Namespaces:
    """The namespaces of one test, named after it; several tests may run at a time."""

    def __init__(self, test):
        self.test = re.sub(r"[^A-Za-z0-9]+", "-", test.removeprefix("test_")).strip("-")
        self.made = []

    def __call__(self):
        netns = Namespace(f"{PREFIX}-{self.test}-{os.getpid()}-{len(self.made)}")
        self.made.append(netns)
        return netns

    def remove(self):
        for netns in self.made:
            netns.remove()


def sweep():
    """Removes what a run that was killed has left."""
    for path in RUN.glob(f"{PREFIX}-*"):
        pid = re.search(r"-(\d+)-\d+$", path.name)
        if pid and not os.path.exists(f"/proc/{pid[1]}"):
            subprocess.run(["ip", "netns", "del", path.name], check=False)
