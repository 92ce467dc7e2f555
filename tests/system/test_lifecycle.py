# SPDX-License-Identifier: GPL-2.0-or-later
"""Start, reload, stop, and what the service manager is told."""

import json
import os
import signal
import socket
import stat
import subprocess
import time

import pytest

from daemon import TCPWATCHCTL
from oracle import STATES, assert_settles, patient, wait_for


def refused(daemon, *words, code=1):
    """Does not start: exits promptly with the code, and a line with these words."""
    daemon.spawn()
    assert daemon.wait() == code, daemon.text()
    lines = [text for priority, text in daemon.messages() if priority <= 3]
    assert any(all(word in line for word in words) for line in lines), daemon.text()
    daemon.expected.extend(words)


@pytest.mark.both_modes
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop(daemon, number):
    started = time.monotonic()
    daemon.signal(number)
    assert daemon.wait() == 0
    assert time.monotonic() - started < 2
    assert not daemon.socket.exists()


def test_stop_under_load(daemon, netns):
    load = netns.load(seed=51, seconds=2)
    daemon.watch()
    time.sleep(0.5)
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0
    load.wait()


@pytest.mark.both_modes
def test_mode_is_told(daemon, mode):
    status = daemon.status()
    assert (status["mode"], status["mode_reason"]) == (mode, "")
    assert status["kernel"] == os.uname().release
    metrics = daemon.metrics()
    assert metrics.sum("tcpwatch_mode", mode=mode) == 1
    assert metrics.sum("tcpwatch_mode") == 1
    assert daemon.http("/-/healthy").status == daemon.http("/-/ready").status == 200


def test_metrics_agree_with_promtool(daemon, netns):
    netns.holder().hold("half_closed", 3)
    assert_settles(daemon, netns)
    text = daemon.metrics().text
    result = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_all_series_from_the_start(daemon):
    """Zeros too."""
    metrics = daemon.metrics()
    for state in STATES:
        for family in ("ipv4", "ipv6"):
            assert len(metrics.all("tcpwatch_connections", state=state, family=family)) == 1
        assert len(metrics.all("tcpwatch_resync_drift", state=state)) == 1
    for cause in ("start", "loss", "request", "interval", "drift"):
        assert len(metrics.all("tcpwatch_resyncs_total", cause=cause)) == 1
    assert metrics.sum("tcpwatch_events_lost_total") == 0


def test_control_socket_is_private(daemon):
    mode = daemon.socket.stat()
    assert stat.S_IMODE(mode.st_mode) == 0o660 and mode.st_uid == 0


def test_socket_taken_by_a_live_daemon(make_daemon):
    first = make_daemon().start()
    second = make_daemon()
    second.socket = first.socket
    second.configure()
    refused(second, str(first.socket))
    second.socket = second.directory / "none"
    assert first.status()["connections"] >= 0


def test_socket_path_that_is_a_file(make_daemon):
    """Only a dead daemon's socket is taken over; a file is somebody's."""
    daemon = make_daemon()
    daemon.socket.write_text("precious")
    refused(daemon, str(daemon.socket))
    assert daemon.socket.read_text() == "precious"


def test_port_in_use(make_daemon):
    daemon = make_daemon()
    with socket.create_server(("127.0.0.1", daemon.port)):
        refused(daemon, f"127.0.0.1:{daemon.port}", "in use")
    assert not daemon.socket.exists()


def test_two_at_once(make_daemon, netns):
    first, second = make_daemon().start(), make_daemon(mode="diag").start()
    netns.holder().hold("half_closed", 4)
    assert_settles(first, netns)
    assert_settles(second, netns)


@pytest.mark.parametrize("closed", ["1>&- 2>&-", "0<&- 1>&-", "0<&- 1>&- 2>&-"])
def test_start_without_standard_descriptors(make_daemon, netns, closed):
    """Nothing else gets their numbers: neither a socket that would be written to, nor the opener's."""
    daemon = make_daemon(prefix=("sh", "-c", f'exec "$@" {closed}', "sh")).start()
    links = [os.readlink(f"/proc/{daemon.pid}/fd/{fd}") for fd in range(3)]
    assert [link for link in links if link != "/dev/null"] in ([], [str(daemon.log)])
    netns.holder().hold("half_closed", 3)
    assert_settles(daemon, netns)


def test_reload(daemon):
    assert "node_tcp_connection_states" not in daemon.metrics().text
    daemon.configure(metrics={"compat": "node_exporter"})
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: "node_tcp_connection_states" in daemon.metrics().text, 5)
    metrics = daemon.metrics()
    assert len(metrics.all("node_tcp_connection_states")) >= len(STATES)
    assert json.loads(daemon.control("/v1/config").body)["metrics"]["compat"] == "node_exporter"


