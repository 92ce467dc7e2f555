# SPDX-License-Identifier: GPL-2.0-or-later
"""Streams of records in a form that people can read and write, and their way into a recording.

One record a line, after the time in seconds; # begins a comment. STATES is `all` or states joined by commas.

  TIME round STATES                     a round of dumps begins
  TIME dump NETNS                       the dump of a namespace begins
  TIME socket NETNS STATE LOCAL > REMOTE [request|mini] KEY=VALUE...
  TIME dumped NETNS [failed]            that dump ends
  TIME rounded STATES                   the round ends
  TIME event NETNS FROM>TO LOCAL > REMOTE [dead] [done] KEY=VALUE...
  TIME counters NETNS in_use=N time_wait=N
  TIME gone NETNS
  TIME lost N
  TIME pass                             a pass over all descriptors begins
  TIME holder KEY=VALUE...              one of them: cookie, pid, comm, uid, cgroup
  TIME passed [failed]                  the pass ends
  TIME tick
  TIME ticks SECONDS                    one each half second, from TIME on, for so long
  TIME age COOKIE STATE since=TIME      since when a socket that a dump found has been in its state
  TIME ages                             all of those have been told

A state may be a number too, one that no kernel has. An address is 10.0.0.1:80 or [2001:db8::1]:80; the family is the socket's, so a v4-mapped one is written
[::ffff:10.0.0.1]:80. Keys: cookie, uid, inode, expires (seconds), retransmits, pid, comm, error, family.

Between them stands what is expected once all that is above has been taken:

  expect established=2 listen=1         these states, and 0 in all others
  expect empty                          0 in all
  expect netns 7 established=1          of one namespace
  expect drift=1 lost=3 malformed=0 received=9 untracked=0 namespaces=2
  expect oldest.close_wait=12.5
  expect owners.process=3 owners.kernel=1

  expect told leak:firing leak:resolved the notices of alerts so far, in order
  expect told none

and, before all, `config KEY = VALUE` for what the daemon is to be told in [daemon], and `alert NAME KEY=VALUE...` for rules.
"""

import errno
import ipaddress
import pathlib
import socket
import struct
import zlib

# As in include/tcpwatch/record.h.
MAGIC = b"TCPWREC\3"
END = 0
START = 1000 * 10**9  # the monotonic time of 0.0 in a stream

STATES = {
    "established": 1, "syn_sent": 2, "syn_recv": 3, "fin_wait1": 4, "fin_wait2": 5, "time_wait": 6,
    "close": 7, "close_wait": 8, "last_ack": 9, "listen": 10, "closing": 11,
}
KINDS = {"request": 1, "mini": 2}
FLAGS = {"process": 1, "dead": 2, "done": 4}
(EVENT, ROUND_BEGIN, DUMP_BEGIN, SOCKET, DUMP_END, ROUND_END, COUNTERS, NETNS_GONE, LOST, TICK) = range(1, 11)
AGE, AGES = 17, 18
PASS_BEGIN, HOLDER, PASS_END = range(19, 22)

# As in include/tcpwatch/event.h and record.h.
NOT_READ = 0xffffffff
STRUCT_EVENT = struct.Struct("=QQQIIIHHHBBBB2x16s16s16s")
STRUCT_ROUND = struct.Struct("=QI4x")
STRUCT_DUMP = struct.Struct("=QII")
STRUCT_SOCKET = struct.Struct("=QQIIIIHHBBBB8x16s16s")
STRUCT_COUNTERS = struct.Struct("=Q4I")
STRUCT_LOST = struct.Struct("=QQ8x")
STRUCT_TICK = struct.Struct("=Q")
STRUCT_AGE = struct.Struct("=QQI4x")
STRUCT_PASS = struct.Struct("=QI4x")
STRUCT_HOLDER = struct.Struct("=QQIII4x16s")
assert (STRUCT_EVENT.size, STRUCT_SOCKET.size, STRUCT_COUNTERS.size) == (96, 80, 24)


def mask(words):
    if words == "all":
        return 0xFFE
    return sum(1 << STATES[word] for word in words.split(","))


def state(word):
    return int(word) if word.isdigit() else STATES[word]


def endpoint(text):
    host, _, port = text.rpartition(":")
    address = ipaddress.ip_address(host.strip("[]"))
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return family, address.packed.ljust(16, b"\0"), int(port)


class Words:
    """The words after a record's name: endpoints, KEY=VALUE, and bare ones."""

    def __init__(self, words):
        self.bare, self.values, self.ends = [], {}, []
        for word in words:
            if word == ">":
                continue
            if "=" in word:
                key, _, value = word.partition("=")
                self.values[key] = value
            elif ":" in word:
                self.ends.append(endpoint(word))
            else:
                self.bare.append(word)

    def number(self, key):
        return int(self.values.get(key, 0))


def event(time_ns, words):
    w = Words(words[2:])
    before, after = words[1].split(">")
    (family, local, sport), (_, remote, dport) = w.ends
    flags = sum(FLAGS[word] for word in w.bare) | (FLAGS["process"] if "pid" in w.values else 0)
    error = w.values.get("error", "0")
    return EVENT, STRUCT_EVENT.pack(
        time_ns, w.number("cookie"), w.number("cgroup"), int(words[0]), w.number("uid"), w.number("pid"),
        sport, dport, int(getattr(errno, error, None) or error), int(w.values.get("family", family)),
        state(before), state(after), flags, local, remote, w.values.get("comm", "").encode())


