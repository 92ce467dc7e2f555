#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""In a whole Debian with systemd: the package from its installation to its purge, one line for each check.

Each check builds on those before it, as a host's life does. The last line: N passed, N failed.
"""
import collections
import contextlib
import glob
import grp
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback

PACKAGE = glob.glob("/vm/tcpwatch_*.deb")[0]
NEWER = "/tmp/newer.deb"
CONFIG = pathlib.Path("/etc/tcpwatch/tcpwatchd.conf")
DROPIN = pathlib.Path("/etc/tcpwatch/tcpwatchd.conf.d/site.conf")
SOCKET = pathlib.Path("/run/tcpwatch/control.sock")
SOCKET_DROPIN = pathlib.Path("/etc/systemd/system/tcpwatchd.socket.d/site.conf")
PORT, SOCKET_PORT = 10924, 10925  # of /metrics: as the configuration has it, and as SOCKET_DROPIN has it
# Of ss(8); of the others only the case and the dash differ.
STATES = {"ESTAB": "established", "UNCONN": "close", "FIN-WAIT-1": "fin_wait1", "FIN-WAIT-2": "fin_wait2"}
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_PTRACE": 19, "CAP_SYS_ADMIN": 21}  # of linux/capability.h
OPENER = sum(1 << number for number in CAPABILITIES.values())
EXPOSURE_MAX = 22  # tenths
PATIENCE = 60  # seconds: the machine is emulated, and its host busy

held = []  # sockets that stay open


def run(*argv, ok=(0,), **options):
    options = {"stdin": subprocess.DEVNULL, "timeout": 300, **options}
    done = subprocess.run(
        [str(word) for word in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        **options)
    assert done.returncode in ok, f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def wait_for(condition, what, timeout=PATIENCE):
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what() if callable(what) else what}"
        time.sleep(0.2)


def show(name, unit="tcpwatchd.service"):
    return run("systemctl", "show", "--value", "-p", name, unit).strip()


def journal(*options):
    return run("journalctl", "--no-pager", "-u", "tcpwatchd", *options, ok=(0, 1))


def main_pid():
    return int(show("MainPID"))


def active():
    return show("ActiveState") == "active"


def wait_active():
    wait_for(active, lambda: run("systemctl", "--no-pager", "--full", "status", "tcpwatchd", ok=(0, 1, 2, 3)))


def of_process(pid):
    """What /proc/PID/status says."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(re.findall(r"^(\w+):\s*(.*)$", text, re.M))


def processes():
    """Of the unit's control group."""
    path = pathlib.Path("/sys/fs/cgroup") / show("ControlGroup").lstrip("/") / "cgroup.procs"
    return [int(pid) for pid in path.read_text().split()]


def ctl(*arguments):
    return [json.loads(line) for line in run("tcpwatchctl", "--json", *arguments).splitlines()]


def status():
    return json.loads(run("tcpwatchctl", "--json", "status"))


def shown_by_ss():
    """Connections by state, in the machine's own network namespace."""
    counts = collections.Counter()
    for line in run("ss", "-Htan").splitlines():
        word = line.split()[0]
        counts[STATES.get(word, word.lower().replace("-", "_"))] += 1
    return counts


def counts_right(inum=None):
    inum = inum or os.stat("/proc/self/ns/net").st_ino
    def same():
        before = shown_by_ss()
        rows = [row for row in status()["namespaces"] if row["netns"] == inum]
        counted = {state: n for state, n in rows[0]["states"].items() if n} if rows else {}
        return before == shown_by_ss() and counted == before
    wait_for(same, lambda: f"tcpwatch {status()['states']}, ss {dict(shown_by_ss())}")


def leak(count):
    """Connections that the peer has closed and we do not."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=count)
    for _ in range(count):
        client = socket.create_connection(listener.getsockname())
        held.append(listener.accept()[0])
        client.close()
    listener.close()


def metrics(port=PORT):
    return run("curl", "-fsS", f"http://127.0.0.1:{port}/metrics")


def listens(port):
    return bool(run("ss", "-Hltn", f"sport = :{port}"))


def serves_socket():
    """systemd holds the address of /metrics, the daemon answers there, and has opened none of its own."""
    wait_active()
    assert show("ActiveState", "tcpwatchd.socket") == "active"
    assert "tcpwatch_connections" in metrics(SOCKET_PORT)
    assert not listens(PORT)


@contextlib.contextmanager
def scraped(port):
    """Somebody asks for /metrics all the time, whether it is there or not."""
    over = threading.Event()

    def scrape():
        while not over.is_set():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as client:
                client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                client.recv(1)
            time.sleep(0.02)
    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def sample(name):
    """The value of a series, by its name with labels."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", metrics(), re.M)
    assert found, f"no {name} in /metrics"
    return float(found[1])