def test_bad_reload_keeps_the_old(daemon):
    before = daemon.control("/v1/config").body
    daemon.config.write_text(daemon.config.read_text() + "colour = red\n")
    line = len(daemon.config.read_text().splitlines())
    daemon.expect(f"{daemon.config}:{line}:.*colour")
    daemon.expect("reload|keep|configuration")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: f"{daemon.config}:{line}:" in daemon.text(), 5)
    assert daemon.control("/v1/config").body == before
    daemon.configure(metrics={"compat": "node_exporter"})
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: "node_tcp_connection_states" in daemon.metrics().text, 5)


def reload_by_socket(daemon):
    answer = daemon.control("/v1/reload", "POST")
    return answer.status, json.loads(answer.body)


def test_reload_by_the_socket(daemon):
    """It is answered once the new configuration is in force, or with what is wrong, and then the old one stays."""
    daemon.configure(metrics={"compat": "node_exporter"})
    assert reload_by_socket(daemon) == (200, {"reloaded": True})
    assert "node_tcp_connection_states" in daemon.metrics().text
    before = daemon.control("/v1/config").body
    daemon.config.write_text(daemon.config.read_text() + "colour = red\n")
    line = len(daemon.config.read_text().splitlines())
    daemon.expect(f"{daemon.config}:{line}:.*colour")
    daemon.expect("reload: the configuration stays as it was")
    status, document = reload_by_socket(daemon)
    assert status == 409 and document["error"].startswith(f"{daemon.config}:{line}: ")
    daemon.configure(max_connections=5000)
    daemon.expect("max_connections cannot be changed")
    status, document = reload_by_socket(daemon)
    assert status == 409 and "max_connections cannot be changed" in document["error"]
    daemon.config.unlink()
    daemon.expect("No such file")
    status, document = reload_by_socket(daemon)
    assert status == 409 and str(daemon.config) in document["error"]
    assert daemon.control("/v1/config").body == before
    assert daemon.control("/v1/reload?now=1", "POST").status == 400
    assert daemon.control("/v1/reload").status == 405
    daemon.configure()
    result = subprocess.run([TCPWATCHCTL, "--socket", daemon.socket, "reload"], capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stdout, result.stderr) == (0, "the configuration is in force\n", "")
    assert "node_tcp_connection_states" not in daemon.metrics().text


def test_reload_that_wants_a_restart(daemon):
    """It is said which key waits for a restart, and that key stays as it was."""
    daemon.configure(max_connections=5000)
    daemon.expect("max_connections.*restart|restart.*max_connections")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: "max_connections" in daemon.text(), 5)
    assert daemon.metrics().sum("tcpwatch_table_capacity") == 1000000


class Manager:
    """A service manager's end of sd_notify(3)."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        path.chmod(0o666)
        self.socket.settimeout(patient(10))

    def until(self, word):
        """The message that has the word, passing over others."""
        while True:
            lines = self.socket.recv(4096).decode().splitlines()
            if any(line.startswith(word) for line in lines):
                return lines


@pytest.fixture
def manager(make_directory):
    manager = Manager(make_directory() / "notify")
    yield manager
    manager.socket.close()


@pytest.mark.both_modes
def test_notify(make_daemon, manager, netns):
    netns.holder().hold("half_closed", 3)
    daemon = make_daemon(env={"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "1000000"})
    daemon.spawn()
    manager.until("READY=1")
    assert daemon.ready(), "READY was said before it was"
    assert daemon.status().states_of(netns.inum)["close_wait"] == 3
    for _ in range(3):
        manager.until("WATCHDOG=1")
    daemon.signal(signal.SIGHUP)
    reloading = manager.until("RELOADING=1")
    assert any(line.startswith("MONOTONIC_USEC=") for line in reloading)
    manager.until("READY=1")
    daemon.config.write_text("colour = red\n")
    daemon.expect("colour")
    daemon.expect("reload:")
    assert reload_by_socket(daemon)[0] == 409
    manager.until("RELOADING=1")
    manager.until("READY=1")
    daemon.signal(signal.SIGTERM)
    manager.until("STOPPING=1")
    assert daemon.wait() == 0


def test_no_watchdog_while_it_hangs(make_daemon, manager):
    daemon = make_daemon(env={"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "400000"})
    daemon.spawn()
    manager.until("READY=1")
    manager.until("WATCHDOG=1")
    daemon.signal(signal.SIGSTOP)
    manager.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        while True:
            manager.socket.recv(4096)
    manager.socket.settimeout(0.6)
    with pytest.raises(TimeoutError):
        manager.socket.recv(4096)
    daemon.signal(signal.SIGCONT)
    manager.until("WATCHDOG=1")
    wait_for(daemon.ready)