def row(time_ns, words):
    w = Words(words[2:])
    (family, local, sport), (_, remote, dport) = w.ends
    kind = KINDS[w.bare[0]] if w.bare else 0
    return SOCKET, STRUCT_SOCKET.pack(
        w.number("cookie"), w.number("cgroup"), int(words[0]), w.number("uid"), w.number("inode"),
        int(float(w.values.get("expires", 0)) * 1000), sport, dport, int(w.values.get("family", family)),
        state(words[1]), kind, w.number("retransmits"), local, remote)


def counters(time_ns, words):
    w = Words(words[1:])
    return COUNTERS, STRUCT_COUNTERS.pack(
        time_ns, int(words[0]), w.number("in_use"), w.number("time_wait"), NOT_READ)


def age(words):
    since = START + int(float(Words(words[2:]).values["since"]) * 10**9)
    return AGE, STRUCT_AGE.pack(int(words[0]), since, state(words[1]))


def holder(words):
    w = Words(words)
    return HOLDER, STRUCT_HOLDER.pack(
        w.number("cookie"), w.number("cgroup"), w.number("pid"), w.number("uid"), w.number("nofile"),
        w.values.get("comm", "").encode())


RECORDS = {
    "round": lambda t, w: (ROUND_BEGIN, STRUCT_ROUND.pack(t, mask(w[0]))),
    "rounded": lambda t, w: (ROUND_END, STRUCT_ROUND.pack(t, mask(w[0]))),
    "dump": lambda t, w: (DUMP_BEGIN, STRUCT_DUMP.pack(t, int(w[0]), 0)),
    "dumped": lambda t, w: (DUMP_END, STRUCT_DUMP.pack(t, int(w[0]), "failed" not in w)),
    "socket": row,
    "event": event,
    "counters": counters,
    "gone": lambda t, w: (NETNS_GONE, STRUCT_DUMP.pack(t, int(w[0]), 1)),
    "lost": lambda t, w: (LOST, STRUCT_LOST.pack(t, int(w[0]))),
    "age": lambda t, w: age(w),
    "ages": lambda t, w: (AGES, STRUCT_TICK.pack(t)),
    "pass": lambda t, w: (PASS_BEGIN, STRUCT_PASS.pack(t, 0)),
    "holder": lambda t, w: holder(w),
    "passed": lambda t, w: (PASS_END, STRUCT_PASS.pack(t, "failed" not in w)),
    "tick": lambda t, w: (TICK, STRUCT_TICK.pack(t)),
}


def ticks(time_ns, seconds):
    return (RECORDS["tick"](time_ns + half * 500_000_000, []) for half in range(int(2 * seconds)))


def recording(records, count=None):
    """The bytes of a recording, part by part, of pairs of a kind and a body. count: for an end that lies."""
    crc, written = 0, 0

    def part(kind, body):
        nonlocal crc
        head = struct.pack("=HH", kind, len(body))
        crc = zlib.crc32(body, zlib.crc32(head, crc))
        return head + struct.pack("=I", crc) + body

    yield MAGIC
    for written, (kind, body) in enumerate(records, 1):
        yield part(kind, body)
    yield part(END, struct.pack("=Q", written if count is None else count))


class Expectation:
    def __init__(self, words, line):
        self.line = line
        self.told = None
        if words[0] == "told":
            self.told, words = [word for word in words[1:] if word != "none"], ["told"]
        self.netns = None
        if words[0] == "netns":
            self.netns, words = int(words[1]), words[2:]
        values = {key: float(value) for key, _, value in (w.partition("=") for w in words if w not in ("empty", "told"))}
        self.states = None
        if "empty" in words or set(values) & set(STATES):
            self.states = {state: values.pop(state, 0) for state in STATES}
        self.others = values

    def check(self, status):
        """What of the status is not as expected."""
        part = status
        if self.netns is not None:
            part = next((n for n in status["namespaces"] if n["netns"] == self.netns), {"states": {}})
        told = {
            "drift": status["resync"]["last_drift"], "untracked": status["untracked"],
            "namespaces": len(status["namespaces"]), **status["events"],
            **{f"owners.{kind}": count for kind, count in status["owners"].items()},
            **{f"oldest.{state}": age for state, age in status["oldest_seconds"].items()},
        }
        wrong = []
        if self.told is not None and self.told != status["told"]:
            wrong.append(f"{' '.join(status['told']) or 'nothing'} was told, not {' '.join(self.told) or 'nothing'}")
        for state, number in (self.states or {}).items():
            if part["states"].get(state, 0) != number:
                wrong.append(f"{state}: {part['states'].get(state, 0)}, not {number:g}")
        for key, number in self.others.items():
            if told[key] is None or abs(told[key] - number) > 0.0015:
                wrong.append(f"{key}: {told[key]}, not {number:g}")
        return wrong


class Stream:
    def __init__(self, path):
        self.config, self.rules = [], []
        self.checks = []  # (recording up to there, expectation)
        records = []
        for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            try:
                if words[0] == "config":
                    self.config.append(" ".join(words[1:]))
                elif words[0] == "alert":
                    self.rules.append("\n".join([f"[alert {words[1]}]", *words[2:]]))
                elif words[0] == "expect":
                    self.checks.append((b"".join(recording(records)), Expectation(words[1:], number)))
                else:
                    time_ns = START + int(float(words[0]) * 10**9)
                    if words[1] == "ticks":
                        records += ticks(time_ns, float(words[2]))
                        continue
                    records.append(RECORDS[words[1]](time_ns, words[2:]))
            except (KeyError, ValueError, IndexError) as error:
                raise ValueError(f"{path}:{number}: {line}: {error!r}") from error
