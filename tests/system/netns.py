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

HERE = pathlib.Path(__file__).parent
RUN = pathlib.Path("/run/netns")
PREFIX = "tcpwatch"
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}

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
        assert self.process.wait(timeout=30) == 0


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
        options = {"check": True, "timeout": 60, **options}
        return subprocess.run(self.command(*argv), **options)

    def popen(self, *argv, **options):
        process = subprocess.Popen(self.command(*argv), **options)
        self.processes.append(process)
        return process

    def sysctl(self, key, value):
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
        s.settimeout(30)
        self.sockets.append(s)
        return s

    def listener(self, family=socket.AF_INET, port=0, backlog=128, dual=False, protocol=0):
        s = self.open_socket(family, protocol)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if dual:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::" if dual else LOOPBACK[family], port))
        s.listen(backlog)
        return s

    def connect(self, listener, host=None, protocol=0):
        """A client of the listener, connected."""
        c = self.open_socket(listener.family, protocol)
        name = listener.getsockname()
        c.connect((host or name[0], name[1]))
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
