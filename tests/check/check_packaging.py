#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages' metadata are in step with the tree: the version, what a build takes, and what is installed."""
import fnmatch
import os
import pathlib
import re
import subprocess
import tempfile

import tree

INSTALL_DEPS = "packaging/install-deps"
CONTROL = "packaging/debian/control"
CHANGELOG = "packaging/debian/changelog"
SPEC = "packaging/rpm/tcpwatch.spec"
# What each build has by itself, or by another name.
EVERYWHERE = {"gcc", "make", "libc6-dev"}
OTHER_NAMES = {"pkgconf-pkg-config": "pkgconfig"}


# rpm's macros for directories, as Fedora has them.
MACROS = {
    "_prefix": "/usr", "_sysconfdir": "/etc", "_bindir": "/usr/bin", "_sbindir": "/usr/sbin", "_datadir": "/usr/share",
    "_mandir": "/usr/share/man", "_unitdir": "/usr/lib/systemd/system", "_sysusersdir": "/usr/lib/sysusers.d",
}


def read(path):
    return (tree.ROOT / path).read_text()


def words(variable):
    """The first of each word's packages, in a list of install-deps."""
    text = re.search(rf"^{variable}='([^']*)'", read(INSTALL_DEPS), re.M)[1]
    return {word.split("|")[0] for word in text.split()}


def check_version(complaints):
    version = re.search(r'#define TW_VERSION "(.*)"', read("include/tcpwatch/control.h"))[1]
    found = {
        CHANGELOG: re.search(r"\Atcpwatch \((.*)-\d+\)", read(CHANGELOG)),
        SPEC: re.search(r"^Version: *(.*)$", read(SPEC), re.M),
    }
    for path, match in found.items():
        if not match or match[1] != version:
            complaints.append(f"{path}: is of version {match and match[1]}, the programs are {version}")
    if not re.search(rf"^\* .* - {re.escape(version)}-\d+$", read(SPEC), re.M):
        complaints.append(f"{SPEC}: nothing in %changelog about version {version}")


def check_dependencies(complaints):
    depends = re.search(r"^Build-Depends:\n((?: .*\n)+)", read(CONTROL), re.M)[1]
    debian = {word.strip() for word in re.split(r"[,|\n]", re.sub(r"<[^>]*>|\([^)]*\)", "", depends))}
    fedora = set(re.findall(r"^BuildRequires: *(\S+)", read(SPEC), re.M))
    for package in sorted(words("apt_build") - EVERYWHERE - debian):
        complaints.append(f"{CONTROL}: {INSTALL_DEPS} has {package} for a build, and Build-Depends has not")
    for package in sorted({OTHER_NAMES.get(word, word) for word in words("dnf_build")} - fedora):
        complaints.append(f"{SPEC}: {INSTALL_DEPS} has {package} for a build, and BuildRequires has not")


def check_files(complaints):
    """What make installs, and only that, is in the RPM package; Debian's takes all."""
    text = read(SPEC).partition("\n%files\n")[2].partition("\n%changelog\n")[0]
    text = re.sub(r"%\{(\w+)\}", lambda match: MACROS.get(match[1], match[0]), text)
    patterns = {line.split()[-1] for line in text.splitlines() if "/" in line and not line.startswith("%dir")}
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["make", "-s", "install", "PREFIX=/usr", f"DESTDIR={scratch}"], cwd=tree.ROOT, env=env, check=True)
        files = {f"/{path.relative_to(scratch)}" for path in pathlib.Path(scratch).rglob("*") if path.is_file()}
    for file in sorted(files):
        if not any(fnmatch.fnmatch(file, pattern) for pattern in patterns):
            complaints.append(f"{SPEC}: make installs {file}, and %files has it not")
    for pattern in sorted(patterns):
        if not fnmatch.filter(files, pattern):
            complaints.append(f"{SPEC}: %files has {pattern}, and make does not install it")


def main():
    complaints = []
    check_version(complaints)
    check_dependencies(complaints)
    check_files(complaints)
    tree.finish(complaints)


main()
