# SPDX-License-Identifier: GPL-2.0-or-later
"""A tcpwatchd of a test's own: its configuration, its life, and what it answers."""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import pwd
import queue
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

from oracle import STATES, patient, wait_for

ROOT = pathlib.Path(__file__).parents[2]
OUTPUT = pathlib.Path(os.environ.get("TCPWATCH_OUTPUT", ROOT / ".output"))
TCPWATCHD = OUTPUT / "tcpwatchd"
TCPWATCHCTL = OUTPUT / "tcpwatchctl"

WARNING = 4  # syslog(3): this priority and the numbers below it are trouble


def daemons_user():
    """Whom a daemon becomes that root starts, where the configuration names none."""
    try:
        return pwd.getpwnam("tcpwatch").pw_uid
    except KeyError:
        return 65534


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=patient(30)):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


Answer = collections.namedtuple("Answer", "status headers body")


def ask(connection, path, method, body, headers):
    """One request on a connection of its own."""
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


class Status(dict):
    """The document of /v1/status, whose sums have been checked."""

    def __init__(self, document):
        super().__init__(document)
        assert set(self["states"]) == set(STATES)
        assert self["connections"] == sum(self["states"].values())
        for state in STATES:
            parts = [n["states"][state] for n in self["namespaces"]]
            assert self["states"][state] == sum(parts), state
            assert all(part >= 0 for part in parts), (state, parts)

    def states_of(self, inum):
        for namespace in self["namespaces"]:
            if namespace["netns"] == inum:
                return namespace["states"]
        return dict.fromkeys(STATES, 0)

    def knows(self, inum):
        return any(namespace["netns"] == inum for namespace in self["namespaces"])


class Metrics(dict):
    """Samples by name and set of labels: {("tcpwatch_mode", {("mode", "ebpf")}): 1.0}."""

    SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
    LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')

    def __init__(self, text):
        super().__init__()
        self.text = text
        for line in text.splitlines():
            if not line.startswith("#"):
                name, labels, value = self.SAMPLE.match(line).groups()
                self[name, frozenset(self.LABEL.findall(labels or ""))] = float(value)

    def all(self, name, **labels):
        wanted = set(labels.items())
        found = [v for (n, l), v in self.items() if n == name and wanted <= l]
        assert found, f"no sample of {name} with {labels}"
        return found

    def sum(self, name, **labels):
        return sum(self.all(name, **labels))


class Watch:
    """GET /v1/watch: the rows as they come, read by a thread of its own."""

    def __init__(self, path, filters):
        self.rows = queue.Queue()
        self.connection = UnixConnection(path, timeout=None)
        self.connection.request("GET", "/v1/watch?" + urllib.parse.urlencode(filters))
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self.sock = self.answer.fp.raw._sock
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for line in self.answer:
                if line.strip():
                    self.rows.put(json.loads(line))
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass  # closed, here or there

    def take(self, count, timeout=5):
        """The next rows, in order."""
        timeout = patient(timeout)
        deadline = time.monotonic() + timeout
        rows = []
        while len(rows) < count:
            try:
                rows.append(self.rows.get(timeout=max(0, deadline - time.monotonic())))
            except queue.Empty:
                raise AssertionError(f"{len(rows)} of {count} rows in {timeout:g} s: {rows}") from None
        return rows

    def rest(self, quiet=0.3):
        """What else comes until nothing has come for a while."""
        rows = []
        try:
            while True:
                rows.append(self.rows.get(timeout=quiet))
        except queue.Empty:
            return rows

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(timeout=patient(5))
        self.connection.close()


