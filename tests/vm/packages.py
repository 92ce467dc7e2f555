# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's packages for the virtual machines: fetched by apt, and unpacked without being installed.

apt works here with lists and a cache of its own, for suites of Debian that the host need not have; the
mirrors are those of the host's configuration, which stays as it is.
"""

import os
import pathlib
import re
import subprocess

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
TIMEOUT = 600  # seconds for one call of apt, downloads included


class Unavailable(Exception):
    """The mirror, or this machine's release of Debian, does not have something: there is nothing to test, and nothing
    is wrong. The text says why."""


class Broken(Exception):
    """Something of this tree, or of what its tests need on this machine, is wrong: no reason to skip anything."""


class Refused(Broken):
    """A program did not end, or not well."""


def command(*argv, **options):
    """Runs a program to its end and gives its output; raises Refused with its first complaint, or Broken if the
    program is not there."""
    try:
        done = subprocess.run(
            [str(word) for word in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=TIMEOUT, **options)
    except OSError as error:
        raise Broken(f"{argv[0]}: {error.strerror}; packaging/install-deps vm installs what is needed") from None
    except subprocess.TimeoutExpired:
        raise Refused(f"{argv[0]} did not end within {TIMEOUT} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it says nothing"]
        errors = [line for line in lines if line.startswith("E:")] or lines
        raise Refused(f"{argv[0]} ended with {done.returncode}: {errors[0]}")
    return done.stdout


def mirrors():
    """The URIs of the host's mirrors by label: "Debian" and "Debian-Security"."""
    lines = command("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages")
    found = {}
    for line in lines.splitlines():
        label, _, uri = line.partition(" ")
        found.setdefault(label, uri)
    return found


class Suite:
    """One suite of Debian, as apt sees it that knows of no other."""

    def __init__(self, name, directory):
        self.name = name
        self.directory = pathlib.Path(directory) / name

    def source(self):
        """The line that names it in a sources.list."""
        label = "Debian-Security" if self.name.endswith("-security") else "Debian"
        uri = mirrors().get(label)
        if not uri:
            raise Unavailable(f"this machine's apt has no mirror of {label}")
        return f"deb [signed-by={KEYRING}] {uri} {self.name} main"

    def apt(self, program, *arguments, **options):
        """What it refuses is what the mirror has not, or is a mirror that does not answer."""
        d = self.directory
        settings = {
            "Dir::Etc::sourcelist": d / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": d,
            "Dir::State::lists": d / "lists",
            "Dir::State::status": d / "status",  # empty: nothing is installed
            "Dir::Cache": d,
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
        }
        words = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        try:
            return command(program, "-q", *words, *arguments, **options)
        except Refused as error:
            raise Unavailable(str(error)) from None

    def update(self):
        (self.directory / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        (self.directory / "status").touch()
        (self.directory / "sources.list").write_text(self.source() + "\n")
        self.apt("apt-get", "-o", "APT::Update::Error-Mode=any", "update")

    def dependencies(self, package):
        """A package and all that it depends on, whether it is in the suite or not."""
        lines = self.apt(
            "apt-cache", "depends", "--recurse", "--important", package).splitlines()
        return [line for line in lines if re.match(r"[a-z0-9]", line)]

    def download(self, packages):
        """The packages' files, in a directory of their own."""
        archives = self.directory / "archives"
        archives.mkdir(exist_ok=True)
        for old in archives.iterdir():
            old.unlink()
        self.apt("apt-get", "download", *packages, cwd=archives)
        return sorted(archives.iterdir())


def unpack(package, directory):
    command("dpkg-deb", "-x", package, directory, env={**os.environ, "LC_ALL": "C"})
