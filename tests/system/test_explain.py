# SPDX-License-Identifier: GPL-2.0-or-later
"""tcpwatchctl explain: what it knows by itself, and alerts with what was found when they fired."""

import json
import re

import pytest

from test_ctl import STATES, assert_refused, directory, fake, rows_answer, run  # noqa: F401

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
    ([""], ["topic"]),
    (["close", "wait"], ["'wait'"]),
    (["--topic", "close"], ["--topic"]),
])
def test_wrong_usage(words, expected):
    assert_refused(run("explain", *words), 2, *expected)


@pytest.mark.parametrize("word, code, expected", [
    ("clos_wait", 2, ["'clos_wait'", "'close_wait'"]),
    ("nonsense", 1, ["no alert 'nonsense'", "lists"]),
    ("\033[2J", 1, ["'?[2J'"]),
])
def test_no_such_topic(fake, word, code, expected):  # noqa: F811
    """It might have been an alert's name."""
    assert_refused(fake(rows_answer([ALERT])).run("explain", word), code, *expected)


def test_no_such_topic_and_no_daemon():
    result = run("--socket", "/nonexistent", "explain", "clos_wait")
    assert (result.returncode, result.stdout) == (2, "")
    assert "/nonexistent" in result.stderr and "'close_wait'" in result.stderr


ALERT = {
    "name": "close-wait-leak", "status": "firing", "severity": "critical", "scope": "unit", "target": "web.service",
    "source": "close_wait", "value": 6012, "threshold": 100, "limit": None, "since": "2026-11-20T13:23:05.123Z",
    "summary": "web.service holds 6012 connections in close_wait, more than 100", "evidence": {
        "count": 6012, "threshold": 100, "limit": None, "looked_at": 7000, "found": 6012, "whole": False,
        "owners": [{"kind": "process", "pid": 4321, "comm": "web", "uid": 33, "unit": "web.service", "cgroup": 7,
                    "descriptors_max": 8192, "connections": 6000},
                   {"kind": "unaccepted", "pid": None, "comm": "web", "unit": None, "connections": 9}],
        "owners_other": 3,
        "remotes": [{"remote": "192.0.2.7", "connections": 40}, {"remote": "2001:db8::1", "connections": 2}],
        "remotes_other": 5970,
        "prefixes": [{"prefix": "192.0.2.0/24", "connections": 6012}], "prefixes_other": 0,
        "ages": {"oldest_seconds": 7512, "median_seconds": 63.5},
        "recv_queue": {"looked_at": 64, "unread": 60, "bytes": 5000},
        "transitions": [{"time": 1763644985.5, "from": "established", "to": "close_wait", "local_port": 80,
                         "remote": "192.0.2.7", "remote_port": 50123, "error": None, "pid": None}],
        "sysctls": [{"name": "net.ipv4.tcp_keepalive_time", "value": 7200}]},
}


def test_alert(fake):  # noqa: F811
    result = fake(rows_answer([{"name": "another"}, ALERT])).run("explain", "close-wait-leak")
    assert (result.returncode, result.stderr) == (0, "")
    assert_fits(result.stdout)
    alert, _, topic = result.stdout.partition("\n\n")
    assert topic == explain("close_wait")
    words = " ".join(alert.split())
    for part in [
            "close-wait-leak firing (critical) since 2026-11-20T13:23:05.123Z",
            "web.service holds 6012 connections in close_wait, more than 100", "value 6012, above 100",
            "owners 6000 of web/4321 in web.service, 9 of web (unaccepted), 3 of others",
            "remotes 40 192.0.2.7, 2 2001:db8::1, 5970 others", "networks 6012 192.0.2.0/24",
            "ages the oldest 2h05m, half of them older than 1m03s (of the 6012 oldest that were looked at)",
            "Recv-Q 60 of 64 looked at have unread bytes, 5000 in all", "settings tcp_keepalive_time 7200",
            "just before 13:23:05 established > close_wait 192.0.2.7:50123"]:
        assert part in words
    document = json.loads(fake(rows_answer([ALERT])).run("--json", "explain", "close-wait-leak").stdout)
    assert document["alerts"] == [ALERT] and document["topic"] == "close_wait"


def test_alert_without_evidence(fake):  # noqa: F811
    result = fake(rows_answer([{**ALERT, "status": "pending", "evidence": None}])).run("explain", "close-wait-leak")
    assert result.returncode == 0
    assert "pending" in result.stdout and "owners" not in result.stdout


@pytest.mark.parametrize("source, topic", [
    ("accept_queue", "unaccepted"), ("syn_queue", "syn_recv"), ("syn_rate", "syn_recv"),
    ("ephemeral_ports", "time_wait"), ("connect_failures", "syn_sent"), ("fin_wait2", "fin_wait2")])
def test_topic_of_an_alert(fake, source, topic):  # noqa: F811
    result = fake(rows_answer([{**ALERT, "source": source}])).run("explain", "close-wait-leak")
    assert result.stdout.endswith(explain(topic))


def test_many_targets(fake):  # noqa: F811
    rows = [{**ALERT, "target": f"{n}.service", "summary": f"{n}.service"} for n in range(20)]
    text = fake(rows_answer(rows)).run("explain", "close-wait-leak").stdout
    assert text.count("close-wait-leak") == 3
    assert "and 17 more of that name" in text


@pytest.mark.parametrize("evidence", [
    {}, [], "x", {"owners": 5, "remotes": {}, "ages": [], "recv_queue": 1, "transitions": "x", "sysctls": None},
    {"owners": [5, None, {"comm": "\033[2J", "connections": -1}], "found": 3, "transitions": [{"time": 1e300}, 7],
     "sysctls": [{"name": "nodots"}], "remotes": [{"remote": "x" * 80}] * 150}])
def test_odd_evidence(fake, evidence):  # noqa: F811
    result = fake(rows_answer([{**ALERT, "evidence": evidence}])).run("explain", "close-wait-leak")
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(r"[ -~\n]+", result.stdout)
