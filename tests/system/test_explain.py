# SPDX-License-Identifier: GPL-2.0-or-later
"""tcpwatchctl explain: what it knows by itself."""

import json
import re

import pytest

from test_ctl import STATES, assert_refused, run

OTHERS = ["client-path", "server-path", "half-close", "simultaneous-open", "simultaneous-close", "2msl",
          "syn-cookies", "unaccepted"]


def explain(*words):
    result = run("explain", *words)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def assert_fits(text):
    """An ordinary terminal takes it as it is."""
    assert re.fullmatch(r"[ -~\n]+", text)
    for line in text.splitlines():
        assert len(line) <= 80, line
        assert line == line.rstrip(), line


def test_topics():
    text = explain()
    assert_fits(text)
    assert [line.split()[0] for line in text.splitlines() if line] == STATES + OTHERS
    assert json.loads(run("--json", "explain").stdout) == {"topics": STATES + OTHERS}


@pytest.mark.parametrize("topic", STATES + OTHERS)
def test_topic(topic):
    text = explain(topic)
    assert_fits(text)
    assert text.startswith(f"{topic} ")
    labels = [line[:11].strip() for line in text.splitlines()[1:] if line[:1].strip()]
    assert len(labels) >= 3
    if topic in STATES:
        assert labels == ["what it is", "moves on", "piles up", "look at", "change"]
        assert "of RFC 9293" in " ".join(text.split())
    document = json.loads(run("--json", "explain", topic).stdout)
    assert document["topic"] == topic
    assert [entry["label"] for entry in document["entries"]] == labels
    for entry in document["entries"]:
        assert " ".join(entry["text"].split()) in " ".join(text.split())


@pytest.mark.parametrize("topic", STATES + OTHERS)
def test_what_to_type(topic):
    """Each command that is named is one, with options that it takes."""
    for command in re.findall(r"tcpwatchctl ([a-z][^.]*?)$", explain(topic), re.M):
        result = run("--socket", "/nonexistent", *command.split())
        assert result.returncode == 1, result.stderr


@pytest.mark.parametrize("word, topic", [
    ("ESTAB", "established"), ("SYN-RECEIVED", "syn_recv"), ("SYN-RECV", "syn_recv"), ("TimeWait", "time_wait"),
    ("FIN-WAIT-1", "fin_wait1"), ("FIN_WAIT2", "fin_wait2"), ("CLOSED", "close"), ("UNCONN", "close"),
    ("close-wait", "close_wait"), ("half_close", "half-close"), ("tcp_tw_recycle", "2msl"), ("server", "server-path"),
])
def test_other_words_for_it(word, topic):
    assert explain(word) == explain(topic)


@pytest.mark.parametrize("words, expected", [
    (["clos_wait"], ["'clos_wait'", "'close_wait'"]),
    (["nonsense"], ["'nonsense'", "lists"]),
    (["\033[2J"], ["'?[2J'"]),
    ([""], ["topic"]),
    (["close", "wait"], ["'wait'"]),
    (["--topic", "close"], ["--topic"]),
])
def test_no_such_topic(words, expected):
    assert_refused(run("explain", *words), 2, *expected)
