# SPDX-License-Identifier: GPL-2.0-or-later
"""On a kernel that has BTF but does not take the BPF program (5.10, fact 23): the daemon polls, says so, and counts
right; told to do without polling, it refuses. Everything is borrowed from tests/system."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "system"))

import holder
from conftest import daemon, make_daemon, make_directory, make_netns, netns  # fixtures
from oracle import assert_right_when_quiet, counts
from test_privileges import fell_back


@pytest.fixture
def mode():
    return "auto"


def test_falls_back(daemon, netns):
    fell_back(daemon, "polling sock_diag", "Linux 5.15 or later", "unknown func")


def test_counts(make_daemon, netns):
    """Sockets in every state, some older than the daemon, some younger, and their end."""
    older = netns.holder()
    for count, kind in enumerate(holder.KINDS, 1):
        older.hold(kind, count)
    daemon = make_daemon()
    daemon.expect("BPF")
    daemon.start()
    assert_right_when_quiet(daemon, netns)
    younger = netns.holder()
    for family in ("ipv4", "ipv6", "mapped"):
        for kind in ("listen", "established", "half_closed", "orphan", "time_wait", "syn_recv"):
            younger.hold(kind, 3, family)
    assert all(n for state, n in counts(netns).items() if state != "close"), counts(netns)
    assert_right_when_quiet(daemon, netns)
    older.release()
    for sockets in (older, younger):
        sockets.close()
    assert_right_when_quiet(daemon, netns)


def test_refuses(make_daemon):
    """mode = ebpf: one line that says what the kernel does not take."""
    daemon = make_daemon(mode="ebpf")
    daemon.spawn()
    assert daemon.wait(30) == 1, daemon.text()
    assert not daemon.socket.exists()
    errors = [text for priority, text in daemon.messages() if priority <= 3]
    assert len(errors) == 1 and "BPF" in errors[0] and "Linux 5.15 or later" in errors[0], daemon.text()
    daemon.expect("BPF")
