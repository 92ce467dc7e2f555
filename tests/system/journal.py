# SPDX-License-Identifier: GPL-2.0-or-later
"""A journald of a test's own, in a mount namespace in which nothing else reads or writes a journal."""

import json
import os
import pathlib
import signal
import socket
import subprocess

from oracle import patient, wait_for

CATALOG = pathlib.Path(__file__).parents[2] / "packaging/systemd/tcpwatch.catalog"
SOCKET = "run/systemd/journal/socket"

# It leaves alone what there is one of on a machine: the kernel's messages and its audit.
SETUP = f"""
set -e
machine=$(cat /etc/machine-id 2>/dev/null || echo 0123456789abcdef0123456789abcdef)
mkdir -p /run/systemd /run/log /var/lib/systemd /usr/local/lib
mount -t tmpfs tmpfs /run/systemd
mount -t tmpfs tmpfs /run/log
mount -t tmpfs tmpfs /var/lib/systemd
mount -t tmpfs tmpfs /usr/local/lib
mkdir -p /run/log/journal/$machine /run/systemd/journald.conf.d /run/systemd/journal /usr/local/lib/systemd/catalog
cp {CATALOG} /usr/local/lib/systemd/catalog/
journalctl --update-catalog
printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=\\nRateLimitIntervalSec=0\\nForwardToWall=no\\n' \
    > /run/systemd/journald.conf.d/test.conf
exec /lib/systemd/systemd-journald
"""


class Journal:
    def __init__(self):
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", SETUP], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.root = pathlib.Path(f"/proc/{self.process.pid}/root")
        try:
            wait_for(self.listens, what="journald to listen")
        except AssertionError:
            self.end()
            raise

    def listens(self):
        assert self.process.poll() is None, "journald has ended"
        return "systemd-journal" in pathlib.Path(f"/proc/{self.process.pid}/comm").read_text() and \
            (self.root / SOCKET).exists()

    @property
    def prefix(self):
        """Put before a command, it has the journal."""
        return ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt", "--"]

    def read(self, *arguments):
        done = subprocess.run(
            [*self.prefix, "journalctl", "--directory=/run/log/journal", "--no-pager", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=patient(60))
        return done.stdout

    def entries(self, *matches):
        return [json.loads(line) for line in self.read("--output=json", "--all", *matches).splitlines()]

    def stop(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def fill(self):
        """Sends entries until nothing more fits into the socket of a journald that is stopped."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.setblocking(False)
            for _ in range(100000):
                try:
                    s.sendto(b"MESSAGE=filler\n", str(self.root / SOCKET))
                except BlockingIOError:
                    return
        raise AssertionError("the journal's socket never fills")

    def end(self):
        if self.process.poll() is None:
            self.go_on()
            self.process.kill()
        self.process.wait()
