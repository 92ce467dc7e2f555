# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernels: fetched, unpacked and kept in .output/vm/kernels/NAME."""

import collections
import pathlib
import re
import shutil
import time

from packages import Broken, Suite, Unavailable, command, unpack

Kernel = collections.namedtuple("Kernel", "suite tests")  # tests: what pytest is given, by the name of the selection


def in_system(**names):
    """Of tests/system, tests by file."""
    return " ".join(f"tests/system/test_{file}.py{'::' if test else ''}{test}"
                    for file, tests in names.items() for test in tests.split() or [""])


# What only reads and writes text is the same on each kernel, and polling is as old as 5.10 and tested there;
# nginx, promtool and what systemd has for sockets would be most of the machine. An emulated processor's share that is
# preset is too little for a promise.
WHOLE = (
    "tests/system -k 'not diag and not promtool and not nginx and not systemd' --ignore=tests/system/test_activation.py"
    " --ignore=tests/system/test_budget.py"
    " --ignore=tests/system/test_config.py --ignore=tests/system/test_ctl.py --ignore=tests/system/test_http.py")

# What depends on the kernel, each thing once: the states and how each ends, requests and minisockets, queues and
# SYNs, owners, namespaces, loss, privileges, and users who mean no good.
CORE = "-k 'not diag' " + in_system(
    kernel_facts="",
    states="test_all_kinds_by_events[mapped] test_socket_connected_again test_simultaneous_open test_fast_open"
           " test_mptcp_by_events",
    minisockets="test_orphan_expires test_port_used_again test_syn_ends_a_time_wait",
    half_open="test_backlog",
    listeners="test_older_than_the_daemon test_older_and_held_by_nobody[ebpf-2-True] test_whole_sockets_in_syn_recv",
    syn="test_all_are_counted test_cookies_for_all test_counters test_before_6_4",
    queues="test_full_accept_queue",
    owners="test_leak test_unaccepted test_exited",
    failures="test_no_port test_aborted_and_reset",
    namespaces="test_three_apart",
    load="test_missed_by_the_first_program_is_told_by_the_second",
    loss="test_ring_overflow",
    privileges="test_without_btf test_without_the_capability test_two_capabilities_are_enough"
               " test_no_locked_memory_is_needed test_what_is_left test_what_is_left_to_a_service"
               " test_daemon_ends_with_the_opener",
    hostile="test_neither_process_is_open_to_him test_table_stays_bounded[False-one] test_nothing_else_is_written_or_run",
)

# 5.10 does not take the BPF program; Debian's has no MPTCP, and its `ss --kill` does not end a TIME_WAIT. Namespaces
# are looked for a thousand times as seldom as that costs: at an emulated processor too seldom for test_three_apart.
POLLING = (
    "tests/vm/guest/test_without_bpf.py tests/system"
    " -k 'without_bpf or (diag and not mptcp and not killed_by_ss and not three_apart and not test_budget)'")
CORE_POLLING = "-k 'without_bpf or diag' tests/vm/guest/test_without_bpf.py " + in_system(
    states="test_all_at_once test_held test_fast_open",
    minisockets="test_orphan_expires test_port_used_again",
    half_open="test_backlog",
    listeners="test_reuseport test_older_than_the_daemon",
    syn="test_counters",
    owners="test_unaccepted",
)

FOLLOWING = {"whole": WHOLE, "core": CORE}
KERNELS = {
    "6.1": Kernel("bookworm", FOLLOWING),
    "6.12": Kernel("trixie", FOLLOWING),
    "newest": Kernel("sid", FOLLOWING),
    "5.10": Kernel("bullseye-security", {"whole": POLLING, "core": CORE_POLLING}),
}

META_PACKAGE = "linux-image-cloud-amd64"
PACKAGE = re.compile(r"linux-(image|binary|modules|base)-\d.*-cloud-amd64")
MAX_AGE = 7 * 24 * 3600  # seconds after which the mirror is asked whether there is a newer one

# What the tests use and is a module in these kernels; what that depends on comes with it.
MODULES = ("inet_diag", "nf_tables", "nft_reject_inet", "tcp_diag", "veth")


def fetch(suite, directory):
    """Unpacks the newest kernel of the suite, unless it is the one that is there."""
    suite.update()
    wanted = [package for package in suite.dependencies(META_PACKAGE) if PACKAGE.fullmatch(package)]
    if not wanted:
        raise Broken(f"{META_PACKAGE} of {suite.name} depends on no kernel that is known here")
    made_of = directory / "packages"
    if not made_of.exists() or made_of.read_text() != " ".join(wanted):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for package in suite.download(wanted):
            unpack(package, directory)
        if not (directory / "lib").exists():
            (directory / "lib").symlink_to("usr/lib")
        release = release_of(directory)
        command("depmod", "-b", directory, release)
    made_of.write_text(" ".join(wanted))


def unpacked(name, vm):
    """The directory of a kernel; an older one will do when the mirror does not answer."""
    directory = vm / "kernels" / name
    made_of = directory / "packages"
    if made_of.exists() and time.time() - made_of.stat().st_mtime < MAX_AGE:
        return directory
    try:
        fetch(Suite(KERNELS[name].suite, vm / "apt"), directory)
    except Unavailable:
        if not made_of.exists():
            raise
    return directory


def release_of(directory):
    return next((directory / "lib" / "modules").iterdir()).name


def image(directory):
    release = release_of(directory)
    places = (directory / "boot" / f"vmlinuz-{release}", directory / "lib" / "modules" / release / "vmlinuz")
    for place in places:
        if place.exists():
            return place
    raise Broken(f"no kernel image in {directory}")


def modules(directory):
    """The files that the machine needs to load the modules, by their names in it."""
    release = release_of(directory)
    shown = command("modprobe", "-d", directory, "-S", release, "--show-depends", "-a", *MODULES)
    files = {pathlib.Path(line.split()[1]) for line in shown.splitlines() if line.startswith("insmod")}
    files |= set((directory / "lib" / "modules" / release).glob("modules.*"))
    return {f"usr/{file.relative_to(directory)}": file for file in sorted(files)}
