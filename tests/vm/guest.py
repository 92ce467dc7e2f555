# SPDX-License-Identifier: GPL-2.0-or-later
"""What is in a virtual machine: a small Debian, the modules of its kernel, the programs, the tests.

There are two kinds of it: one where /init runs the system tests, and a whole one with systemd, in which the Debian
package is installed.
"""

import os
import pathlib
import re
import shutil

import kernels
from initramfs import Archive
from packages import Broken, Suite, Unavailable, command

PACKAGES = ("bpftool", "curl", "iproute2", "kmod", "mount", "nftables", "procps", "python3", "python3-pytest")
SERVICE_PACKAGES = (
    "apt", "curl", "iproute2", "kmod", "nftables", "procps", "python3", "systemd", "systemd-sysv", "util-linux")
UNUSED = (
    "dev", "usr/lib/x86_64-linux-gnu/perl", "usr/share/doc", "usr/share/locale", "usr/share/man",
    "usr/share/perl", "var/cache", "var/lib/apt")
SERVICE_UNUSED = ("dev", "usr/share/doc", "usr/share/locale", "usr/share/man", "var/cache", "var/lib/apt/lists")
PROGRAMS = (".output/tcpwatchd", ".output/tcpwatchctl", ".output/tests/bench/flood")
TREES = ("packaging", "tests/system", "tests/vm/guest")

COMMAND = """\
uname -r
export NO_COLOR=1 TCPWATCH_PATIENCE=5
ulimit -n 20000
timeout --signal=INT --kill-after=30 {limit} /usr/bin/python3 -m pytest -q -rs --tb=short --durations=5 -p no:cacheprovider {tests}
"""

SERVICE_COMMAND = """\
uname -r
timeout --signal=INT --kill-after=30 {limit} tests/vm/service/checks.py
"""


def release():
    """Of the Debian that this machine runs: programs built here find the same libraries there."""
    text = pathlib.Path("/etc/os-release").read_text()
    found = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text, re.M))
    if found.get("ID") != "debian" or "VERSION_CODENAME" not in found:
        raise Unavailable("the virtual machines are made of the release of Debian that this machine runs, and it runs none")
    return found["VERSION_CODENAME"]


def write(path, fill):
    """Writes an archive that is there whole or not at all."""
    scratch = path.with_name(path.name + ".new")
    with open(scratch, "wb") as file:
        archive = Archive(file)
        fill(archive)
        archive.close()
    scratch.replace(path)


def debian(vm, kind="", packages=PACKAGES, unused=UNUSED):
    """The archive of a small Debian, made once; that it cannot be, other than for want of a mirror, is a failure."""
    name = release()
    archive, made_of = vm / f"{name}{kind}.cpio", vm / f"{name}{kind}.packages"
    words = " ".join((*packages, "without", *unused))
    if archive.exists() and made_of.exists() and made_of.read_text() == words:
        return archive
    suite = Suite(name, vm / "apt")
    suite.update()
    directory = vm / f"{name}{kind}"
    shutil.rmtree(directory, ignore_errors=True)
    command(
        "mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(packages)}",
        '--aptopt=Acquire::Languages "none"', '--aptopt=Acquire::Retries "3"', name, directory, suite.source())
    left_out = {directory / path for path in unused}
    write(archive, lambda a: a.add_tree(".", directory, lambda path: path not in left_out))
    shutil.rmtree(directory)
    made_of.write_text(words)
    return archive


def libraries(root):
    """The shared libraries of the programs, as this machine has them."""
    try:
        shown = command("ldd", *(root / program for program in PROGRAMS))
    except Broken as error:
        raise Broken(f"the programs do not show their libraries: {error}") from None
    paths = {pathlib.Path(path) for path in re.findall(r"(/\S+) \(0x", shown)}
    return sorted(path.parent.resolve() / path.name for path in paths)


def add_tested(archive, root, command_text):
    """The programs, the tests, and the command that /init runs."""
    archive.add("init", root / "tests/vm/guest/init")
    archive.add_bytes("vm/command", command_text.encode())
    for library in libraries(root):
        archive.add_bytes(str(library)[1:], library.read_bytes(), 0o755)
    for program in PROGRAMS:
        archive.add(f"tcpwatch/{program}", root / program)
    for tree in TREES:
        archive.add_tree(f"tcpwatch/{tree}", root / tree, lambda path: path.name != "__pycache__")


def join(whole, *parts):
    with open(whole, "wb") as joined:
        for part in parts:
            with open(part, "rb") as file:
                shutil.copyfileobj(file, joined)
    return whole


def initramfs(root, vm, kernel, tests, limit):
    """One file of two archives, the second of which is made for this kernel and these tests.

    After so many seconds the tests are interrupted, and say what they have seen.
    """
    def fill(archive):
        for name, file in kernels.modules(kernel).items():
            archive.add(name, file)
        add_tested(archive, root, COMMAND.format(tests=tests, limit=limit))

    first = debian(vm)
    write(vm / "own.cpio", fill)
    return join(vm / "initramfs", first, vm / "own.cpio")


def package(root, vm):
    """The Debian package of this tree, and the names of those that it depends on."""
    try:
        command(root / "packaging/make-deb", vm / "deb", env={**os.environ, "DEB_BUILD_OPTIONS": "nocheck"})
    except Broken as error:
        raise Broken(f"the package cannot be built: {error}; see {vm}/deb/build.log") from None
    file = next((vm / "deb").glob("tcpwatch_*.deb"))
    depends = command("dpkg-deb", "--field", file, "Depends")
    return file, sorted({re.match(r"[a-z0-9.+-]+", word.strip())[0] for word in depends.split(",")})


def service_initramfs(root, vm, kernel, limit):
    """The same of the whole Debian with systemd, that has all that the package depends on."""
    file, depends = package(root, vm)
    packages = (*SERVICE_PACKAGES, *(name for name in depends if name not in SERVICE_PACKAGES))

    def fill(archive):
        for name, module in kernels.modules(kernel).items():
            archive.add(name, module)
        archive.add("init", root / "tests/vm/service/init")
        archive.add("etc/systemd/system/check.service", root / "tests/vm/service/check.service")
        archive.add_bytes("vm/command", SERVICE_COMMAND.format(limit=limit).encode())
        archive.add(f"vm/{file.name}", file)
        for tree in ("packaging/debian", "tests/vm/service"):
            archive.add_tree(f"tcpwatch/{tree}", root / tree)

    first = debian(vm, "-service", packages, SERVICE_UNUSED)
    write(vm / "own.cpio", fill)
    return join(vm / "initramfs", first, vm / "own.cpio")