def apt(*arguments):
    return run("apt-get", "-y", "-o", "Dpkg::Use-Pty=0", *arguments,
               env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def newer_package():
    """The same package as a later version, with a line more in its configuration file."""
    tree = pathlib.Path("/tmp/newer")
    run("dpkg-deb", "-R", PACKAGE, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", r"\g<0>+newer", control.read_text(), flags=re.M))
    with open(tree / "etc/tcpwatch/tcpwatchd.conf", "a") as file:
        file.write("\n# A line of the newer version.\n")
    run("dpkg-deb", "-Zgzip", "--root-owner-group", "-b", tree, NEWER)


def check_installation():
    """No question is asked, and the service runs."""
    said = apt("install", PACKAGE)
    assert "dpkg: warning" not in said and "rror" not in said, said
    wait_active()
    assert show("UnitFileState") == "enabled"
    assert run("systemctl", "is-enabled", "tcpwatchd.socket", ok=(1,)).strip() == "disabled"
    run("tcpwatchctl", "status")
    counts_right()


def check_privileges():
    """The daemon holds no capability; the opener three."""
    process = of_process(main_pid())
    assert process["Uid"].split()[0] != "0", process["Uid"]
    assert int(process["CapEff"], 16) == int(process["CapPrm"], 16) == 0, process["CapPrm"]
    assert process["Seccomp"] == "2" and process["NoNewPrivs"] == "1"
    others = [of_process(pid) for pid in processes() if pid != main_pid()]
    assert len(others) == 1, others
    assert int(others[0]["CapEff"], 16) == int(others[0]["CapPrm"], 16) == OPENER, others[0]["CapPrm"]
    assert others[0]["Seccomp"] == "2" and others[0]["Uid"].split()[0] != "0"


def check_exposure():
    said = run("systemd-analyze", "security", "--no-pager", f"--threshold={EXPOSURE_MAX}", "tcpwatchd.service")
    print("  " + said.splitlines()[-1])


def check_access():
    """Members of the group may ask, others may not."""
    mode = SOCKET.stat()
    assert mode.st_mode & 0o777 == 0o660 and grp.getgrgid(mode.st_gid).gr_name == "tcpwatch"
    said = run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "tcpwatchctl", "states", ok=(1,))
    assert "ermission" in said, said
    run("setpriv", "--reuid=nobody", "--regid=nogroup", f"--groups={mode.st_gid}", "tcpwatchctl", "states")


def check_older_leak():
    """Connections that are not closed are counted, and it is told whose they are."""
    leak(150)
    counts_right()
    rows = ctl("list", "--state", "close_wait")
    assert len(rows) == 150
    wait_for(lambda: {row["owner"]["pid"] for row in ctl("list", "--state", "close_wait")} == {os.getpid()},
             lambda: ctl("list", "--state", "close_wait")[0])
    owner = ctl("list", "--state", "close_wait")[0]["owner"]
    assert owner["unit"] == "check.service", owner
    assert sample('tcpwatch_connections{state="close_wait",family="ipv4"}') == 150


def check_flood():
    """Half-open connections, of which the SYN-ACKs never arrive."""
    run("nft", "add table inet check; add chain inet check in { type filter hook input priority 0; };"
        " add rule inet check in tcp sport 7777 tcp flags & (syn|ack) == (syn|ack) drop")
    held.append(socket.create_server(("127.0.0.1", 7777), backlog=16))
    for _ in range(15):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", 7777))
        held.append(client)
    wait_for(lambda: [row["syn_queue"] for row in ctl("listeners", "--port", "7777")] == [15],
             lambda: ctl("listeners", "--port", "7777"))
    counts_right()


def check_alerts():
    """Leak and flood are told: by tcpwatchctl, and in the journal with the catalog's text."""
    DROPIN.write_text("[alert leak]\nstate = close_wait\nscope = unit\nabove = 100\nfor = 0s\n")
    run("systemctl", "reload", "tcpwatchd")

    def firing():
        return {row["name"]: row["target"] for row in ctl("alerts") if row["status"] == "firing"}
    wait_for(lambda: {"leak", "syn-flood"} <= set(firing()), lambda: ctl("alerts"))
    assert "check.service" in firing()["leak"] and "7777" in firing()["syn-flood"], firing()
    for name in ("leak", "syn-flood"):
        wait_for(lambda: f"{name} fires for" in journal("-x", "TCPWATCH_STATUS=firing"), lambda: journal("-x"))
    assert "tcpwatchctl explain" in journal("-x", "TCPWATCH_ALERT=leak")
    wait_for(lambda: re.search(r"[2-9] alerts firing", show("StatusText")), lambda: show("StatusText"))
    DROPIN.unlink()
    run("systemctl", "reload", "tcpwatchd")


def check_namespaces():
    """The opener gets into other network namespaces from within the sandbox."""
    run("ip", "netns", "add", "other")
    run("ip", "-n", "other", "link", "set", "lo", "up")
    server = subprocess.Popen(
        ["ip", "netns", "exec", "other", "python3", "-c",
         "import socket, time; s = [socket.create_server(('127.0.0.1', n)) for n in (1, 2, 3)]; time.sleep(600)"])
    inum = os.stat("/run/netns/other").st_ino
    try:
        wait_for(lambda: [row["states"]["listen"] for row in status()["namespaces"] if row["netns"] == inum] == [3],
                 lambda: status()["namespaces"])
    finally:
        server.kill()
        server.wait()
        run("ip", "netns", "delete", "other")


def check_status_line():
    wait_for(lambda: re.search(r"\d+ connections? \(.*\b150 close_wait\b.*\) in 1 network namespace",
                               show("StatusText")), lambda: show("StatusText"))


def check_reload():
    """A right configuration is taken, a wrong one is not, and the daemon goes on as it was."""
    pid = main_pid()
    DROPIN.write_text("[metrics]\ntop = 7\n")
    run("systemctl", "reload", "tcpwatchd")
    wait_for(lambda: "top = 7" in run("tcpwatchctl", "config"), lambda: run("tcpwatchctl", "config"))
    DROPIN.write_text("[metrics]\ntop = many\n")
    run("systemctl", "reload", "tcpwatchd")
    wait_for(lambda: f"{DROPIN}:2" in journal(), journal)
    assert "top = 7" in run("tcpwatchctl", "config")
    assert active() and main_pid() == pid
    DROPIN.unlink()


def check_watchdog():
    """A daemon that does not drain is started again, and its counts are right."""
    pid = main_pid()
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: main_pid() not in (0, pid), journal, 120)
    wait_active()
    assert "Watchdog timeout" in journal()
    assert int(show("NRestarts")) == 1
    counts_right()


