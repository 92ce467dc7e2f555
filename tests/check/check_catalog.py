#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal's catalog is one, explains just the entries that the journal sink writes, and names their fields."""
import pathlib
import re
import shutil
import subprocess
import tempfile

import tree

CATALOG = "packaging/systemd/tcpwatch.catalog"


def compiled(root):
    """The identifiers that journalctl finds in the catalog, and what it complained of."""
    there = root / "usr/lib/systemd/catalog"
    there.mkdir(parents=True)
    shutil.copy(tree.ROOT / CATALOG, there)
    done = subprocess.run(["journalctl", f"--root={root}", "--update-catalog"], stderr=subprocess.PIPE, text=True)
    listed = subprocess.run(["journalctl", f"--root={root}", "--list-catalog"], stdout=subprocess.PIPE, text=True)
    return set(re.findall(r"^([0-9a-f]{32}) tcpwatch: ", listed.stdout, re.M)), done.stderr


def main():
    complaints = []
    if not shutil.which("journalctl"):
        tree.finish(["journalctl is missing; sudo make deps installs it"])
    with tempfile.TemporaryDirectory() as directory:
        explained, said = compiled(pathlib.Path(directory))
    complaints += [f"{CATALOG}: journalctl says: {line}" for line in said.splitlines()]
    header = (tree.ROOT / "daemon/alert/journal.h").read_text()
    written = set(re.findall(r'#define JOURNAL_ID_\w+ "([0-9a-f]{32})"', header))
    complaints += [f"{CATALOG}: {i} is not explained" for i in sorted(written - explained)]
    complaints += [f"{CATALOG}: nothing writes {i}" for i in sorted(explained - written)]
    source = (tree.ROOT / "daemon/alert/journal.c").read_text()
    fields = set(re.findall(r'"(TCPWATCH_[A-Z_]+)', source))
    named = set(re.findall(r"TCPWATCH_[A-Z_]+", (tree.ROOT / CATALOG).read_text()))
    complaints += [f"{CATALOG}: no entry has the field {f}" for f in sorted(named - fields)]
    tree.finish(complaints)


main()
