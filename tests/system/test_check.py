# SPDX-License-Identifier: GPL-2.0-or-later
"""tcpwatchctl check: what a monitoring system makes of it, by the guidelines of the monitoring plug-ins."""

import re
import subprocess

import pytest

from daemon import TCPWATCHCTL
from oracle import wait_for
from test_ctl import STATES, STREAM, STREAM_END, chunk, directory, document, fake, lines, run, status  # noqa: F401

LINE = re.compile(r"TCPWATCH (OK|WARNING|CRITICAL|UNKNOWN) - ([ -{}~]+?)(?: \| ([ -~]+))?\n")
FIGURE = re.compile(r"'([a-z_0-9]+)'=(\d+);([-~@:.\d]*);([-~@:.\d]*);0")
CODES = {"OK": 0, "WARNING": 1, "CRITICAL": 2, "UNKNOWN": 3}


def verdict(result):
    """The word, the text and the figures, after the line was found to be as the guidelines want it."""
    match = LINE.fullmatch(result.stdout)
    assert match, result.stdout
    word, text, figures = match.groups()
    assert result.returncode == CODES[word]
    found = {}
    for one in figures.split() if figures else []:
        name, value, *ranges = FIGURE.fullmatch(one).groups()
        found[name] = (int(value), *ranges)
    return word, text, found


@pytest.fixture
def asked(fake):  # noqa: F811
    """Asks a fake daemon with a status, and with those alerts."""
    def ask(*arguments, rows=(), **changes):
        def answer(connection):
            if daemon.requests[-1].startswith("GET /v1/alerts"):
                connection.sendall(STREAM + chunk(lines(rows)) + STREAM_END)
            else:
                connection.sendall(document(status(**changes)))

        daemon = fake(answer)
        return daemon.run("check", *arguments)
    return ask


def alert(name, severity="warning", **changes):
    return {"name": name, "status": "firing", "severity": severity, "scope": "unit", "target": "web.service",
            "value": 6012, "threshold": 100, **changes}


@pytest.mark.parametrize("warning, critical, word", [
    ("100", "200", "CRITICAL"), ("6012", "7000", "OK"), ("6011", "7000", "WARNING"), ("~:", "@6000:7000", "CRITICAL"),
    ("7000:", "0:6012", "WARNING"), ("6012:6012", "@0:6011", "OK"),
])
def test_state(asked, warning, critical, word):
    result = asked("--state", "close_wait", "--warning", warning, "--critical", critical)
    assert result.stderr == ""
    told, text, figures = verdict(result)
    assert told == word
    assert text == "close_wait 6012" + {"OK": "", "WARNING": " (warning)", "CRITICAL": " (critical)"}[word]
    assert figures == {"close_wait": (6012, warning, critical)}


def test_several_states(asked):
    word, text, figures = verdict(asked("--state", "close_wait,time_wait", "--warning", "400"))
    assert word == "WARNING"
    assert text == "time_wait 391, close_wait 6012 (warning)"
    assert figures == {"close_wait": (6012, "400", ""), "time_wait": (391, "400", "")}


def test_all_states_with_long_ranges(asked):
    long = "1234567890123:12345678901234567"
    word, _, figures = verdict(asked("--state", ",".join(STATES), "--warning", long, "--critical", long))
    assert word == "CRITICAL"
    assert figures == {state: (status()["states"][state], long, long) for state in STATES}


def test_no_alert(asked):
    word, text, figures = verdict(asked())
    assert (word, text) == ("OK", "no alert fires")
    assert figures == {"firing": (0, "", ""), "pending": (0, "", ""),
                       **{state: (count, "", "") for state, count in status()["states"].items()}}


@pytest.mark.parametrize("severities, word", [
    (["info"], "OK"), (["info", "warning"], "WARNING"), (["critical", "warning"], "CRITICAL")])
def test_alerts(asked, severities, word):
    rows = [alert(f"rule-{n}", severity) for n, severity in enumerate(severities)]
    rows.append(alert("other", "critical", status="pending"))
    told, text, figures = verdict(asked(rows=rows, alerts={"pending": 1, "firing": len(severities)}))
    assert told == word
    assert text == ", ".join(f"rule-{n} of web.service" for n in range(len(severities)))
    assert figures["firing"][0] == len(severities) and figures["pending"][0] == 1


def test_many_alerts(asked):
    rows = [alert(f"rule-{n}", target="a|b") for n in range(20)]
    word, text, _ = verdict(asked(rows=rows, alerts={"pending": 0, "firing": 20}))
    assert word == "WARNING"
    assert text == ", ".join(f"rule-{n} of a/b" for n in range(5)) + ", and 15 more"


@pytest.mark.parametrize("arguments", [[], ["--state", "listen", "--critical", "5"]])
def test_counts_that_are_not_exact(asked, arguments):
    """Worse than any count."""
    word, text, _ = verdict(asked(*arguments, mode="diag", mode_reason="want of CAP_BPF"))
    assert word == "UNKNOWN"
    assert "want of CAP_BPF" in text
    word, text, _ = verdict(asked(*arguments, resync={"count": 0}))
    assert word == "UNKNOWN"
    assert "not counted all" in text


@pytest.mark.parametrize("arguments", [
    ["--state", "nonsense"], ["--state", "close_wait", "--warning", "x"], ["--warning", "5"], ["--critical", "5"],
    ["--state", "close_wait", "--critical", "20:10"], ["--nonsense"], ["extra"], ["--state"]])
def test_wrong_usage(arguments):
    word, text, figures = verdict(run("check", *arguments))
    assert (word, figures) == ("UNKNOWN", {})
    assert "wrong usage" in text


def test_no_daemon(directory):  # noqa: F811
    word, text, _ = verdict(run("--socket", directory / "none", "check"))
    assert word == "UNKNOWN"
    assert "No such file" in text


@pytest.mark.parametrize("answer", [
    document({}), document(b"<html>"), document({"error": "no"}, "503 Service Unavailable"), b""])
def test_bad_answer(fake, answer):  # noqa: F811
    word, text, _ = verdict(fake(answer).run("check"))
    assert word == "UNKNOWN"
    assert "cannot be asked" in text


def test_against_the_kernel(daemon, netns):
    """Ten connections in CLOSE_WAIT more than there were."""
    def check(*arguments):
        return verdict(subprocess.run([TCPWATCHCTL, "--socket", daemon.socket, "check", *arguments],
                                      stdout=subprocess.PIPE, text=True))

    before = check("--state", "close_wait")[2]["close_wait"][0]
    limit = str(before + 9)
    assert check("--state", "close_wait", "--critical", limit)[0] == "OK"
    netns.holder().hold("half_closed", 10)
    wait_for(lambda: check("--state", "close_wait", "--critical", limit)[0] == "CRITICAL", 10)
    assert check("--state", "close_wait", "--warning", limit)[2]["close_wait"] == (before + 10, limit, "")
