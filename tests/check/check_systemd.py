#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""systemd understands the units, and finds the daemon's sandbox tight enough."""
import pathlib
import re
import shutil
import subprocess
import tempfile

import tree

UNITS = tree.ROOT / "packaging/systemd"
EXPOSURE_MAX = 22  # tenths, of systemd-analyze(1): what resolved has


def run(*argv):
    return subprocess.run(
        [str(word) for word in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)


def units(directory):
    """The units as they are installed, for the program that was built here."""
    found = []
    for unit in sorted(UNITS.glob("tcpwatchd.*")):
        text = unit.read_text().replace("/usr/sbin/tcpwatchd", str(tree.ROOT / ".output/tcpwatchd"))
        (directory / unit.name).write_text(text)
        found.append(directory / unit.name)
    return found


def check_units(directory, complaints):
    done = run("systemd-analyze", "verify", "--man=no", *units(directory))
    # what else is installed on this machine is not ours to mend
    ours = [line for line in done.stdout.splitlines() if "tcpwatch" in line]
    complaints += [f"packaging/systemd: systemd-analyze verify: {line}" for line in ours]


def check_exposure(directory, complaints):
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}",
               directory / "tcpwatchd.service")
    if done.returncode:
        complaints.append(f"packaging/systemd/tcpwatchd.service: {done.stdout.splitlines()[-1]};"
                          f" at most {EXPOSURE_MAX / 10} is wanted")


def check_user(directory, complaints):
    """The user that the unit wants is the one that systemd-sysusers(8) makes."""
    lines = [line for line in (UNITS / "tcpwatch.sysusers").read_text().splitlines() if line[:1] not in ("", "#")]
    (directory / "etc").mkdir()
    run("systemd-sysusers", f"--root={directory}", "--inline", *lines)
    made = directory / "etc/passwd"
    text = made.read_text() if made.exists() else ""
    wanted = re.search(r"^User=(\w+)$", (UNITS / "tcpwatchd.service").read_text(), re.M)
    if not wanted or not re.search(rf"^{wanted[1]}:.*/nologin$", text, re.M):
        complaints.append("packaging/systemd/tcpwatch.sysusers: does not make the user of tcpwatchd.service")


def main():
    complaints = []
    if not shutil.which("systemd-analyze"):
        tree.finish(["systemd-analyze is missing; sudo make deps installs it"])
    with tempfile.TemporaryDirectory() as scratch:
        directory = pathlib.Path(scratch)
        for check in (check_units, check_exposure, check_user):
            check(directory, complaints)
    tree.finish(complaints)


main()
