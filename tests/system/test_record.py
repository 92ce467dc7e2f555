# SPDX-License-Identifier: GPL-2.0-or-later
"""--record writes what came, --replay gives the same counts from it, without any privilege."""

import collections
import itertools
import json
import socket
import subprocess
import time

import pytest

from daemon import TCPWATCHD
from oracle import STATES, assert_right_when_quiet, wait_for
from recording import (
    COUNTERS, COUNTERS_BODY, END, EVENT, EVENT_BODY, HEADER, NOT_READ, TICK, Counters, Event, records, starts)

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all")


def replay(path):
    return subprocess.run(
        [*NOBODY, TCPWATCHD, "--replay", path], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=60)


def record(make_daemon, netns, path, **settings):
    """A recording of sockets from before, a busy time and what was left of it; and the counts at its end."""
    netns.holder().hold("half_closed", 5)
    netns.holder().hold("time_wait", 5)
    daemon = make_daemon(arguments=("--record", path), **settings).start()
    load = netns.load(seed=61, connections=500, keep=0.1)
    load.wait()
    held = netns.holder()
    for kind in ("orphan", "syn_recv", "closing"):
        held.hold(kind, 4)
    assert_right_when_quiet(daemon, netns)
    states = daemon.status().states_of(netns.inum)
    daemon.stop()
    return states


@pytest.mark.both_modes
def test_same_counts(make_daemon, netns, open_directory):
    path = open_directory / "recording"
    states = record(make_daemon, netns, path)
    path.chmod(0o644)
    result = replay(path)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    status = json.loads(result.stdout)
    told = {n["netns"]: n["states"] for n in status["namespaces"]}
    assert told[netns.inum] == states
    assert set(status["states"]) == set(STATES)
    assert replay(path).stdout == result.stdout, "the same stream gives the same answer"


def test_same_loss(make_daemon, netns, open_directory):
    """A loss is part of the stream."""
    import signal
    path = open_directory / "recording"
    daemon = make_daemon(ring_size="256K", arguments=("--record", path))
    daemon.start()
    daemon.signal(signal.SIGSTOP)
    load = netns.load(seed=62, connections=1500, keep=0.1)
    load.wait()
    daemon.signal(signal.SIGCONT)
    assert_right_when_quiet(daemon, netns)
    status = daemon.status()
    daemon.stop()
    path.chmod(0o644)
    again = json.loads(replay(path).stdout)
    assert again["events"]["lost"] == status["events"]["lost"] > 0
    told = {n["netns"]: n["states"] for n in again["namespaces"]}
    assert told[netns.inum] == status.states_of(netns.inum)


def test_unwritable(make_daemon, tmp_path):
    daemon = make_daemon(arguments=("--record", tmp_path / "none" / "recording"))
    daemon.spawn()
    assert daemon.wait() == 1
    assert str(tmp_path / "none" / "recording") in daemon.text()
    daemon.expect("recording")


def test_full_disk(make_daemon, netns, tmp_path):
    """The recording ends, with one word; the daemon goes on."""
    small = ("unshare", "--mount", "sh", "-c",
             f'mount -t tmpfs -o size=64k none {tmp_path} && exec "$@"', "sh")
    path = tmp_path / "recording"
    daemon = make_daemon(prefix=small, arguments=("--record", path)).start()
    daemon.expect("recording.*No space left")
    load = netns.load(seed=63, connections=400)
    load.wait()
    assert_right_when_quiet(daemon, netns)
    assert sum("recording" in text for _, text in daemon.messages()) == 1


def test_never_over_a_file(make_daemon, tmp_path):
    path = tmp_path / "precious"
    path.write_text("precious")
    daemon = make_daemon(arguments=("--record", path))
    daemon.spawn()
    assert daemon.wait() == 1
    daemon.expect(str(path))
    assert path.read_text() == "precious"


def test_nothing_left_of_a_start_that_failed(make_daemon, tmp_path):
    """Neither the file, nor thereby a reason to fail again."""
    path = tmp_path / "recording"
    daemon = make_daemon(arguments=("--record", path))
    with socket.create_server(("127.0.0.1", daemon.port)):
        daemon.spawn()
        assert daemon.wait() == 1
        daemon.expect(str(daemon.port))
    assert not path.exists()


@pytest.fixture(scope="module")
def recording(make_directory):
    """The bytes of one real recording."""
    from daemon import Daemon
    from netns import Namespaces
    path = make_directory() / "recording"
    namespaces = Namespaces("recording")
    try:
        daemon = Daemon(path.parent, arguments=("--record", path)).start()
        namespaces().load(seed=64, connections=100).wait()
        daemon.stop()
    finally:
        namespaces.remove()
    return path.read_bytes()


def refused(directory, content, *words):
    path = directory / "bad"
    path.write_bytes(content)
    path.chmod(0o644)
    result = replay(path)
    assert result.returncode == 1, (result.returncode, result.stderr)
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert all(word in result.stderr for word in (str(path), *words)), result.stderr
    return result


def test_wrong_file(open_directory):
    refused(open_directory, b"#!/bin/sh\necho this is no recording\n", "recording")
    refused(open_directory, b"")
    refused(open_directory, b"TCPW")


def test_other_version(open_directory, recording):
    for version in (1, 2, 4):
        refused(open_directory, recording[:7] + bytes([version]) + recording[8:], f"format {version}", "version")


