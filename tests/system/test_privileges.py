# SPDX-License-Identifier: GPL-2.0-or-later
"""Where BPF cannot be had: refused with the reason, or made do without, and both said (facts 22 to 25)."""

import contextlib
import grp
import json
import os
import pathlib
import pwd
import re
import signal
import subprocess
import time

import pytest

from daemon import daemons_user
from oracle import assert_right_when_quiet, assert_settles, sockets, wait_for

STRANGER = 54321  # a user that no system has
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
NO_BTF = (
    "unshare", "--mount", "sh", "-c",
    'mount -t tmpfs none /sys/kernel/btf && exec "$@"', "sh")
OTHER_CLOCK = ("unshare", "--time", "--monotonic", "1000")  # entered by exec, since Linux 6.1
NO_BPF = ("setpriv", "--bounding-set=-bpf,-perfmon,-sys_admin")
BARE = (
    "unshare", "--mount", "sh", "-c",
    "for at in /sys/fs/bpf /sys/kernel/tracing /sys/kernel/debug /sys/kernel/security; do "
    '[ ! -d $at ] || mount -t tmpfs none $at || exit; done; exec "$@"', "sh")
LINK_NETFILTER = 10  # linux/bpf.h: how a bpftool that has no name for it says so
JUST_BPF = (
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all,+bpf,+perfmon",
    "--inh-caps=-all,+bpf,+perfmon", "--ambient-caps=-all,+bpf,+perfmon")
NO_MEMLOCK = ("prlimit", "--memlock=0:0", "setpriv", "--bounding-set=-ipc_lock")


@pytest.fixture
def mode():
    return "auto"


@pytest.fixture
def daemon_of_nobody(make_daemon, open_directory):
    def make(**settings):
        daemon = make_daemon(**settings)
        daemon.directory = open_directory
        daemon.socket = open_directory / "control.sock"
        daemon.config = open_directory / "tcpwatchd.conf"
        daemon.configure(**{k: v for k, v in settings.items() if k not in ("prefix", "netns")})
        return daemon
    return make


def fell_back(daemon, *words):
    """One line that says so, naming the reason, and no other trouble."""
    trouble = [text for priority, text in daemon.messages() if priority <= 4]
    assert len(trouble) == 1, trouble
    assert all(word in trouble[0] for word in ("polling sock_diag", *words)), trouble[0]
    daemon.expect("polling sock_diag")
    status = daemon.status()
    assert status["mode"] == "diag" and status["mode_reason"]
    metrics = daemon.metrics()
    assert metrics.sum("tcpwatch_mode", mode="diag") == 1
    assert metrics.sum("tcpwatch_mode", mode="ebpf") == 0


@pytest.mark.parametrize("prefix, word", [(NO_BTF, "BTF"), (NO_BPF, "CAP_BPF"), (OTHER_CLOCK, "time namespace")])
def test_refused(make_daemon, prefix, word):
    """mode = ebpf does not start without it, and says what would mend it."""
    daemon = make_daemon(mode="ebpf", prefix=prefix)
    daemon.spawn()
    assert daemon.wait() == 1, daemon.text()
    assert not daemon.socket.exists()
    errors = [text for priority, text in daemon.messages() if priority <= 3]
    assert any(word in text for text in errors), daemon.text()
    daemon.expect(".")


def test_nobody_is_refused(daemon_of_nobody):
    daemon = daemon_of_nobody(mode="ebpf", prefix=NOBODY)
    daemon.spawn()
    assert daemon.wait() == 1, daemon.text()
    assert "CAP_BPF" in daemon.text()
    daemon.expect(".")


def test_without_btf(make_daemon, netns):
    held = netns.holder()
    held.hold("half_closed", 3)
    daemon = make_daemon(prefix=NO_BTF).start()
    fell_back(daemon, "BTF")
    held.hold("time_wait", 4)
    held.hold("syn_recv", 5)
    assert_right_when_quiet(daemon, netns)


def test_another_clock(make_daemon, netns):
    """The records are dated by the host's clock."""
    daemon = make_daemon(prefix=OTHER_CLOCK).start()
    fell_back(daemon, "time namespace")
    held = netns.holder()
    held.hold("half_closed", 3)
    held.hold("time_wait", 4)
    assert_right_when_quiet(daemon, netns)


