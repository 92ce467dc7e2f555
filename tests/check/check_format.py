#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""clang-format has nothing to change. Versions differ in taste: the one that decides is Debian 12's, 14."""
import re
import shutil
import subprocess

import tree


def main():
    program = shutil.which("clang-format-14") or shutil.which("clang-format")
    if not program:
        tree.finish(["clang-format is missing; sudo make deps installs it"])
    version = re.search(r"version (\d+)", subprocess.check_output([program, "--version"], text=True))
    if version.group(1) != "14":
        print(f"note: {program} is version {version.group(1)}, and the format was set with 14; not checked")
        tree.finish([])
    files = [tree.name(path) for path in tree.files(".c", ".h")]
    done = subprocess.run([program, "--dry-run", "-Werror", *files], cwd=tree.ROOT, stderr=subprocess.PIPE, text=True)
    wrong = sorted({line.split(":")[0] for line in done.stderr.splitlines() if "clang-format-violations" in line})
    complaints = [f"{path}: not in the house's format; make format mends it" for path in wrong]
    if done.returncode and not wrong:
        complaints = [done.stderr]
    tree.finish(complaints)


main()
