# SPDX-License-Identifier: GPL-2.0-or-later
"""What `tcpwatchd --record` has written, as include/tcpwatch/record.h and event.h say."""

import collections
import struct

MAGIC = b"TCPWREC\3"
HEADER = struct.Struct("=HHI")
END, EVENT, COUNTERS, TICK, LISTENER, LISTENERS, LISTENERS_CHANGED = 0, 1, 7, 10, 11, 12, 27  # types
EVENT_BODY = struct.Struct("=QQQ3I3H4B2x16s16s16s")
COUNTERS_BODY = struct.Struct("=Q4I")
MISSED = 8  # TW_EVENT_MISSED
NOT_READ = 0xffffffff  # TW_NOT_READ
Event = collections.namedtuple(
    "Event", "time cookie cgroup netns uid pid sport dport error family old new flags saddr daddr comm")
Counters = collections.namedtuple("Counters", "time netns in_use time_wait established")


def starts(data):
    """Where each record begins, the end included; the last may not be whole in a recording that goes on."""
    assert data.startswith(MAGIC)
    at = len(MAGIC)
    while at + HEADER.size <= len(data):
        yield at
        at += HEADER.size + HEADER.unpack_from(data, at)[1]


def records(data):
    """Type and body of each that is whole."""
    for at in starts(data):
        kind, size, _ = HEADER.unpack_from(data, at)
        body = data[at + HEADER.size:at + HEADER.size + size]
        if len(body) == size:
            yield kind, body


def transitions(path):
    """The transitions of a recording."""
    return [Event(*EVENT_BODY.unpack(body)) for kind, body in records(path.read_bytes()) if kind == EVENT]