def check_kill():
    pid, before = main_pid(), set(processes())
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: main_pid() not in (0, pid), journal)
    wait_active()
    assert not before & set(processes()), "a process of the one that was killed is still there"
    assert int(show("NRestarts")) == 2
    counts_right()


def holder():
    """Of the socket of /metrics: the process that is told, its unit, and how many processes hold it."""
    row, = [row for row in ctl("listeners") if row["local_port"] == PORT]
    return row["owner"]["pid"], row["owner"]["unit"], row["holders"]


def check_socket():
    """systemd keeps the socket of /metrics while the daemon restarts; it is the daemon's all the same."""
    run("systemctl", "stop", "tcpwatchd")
    run("systemctl", "start", "tcpwatchd.socket")
    assert "tcpwatch_connections" in metrics()  # which starts it
    wait_active()
    assert "in place of listen" in journal()
    wait_for(lambda: holder() == (main_pid(), "tcpwatchd.service", 2), holder)
    run("systemctl", "stop", "tcpwatchd.socket", "tcpwatchd.service")
    run("systemctl", "start", "tcpwatchd")
    wait_active()
    assert "tcpwatch_connections" in metrics()


def check_wrong_configuration():
    """It does not start, says why, and is not started again and again."""
    DROPIN.write_text("[daemon]\nmode = magic\n")
    run("systemctl", "restart", "tcpwatchd", ok=(1,))
    assert show("Result") == "exit-code" and show("ExecMainStatus") == "78", show("ExecMainStatus")
    assert show("SubState") == "failed"
    DROPIN.unlink()
    run("systemctl", "start", "tcpwatchd")
    wait_active()


