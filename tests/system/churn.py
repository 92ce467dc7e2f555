# SPDX-License-Identifier: GPL-2.0-or-later
"""Many listeners that stay, and others that come and go all the time, inside the network namespace in which this runs.

churn.py COUNT: says "[PORT, ...]" of those that stay, and ends when its input does.
"""

import json
import random
import resource
import select
import socket
import sys

COMING = 40  # at most so many come, or go, between two that stay


def listen():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen()
    return s


def main():
    count = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * count + 1024,) * 2)
    staying, passing = [listen() for _ in range(count)], []
    print(json.dumps([s.getsockname()[1] for s in staying]), flush=True)
    while not select.select([sys.stdin], [], [], 0.0005)[0]:
        if len(passing) < COMING:
            passing += [listen() for _ in range(random.randrange(COMING))]
        while passing and random.random() < 0.9:
            passing.pop(random.randrange(len(passing))).close()


main()
