# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the archives that a kernel unpacks as its first file system.

The kernel takes several of them one after the other: what changes seldom stands in an archive of its own,
and a later one replaces files of an earlier one. The format is cpio's "newc"
(Documentation/driver-api/early-userspace/buffer-format.rst). All is root's, in the order of the names. Files
keep their time, by which Python knows that what it has compiled is of the same source: in a machine where it is
not, every start of Python takes a second more. Nothing is compressed, since the emulated processor would be slower
at unpacking than this machine is at copying.
"""

import os
import pathlib
import stat

DIRECTORY = stat.S_IFDIR | 0o755
LINK = stat.S_IFLNK | 0o777


def padding(length):
    return b"\0" * (-length % 4)


class Archive:
    def __init__(self, file):
        self.file = file
        self.inode = 0
        self.directories = {"."}

    def entry(self, name, mode, data=b"", time=0):
        self.inode += 1
        name = name.encode() + b"\0"
        fields = (self.inode, mode, 0, 0, 1, time, len(data), 0, 0, 0, 0, len(name), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        self.file.write(header + name + padding(len(header) + len(name)))
        self.file.write(data + padding(len(data)))

    def directory(self, name):
        """A directory, and those above it, unless they are there."""
        if name in self.directories:
            return
        self.directory(os.path.dirname(name) or ".")
        self.directories.add(name)
        self.entry(name, DIRECTORY)

    def add(self, name, path):
        """The file, link or directory (without what is in it) that is at a path; nothing of any other kind is wanted."""
        status = path.lstat()
        mode = status.st_mode
        self.directory(os.path.dirname(name) or ".")
        if stat.S_ISDIR(mode):
            self.directories.add(name)
            self.entry(name, mode)
        elif stat.S_ISLNK(mode):
            self.entry(name, LINK, os.readlink(path).encode())
        elif stat.S_ISREG(mode):
            self.entry(name, mode, path.read_bytes(), int(status.st_mtime))

    def add_bytes(self, name, data, permissions=0o644):
        self.directory(os.path.dirname(name) or ".")
        self.entry(name, stat.S_IFREG | permissions, data)

    def add_tree(self, name, path, wanted=lambda path: True):
        """All that is below a path, which itself need not be a directory."""
        path = pathlib.Path(path)
        if not wanted(path):
            return
        if name != ".":
            self.add(name, path)
        if path.is_dir() and not path.is_symlink():
            for child in sorted(path.iterdir()):
                self.add_tree(os.path.normpath(os.path.join(name, child.name)), child, wanted)

    def close(self):
        self.entry("TRAILER!!!", 0)
        self.file.write(b"\0" * (-self.file.tell() % 512))
