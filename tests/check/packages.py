#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages, built twice in two places: the same bytes each time, lintian content, the socket
started and stopped in time, RPM and Debian's with the same files.

The last line: N passed, N failed. What was built first stays in .output/deb and .output/rpm.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import tree

OUT = tree.ROOT / ".output"
# What each of the maintainer's scripts starts or stops, in this order.
SCRIPTS = {
    "preinst": (), "postinst": ("tcpwatchd.socket", "tcpwatchd.service"),
    "prerm": ("tcpwatchd.socket", "tcpwatchd.service"), "postrm": ()}
# Where Debian has something else, or in another place.
ONLY_DEBIAN = r"/usr/share/(doc|lintian)/"
ONLY_RPM = r"/usr/share/(doc|licenses)/|/usr/lib/\.build-id"
PLACES = (
    (r"^/lib/systemd/", "/usr/lib/systemd/"), (r"/zsh/vendor-completions/", "/zsh/site-functions/"), (r"\.gz$", ""))


def run(*argv, **options):
    done = subprocess.run([str(word) for word in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def build(program, directory, **options):
    run(tree.ROOT / "packaging" / program, directory, **options)
    return {path.relative_to(directory): path for pattern in ("*.deb", "*.xz", "*.dsc", "*/*.rpm")
            for path in sorted(directory.glob(pattern))}


def check_same(program, first, scratch, complaints):
    """Built once more elsewhere, by somebody with another umask and in another time zone."""
    os.umask(0o077)
    second = build(program, scratch / "another", env={**os.environ, "TZ": "Asia/Tokyo"})
    os.umask(0o022)
    if set(first) != set(second) or not first:
        complaints.append(f"{program}: the first time {sorted(map(str, first))}, then {sorted(map(str, second))}")
    for name in set(first) & set(second):
        if first[name].read_bytes() != second[name].read_bytes():
            complaints.append(f"{program}: {name} is not the same when it is built again")
    shutil.rmtree(scratch / "another")


def check_lintian(complaints):
    (changes,) = (OUT / "deb").glob("*.changes")
    done = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", changes], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        complaints += [f"lintian: {line}" for line in done.stdout.splitlines()]


def check_scripts(deb, complaints):
    """The socket is started and stopped before the daemon, which has it from the start, and which it starts; an upgrade
    leaves it open."""
    with tempfile.TemporaryDirectory() as scratch:
        run("dpkg-deb", "--control", deb, scratch)
        scripts = {path.name: path.read_text() for path in pathlib.Path(scratch).glob("p*")}
    for name, wanted in SCRIPTS.items():
        found = re.findall(r"deb-systemd-invoke .*(tcpwatchd\.\w+)", scripts.get(name, ""))
        if tuple(dict.fromkeys(found)) != wanted:
            complaints.append(f"{name} starts or stops {', '.join(found) or 'nothing'}; wanted: {', '.join(wanted) or 'nothing'}")


def in_deb(package):
    lines = run("dpkg-deb", "--contents", package).splitlines()
    return {line.split()[5].lstrip(".") for line in lines if not line.startswith("d")}


def in_rpm(package):
    lines = run("rpm", "-qp", "--list", "--verbose", package).splitlines()
    return {line.split()[8] for line in lines if not line.startswith("d")}


def check_files(deb, rpm, complaints):
    debian = {path for path in in_deb(deb) if not re.match(ONLY_DEBIAN, path)}
    for there, here in PLACES:
        debian = {re.sub(there, here, path) for path in debian}
    other = {path for path in in_rpm(rpm) if not re.match(ONLY_RPM, path)}
    complaints += [f"the Debian package alone has {path}" for path in sorted(debian - other)]
    complaints += [f"the RPM package alone has {path}" for path in sorted(other - debian)]


def main():
    if not pathlib.Path("/etc/debian_version").exists():
        print("0 passed, 0 failed, 1 skipped: the packages are compared on Debian, where both can be built")
        return 0
    checks = {"make-deb": [], "make-rpm": [], "lintian": [], "scripts": [], "files": []}
    os.umask(0o022)
    with tempfile.TemporaryDirectory() as scratch:
        deb, rpm = build("make-deb", OUT / "deb"), build("make-rpm", OUT / "rpm")
        check_same("make-deb", deb, pathlib.Path(scratch), checks["make-deb"])
        check_same("make-rpm", rpm, pathlib.Path(scratch), checks["make-rpm"])
    check_lintian(checks["lintian"])
    check_scripts(*(OUT / "deb").glob("tcpwatch_*.deb"), checks["scripts"])
    check_files(*(OUT / "deb").glob("tcpwatch_*.deb"), *(OUT / "rpm").glob("*/tcpwatch-[0-9]*.rpm"), checks["files"])
    failed = {name: complaints for name, complaints in checks.items() if complaints}
    for complaint in sum(failed.values(), []):
        print(complaint)
    print(f"{len(checks) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


sys.exit(main())