def test_truncated(open_directory, recording):
    """Cut inside a record's header or body, or just before one: a clear word, and all that came before."""
    *_, before, last, end = starts(recording)
    assert HEADER.unpack_from(recording, end)[0] == END
    for cut, place in ((end, end), (end + 4, end), (len(recording) - 1, end), (last, last), (last + 1, last),
                       (end - 1, last), (before, before)):
        result = refused(open_directory, recording[:cut], f"byte {place}: it ends with")
        assert json.loads(result.stdout)["events"]["received"] > 0
    refused(open_directory, recording[:8], "byte 8: it ends with")
    refused(open_directory, recording + b"\0", f"byte {end}:")


def test_killed(make_daemon, netns, open_directory):
    """What the daemon had written by then is of use, and it is told that this is not all."""
    path = open_directory / "recording"
    daemon = make_daemon(arguments=("--record", path)).start()
    netns.load(seed=66, connections=100).wait()
    wait_for(lambda: daemon.status()["events"]["received"] >= 500, 10, "the load's transitions")
    daemon.kill()
    result = refused(open_directory, path.read_bytes(), "was killed")
    assert json.loads(result.stdout)["events"]["received"] > 400


@pytest.mark.parametrize("header", [
    b"\0\0\x60\0", b"\0\0\x08\0", b"\xff\xff\x60\0", b"\1\0\x10\0", b"\1\0\xff\xff", b"\1\0\0\0"])
def test_corrupted_header(open_directory, recording, header):
    """A type that is none, or a size that is not the type's."""
    refused(open_directory, recording[:8] + header + recording[12:])


@pytest.mark.parametrize("kind, at", [(1, 44), (1, 48), (4, 37), (4, 48)], ids=["state", "address", "row", "row address"])
def test_damaged(open_directory, recording, kind, at):
    """A byte that is another, of the first transition or the first row of a dump."""
    start = next(at for at in starts(recording) if HEADER.unpack_from(recording, at)[0] == kind)
    damaged = bytearray(recording)
    damaged[start + HEADER.size + at] ^= 1
    assert refused(open_directory, damaged, f"byte {start}: ", "damaged").stdout == ""


def test_missing(tmp_path):
    result = replay(tmp_path / "none")
    assert result.returncode == 1 and "none" in result.stderr


def test_noise(open_directory, recording):
    """Any byte wrong anywhere: an error, never a crash."""
    import random
    chance = random.Random(65)
    path = open_directory / "noise"
    for _ in range(30):
        content = bytearray(recording)
        for _ in range(20):
            content[chance.randrange(8, len(content))] = chance.randrange(256)
        path.write_bytes(content)
        path.chmod(0o644)
        assert replay(path).returncode == 1


def ticks(path):
    """From each tick to the next: how often each namespace was counted, and of which transitions told then."""
    told = []
    for kind, body in records(path.read_bytes()):
        if kind == TICK:
            told.append((collections.Counter(), set()))
        elif told and kind == COUNTERS:
            told[-1][0][Counters(*COUNTERS_BODY.unpack(body)).netns] += 1
        elif told and kind == EVENT:
            told[-1][1].add(Event(*EVENT_BODY.unpack(body)).netns)
    return told


def test_still_namespaces_are_counted_seldom(make_daemon, make_netns, open_directory):
    """Those with minisockets, which end by themselves, and those of which transitions tell, at each tick."""
    path = open_directory / "recording"
    still, waiting, busy = make_netns(), make_netns(), make_netns()
    still.holder().hold("half_closed", 3)
    waiting.holder().hold("time_wait", 3)
    held = busy.holder()
    held.hold("established", 1)
    daemon = make_daemon(arguments=("--record", path)).start()
    assert_right_when_quiet(daemon, still, waiting, busy)
    first = len(ticks(path))
    while len(ticks(path)) < first + 17:
        # one ends as the other begins: no sum is another
        held.close()
        held.hold("established", 1)
        time.sleep(0.1)
    daemon.stop()
    within = ticks(path)[first:first + 16]
    stirred = [counted[busy.inum] for (_, told), (counted, _) in itertools.pairwise(within) if busy.inum in told]
    assert len(stirred) >= 8 and all(stirred), within
    counted = sum((counted for counted, _ in within), collections.Counter())
    assert counted[waiting.inum] >= 16, counted
    # in two of them, and after each round of dumps
    assert 2 <= counted[still.inum] <= counted[waiting.inum] / 2, counted


def established(path, netns):
    """For each time that the namespace became quiet the kernel's sums of established connections that were read then."""
    read = [[]]
    for kind, body in records(path.read_bytes()):
        if kind == EVENT and Event(*EVENT_BODY.unpack(body)).netns == netns.inum and read[-1]:
            read.append([])
        elif kind == COUNTERS:
            counters = Counters(*COUNTERS_BODY.unpack(body))
            if counters.netns == netns.inum and counters.established != NOT_READ:
                read[-1].append(counters.established)
    return read


def test_established_are_read_when_quiet(make_daemon, make_netns, open_directory):
    """Once, not at each tick: it is dear. (What they are compared for is a loss that nobody told of.)"""
    path = open_directory / "recording"
    netns, busy = make_netns(), make_netns().holder()
    make_daemon(arguments=("--record", path)).start()
    sockets = netns.holder()

    def written(condition):
        """A recording is written by the page: others fill it."""
        busy.close()
        busy.hold("established", 1)
        return condition()

    for kind, sums in (("established", (6,)), ("half_closed", (6, 6 + 3))):
        sockets.hold(kind, 3)
        wait_for(lambda: written(lambda: len(established(path, netns)[-1]) == 1
                                 and established(path, netns)[-1][0] in sums), 10,
                 lambda: established(path, netns))
        first = len(ticks(path))
        wait_for(lambda: written(lambda: len(ticks(path)) >= first + 3), 10, lambda: (first, len(ticks(path))))
        assert {len(read) for read in established(path, netns)} == {1}, established(path, netns)
