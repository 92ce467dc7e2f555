# SPDX-License-Identifier: GPL-2.0-or-later
"""Listens on so many ports, says so with an empty line, and ends when stdin does."""

import resource
import socket
import sys

FIRST = 1024

count = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
held = []
for port in range(FIRST, FIRST + count):
    held.append(socket.socket())
    held[-1].bind(("127.0.0.1", port))
    held[-1].listen()
print(flush=True)
sys.stdin.read()
