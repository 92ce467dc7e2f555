# SPDX-License-Identifier: GPL-2.0-or-later
"""A listener that changes hands, inside the network namespace in which this runs.

workers.py KIND: "forked" leaves it with the process that opened it and three workers; "orphaned" ends the one that
opened it once a worker has it; "passed" sends it to a process that was there before and ends the one that opened it;
"in_flight" does the same, but for that the process does not take it until it is told to with a line, and then tells of
itself. Says as JSON the port and the processes that hold it, and ends when its standard input does.
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


def sent():
    """The socket through which it is to be had."""
    here, there = socket.socketpair()
    if os.fork() == 0:
        s = listen()
        socket.send_fds(there, [b"x"], [s.fileno()])
        os._exit(0)
    os.wait()
    return here


def take(here):
    _, fds, _, _ = socket.recv_fds(here, 1, 1)
    say(socket.socket(fileno=os.dup(fds[0])), os.getpid())


def passed():
    take(sent())
    wait()


def in_flight():
    here = sent()
    print(json.dumps({"pids": []}), flush=True)
    sys.stdin.readline()
    take(here)
    wait()


if __name__ == "__main__":
    {"forked": forked, "orphaned": orphaned, "passed": passed, "in_flight": in_flight}[sys.argv[1]]()
