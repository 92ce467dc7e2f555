# SPDX-License-Identifier: GPL-2.0-or-later
"""A virtual machine, emulated in software: boots a kernel, runs one command in it, and tells how that ended."""

import pathlib
import re
import subprocess
import time

from packages import Broken

QEMU = (
    "qemu-system-x86_64",
    # Without KVM on purpose: it is not there in most virtual machines, and in some it is there and hangs.
    # Without CMPXCHG16B, after which qemu 7.2 may leave any bits in the flags: the kernel then dies of them.
    "-accel", "tcg,thread=multi", "-cpu", "max,-cx16", "-smp", "2", "-m", "2048",
    "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none", "-no-reboot",
)
# A kernel that panics ends the machine, too.
KERNEL_ARGUMENTS = "console=ttyS0 loglevel=5 panic=-1 mitigations=off"
STARTS = 3  # at most


class Result:
    """What became of the command: status is None if the machine did not come to its end."""

    def __init__(self, status, timed_out, output, console, seconds):
        self.status = status
        self.timed_out = timed_out
        self.output = output
        self.console = console
        self.seconds = seconds


def boot(kernel, initramfs, logs, limit):
    """Runs /vm/command of the initramfs on a kernel, in at most so many seconds.

    Where it breaks down before the command has said a word it is started again: the emulated processors sometimes see
    an instruction late that the kernel has patched ("Oops: int3").
    """
    for _ in range(STARTS):
        result = run(kernel, initramfs, logs, limit)
        if result.status is not None or result.timed_out or result.output:
            break
    return result


def run(kernel, initramfs, logs, limit):
    logs = pathlib.Path(logs)
    console, output = logs / "console", logs / "output"
    console.write_text("")
    output.write_text("")
    argv = [
        *QEMU, "-kernel", kernel, "-initrd", initramfs, "-append", KERNEL_ARGUMENTS,
        "-serial", f"file:{console}", "-serial", f"file:{output}",
    ]
    started = time.monotonic()
    timed_out = False
    try:
        subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, timeout=limit, check=False)
    except FileNotFoundError:
        raise Broken("qemu-system-x86_64 is not there: packaging/install-deps vm") from None
    except subprocess.TimeoutExpired:
        timed_out = True
    text = output.read_text(errors="backslashreplace").replace("\r\n", "\n")
    status = re.search(r"^status (\d+)\n\Z", text, re.M)
    return Result(
        int(status[1]) if status else None, timed_out, text, console.read_text(errors="backslashreplace"),
        time.monotonic() - started)
