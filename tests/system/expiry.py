# SPDX-License-Identifier: GPL-2.0-or-later
"""TIME_WAIT lasts 60 s, whatever the settings: too long for a test to wait for.

One lot of connections is made before all tests and watched beside them; the test itself is the last to run,
and mostly finds that the time has passed.
"""

import threading
import time

from daemon import Daemon
from netns import Namespaces
from oracle import QUIET, Host, count, counts, look


class Expiry(threading.Thread):
    """Two hundred TIME_WAITs and orphans, in batches, looked at from both sides until the last is gone."""

    LIFE = 60
    BATCHES = (40, 80, 20)

    def __init__(self, directory, mode):
        super().__init__(daemon=True)
        self.namespaces = Namespaces(f"time-wait-expiry-{mode}")
        self.netns = self.namespaces()
        # it is there while other tests take the places of hooks and fill the ports that SYNs are counted for
        self.daemon = Daemon(directory, mode=mode, syn_accounting="off")
        self.quiet_looks = 0
        self.wrong = []
        self.error = None
        self.start()

    def left(self):
        found = counts(self.netns)
        return found["time_wait"] + found["fin_wait2"]

    def run(self):
        try:
            self.daemon.start()
            self.make()
            time.sleep(self.LIFE - 15)
            self.watch(time.monotonic() + 30)
        except Exception as error:  # told by the test that waits for this thread
            self.error = error

    def make(self):
        holder = self.netns.holder()
        for number, batch in enumerate(self.BATCHES):
            time.sleep(3 if number else 0)
            holder.hold("time_wait", batch)
            holder.hold("orphan", batch // 2)

    def watch(self, end):
        """Whenever ss has shown the same for a second, so must the daemon."""
        seen = since = host = None
        while time.monotonic() < end:
            status = self.daemon.status()
            now = look([self.netns])
            if now != seen:
                seen, since, host = now, time.monotonic(), Host(status)
            elif time.monotonic() - since > QUIET[status["mode"]]:
                self.quiet_looks += 1
                told, true = status.states_of(self.netns.inum), count(now[0])
                if told != true and Host(status).was_quiet(host):
                    self.wrong.append((round(end - time.monotonic(), 2), told, true))
                elif told != true:
                    seen = None
            time.sleep(0.1)

    def end(self):
        self.join()
        try:
            self.namespaces.remove()
        finally:
            self.daemon.stop()
