# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections of random life inside a network namespace: several processes, several threads each.

load.py SEED CONNECTIONS SECONDS KEEP: until so many connections were made, or, if that is 0, for so many
seconds; each connection is left open with probability KEEP. Says "done" when all is done and then holds what
was left open until its standard input ends. The same seed gives the same lives, if not the same order.
"""

import contextlib
import os
import random
import socket
import struct
import sys
import threading
import time
import traceback

PROCESSES = 2
THREADS = 4

FAMILIES = (
    (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
    (socket.AF_INET6, "::1", "::1"),
    (socket.AF_INET6, "::", "::ffff:127.0.0.1"),
)


def listen(family, address):
    s = socket.socket(family, socket.SOCK_STREAM)
    if address == "::":
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind((address, 0))
    s.listen(64)
    return s


def abort(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def shut(s):
    with contextlib.suppress(OSError):
        s.shutdown(socket.SHUT_WR)


class Life:
    """One connection after another, each different."""

    def __init__(self, seed, keep):
        self.random = random.Random(seed)
        self.keep = keep
        self.kept = []
        self.listeners = [listen(family, bind) for family, bind, _ in FAMILIES]
        self.stages = (self.close, self.half_close, self.reset, self.unread, self.unaccepted, self.refused)

    def pause(self):
        time.sleep(self.random.choice((0, 0, 0.001, 0.01)))

    def leave(self, *sockets):
        """True if the connection is to stay as it now is."""
        if self.random.random() >= self.keep:
            return False
        self.kept.extend(sockets)
        return True

    def connection(self, accept=True):
        number = self.random.randrange(len(FAMILIES))
        family, _, host = FAMILIES[number]
        client = socket.socket(family, socket.SOCK_STREAM)
        client.connect((host, self.listeners[number].getsockname()[1]))
        if not accept:
            return client, self.listeners[number]
        ends = [client, self.listeners[number].accept()[0]]
        if self.random.random() < 0.5:
            ends.reverse()
        return ends

    def close(self):
        first, second = self.connection()
        self.pause()
        if self.leave(first, second):
            return
        first.close()
        self.pause()
        if not self.leave(second):
            second.close()

    def half_close(self):
        first, second = self.connection()
        shut(first)
        self.pause()
        if self.leave(first, second):
            return
        for end in self.random.sample((first, second), 2):
            end.close()

    def reset(self):
        first, second = self.connection()
        if self.random.random() < 0.3:
            shut(second)
        self.pause()
        abort(first)
        second.close()

    def unread(self):
        first, second = self.connection()
        first.send(b"x" * self.random.randrange(1, 5000))
        self.pause()
        second.close()
        first.close()

    def unaccepted(self):
        """The client closes before it is accepted."""
        client, listener = self.connection(accept=False)
        self.pause()
        client.close()
        server, _ = listener.accept()
        if not self.leave(server):
            server.close()

    def refused(self):
        with contextlib.suppress(OSError), socket.socket() as client:
            client.connect(("127.0.0.1", 1))

    def once(self):
        self.random.choices(self.stages, (8, 4, 2, 2, 2, 1))[0]()


def live(life, connections, seconds):
    end = time.monotonic() + seconds
    done = 0
    try:
        while done < connections if connections else time.monotonic() < end:
            life.once()
            done += 1
    except OSError:
        traceback.print_exc()
        os._exit(1)


def process(seed, connections, seconds, keep, done, hold):
    lives = [Life(f"{seed}/{number}", keep) for number in range(THREADS)]
    threads = [
        threading.Thread(target=live, args=(life, connections // THREADS, seconds)) for life in lives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(done, b".")
    os.read(hold, 1)


def main():
    seed, connections, seconds, keep = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    done = os.pipe()
    hold = os.pipe()
    for number in range(PROCESSES):
        if os.fork() == 0:
            os.close(hold[1])
            process(f"{seed}/{number}", connections // PROCESSES, seconds, keep, done[1], hold[0])
            os._exit(0)
    os.close(done[1])
    for _ in range(PROCESSES):
        if not os.read(done[0], 1):
            sys.exit("a process of the load has failed")
    print("done", flush=True)
    sys.stdin.read()
    os.close(hold[1])
    for _ in range(PROCESSES):
        os.wait()


if __name__ == "__main__":
    main()
