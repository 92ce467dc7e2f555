# SPDX-License-Identifier: GPL-2.0-or-later
"""Each streams/*.stream through `tcpwatchd --replay`, up to each of its expectations. Needs no privilege."""

import json
import os
import pathlib
import subprocess

import pytest

from stream import END, EVENT, MAGIC, STRUCT_TICK, TICK, Stream, recording

ROOT = pathlib.Path(__file__).parents[2]
TCPWATCHD = pathlib.Path(os.environ.get("TCPWATCH_OUTPUT", ROOT / ".output")) / "tcpwatchd"
HEADER = 8  # bytes of struct tw_record_header
STREAMS = sorted((pathlib.Path(__file__).parent / "streams").glob("*.stream"))


def run(directory, data, config=(), rules=()):
    path, conf = directory / "recording", directory / "tcpwatchd.conf"
    path.write_bytes(data)
    conf.write_text("\n".join(["[daemon]", *config, *rules]) + "\n")
    return subprocess.run(
        [TCPWATCHD, "--config", conf, "--replay", path], capture_output=True, text=True, timeout=20)


def replay(directory, data, config=(), rules=()):
    result = run(directory, data, config, rules)
    assert (result.returncode, result.stderr) == (0, "")
    *notices, status = map(json.loads, result.stdout.splitlines())
    status["told"] = [f"{notice['name']}:{notice['status']}" for notice in notices]
    # What holds after every record, in every stream.
    assert status["connections"] == sum(status["states"].values())
    for state, number in status["states"].items():
        assert number == sum(n["states"][state] for n in status["namespaces"]), state
        assert number >= 0
    return status


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_stream(path, tmp_path):
    stream = Stream(path)
    assert stream.checks, "a stream that expects nothing tests nothing"
    for data, expected in stream.checks:
        wrong = expected.check(replay(tmp_path, data, stream.config, stream.rules))
        assert not wrong, f"{path.name}:{expected.line}: {', '.join(wrong)}"


def test_empty_recording(tmp_path):
    status = replay(tmp_path, b"".join(recording([])))
    assert status["connections"] == 0 and status["namespaces"] == []



@pytest.fixture(scope="module")
def whole():
    return Stream(ROOT / "tests/replay/streams/plain-close.stream").checks[-1][0]


def starts(data):
    """Where each record begins, and the end."""
    found = [len(MAGIC)]
    while data[found[-1]] != END:
        found.append(found[-1] + HEADER + int.from_bytes(data[found[-1] + 2:found[-1] + 4], "little"))
    return found


def told_of(path, place, result):
    assert result.returncode == 1
    line, = result.stderr.splitlines()
    assert f"{path}: byte {place}: " in line
    return line


def test_not_finished(tmp_path, whole):
    """What a daemon recorded until it was killed is told, and that there was more to come."""
    *_, last, end = starts(whole)
    assert replay(tmp_path, whole)["states"]["time_wait"] == 1
    for cut in (end, end + 1, end + HEADER, len(whole) - 1):
        result = run(tmp_path, whole[:cut])
        assert "was killed" in told_of(tmp_path / "recording", end, result)
        assert result.stdout == run(tmp_path, whole).stdout
    result = run(tmp_path, whole[:end - 1])
    assert "within a record" in told_of(tmp_path / "recording", last, result)
    assert json.loads(result.stdout)["events"]["received"] == 10


def test_damaged(tmp_path, whole):
    """A byte of an address, which nothing but the checksum can know: no status of what is not so."""
    places = starts(whole)
    event = next(start for start in places if whole[start] == EVENT)
    damaged = bytearray(whole)
    damaged[event + HEADER + 48] ^= 1
    result = run(tmp_path, damaged)
    assert "damaged" in told_of(tmp_path / "recording", event, result)
    assert result.stdout == ""


def test_another_number_of_records(tmp_path):
    data = b"".join(recording([(TICK, STRUCT_TICK.pack(1))], count=2))
    assert "number of records" in told_of(tmp_path / "recording", starts(data)[-1], run(tmp_path, data))
