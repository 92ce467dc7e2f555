# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds TCP sockets in chosen states, inside the network namespace in which it runs.

Takes commands as JSON objects, one a line, and answers each with one: {} or {"error": "..."}.
  {"verb": "hold", "kind": K, "count": N, "family": "ipv4"|"ipv6"|"mapped"}
  {"verb": "release"}   lets through what was dropped
  {"verb": "close"}     closes all sockets
"""

import errno
import json
import socket
import struct
import subprocess
import sys
import time

from oracle import patient

ADDRESSES = {
    "ipv4": (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
    "ipv6": (socket.AF_INET6, "::1", "::1"),
    "mapped": (socket.AF_INET6, "::", "::ffff:127.0.0.1"),
}

held = []


def nft(*rules):
    subprocess.run(["nft", "; ".join(rules)], check=True)


def drop(match):
    nft("add table inet holder",
        "add chain inet holder in { type filter hook input priority 0; }",
        f"add rule inet holder in {match} drop")


def keep(*sockets):
    held.extend(sockets)
    return sockets[0]


class Listener:
    def __init__(self, family, backlog=1024):
        self.family, bind, self.host = ADDRESSES[family]
        self.socket = keep(socket.socket(self.family, socket.SOCK_STREAM))
        if family == "mapped":
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.bind((bind, 0))
        self.socket.listen(backlog)
        self.port = self.socket.getsockname()[1]

    def client(self, blocking=True):
        c = socket.socket(self.family, socket.SOCK_STREAM)
        c.setblocking(blocking)
        error = c.connect_ex((self.host, self.port))
        if error not in (0, errno.EINPROGRESS):
            raise OSError(error, "connect")
        return c

    def pair(self):
        c = self.client()
        return c, self.socket.accept()[0]

    def pairs(self, count):
        return [self.pair() for _ in range(count)]


def until(state, port, count):
    """Waits until so many sockets of a local port have come to a state (its number)."""
    deadline = time.monotonic() + patient(10)
    while time.monotonic() < deadline:
        rows = [line.split() for name in ("tcp", "tcp6") for line in open(f"/proc/net/{name}")]
        if sum(r[3] == f"{state:02X}" and r[1].endswith(f":{port:04X}") for r in rows) >= count:
            return
        time.sleep(0.005)
    raise TimeoutError(f"port {port} never had {count} sockets in state {state}")


def hold_listen(count, family):
    for _ in range(count):
        Listener(family)


def hold_established(count, family):
    for pair in Listener(family).pairs(count):
        keep(*pair)


def hold_half_closed(count, family):
    """FIN_WAIT2 with a descriptor, and CLOSE_WAIT."""
    for c, s in Listener(family).pairs(count):
        c.shutdown(socket.SHUT_WR)
        keep(c, s)


def hold_orphan(count, family):
    """FIN_WAIT2 without one: the client has closed, the server has not."""
    for c, s in Listener(family).pairs(count):
        c.close()
        keep(s)


def hold_unaccepted(count, family):
    """CLOSE_WAIT that the server has not even accepted."""
    listener = Listener(family, backlog=count + 8)
    for _ in range(count):
        listener.client().close()
    until(8, listener.port, count)


def hold_time_wait(count, family):
    for c, s in Listener(family).pairs(count):
        c.close()
        s.close()


def hold_reset(count, family):
    for c, s in Listener(family).pairs(count):
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
        s.close()


def hold_syn_sent(count, family):
    listener = Listener(family)
    drop(f"tcp dport {listener.port} tcp flags & (syn|ack) == syn")
    for _ in range(count):
        keep(listener.client(blocking=False))


def hold_syn_recv(count, family):
    """Half-open: the SYN-ACKs are dropped. The clients stay in SYN_SENT."""
    listener = Listener(family, backlog=count + 8)
    drop(f"tcp sport {listener.port} tcp flags & (syn|ack) == (syn|ack)")
    for _ in range(count):
        keep(listener.client(blocking=False))


def hold_syn_recv_socket(count, family):
    """SYN_RECV of a whole socket, from a simultaneous open: here, of a socket with itself."""
    kind, bind, host = ADDRESSES[family]
    for _ in range(count):
        c = keep(socket.socket(kind, socket.SOCK_STREAM))
        c.bind((bind, 0))
        c.setblocking(False)
        port = c.getsockname()[1]
        drop(f"tcp sport {port} tcp flags & (syn|ack) == (syn|ack)")
        c.connect_ex((host, port))
        until(3, port, 1)


def hold_fin_wait1(count, family):
    listener = Listener(family)
    pairs = listener.pairs(count)
    drop(f"tcp dport {listener.port} tcp flags & fin == fin")
    for c, s in pairs:
        c.shutdown(socket.SHUT_WR)
        keep(c, s)


def hold_fin_wait1_orphan(count, family):
    listener = Listener(family)
    pairs = listener.pairs(count)
    drop(f"tcp dport {listener.port} tcp flags & fin == fin")
    for c, s in pairs:
        c.close()
        keep(s)


def hold_last_ack(count, family):
    listener = Listener(family)
    pairs = listener.pairs(count)
    for c, s in pairs:
        c.shutdown(socket.SHUT_WR)
        keep(c)
    until(8, listener.port, count)
    drop(f"tcp sport {listener.port} tcp flags & fin == fin")
    for c, s in pairs:
        s.close()


def hold_closing(count, family):
    """Both FINs cross; the client's is lost, so that it never sees it acknowledged."""
    listener = Listener(family)
    pairs = listener.pairs(count)
    drop(f"tcp dport {listener.port} tcp flags & fin == fin")
    for c, s in pairs:
        c.shutdown(socket.SHUT_WR)
        s.shutdown(socket.SHUT_WR)
        keep(c, s)


KINDS = {name[5:]: value for name, value in list(globals().items()) if name.startswith("hold_")}


def command(words):
    if words["verb"] == "hold":
        KINDS[words["kind"]](words["count"], words["family"])
    elif words["verb"] == "release":
        nft("add table inet holder", "delete table inet holder")
    elif words["verb"] == "close":
        while held:
            held.pop().close()


def main():
    print("{}", flush=True)
    for line in sys.stdin:
        try:
            command(json.loads(line))
            print("{}", flush=True)
        except Exception as error:
            print(json.dumps({"error": f"{line.strip()}: {error!r}"}), flush=True)


if __name__ == "__main__":
    main()