def test_without_the_capability(make_daemon, netns):
    """Neither BPF nor, without CAP_SYS_ADMIN, other namespaces: its own it counts."""
    daemon = make_daemon(prefix=NO_BPF, netns=netns, namespaces="host")
    with netns.inside():
        daemon.start()
        fell_back(daemon, "CAP_BPF")
    netns.holder().hold("half_closed", 3)
    assert_right_when_quiet(daemon, netns)


def test_nobody_makes_do(daemon_of_nobody, netns):
    daemon = daemon_of_nobody(mode="auto", prefix=NOBODY, netns=netns, namespaces="host")
    with netns.inside():
        daemon.start()
        fell_back(daemon, "CAP_BPF")
    netns.holder().hold("orphan", 3)
    assert_right_when_quiet(daemon, netns)


def test_nobody_is_told_of_namespaces_out_of_reach(daemon_of_nobody, netns):
    """namespaces = all without the right to enter them: it says so, once, not per namespace."""
    held = netns.holder()
    held.hold("half_closed", 3)
    daemon = daemon_of_nobody(mode="auto", prefix=NOBODY)
    daemon.start()
    trouble = [text for priority, text in daemon.messages() if priority <= 4]
    assert len(trouble) == 2, trouble
    assert any("namespace" in text and "CAP_SYS_ADMIN" in text for text in trouble), trouble
    daemon.expect(".")


def test_two_capabilities_are_enough(daemon_of_nobody, netns):
    """CAP_BPF and CAP_PERFMON, as an ordinary user."""
    daemon = daemon_of_nobody(mode="ebpf", prefix=JUST_BPF, netns=netns, namespaces="host")
    with netns.inside():
        daemon.start()
    held = netns.holder()
    for kind in ("half_closed", "orphan", "time_wait", "syn_recv", "closing"):
        held.hold(kind, 3)
    assert_right_when_quiet(daemon, netns)


def test_no_program_needs_fentry(make_daemon):
    """Locked-down kernels refuse fentry, fexit and LSM programs, and some have no kprobes: tracepoints, iterators and
    netfilter are all that the daemon attaches to (fact 22)."""
    daemon = make_daemon(mode="ebpf").start()
    ids = set()
    for pid in (daemon.pid, opener_of(daemon)):
        for path in pathlib.Path(f"/proc/{pid}/fdinfo").iterdir():
            ids.update(re.findall(r"^prog_id:\s+(\d+)", path.read_text(), re.M))
    links = json.loads(subprocess.run(["bpftool", "--json", "link", "show"], capture_output=True, check=True).stdout)
    kinds = {link["type"] for link in links if str(link["prog_id"]) in ids}
    assert kinds >= {"raw_tracepoint", "iter"}
    assert kinds <= {"raw_tracepoint", "iter", "netfilter", LINK_NETFILTER}


def test_no_filesystem_of_the_kernel_is_needed(make_daemon, netns):
    """Neither bpffs nor tracefs nor securityfs need be mounted (fact 25)."""
    held = netns.holder()
    for kind in ("listen", "half_closed", "orphan", "time_wait", "syn_recv"):
        held.hold(kind, 3)
    daemon = make_daemon(mode="ebpf", prefix=BARE).start()
    held.hold("established", 4)
    assert_right_when_quiet(daemon, netns)
    assert len(daemon.listeners(netns=netns.inum)) == len([s for s in sockets(netns) if s.state == "listen"])


def test_no_locked_memory_is_needed(make_daemon, netns):
    daemon = make_daemon(mode="ebpf", prefix=NO_MEMLOCK).start()
    netns.holder().hold("half_closed", 3)
    assert_settles(daemon, netns)


def test_auto_takes_bpf_where_it_can(make_daemon):
    daemon = make_daemon().start()
    status = daemon.status()
    assert (status["mode"], status["mode_reason"]) == ("ebpf", "")
    wait_for(lambda: daemon.metrics().sum("tcpwatch_mode", mode="ebpf") == 1)


