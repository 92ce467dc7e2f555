#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Data flows one way: no layer includes one that comes after it, and each library has its place."""
import re

import tree

# Of each layer: whose headers its files may include, besides its own and include/tcpwatch/.
MAY_INCLUDE = {
    "base": set(),
    "settings": {"base"},
    "source": {"base"},
    "model": {"base"},
    "alert": {"base", "model", "settings"},
    "serve": {"base", "model", "alert", "settings"},
    "ctl": {"base"},
    "tcpwatchd": {"base", "model", "alert", "serve", "settings", "source"},
    "main": {"base", "model", "alert", "serve", "settings", "source", "tcpwatchd"},
}

# Headers that are not everybody's, and the layers that they belong to.
LIBRARIES = {
    r"bpf/": {"source"},
    r"linux/bpf\.h": {"source", "tcpwatchd"},
    r"linux/sock_diag\.h": {"source", "serve"},
    r"linux/(?!types\.h|bpf\.h|sock_diag\.h)": {"source"},
    r"cap-ng\.h|seccomp\.h": {"tcpwatchd"},
    r"elf|libelf": {"source"},
    r"zlib\.h": {"tcpwatchd"},
    r"ini\.h": {"base"},
    r"microhttpd\.h": {"serve"},
    r"curl/": {"alert", "ctl"},
    r"json-c/": {"base", "serve", "alert", "ctl"},
    r"systemd/sd-event\.h": {"source", "alert", "serve", "tcpwatchd", "main"},
    r"systemd/sd-daemon\.h": {"serve", "tcpwatchd", "main"},
    r"systemd/": {"alert", "tcpwatchd", "main"},
}

# model/ is pure: libc without clocks and files; of sockets it knows only the numbers.
MODEL_HEADERS = {
    "arpa/inet.h", "assert.h", "errno.h", "inttypes.h", "limits.h", "netinet/in.h", "stdbool.h", "stddef.h",
    "stdint.h", "stdlib.h", "string.h", "sys/socket.h", "linux/types.h",
}
NOT_FOR_MODEL = {"base/log.h": "model/ logs nothing", "base/json.h": "model/ does without a library"}
MODEL_CALLS = r"\b(now_ns|clock_gettime|clock|time|gettimeofday|log_\w+|printf|fprintf|puts|open|read|write|socket)\s*\("


def layer(path):
    """The layer of daemon/…, with or without the suffix: a directory, or what stands beside them."""
    parts = path.split("/")
    if len(parts) > 2:
        return parts[1]
    stem = parts[1].split(".")[0]
    if stem.startswith("settings_"):
        stem = "settings"
    return stem if stem in ("main", "settings") else "tcpwatchd"


def check_own(path, of, included, complaints):
    if included.startswith("bpf/"):
        if of != "source":
            complaints.append(f"{path}: \"{included}\": only source/ loads BPF programs")
        return
    if not (tree.ROOT / "daemon" / included).exists():
        complaints.append(f"{path}: \"{included}\" is not below daemon/; write the path from there")
        return
    if of == "model" and included in NOT_FOR_MODEL:
        complaints.append(f"{path}: \"{included}\": {NOT_FOR_MODEL[included]}")
    other = layer(f"daemon/{included}")
    if other != of and other not in MAY_INCLUDE[of]:
        complaints.append(f"{path}: {of} may not include {other} (\"{included}\")")


def check_library(path, of, included, complaints):
    if included.startswith("tcpwatch/"):
        return
    if of == "model" and included not in MODEL_HEADERS:
        complaints.append(f"{path}: <{included}>: model/ is pure and does without it")
        return
    for pattern, owners in LIBRARIES.items():
        if re.match(pattern, included):
            if of not in owners:
                complaints.append(f"{path}: <{included}> belongs to {', '.join(sorted(owners))}, not to {of}")
            return


def main():
    complaints = []
    for file in tree.files(".c", ".h", under=["daemon"]):
        path = tree.name(file)
        of = layer(path)
        if of not in MAY_INCLUDE:
            complaints.append(f"{path}: no layer is called {of}; give it its place in this check")
            continue
        for own, library in re.findall(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', file.read_text(), re.M):
            if own:
                check_own(path, of, own, complaints)
            else:
                check_library(path, of, library, complaints)
        if of == "model":
            for call in re.findall(MODEL_CALLS, tree.code(file)):
                complaints.append(f"{path}: {call}(): model/ reads no clock, logs nothing and touches no file")
    for file in tree.files(".h", under=["include"]):
        for included in re.findall(r'#\s*include\s+[<"]([^>"]+)', file.read_text()):
            if not re.match(r"tcpwatch/|linux/types\.h$", included):
                complaints.append(f"{tree.name(file)}: {included}: a contract of two binaries needs linux/types.h alone")
    tree.finish(complaints)


main()
