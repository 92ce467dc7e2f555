# SPDX-License-Identifier: GPL-2.0-or-later
"""What `tcpwatchd --record` has written, as include/tcpwatch/record.h and event.h say."""

import collections
import struct

MAGIC = b"TCPWREC\2"
RECORD = struct.Struct("=HHI")
EVENT = 1
EVENT_BODY = struct.Struct("=QQQ3I3H4B2x16s16s16s")
MISSED = 8  # TW_EVENT_MISSED
Event = collections.namedtuple(
    "Event", "time cookie cgroup netns uid pid sport dport error family old new flags saddr daddr comm")


def transitions(path):
    """The transitions of a recording."""
    data = path.read_bytes()
    assert data.startswith(MAGIC)
    at = len(MAGIC)
    found = []
    while at < len(data):
        kind, size, _ = RECORD.unpack_from(data, at)
        if kind == EVENT:
            found.append(Event(*EVENT_BODY.unpack_from(data, at + RECORD.size)))
        at += RECORD.size + size
    return found
