# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that hold connections in the ways that programs do, inside the network namespace in which this runs.

owned.py KIND: first says what it is about as JSON, with its port and the pids of those who shall be the owners; then
takes a line for each step, which it answers with JSON too; and ends, with all that it started, when its input does.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import sys

children = []


def say(**words):
    print(json.dumps(words), flush=True)


def step():
    """Waits for the next word; without one this is the end."""
    if not sys.stdin.readline():
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        os._exit(0)


def listen(backlog=128):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(backlog)
    return s


def port(s):
    return s.getsockname()[1]


def prctl(option, value):
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def fork(do):
    """A child that does it and then waits for its end, which comes with this process's, however that ends."""
    pid = os.fork()
    if pid == 0:
        prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        do()
        while True:
            signal.pause()
    children.append(pid)
    return pid


def hoard(s):
    """Accepts one in each step, and never closes."""
    held = []
    say(port=port(s), pid=os.getpid())
    while True:
        step()
        held.append(s.accept()[0])
        say(accepted=len(held))


def leak():
    hoard(listen())


def deaf():
    """The same, and so many may wait: deaf BACKLOG."""
    hoard(listen(int(sys.argv[2])))


def rename(name):
    prctl(15, name)  # PR_SET_NAME


def hostile():
    rename(bytes.fromhex(sys.argv[2]))
    leak()


def preforked():
    """Accepts, and hands each connection to a worker of its own."""
    s = listen()
    workers = []
    say(port=port(s), pid=os.getpid())
    while True:
        step()
        c, _ = s.accept()
        workers.append(fork(s.close))
        c.close()
        say(workers=workers)


def shared():
    """Several processes accept from one listener."""
    s = listen()
    there, here = os.pipe()

    def work():
        c, _ = s.accept()
        os.write(here, f"{os.getpid()} {c.getpeername()[1]}\n".encode())
        globals()["kept"] = c

    say(port=port(s), pid=os.getpid())
    step()
    for _ in range(3):
        fork(work)
    say()
    with os.fdopen(there) as lines:
        accepted = dict(reversed(lines.readline().split()) for _ in range(3))
    say(accepted=accepted)
    step()


def passed():
    """A connection is sent over a Unix socket: in flight, received, and the sender ends."""
    s = listen()
    here, there = socket.socketpair()
    go_here, go_there = os.pipe()

    def receive():
        os.read(go_here, 1)
        globals()["kept"] = socket.recv_fds(there, 1, 1)

    receiver = fork(receive)
    say(port=port(s), pid=os.getpid())
    step()
    c, _ = s.accept()
    socket.send_fds(here, [b"x"], [c.fileno()])
    c.close()
    say(sender=os.getpid())
    step()
    os.write(go_there, b"x")
    say(receiver=receiver)
    step()


def launch():
    """Socket activation: a listener of this process is given to a program as descriptor 3."""
    s = listen()
    pid = os.fork()
    if pid == 0:
        os.dup2(s.fileno(), 3)
        os.set_inheritable(3, True)
        os.execv(sys.executable, [sys.executable, __file__, "activated"])
    s.close()
    os.waitpid(pid, 0)


def activated():
    rename(b"activated")
    hoard(socket.socket(fileno=3))


def dear():
    """Many descriptors, of one connection: what looks through them all takes long."""
    s = listen()
    kept = socket.create_connection(s.getsockname())
    for _ in range(4000):
        os.dup(kept.fileno())
    for _ in range(20):
        fork(lambda: None)
    say(port=port(s), pid=os.getpid())
    step()


def pool():
    """A client that keeps connections which the server has closed."""
    s = listen()
    step_count = 5
    clients = [socket.create_connection(s.getsockname()) for _ in range(step_count)]
    servers = [s.accept()[0] for _ in range(step_count)]
    pid = fork(lambda: [c.close() for c in clients])
    say(port=port(s), pid=os.getpid(), server=pid)
    for c in servers:
        c.close()  # the child has them still
    step()
    os.kill(children.pop(), signal.SIGKILL)
    os.wait()
    say()
    step()


def exited():
    """A process ends with connections whose peers do not answer."""
    s = listen()
    say(port=port(s), pid=os.getpid())
    step()
    there, here = os.pipe()

    def work():
        globals()["kept"] = [s.accept()[0] for _ in range(4)]
        os.write(here, b"x")

    pid = fork(work)
    os.read(there, 1)
    say(worker=pid)
    step()
    os.kill(children.pop(), signal.SIGKILL)
    os.wait()
    say()
    step()


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    globals()[sys.argv[1]]()
