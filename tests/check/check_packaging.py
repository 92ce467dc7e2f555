#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages' metadata are in step with the tree: the version, and what a build takes."""
import re

import tree

INSTALL_DEPS = "packaging/install-deps"
CONTROL = "packaging/debian/control"
CHANGELOG = "packaging/debian/changelog"
SPEC = "packaging/rpm/tcpwatch.spec"
# What each build has by itself, or by another name.
EVERYWHERE = {"gcc", "make", "libc6-dev"}
OTHER_NAMES = {"pkgconf-pkg-config": "pkgconfig"}


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


def main():
    complaints = []
    check_version(complaints)
    check_dependencies(complaints)
    tree.finish(complaints)


main()