class Daemon:
    def __init__(self, directory, mode="ebpf", metrics=None, netns=None, prefix=(), env=None,
                 arguments=(), **settings):
        self.directory = pathlib.Path(directory)
        self.config = self.directory / "tcpwatchd.conf"
        self.socket = self.directory / "control.sock"
        self.log = self.directory / "log"
        self.port = free_port()
        self.netns = netns
        self.prefix = prefix
        self.env = env or {}
        self.arguments = arguments
        self.process = None
        self.watches = []
        self.expected = []
        self.configure(mode=mode, metrics=metrics, **settings)

    def configure(self, mode="ebpf", metrics=None, **settings):
        # Tests may share the host with a busy neighbour, whose sockets cost the daemon as much as they please:
        # what is left of the default budget is then too little for a promise.
        settings = {"resync_budget": "50%", **settings}
        lines = ["[daemon]", f"mode = {mode}", f"control_socket = {self.socket}",
                 f"state_directory = {self.directory / 'state'}"]
        lines += [f"{key} = {value}" for key, value in settings.items()]
        metrics = {"listen": f"127.0.0.1:{self.port}", **(metrics or {})}
        self.has_metrics = metrics["listen"] != "off"
        lines += ["[metrics]"] + [f"{key} = {value}" for key, value in metrics.items()]
        self.config.write_text("\n".join(lines) + "\n")

    def spawn(self):
        """Starts it, and waits for nothing."""
        argv = [*self.prefix, TCPWATCHD, "--config", self.config, *self.arguments]
        if self.netns:
            argv = self.netns.command(*argv)
        with open(self.log, "ab") as log:
            # As under systemd: each line of the log then begins with its priority.
            info = os.fstat(log.fileno())
            env = {**os.environ, "JOURNAL_STREAM": f"{info.st_dev}:{info.st_ino}", **self.env}
            self.process = subprocess.Popen(
                [str(word) for word in argv], stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=log, env=env)
        return self

    def start(self, timeout=15):
        self.spawn()
        wait_for(self.ready, timeout, lambda: f"tcpwatchd to be ready; it says:\n{self.text()}")
        return self

    def ready(self):
        assert self.process.poll() is None, f"it ended with {self.process.poll()}:\n{self.text()}"
        try:
            if not self.has_metrics:
                return any("ready" in text for _, text in self.messages()) and self.status()
            return self.http("/-/ready").status == 200 and self.socket.exists()
        except OSError:
            return False

    @property
    def pid(self):
        """Of the daemon itself, also where something else started it for us."""
        return self.process.pid

    def text(self):
        return self.log.read_text(errors="backslashreplace") if self.log.exists() else ""

    def messages(self):
        """The log as pairs of priority and text; a line without a priority has -1."""
        found = []
        for line in self.text().splitlines():
            prefix = re.match(r"<(\d)>", line)
            found.append((int(prefix[1]), line[3:]) if prefix else (-1, line))
        return found

    def expect(self, pattern):
        """A warning or error that the test provokes: it must be in the log, others must not."""
        self.expected.append(pattern)

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def wait(self, timeout=10):
        return self.process.wait(patient(timeout))

    def stop(self):
        """SIGTERM: it must end well, promptly, and have said nothing that nobody expected."""
        for watch in self.watches:
            watch.close()
        if not self.process:
            return
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.wait()
            except subprocess.TimeoutExpired as error:
                self.kill()
                raise AssertionError(f"no end {error.timeout:g} s after SIGTERM:\n{self.text()}") from None
            assert self.process.returncode == 0, self.text()
            assert not self.socket.exists(), "the control socket outlived the daemon"
        self.check_log()

    def check_log(self):
        trouble = [text for priority, text in self.messages() if priority <= WARNING]
        unexpected = [t for t in trouble if not any(re.search(e, t) for e in self.expected)]
        assert not unexpected, "\n".join(unexpected)
        for pattern in self.expected:
            assert any(re.search(pattern, text) for _, text in self.messages()), \
                f"not in the log: {pattern}\n{self.text()}"

    # What it answers

    def control(self, path, method="GET", body=None, headers=None):
        return ask(UnixConnection(self.socket), path, method, body, headers)

    def http(self, path, method="GET", headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patient(10))
        return ask(connection, path, method, body, headers)

    def status(self):
        answer = self.control("/v1/status")
        assert answer.status == 200, answer
        return Status(json.loads(answer.body))

    def rows(self, path, filters):
        answer = self.control(f"{path}?" + urllib.parse.urlencode(filters))
        assert answer.status == 200, answer
        return [json.loads(line) for line in answer.body.splitlines() if line.strip()]

    def connections(self, **filters):
        return self.rows("/v1/connections", filters)

    def listeners(self, **filters):
        return self.rows("/v1/listeners", filters)

    def metrics(self):
        with self.scraper() as scrape:
            return scrape()

    @contextlib.contextmanager
    def scraper(self):
        """Reads /metrics several times over one connection, so that reading adds nothing to what is read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patient(10))

        def scrape():
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            assert answer.status == 200, answer
            return Metrics(answer.read().decode())

        try:
            yield scrape
        finally:
            connection.close()

    def watch(self, **filters):
        watch = Watch(self.socket, filters)
        self.watches.append(watch)
        return watch

    def resync(self):
        """Asks for a resync and gives what its end says."""
        before = self.status()["resync"]["count"]
        answer = self.control("/v1/resync", "POST")
        assert answer.status == 202 and json.loads(answer.body) == {"resync": "started"}, answer
        return wait_for(
            lambda: (s := self.status()["resync"])["count"] > before and s, 10, "a resync to end")