def ask(daemon, method, path, groups=()):
    """What a stranger's request gives: the status and the document."""
    result = subprocess.run(
        ["curl", "--silent", "--show-error", "--unix-socket", daemon.socket, "--request", method,
         "--write-out", "\\n%{http_code}", f"http://localhost{path}"],
        capture_output=True, text=True, timeout=30, user=STRANGER, group=STRANGER, extra_groups=groups)
    assert result.returncode == 0, result.stderr
    body, status = result.stdout.rsplit("\n", 1)
    return int(status), json.loads(body)


def test_changing_takes_root_or_the_group(daemon_of_nobody):
    """Also where the socket's mode lets others look."""
    daemon = daemon_of_nobody(mode="auto", control_group="adm").start()
    daemon.socket.chmod(0o666)
    assert ask(daemon, "GET", "/v1/status")[0] == 200
    before = daemon.status()["resync"]["count"]
    status, document = ask(daemon, "POST", "/v1/resync")
    assert status == 403 and "control_group" in document["error"]
    assert ask(daemon, "POST", "/v1/resync", [5, 7]) == (status, document)
    assert daemon.status()["resync"]["count"] == before
    group = grp.getgrnam("adm").gr_gid
    assert ask(daemon, "POST", "/v1/resync", [5, group, 7]) == (202, {"resync": "started"})
    daemon.resync()


def test_reload_takes_root_or_the_group(daemon_of_nobody):
    """Whoever else asks is refused, and the file is not even read."""
    daemon = daemon_of_nobody(mode="auto", control_group="adm").start()
    daemon.socket.chmod(0o666)
    group = grp.getgrnam("adm").gr_gid
    daemon.configure(mode="auto", control_group="adm", metrics={"top": "20"})
    status, document = ask(daemon, "POST", "/v1/reload")
    assert status == 403 and "control_group" in document["error"]
    assert json.loads(daemon.control("/v1/config").body)["metrics"]["top"] == 10
    assert ask(daemon, "POST", "/v1/reload", [5, group, 7]) == (200, {"reloaded": True})
    assert json.loads(daemon.control("/v1/config").body)["metrics"]["top"] == 20
    assert daemon.control("/v1/reload", "POST").status == 200
    assert "reload:" in daemon.text()


# The opener


def opener_of(daemon):
    """The process id of the daemon's one child."""
    task = pathlib.Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children")
    (pid,) = task.read_text().split()
    assert pathlib.Path(f"/proc/{pid}/comm").read_text() == "tcpwatch-opener\n"
    return int(pid)


def running(pid):
    """Neither ended nor, where nobody waits for its like, a zombie."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21}


def credentials(pid):
    """Lines of proc_pid_status(5), of which the capabilities are numbers."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    lines = dict(line.split(":\t", 1) for line in text.splitlines())
    return {key: int(value, 16) if key.startswith("Cap") else value.strip() for key, value in lines.items()}


def assert_confined(pid, capabilities=0, bounding=0):
    found = credentials(pid)
    assert (found["CapPrm"], found["CapEff"]) == (capabilities, capabilities)
    assert (found["CapInh"], found["CapAmb"], found["CapBnd"]) == (0, 0, bounding)
    assert (found["NoNewPrivs"], found["Seccomp"], found["Groups"]) == ("1", "2", "")
    assert len(set(found["Uid"].split())) == len(set(found["Gid"].split())) == 1
    return int(found["Uid"].split()[0])


def test_what_is_left(daemon, netns):
    """Of a daemon that root started: nothing; of its opener: three capabilities. And it counts, all the same."""
    assert assert_confined(daemon.pid) == daemons_user()
    assert assert_confined(opener_of(daemon), sum(1 << n for n in CAPABILITIES.values())) == daemons_user()
    netns.holder().hold("half_closed", 3)
    assert_right_when_quiet(daemon, netns)


def test_what_is_left_to_a_service(daemon_of_nobody, netns):
    """Started as a user with capabilities, as by the unit; the bounding set takes one that it has not."""
    names = ("bpf", "perfmon", "net_admin", "sys_admin", "sys_ptrace")
    some = "-all," + ",".join(f"+{name}" for name in names)
    service = ("setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", "--no-new-privs",
               f"--bounding-set={some}", f"--inh-caps={some}", f"--ambient-caps={some}")
    daemon = daemon_of_nobody(mode="ebpf", prefix=service).start()
    bounding = credentials(daemon.pid)["CapBnd"]
    assert assert_confined(daemon.pid, bounding=bounding) == STRANGER
    assert assert_confined(
        opener_of(daemon), sum(1 << n for n in CAPABILITIES.values()), bounding) == STRANGER
    netns.holder().hold("half_closed", 3)
    assert_right_when_quiet(daemon, netns)


