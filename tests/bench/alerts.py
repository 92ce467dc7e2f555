# SPDX-License-Identifier: GPL-2.0-or-later
"""From the last CLOSE_WAIT that a rule wants to its announcement."""

import random
import socket
import time

from daemon import DAEMON, Daemon, say
from floods import namespace, run_in
from machine import in_namespace_of
from table import durations

TRIES, BURST = 100, 5  # a rule announces ten at once, on a quiet host: a new daemon comes after so many
COUNT = 60  # more than others on the machine are likely to have
RULES = f"[alert leak]\nstate = close_wait\nscope = port\nabove = {COUNT - 1}\n"
POLL = 0.001  # s between two looks at the log


def connect(here):
    with in_namespace_of(here.pid):
        listener = socket.create_server(("127.0.0.1", 0))
        clients = [socket.create_connection(listener.getsockname()) for _ in range(COUNT)]
    return listener, clients, [listener.accept()[0] for _ in clients]


def delay(daemon, here):
    listener, clients, servers = connect(here)
    line = f"port {listener.getsockname()[1]} has {COUNT} connections"
    for client in clients[:-1]:
        client.shutdown(socket.SHUT_WR)
    time.sleep(random.random() / 5)  # at any phase of the daemon's timers
    with open(daemon.log) as log:
        told, begin = "", time.monotonic()
        clients[-1].shutdown(socket.SHUT_WR)
        while line not in told:
            if time.monotonic() - begin > 10:
                raise TimeoutError(f"no alert within 10 s: {told}")
            time.sleep(POLL)
            told += log.read()
        took = time.monotonic() - begin
    for s in (listener, *clients, *servers):
        s.close()
    return took


def measure(plan, rows):
    if not DAEMON:
        return rows.add("from the Nth CLOSE_WAIT to the alert", None, "≤ 100 ms")
    say("alerts")
    delays = []
    with namespace() as here:
        run_in(here, "ip link set lo up")
        while len(delays) < (TRIES if plan.repeats > 3 else 2 * BURST):
            with Daemon(rules=RULES) as daemon:
                delays += [delay(daemon, here) for _ in range(BURST)]
    rows.add(f"from the Nth CLOSE_WAIT to the alert, {len(delays)} tries", durations(delays), "≤ 100 ms")
