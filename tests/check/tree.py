# SPDX-License-Identifier: GPL-2.0-or-later
"""What the checks share: the files of the tree, their text, and how a check ends."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARTS = [".ci", "bpf", "daemon", "include", "packaging", "tests"]


def files(*suffixes, under=PARTS):
    """The files below some directories, by suffix; "" is one without."""
    for part in under:
        for path in sorted((ROOT / part).rglob("*")):
            if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts:
                yield path


def name(path):
    return str(path.relative_to(ROOT))


def code(path):
    """C without its comments and strings, line by line."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    text = path.read_text()
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def finish(complaints):
    """Prints what is wrong; a check without complaints says nothing and succeeds."""
    for complaint in complaints:
        print(complaint)
    sys.exit(1 if complaints else 0)
