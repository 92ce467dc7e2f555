# SPDX-License-Identifier: GPL-2.0-or-later
"""Each streams/*.stream through `tcpwatchd --replay`, up to each of its expectations. Needs no privilege."""

import json
import os
import pathlib
import subprocess

import pytest

from stream import Stream

ROOT = pathlib.Path(__file__).parents[2]
TCPWATCHD = pathlib.Path(os.environ.get("TCPWATCH_OUTPUT", ROOT / ".output")) / "tcpwatchd"
STREAMS = sorted((pathlib.Path(__file__).parent / "streams").glob("*.stream"))


def replay(directory, recording, config=(), rules=()):
    path, conf = directory / "recording", directory / "tcpwatchd.conf"
    path.write_bytes(recording)
    conf.write_text("\n".join(["[daemon]", *config, *rules]) + "\n")
    result = subprocess.run(
        [TCPWATCHD, "--config", conf, "--replay", path], capture_output=True, text=True, timeout=20)
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
    for recording, expected in stream.checks:
        wrong = expected.check(replay(tmp_path, recording, stream.config, stream.rules))
        assert not wrong, f"{path.name}:{expected.line}: {', '.join(wrong)}"


def test_empty_recording(tmp_path):
    status = replay(tmp_path, b"TCPWREC\1")
    assert status["connections"] == 0 and status["namespaces"] == []
