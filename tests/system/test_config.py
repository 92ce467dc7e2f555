# SPDX-License-Identifier: GPL-2.0-or-later
"""Configuration and command line: what is wrong is named, with file and line, before anything is touched."""

import os
import re
import subprocess

import pytest

from daemon import TCPWATCHD


def run(*argv, prefix=()):
    return subprocess.run(
        [*prefix, TCPWATCHD, *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)


def check(path, text, **options):
    path.write_text(text)
    return run("--config", path, "--check-config", **options)


@pytest.fixture
def conf(tmp_path):
    return tmp_path / "tcpwatchd.conf"


def test_good(conf):
    result = check(conf, "[daemon]\nmode = diag ; without BPF\nring_size = 1M\n\n[metrics]\nlisten = off\n")
    assert (result.returncode, result.stderr) == (0, "")


def test_empty(conf):
    assert check(conf, "").returncode == 0


@pytest.mark.parametrize("line, text, words", [
    (2, "[daemon]\ncolour = red\n", ["colour", "daemon"]),
    (1, "[demon]\nmode = auto\n", ["demon"]),
    (3, "[daemon]\n# a comment\nmode = fast\n", ["mode", "fast", "ebpf"]),
    (2, "[daemon]\nring_size = 300K\n", ["ring_size", "300K"]),
    (2, "[daemon]\nring_size = 128K\n", ["ring_size", "128K"]),
    (2, "[daemon]\nring_size = 2G\n", ["ring_size", "2G"]),
    (2, "[daemon]\nmax_connections = 0\n", ["max_connections", "0"]),
    (2, "[daemon]\nmax_connections = -1\n", ["max_connections", "-1"]),
    (2, "[daemon]\nmax_connections = many\n", ["max_connections", "many"]),
    (2, "[daemon]\nresync_budget = 0.5\n", ["resync_budget", "0.5"]),
    (2, "[daemon]\nresync_budget = 90%\n", ["resync_budget", "90%"]),
    (2, "[daemon]\nnamespaces = some\n", ["namespaces", "some"]),
    (2, "[daemon]\ncontrol_socket = " + "/x" * 80 + "\n", ["control_socket"]),
    (2, "[daemon]\ncontrol_socket = here.sock\n", ["control_socket", "here.sock"]),
    (4, "[daemon]\nmode = auto\n[metrics]\nlisten = 127.0.0.1\n", ["listen", "127.0.0.1"]),
    (2, "[metrics]\nlisten = 127.0.0.1:99999\n", ["listen", "99999"]),
    (2, "[metrics]\ncompat = telegraf\n", ["compat", "telegraf", "node_exporter"]),
    (1, "mode = auto\n", ["mode"]),
    (2, "[daemon]\nmode\n", ["mode"]),
])
def test_bad(conf, line, text, words):
    result = check(conf, text)
    assert result.returncode == 78
    first = result.stderr.splitlines()[0]
    assert f"{conf}:{line}:" in first
    assert all(word in first for word in words), first
    assert run("--config", conf).returncode == 78, "it starts with what --check-config refuses"


def test_drop_ins(conf):
    """In order of name, after the file; other names do not count; an error there is named there."""
    directory = conf.with_name("tcpwatchd.conf.d")
    directory.mkdir()
    (directory / "20-b.conf").write_text("[daemon]\nmode = diag\n")
    (directory / "10-a.conf").write_text("[daemon]\nmode = ebpf\nmax_connections = 77\n")
    (directory / "30-c.conf.bak").write_text("nonsense\n")
    conf.write_text("[daemon]\nmode = auto\nresync_budget = 2%\n[metrics]\nlisten = 127.0.0.1:1\nlisten = 127.0.0.1:2\n")
    printed = run("--config", conf, "--print-config")
    assert printed.returncode == 0, printed.stderr
    lines = printed.stdout.splitlines()
    for wanted in ("mode = diag", "max_connections = 77", "resync_budget = 2%",
                   "listen = 127.0.0.1:1", "listen = 127.0.0.1:2"):
        assert wanted in lines
    (directory / "40-d.conf").write_text("[metrics]\nlisten = off\n")
    assert "listen = off" in run("--config", conf, "--print-config").stdout.splitlines()
    (directory / "50-e.conf").write_text("[metrics]\n\nlisten = nowhere\n")
    result = run("--config", conf, "--print-config")
    assert result.returncode == 78 and f"{directory / '50-e.conf'}:3:" in result.stderr


def test_printed_configuration_is_one(conf, tmp_path):
    conf.write_text(
        "[daemon]\nmode = diag\ncontrol_socket = /run/a b/c.sock\nring_size = 4M\nnamespaces = host\n"
        "resync_budget = 0.25%\n[metrics]\nlisten = [::1]:9\ncompat = node_exporter\n")
    first = run("--config", conf, "--print-config")
    assert first.returncode == 0, first.stderr
    again = tmp_path / "again.conf"
    again.write_text(first.stdout)
    assert run("--config", again, "--check-config").returncode == 0
    assert run("--config", again, "--print-config").stdout == first.stdout


def test_missing_file(tmp_path):
    missing = tmp_path / "none.conf"
    result = run("--config", missing, "--check-config")
    assert result.returncode == 78
    assert str(missing) in result.stderr and "No such file" in result.stderr


def test_unreadable_file(open_directory):
    path = open_directory / "tcpwatchd.conf"
    path.write_text("")
    path.chmod(0o600)
    result = run("--config", path, "--check-config", prefix=("setpriv", "--reuid=65534", "--clear-groups"))
    assert result.returncode == 78
    assert str(path) in result.stderr and "Permission denied" in result.stderr


def test_directory_for_a_file(tmp_path):
    result = run("--config", tmp_path, "--check-config")
    assert result.returncode == 78 and str(tmp_path) in result.stderr


def test_the_default_file_need_not_be_there():
    if not os.path.exists("/etc/tcpwatch"):
        assert run("--check-config").returncode == 0


def test_version_and_help():
    version = run("--version")
    assert version.returncode == 0 and re.search(r"\b\d+\.\d+\.\d+\b", version.stdout)
    text = run("--help")
    assert text.returncode == 0 and text.stderr == ""
    for option in ("--config", "--check-config", "--print-config", "--record", "--replay", "--help", "--version"):
        assert option in text.stdout


@pytest.mark.parametrize("argv", [
    ["--colour"], ["extra"], ["--config"], ["--check-config=1"], ["--record", "a", "--replay", "b"]])
def test_wrong_usage(argv):
    result = run(*argv)
    assert result.returncode == 2 and result.stdout == "" and result.stderr
