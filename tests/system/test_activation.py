# SPDX-License-Identifier: GPL-2.0-or-later
"""Sockets that systemd opens for the daemon, as tcpwatchd.socket has it do, have the place of `listen`."""

import socket

from daemon import free_port
from oracle import wait_for


def activate(daemon, *arguments):
    """systemd-socket-activate(1) becomes the daemon when somebody calls."""
    address = f"127.0.0.1:{daemon.port}"
    daemon.prefix = ("systemd-socket-activate", "-E", "JOURNAL_STREAM", *arguments, "-l", address)
    daemon.env = {"SYSTEMD_LOG_LEVEL": "err"}
    return daemon


def refuses(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) != 0


def test_passed_socket(make_daemon):
    other = free_port()
    daemon = activate(make_daemon(metrics={"listen": f"127.0.0.1:{other}"})).start()
    assert daemon.metrics().sum("tcpwatch_mode", mode="ebpf") == 1
    assert refuses(other)
    assert any("1 socket of systemd's, in place of listen" in text for _, text in daemon.messages())


def test_passed_though_off(make_daemon):
    daemon = activate(make_daemon(metrics={"listen": "off"}))
    daemon.has_metrics = True
    daemon.start()
    assert daemon.metrics().sum("tcpwatch_mode", mode="ebpf") == 1


def test_no_tcp_socket(make_daemon):
    """Refused with what is wanted, not served on in silence."""
    daemon = activate(make_daemon(), "--datagram").spawn()

    def ended():
        with socket.socket(type=socket.SOCK_DGRAM) as s:
            s.sendto(b"wake up", ("127.0.0.1", daemon.port))
        return daemon.process.poll() is not None

    wait_for(ended, 15, daemon.text)
    assert daemon.wait() == 1, daemon.text()
    daemon.expect("ListenStream=ADDRESS:PORT")
