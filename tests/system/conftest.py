# SPDX-License-Identifier: GPL-2.0-or-later

import os
import pathlib
import shutil
import tempfile

import pytest

import netns as namespaces
from daemon import TCPWATCHD, Daemon, daemons_user
from expiry import Expiry


def pytest_generate_tests(metafunc):
    marker = metafunc.definition.get_closest_marker
    if marker("both_modes") and not marker("by_events"):
        metafunc.parametrize("mode", ["ebpf", "diag"])


def pytest_configure(config):
    config.addinivalue_line("markers", "both_modes: runs with BPF and with sock_diag alone")
    config.addinivalue_line("markers", "by_events: though its file has both_modes, with BPF alone")
    config.addinivalue_line("markers", "last: runs after all others, because it waits for long")
    if os.geteuid() != 0:
        pytest.exit("tests/system needs root: it makes network namespaces and loads BPF", 1)
    if not TCPWATCHD.exists():
        pytest.exit(f"{TCPWATCHD} is not there: run make first", 1)
    namespaces.sweep()


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture
def make_netns(request):
    """Makes a namespace each time it is called; all are gone at the end of the test."""
    made = namespaces.Namespaces(request.node.name)
    yield made
    made.remove()


@pytest.fixture
def netns(make_netns):
    return make_netns()


@pytest.fixture
def other_netns(make_netns, netns):
    return make_netns()


@pytest.fixture
def mode():
    """How the daemon learns of connections; the mark both_modes runs a test with each."""
    return "ebpf"


@pytest.fixture(scope="session")
def make_directory():
    """Makes a directory of the user that a daemon becomes; pytest's own are root's alone."""
    made = []

    def make():
        path = pathlib.Path(tempfile.mkdtemp(prefix="tcpwatchd-"))
        made.append(path)
        os.chown(path, daemons_user(), -1)
        path.chmod(0o755)
        return path

    yield make
    for path in made:
        shutil.rmtree(path)


@pytest.fixture
def make_daemon(make_directory, mode):
    """Gives a daemon that is not started yet; each started one is stopped, and its log looked through."""
    made = []

    def make(**settings):
        daemon = Daemon(make_directory(), **{"mode": mode, **settings})
        made.append(daemon)
        return daemon

    yield make
    problems = []
    for daemon in made:
        try:
            daemon.stop()
        except AssertionError as error:
            problems.append(str(error))
    assert not problems, "\n".join(problems)


@pytest.fixture
def open_directory():
    """A directory that everybody may use; pytest's own are root's alone."""
    with tempfile.TemporaryDirectory(prefix="tcpwatch-") as path:
        os.chmod(path, 0o777)
        yield pathlib.Path(path)


@pytest.fixture
def daemon(request, make_daemon, mode):
    """A daemon that runs.

    Polling finds a new namespace when it next looks for some, so there the test's own comes first.
    """
    if mode == "diag" and "netns" in request.fixturenames:
        request.getfixturevalue("netns")
    return make_daemon().start()


@pytest.fixture(scope="module")
def shared_daemon(make_directory):
    """One for all tests of a module that only ask it something."""
    daemon = Daemon(make_directory()).start()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="session", autouse=True)
def expiries(request, make_directory):
    wanted = {
        item.callspec.params["mode"] for item in request.session.items
        if item.originalname == "test_expiry_after_60_seconds"}
    started = {mode: Expiry(make_directory(), mode) for mode in sorted(wanted)}
    yield started
    problems = []
    for expiry in started.values():
        try:
            expiry.end()
        except AssertionError as error:
            problems.append(str(error))
    assert not problems, "\n".join(problems)
