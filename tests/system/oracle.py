# SPDX-License-Identifier: GPL-2.0-or-later
"""What `ss` says inside a network namespace: the truth that the daemon is held against."""

import collections
import ipaddress
import os
import re
import subprocess
import time

STATES = (
    "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait",
    "close", "close_wait", "last_ack", "listen", "closing",
)

LABELS = {
    "ESTAB": "established", "SYN-SENT": "syn_sent", "SYN-RECV": "syn_recv",
    "FIN-WAIT-1": "fin_wait1", "FIN-WAIT-2": "fin_wait2", "TIME-WAIT": "time_wait",
    "UNCONN": "close", "CLOSE-WAIT": "close_wait", "LAST-ACK": "last_ack",
    "LISTEN": "listen", "CLOSING": "closing",
}

# By how much longer than on a machine of its own a test waits for something before it gives up: an emulated processor is
# some ten times slower. What a test asserts to be fast, or to be right after a second, has its time from elsewhere.
PATIENCE = float(os.environ.get("TCPWATCH_PATIENCE", "1"))

Socket = collections.namedtuple("Socket", "state local local_port remote remote_port cookie inode")


def kernel_before(*version):
    """Whether the running kernel is older: what it does otherwise than later ones is then expected of it."""
    return tuple(int(part) for part in re.match(r"(\d+)\.(\d+)", os.uname().release).groups()) < version


def patient(seconds):
    """The limit of a wait that would be this long where nothing is emulated."""
    return seconds * PATIENCE


def wait_for(condition, timeout=10, what=None):
    """Calls condition() until it gives something true, and returns that."""
    timeout = patient(timeout)
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what() if callable(what) else what or value}")
        time.sleep(0.02)


def address(text):
    """127.0.0.1:80, [::1]:80, [::ffff:127.0.0.1]:80, *:80, 0.0.0.0:* as (address, port)."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]").partition("%")[0]
    if host == "*":
        host = "::"
    return str(ipaddress.ip_address(host)), 0 if port == "*" else int(port)


def row(line):
    words = line.split()
    cookie = re.search(r" sk:([0-9a-f]+)", line)
    inode = re.search(r" ino:([0-9]+)", line)
    return Socket(
        LABELS[words[0]], *address(words[3]), *address(words[4]),
        int(cookie[1], 16) if cookie else None, int(inode[1]) if inode else 0,
    )


def sockets(netns, *options):
    """The TCP sockets of a namespace, as ss lists them; options such as "-4" narrow the list."""
    out = subprocess.run(
        ["nsenter", f"--net={netns.path}", "ss", "-HOtan", *options],
        stdout=subprocess.PIPE, text=True, check=True, timeout=patient(60),
    ).stdout
    return [row(line) for line in out.splitlines()]


def count(rows):
    found = collections.Counter(r.state for r in rows)
    return {state: found[state] for state in STATES}


def counts(netns, *options):
    return count(sockets(netns, *options))


def look(namespaces):
    """All sockets of some namespaces, in an order of their own, to see whether anything changed."""
    return [sorted(sockets(netns)) for netns in namespaces]


def differences(status, namespaces, looks):
    """What of the daemon's status is not as ss has it, one line for each."""
    found = []
    for netns, rows in zip(namespaces, looks):
        told, true = status.states_of(netns.inum), count(rows)
        found += [
            f"{netns.name}: {state}: tcpwatch {told[state]}, ss {true[state]}"
            for state in STATES if told[state] != true[state]
        ]
    return found


def compare(daemon, namespaces):
    """The differences, or None if the sockets changed while both were asked."""
    before = look(namespaces)
    status = daemon.status()
    if look(namespaces) != before:
        return None
    return differences(status, namespaces, before)


def assert_settles(daemon, *namespaces, timeout=10):
    """The daemon's counts come to equal those of ss, all eleven, in each namespace."""
    timeout = patient(timeout)
    deadline = time.monotonic() + timeout
    found = None
    while found is None or found:
        if time.monotonic() > deadline:
            raise AssertionError(
                "\n".join(found) if found else f"the sockets did not stand still in {timeout:g} s")
        found = compare(daemon, namespaces)


class Host:
    """What else goes on on the host. The promise is one for a quiet host, and tests may not be alone on it."""

    BUSY = 0.75  # share of the processors' time: above it the daemon may have had to wait for its turn
    EVENTS = 200  # transitions in other namespaces

    def __init__(self, status):
        self.received = status["events"]["received"]
        with open("/proc/stat") as f:
            times = [int(word) for word in f.readline().split()[1:9]]
        self.total, self.idle = sum(times), times[3] + times[4]

    def was_quiet(self, since):
        passed = self.total - since.total
        busy = passed and 1 - (self.idle - since.idle) / passed
        return busy < self.BUSY and self.received - since.received < self.EVENTS


# Seconds after the last change when the counts must be right. For who follows events that is the promise; polling
# finds a new namespace within a second, looks once a second, and takes two looks to understand what it saw.
QUIET = {"ebpf": 1.0, "diag": 3.5}


def assert_right_when_quiet(daemon, *namespaces, timeout=40):
    """The promise: once nothing has changed for a second, the counts are those of ss, at once.

    Where others kept the host busy meanwhile, a wrong count is looked at again a second later.
    """
    mode = daemon.status()["mode"]
    deadline = time.monotonic() + patient(timeout)
    seen = since = host = found = None
    while time.monotonic() < deadline:
        now = look(namespaces)
        if now != seen:
            seen, host = now, Host(daemon.status())
            since = time.monotonic()
        elif mode == "diag" or time.monotonic() - since >= QUIET[mode]:
            status = daemon.status()
            if look(namespaces) == seen:
                found = differences(status, namespaces, seen)
                if not found:
                    return
                if time.monotonic() - since >= QUIET[mode]:
                    assert not Host(status).was_quiet(host), \
                        f"unchanged for {QUIET[mode]} s, and yet:\n" + "\n".join(found)
                    seen = None
        time.sleep(0.04)
    raise AssertionError("the host was never quiet, and still:\n" + "\n".join(found or ["it changes"]))