def test_user_by_name(make_daemon):
    daemon = make_daemon(user="daemon").start()
    assert assert_confined(daemon.pid) == pwd.getpwnam("daemon").pw_uid
    daemon.directory.chmod(0o777)  # for the control socket's end


def test_user_that_is_not_there(make_daemon):
    daemon = make_daemon(user="no-such-user")
    daemon.spawn()
    assert daemon.wait() == 78, daemon.text()
    daemon.expect("no-such-user.*make it, or name another")
    assert not daemon.socket.exists()


@pytest.mark.parametrize("seccomp, number", [("log", "2"), ("off", "0")])
def test_without_enforcement(make_daemon, seccomp, number):
    daemon = make_daemon(seccomp=seccomp).start()
    for pid in (daemon.pid, opener_of(daemon)):
        found = credentials(pid)
        assert (found["Seccomp"], found["CapEff"] >> 22, found["NoNewPrivs"]) == (number, 0, "1")


def test_reload_of_a_file_out_of_reach(daemon):
    """What only root may read could be read at the start, and cannot any more: it says which file, and goes on."""
    before = daemon.control("/v1/config").body
    daemon.config.chmod(0o600)
    daemon.expect(f"{daemon.config}: .*Permission denied")
    daemon.expect("reload: the configuration stays as it was")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: "reload:" in daemon.text(), 5)
    assert daemon.control("/v1/config").body == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_opener_ends_with_the_daemon(make_daemon, number):
    daemon = make_daemon().start()
    opener = opener_of(daemon)
    daemon.signal(number)
    daemon.wait()
    wait_for(lambda: not running(opener), 5, "the opener to end")


def test_daemon_ends_with_the_opener(make_daemon):
    """It says so, and leaves it to the service manager to start both again."""
    daemon = make_daemon().start()
    daemon.expect("opens network namespaces is gone")
    os.kill(opener_of(daemon), signal.SIGKILL)
    assert daemon.wait() == 1
    assert len([text for priority, text in daemon.messages() if priority <= 3]) == 1, daemon.text()


@pytest.mark.last
def test_daemon_ends_without_answers_of_the_opener(make_daemon):
    """After half a minute, in which it counts what it knows."""
    daemon = make_daemon().start()
    daemon.expect("opens network namespaces does not answer any more")
    opener = opener_of(daemon)
    os.kill(opener, signal.SIGSTOP)
    try:
        time.sleep(20)
        assert daemon.status() and daemon.process.poll() is None
        assert daemon.wait(timeout=25) == 1
    finally:
        with contextlib.suppress(ProcessLookupError):  # it ends with the daemon
            os.kill(opener, signal.SIGKILL)
    assert len([text for priority, text in daemon.messages() if priority <= 3]) == 1, daemon.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_to_both(make_daemon, netns, number):
    """As a terminal and a service manager send them: the opener does not end before the daemon does."""
    daemon = make_daemon().start()
    os.kill(opener_of(daemon), number)
    netns.holder().hold("half_closed", 3)
    assert_settles(daemon, netns)


def test_opener_holds_nothing_of_the_daemon(daemon):
    """Besides its end of the socket: /proc and the namespace it started in, an iterator's link, and the two netfilter
    programs."""
    links = [os.readlink(path) for path in pathlib.Path(f"/proc/{opener_of(daemon)}/fd").iterdir()]
    links = sorted(link.split(":")[0] for link in links)
    assert links == sorted(
        ["/dev/null"] * 3 + ["socket", "/proc", "net"] + ["anon_inode"] * (1 + 2 * daemon.status()["syn_accounting"]))


def test_without_an_opener(make_daemon):
    """namespaces = host has no use for one."""
    daemon = make_daemon(namespaces="host").start()
    assert not pathlib.Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text()
