# SPDX-License-Identifier: GPL-2.0-or-later
"""The shipped rules on a recording of a busy host that is well: a web server and its clients, in virtual time."""

import json
import os
import re
import struct
import subprocess

from stream import (COUNTERS, DUMP_BEGIN, DUMP_END, EVENT, ROUND_BEGIN, ROUND_END, START, STATES, STRUCT_COUNTERS,
                    STRUCT_DUMP, STRUCT_EVENT, STRUCT_ROUND, STRUCT_TICK, TICK, endpoint, recording)
from test_replay import ROOT, TCPWATCHD

SHIPPED = ROOT / "packaging/tcpwatchd.conf"
# Some 1,000 bytes each; a million is the figure to reach, and takes 1 GB.
CONNECTIONS = int(os.environ.get("TCPWATCH_CONNECTIONS", 100_000))
A_SECOND = 2000
HALF_SECOND = 500_000_000
LISTENER, LISTENERS = 11, 12
STRUCT_LISTENER = struct.Struct("=QQIIIIIIIHBB16s16s")
assert STRUCT_LISTENER.size == 80
FAMILY, SERVER, _ = endpoint("10.0.0.1:80")
CLIENT = endpoint("10.0.0.2:1")[1]
PROCESS, DONE, DEAD = 1, 4, 2


def event(time_ns, cookie, netns, states, ends, pid, flags=0):
    before, after = states
    (local, sport), (remote, dport) = ends
    return EVENT, STRUCT_EVENT.pack(
        time_ns, cookie, 1000 + pid, netns, 0, pid if flags & PROCESS else 0, sport, dport, 0, FAMILY, STATES[before],
        STATES[after], flags, local, remote, b"web")


def connection(time_ns, number):
    """Ten transitions of a request that the server answers and then closes, 3 ms long."""
    port = 32768 + number % 28000
    client, server = (CLIENT, port), (SERVER, 80)
    ours, theirs = (client, server), (server, client)
    a, b = 10 + 2 * number, 11 + 2 * number
    steps = [
        (0, a, 2, ("close", "syn_sent"), ((CLIENT, 0), server), 7, PROCESS),
        (0.1, b, 1, ("listen", "syn_recv"), theirs, 5, 0),
        (0.1, b, 1, ("syn_recv", "established"), theirs, 5, 0),
        (0.2, a, 2, ("syn_sent", "established"), ours, 7, 0),
        (2.0, b, 1, ("established", "fin_wait1"), theirs, 5, PROCESS | DEAD),
        (2.1, a, 2, ("established", "close_wait"), ours, 7, 0),
        (2.2, b, 1, ("fin_wait1", "fin_wait2"), theirs, 5, DEAD),
        (2.9, a, 2, ("close_wait", "last_ack"), ours, 7, PROCESS | DEAD),
        (3.0, b, 1, ("fin_wait2", "close"), theirs, 5, DEAD | DONE),
        (3.1, a, 2, ("last_ack", "close"), ours, 7, DEAD),
    ]
    return [(time_ns + int(ms * 10**6), *rest) for ms, *rest in steps]


def round_of(time_ns):
    yield ROUND_BEGIN, STRUCT_ROUND.pack(time_ns, 0xFFE)
    for netns in (1, 2):
        yield DUMP_BEGIN, STRUCT_DUMP.pack(time_ns, netns, 0)
        yield DUMP_END, STRUCT_DUMP.pack(time_ns, netns, 1)
    yield ROUND_END, STRUCT_ROUND.pack(time_ns, 0xFFE)


def look(time_ns, number):
    """Queues as a busy server has them: seldom empty, never for long as full as before."""
    yield LISTENER, STRUCT_LISTENER.pack(
        1, 1005, 1, 0, 5, 1, number % 7, 1 + number * 7 % 11, 128, 80, FAMILY, 0, SERVER, b"web")
    yield LISTENERS, STRUCT_TICK.pack(time_ns)
    yield TICK, STRUCT_TICK.pack(time_ns)


def host(connections):
    """The records in order of time; so many connections, and half a minute after the last."""
    waiting, ticks = [], 0
    yield from round_of(START)
    for number in range(connections + 30 * A_SECOND):
        now = START + number * 10**9 // A_SECOND
        if number < connections:
            waiting += connection(now, number)
            waiting.sort()
        while waiting and waiting[0][0] <= now:
            yield event(*waiting.pop(0))
        if now >= START + ticks * HALF_SECOND:
            ticks += 1
            yield from look(now, ticks)


def rules():
    return "\n".join(re.findall(r"^\[alert [^\]]+\]\n(?:[a-z_]+ = .*\n)+", SHIPPED.read_text(), re.M))


def test_a_busy_host_that_is_well(tmp_path):
    config, path = tmp_path / "tcpwatchd.conf", tmp_path / "recording"
    config.write_text(rules())
    with open(path, "wb") as file:
        file.writelines(recording(host(CONNECTIONS)))
    done = subprocess.run(
        [TCPWATCHD, "--config", config, "--replay", path], capture_output=True, text=True, timeout=300)
    path.unlink()
    assert (done.returncode, done.stderr) == (0, "")
    *notices, status = done.stdout.splitlines()
    assert notices == []
    assert json.loads(status)["events"]["received"] == 10 * CONNECTIONS
    assert json.loads(status)["alerts"]["firing"] == 0
