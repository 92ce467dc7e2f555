#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each file says its licence, and no C file calls what is better not called."""
import re

import tree

TAG = "SPDX-License-Identifier: "
# What runs in the kernel may be under the MIT licence too.
LICENCES = {"bpf": r"GPL-2\.0-or-later( OR MIT)?", "other": r"GPL-2\.0-or-later"}
SUFFIXES = {".c", ".h", ".py", ".sh", ".conf", ".service", ".socket", ".sysusers", ".bash", ".zsh", ".fish",
            ".1", ".5", ".7", ".8", ""}

# Their formats have no comments, or what reads them wants none.
NO_COMMENTS = {"changelog", "control", "copyright", "format"}

# call: what to use
FORBIDDEN = {
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "strcpy": "snprintf or memcpy with a length",
    "strncpy": "snprintf",
    "strcat": "snprintf",
    "strncat": "snprintf",
    "gets": "fgets or getline",
    "atoi": "quantity_parse or strtol, which can fail",
    "atol": "quantity_parse or strtol, which can fail",
    "atof": "quantity_parse or strtod, which can fail",
    "strtok": "strchr or strsep",
    "alloca": "an array of a named length, or malloc",
    "setjmp": "a return value",
    "system": "an argument vector",
    "popen": "an argument vector",
    "gethostbyname": "an address: nothing here waits for DNS",
}


def has_licence(path):
    lines = path.read_text().split("\n")
    line = lines[1] if lines[0].startswith(("#!", "#compdef")) and len(lines) > 1 else lines[0]
    licence = line.partition(TAG)[2].replace("*/", "").strip()
    kind = "bpf" if ".bpf." in path.name else "other"
    return re.fullmatch(LICENCES[kind], licence)


def check_calls(path, complaints):
    for number, line in enumerate(tree.code(path).split("\n"), 1):
        for call in re.findall(r"\b([a-z_]+)\s*\(", line):
            if call in FORBIDDEN:
                complaints.append(f"{tree.name(path)}:{number}: {call}(): use {FORBIDDEN[call]}")


def main():
    complaints = []
    sources = list(tree.files(*SUFFIXES)) + [tree.ROOT / "Makefile"]
    for path in sources:
        if path.name not in NO_COMMENTS and not has_licence(path):
            complaints.append(f"{tree.name(path)}: the first line has no {TAG}GPL-2.0-or-later")
    for path in tree.files(".c", ".h"):
        check_calls(path, complaints)
    tree.finish(complaints)


main()
