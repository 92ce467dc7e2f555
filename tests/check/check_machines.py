#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/vm/run skips what the mirror does not have, and nothing else."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import tree

RUN = "tests/vm/run"
KERNEL = "6.1"
FAILS = "#!/bin/sh\necho 'E: it is broken' >&2\nexit 1\n"
NO_MIRROR = """\
#!/bin/sh
case "$*" in *indextargets*) echo 'Debian http://mirror.invalid/debian/' ;; *) echo 'E: no answer' >&2; exit 100 ;; esac
"""
MIRROR = """\
#!/bin/sh
case "$*" in *indextargets*) echo 'Debian http://mirror.invalid/debian/' ;; *download*) : >kernel.deb ;; esac
"""
PACKAGES = "#!/bin/sh\necho linux-image-6.1.0-1-cloud-amd64\n"
# What there is for programs, how it ends then, and a word of why.
CASES = (
    ({}, "failed", "apt-get"),
    ({"apt-get": FAILS}, "failed", "it is broken"),
    ({"apt-get": NO_MIRROR}, "skipped", "no answer"),
    ({"apt-get": MIRROR, "apt-cache": FAILS}, "skipped", "it is broken"),
    ({"apt-get": MIRROR, "apt-cache": PACKAGES}, "failed", "dpkg-deb"),
    ({"apt-get": MIRROR, "apt-cache": PACKAGES, "dpkg-deb": FAILS}, "failed", "it is broken"),
)


def run(programs, directory):
    """A run with just these programs, in a tree that has nothing but itself."""
    shutil.copytree(tree.ROOT / "tests/vm", directory / "tests/vm", ignore=shutil.ignore_patterns("__pycache__"))
    path = directory / "bin"
    path.mkdir()
    for name, text in programs.items():
        (path / name).write_text(text)
        (path / name).chmod(0o755)
    return subprocess.run([sys.executable, "-B", directory / RUN, KERNEL], env={**os.environ, "PATH": str(path)},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)


def main():
    complaints = []
    for programs, end, word in CASES:
        with tempfile.TemporaryDirectory() as scratch:
            done = run(programs, pathlib.Path(scratch))
        first = done.stdout.partition("\n")[0]
        if not first.startswith(f"{KERNEL}: {end}: ") or word not in first:
            complaints.append(f"{RUN}: with {sorted(programs)} it was not {end} for {word}, but said: {done.stdout}")
        if done.returncode != (end == "failed"):
            complaints.append(f"{RUN}: with {sorted(programs)} it {end}, and ended with {done.returncode}")
    tree.finish(complaints)


main()
