# SPDX-License-Identifier: GPL-2.0-or-later
"""What is in a virtual machine: a small Debian, the modules of its kernel, the programs, the tests."""

import pathlib
import re
import shutil

import kernels
from initramfs import Archive
from packages import Suite, Unavailable, command

PACKAGES = ("bpftool", "curl", "iproute2", "kmod", "mount", "nftables", "procps", "python3", "python3-pytest")
UNUSED = (
    "dev", "usr/lib/x86_64-linux-gnu/perl", "usr/share/doc", "usr/share/locale", "usr/share/man",
    "usr/share/perl", "var/cache", "var/lib/apt")
PROGRAMS = (".output/tcpwatchd", ".output/tcpwatchctl")
TREES = ("packaging", "tests/system", "tests/vm/guest")

COMMAND = """\
uname -r
export PYTHONDONTWRITEBYTECODE=1 NO_COLOR=1
ulimit -n 20000
timeout --signal=INT --kill-after=30 {limit} /usr/bin/python3 -m pytest -q -rs --tb=short --durations=5 -p no:cacheprovider {tests}
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


def debian(vm):
    """The archive of a small Debian, made once."""
    name = release()
    archive, made_of = vm / f"{name}.cpio", vm / f"{name}.packages"
    words = " ".join((*PACKAGES, "without", *UNUSED))
    if archive.exists() and made_of.exists() and made_of.read_text() == words:
        return archive
    directory = vm / name
    shutil.rmtree(directory, ignore_errors=True)
    command(
        "mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(PACKAGES)}",
        '--aptopt=Acquire::Languages "none"', name, directory, Suite(name, vm / "apt").source())
    unused = {directory / path for path in UNUSED}
    write(archive, lambda a: a.add_tree(".", directory, lambda path: path not in unused))
    shutil.rmtree(directory)
    made_of.write_text(words)
    return archive


def libraries(root):
    """The shared libraries of the programs, as this machine has them."""
    shown = command("ldd", *(root / program for program in PROGRAMS))
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


def initramfs(root, vm, kernel, tests, limit):
    """One file of two archives, the second of which is made for this kernel and these tests.

    After so many seconds the tests are interrupted, and say what they have seen.
    """
    own, whole = vm / "own.cpio", vm / "initramfs"

    def fill(archive):
        for name, file in kernels.modules(kernel).items():
            archive.add(name, file)
        add_tested(archive, root, COMMAND.format(tests=tests, limit=limit))

    first = debian(vm)
    write(own, fill)
    with open(whole, "wb") as joined:
        for part in (first, own):
            with open(part, "rb") as file:
                shutil.copyfileobj(file, joined)
    return whole