def check_autopkgtest():
    run("/tcpwatch/packaging/debian/tests/service")


def check_upgrade():
    """What the administrator has written stays, what nobody has changed is replaced, and the new one runs."""
    newer_package()
    pid = main_pid()
    apt("install", NEWER)
    wait_active()
    assert main_pid() != pid
    assert "A line of the newer version" in CONFIG.read_text()
    CONFIG.write_text("[metrics]\ntop = 3\n")
    apt("-o", "Dpkg::Options::=--force-confold", "--allow-downgrades", "install", PACKAGE)
    wait_active()
    assert CONFIG.read_text() == "[metrics]\ntop = 3\n"
    assert "top = 3" in run("tcpwatchctl", "config")
    counts_right()


def check_removal():
    """Nothing runs, and the configuration stays."""
    apt("remove", "tcpwatch")
    assert "stop-sigterm" not in journal(), "it had to be killed"
    assert run("systemctl", "is-active", "tcpwatchd", ok=(3, 4)).strip() in ("inactive", "unknown")
    assert not SOCKET.exists() and CONFIG.exists()
    apt("install", PACKAGE)
    wait_active()
    assert CONFIG.read_text() == "[metrics]\ntop = 3\n"


def check_upgrade_with_socket():
    """An administrator has enabled it, for an address of his own: it is there afterwards, and the daemon has it."""
    SOCKET_DROPIN.parent.mkdir()
    SOCKET_DROPIN.write_text(f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{SOCKET_PORT}\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "stop", "tcpwatchd")
    run("systemctl", "enable", "--now", "tcpwatchd.socket")
    run("systemctl", "start", "tcpwatchd")
    serves_socket()
    pid = main_pid()
    with scraped(SOCKET_PORT):
        apt("-o", "Dpkg::Options::=--force-confold", "install", NEWER)
    serves_socket()
    assert main_pid() != pid
    counts_right()


def check_removal_with_socket():
    """Nothing listens, and what goes on asking starts nothing; what was enabled is so when the package comes back."""
    with scraped(SOCKET_PORT):
        apt("remove", "tcpwatch")
        time.sleep(1)
    left = run("systemctl", "list-units", "--no-legend", "--plain", "--state=active,activating,failed", "tcpwatchd.*")
    assert not left, left
    assert not listens(SOCKET_PORT) and not listens(PORT) and not SOCKET.exists()
    apt("install", NEWER)
    serves_socket()


def check_purge():
    """Nothing of it is left but the user."""
    apt("purge", "tcpwatch")
    assert not listens(SOCKET_PORT) and not listens(PORT)
    SOCKET_DROPIN.unlink()
    SOCKET_DROPIN.parent.rmdir()
    left = [path for path in ("/etc/tcpwatch", "/var/lib/tcpwatch", "/run/tcpwatch", "/usr/sbin/tcpwatchd",
                              "/etc/systemd/system/multi-user.target.wants/tcpwatchd.service",
                              "/etc/systemd/system/sockets.target.wants/tcpwatchd.socket")
            if os.path.lexists(path)]
    assert not left, left
    assert "tcpwatch" not in run("systemctl", "--no-legend", "--plain", "--failed")
    assert "tcpwatch" not in run("systemctl", "list-unit-files", "--no-legend")
    apt("install", PACKAGE)
    wait_active()
    counts_right()
    apt("purge", "tcpwatch")


def main():
    checks = [check for name, check in globals().items() if name.startswith("check_")]
    ends = collections.Counter()
    for check in checks:
        started = time.monotonic()
        name = check.__name__.removeprefix("check_").replace("_", " ")
        try:
            check()
            end = "passed"
        except (Exception, SystemExit) as error:
            end = "failed"
            trace = "".join(traceback.format_exception(error)[-3:])
        ends[end] += 1
        print(f"{name}: {end} in {time.monotonic() - started:.0f} s")
        if end == "failed":
            print("".join(f"    {line}\n" for line in trace.splitlines()), end="")
            with contextlib.suppress(Exception):
                print("".join(f"    | {line}\n" for line in journal("-n", "15").splitlines()), end="")
        sys.stdout.flush()
        if end == "failed" and check is checks[0]:
            break  # nothing else can be right then
    print(f"{ends['passed']} passed, {ends['failed']} failed")
    return 1 if ends["failed"] else 0


sys.exit(main())
