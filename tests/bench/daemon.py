# SPDX-License-Identifier: GPL-2.0-or-later
"""A tcpwatchd that the bench measures: its start, its end, and what it answers."""

import contextlib
import http.client
import json
import os
import re
import sys
import tempfile
import time

from machine import Process, UnixConnection, find_program, free_port, get, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OUTPUT = os.environ.get("TCPWATCH_OUTPUT", os.path.join(ROOT, ".output"))
DAEMON = find_program(f"{OUTPUT}/tcpwatchd")
CTL = find_program(f"{OUTPUT}/tcpwatchctl")
SETTLE = 0.4  # s, for the kernel to be rid of a namespace, and a daemon to drain its ring


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Daemon:
    """tcpwatchd with default settings, but for the places where it listens and what a measurement is about."""

    def __init__(self, *arguments, rules="", **settings):
        self.directory = tempfile.TemporaryDirectory(prefix="tcpwatch-bench-")
        os.chmod(self.directory.name, 0o777)  # the daemon is another user once it runs
        self.socket = os.path.join(self.directory.name, "control.sock")
        self.port = free_port()
        config = os.path.join(self.directory.name, "tcpwatchd.conf")
        with open(config, "w") as file:
            file.write(f"[daemon]\ncontrol_socket = {self.socket}\nstate_directory = {self.directory.name}\n")
            file.writelines(f"{key} = {value}\n" for key, value in settings.items())
            file.write(f"[metrics]\nlisten = 127.0.0.1:{self.port}\n{rules}")
        self.log = os.path.join(self.directory.name, "log")
        with open(self.log, "w") as log:
            self.process = Process([DAEMON, "--config", config, *arguments], stdout=log, stderr=log)

    def __enter__(self):
        self.ready_seconds = self.wait_until(self.is_ready, "tcpwatchd ready")
        return self

    def __exit__(self, *_):
        self.process.end()
        self.directory.cleanup()

    def wait_until(self, condition, what):
        """The time since its exec at which the condition held first."""
        try:
            wait_until(condition, what)
        except (TimeoutError, RuntimeError):
            with open(os.path.join(self.directory.name, "log")) as log:
                say("tcpwatchd's log:\n" + log.read())
            self.__exit__()
            raise
        return time.monotonic() - self.process.started

    def is_ready(self):
        self.process.check()
        with contextlib.suppress(ConnectionError):
            return get(self.http(), "/-/ready")[0] == 200

    def counts(self, netns):
        """The counts of one namespace."""
        self.process.check()
        with contextlib.suppress(ConnectionError, FileNotFoundError):
            status, body = get(UnixConnection(self.socket), "/v1/status")
            if status == 200:
                return {n["netns"]: n["states"] for n in json.loads(body)["namespaces"]}.get(netns)

    def http(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def metrics(self):
        return parse_metrics(get(self.http(), "/metrics")[1].decode())

    def ctl(self, *arguments):
        return [CTL, "--socket", self.socket, *arguments]


def parse_metrics(text):
    return [(match[1], float(match[2])) for match in re.finditer(r"^([a-z_]+)(?:{.*})? (\S+)$", text, re.M)]


def total(metrics, name):
    return sum(value for other, value in metrics if other == name)
