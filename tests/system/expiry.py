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
        self.daemon = Daemon(directory, mode=mode).start()
        self.holder = self.netns.holder()
        for number, batch in enumerate(self.BATCHES):
            time.sleep(3 if number else 0)
            self.holder.hold("time_wait", batch)
            self.holder.hold("orphan", batch // 2)
        self.made = time.monotonic()
        self.quiet_looks = 0
        self.wrong = []
        self.start()

    def left(self):
        found = counts(self.netns)
        return found["time_wait"] + found["fin_wait2"]

    def run(self):
        """Whenever ss has shown the same for a second, so must the daemon."""
        time.sleep(self.LIFE - 15)
        seen = since = host = None
        while time.monotonic() < self.made + self.LIFE + 15:
            status = self.daemon.status()
            now = look([self.netns])
            if now != seen:
                seen, since, host = now, time.monotonic(), Host(status)
            elif time.monotonic() - since > QUIET[status["mode"]]:
                self.quiet_looks += 1
                told, true = status.states_of(self.netns.inum), count(now[0])
                if told != true and Host(status).was_quiet(host):
                    self.wrong.append((round(time.monotonic() - self.made, 2), told, true))
                elif told != true:
                    seen = None
            time.sleep(0.1)

    def end(self):
        self.join()
        self.namespaces.remove()
        self.daemon.stop()
