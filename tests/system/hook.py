# SPDX-License-Identifier: GPL-2.0-or-later
"""Netfilter programs of somebody else, at the priorities where the daemon hooks in its own."""

import contextlib
import ctypes
import os
import platform
import socket
import struct

PRIORITIES = range(-399, -383)
SYSCALL = {"ppc64le": 361, "s390x": 351, "x86_64": 321}.get(platform.machine(), 280)  # bpf(2)
PROG_LOAD, LINK_CREATE = 5, 28
NETFILTER, ATTACH_NETFILTER = 32, 45  # as types of the program and of how it is attached
LOCAL_IN = 1
ACCEPT = struct.pack("=BBhi", 0xb7, 0, 0, 1) + struct.pack("=BBhi", 0x95, 0, 0, 0)  # r0 = 1; exit

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    """A descriptor of what the command makes."""
    fd = libc.syscall(SYSCALL, command, attributes, len(attributes))
    if fd < 0:
        raise OSError(ctypes.get_errno(), f"bpf: {os.strerror(ctypes.get_errno())}")
    return fd


def load():
    """A program that lets all pass."""
    code, license_name = ctypes.create_string_buffer(ACCEPT), ctypes.create_string_buffer(b"GPL")
    return bpf(PROG_LOAD, struct.pack(
        "=IIQQIIQII16sII", NETFILTER, len(ACCEPT) // 8, ctypes.addressof(code), ctypes.addressof(license_name),
        0, 0, 0, 0, 0, b"", 0, ATTACH_NETFILTER))


@contextlib.contextmanager
def occupied(netns, family):
    """Each priority of a family is taken in the namespace."""
    with contextlib.ExitStack() as stack:
        program = load()
        stack.callback(os.close, program)
        protocol = {socket.AF_INET: 2, socket.AF_INET6: 10}[family]
        with netns.inside():
            for priority in PRIORITIES:
                stack.callback(os.close, bpf(LINK_CREATE, struct.pack(
                    "=IIIIIIiI", program, 0, ATTACH_NETFILTER, 0, protocol, LOCAL_IN, priority, 0)))
        yield
