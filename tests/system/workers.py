# SPDX-License-Identifier: GPL-2.0-or-later
"""A listener that changes hands, inside the network namespace in which this runs.

workers.py KIND: "forked" leaves it with the process that opened it and three workers; "orphaned" ends the one that
opened it once a worker has it; "passed" sends it to a process that was there before and ends the one that opened it.
Says as JSON the port and the processes that hold it, and ends when its standard input does.
"""

import json
import os
import socket
import sys

WORKERS = 3


def listen():
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(16)
    return s


def say(s, *pids):
    print(json.dumps({"port": s.getsockname()[1], "pids": pids}), flush=True)


def wait():
    sys.stdin.read()
    os._exit(0)


def forked():
    s = listen()
    pids = [os.fork() or wait() for _ in range(WORKERS)]
    say(s, os.getpid(), *pids)
    wait()


def orphaned():
    """This process waits, with no part in it; the opener is its child, the worker the opener's."""
    if os.fork() == 0:
        s = listen()
        pid = os.fork()
        if pid == 0:
            wait()
        say(s, pid)
        os._exit(0)
    os.wait()
    wait()


def passed():
    here, there = socket.socketpair()
    if os.fork() == 0:
        s = listen()
        socket.send_fds(there, [b"x"], [s.fileno()])
        os._exit(0)
    _, fds, _, _ = socket.recv_fds(here, 1, 1)
    os.wait()
    s = socket.socket(fileno=fds[0])
    say(s, os.getpid())
    wait()


if __name__ == "__main__":
    {"forked": forked, "orphaned": orphaned, "passed": passed}[sys.argv[1]]()
