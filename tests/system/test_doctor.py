# SPDX-License-Identifier: GPL-2.0-or-later
"""tcpwatchctl doctor: the settings as the kernel has them, and advice that comes from what is measured."""

import json
import re
import socket
import subprocess

from daemon import TCPWATCHCTL
from netns import VETH, route_back, veth
from oracle import wait_for
from test_alerts import make_watched, rule  # noqa: F401

CHANGED = {
    "net.ipv4.tcp_fin_timeout": 33, "net.ipv4.tcp_keepalive_time": 601, "net.ipv4.tcp_keepalive_intvl": 7,
    "net.ipv4.tcp_keepalive_probes": 3, "net.ipv4.tcp_max_syn_backlog": 77, "net.core.somaxconn": 99,
    "net.ipv4.tcp_syncookies": 2, "net.ipv4.tcp_synack_retries": 4, "net.ipv4.tcp_syn_retries": 3,
    "net.ipv4.tcp_abort_on_overflow": 1, "net.ipv4.tcp_tw_reuse": 0, "net.ipv4.tcp_max_tw_buckets": 1234,
    "net.ipv4.ip_local_port_range": "40000 40999",
}
RESERVED = "net.ipv4.ip_local_reserved_ports"


def rows(daemon):
    answer = daemon.control("/v1/doctor")
    assert answer.status == 200, answer
    return [json.loads(line) for line in answer.body.splitlines()]


def advice(daemon, name, netns=None):
    """The row of a setting, of the daemon's own namespace or another; None when there is none."""
    found = [row for row in rows(daemon)
             if row["name"] == name and (netns is None or row["netns"] == netns.inum)]
    return found[0] if found else None


def await_advice(daemon, name, netns, level):
    def given():
        row = advice(daemon, name, netns)
        return row if row and row["level"] == level else None

    return wait_for(given, 10, lambda: advice(daemon, name, netns))


def values_in(netns):
    """What the files below /proc/sys say in a namespace."""
    found = {}
    for name in CHANGED:
        text = netns.run("cat", "/proc/sys/" + name.replace(".", "/"), capture_output=True, text=True).stdout
        found[name] = " ".join(text.split())
    return found


def test_present_values(make_daemon, netns):
    """Those of the daemon's own namespace, changed before its start and again while it runs."""
    for name, value in CHANGED.items():
        netns.sysctl(name, value)
    netns.sysctl(RESERVED, "40000,40010-40019,50000")
    daemon = make_daemon(netns=netns, namespaces="host", metrics={"listen": "off"}).start()
    told = {row["name"]: row["value"] for row in rows(daemon)}
    assert {name: told[name] for name in CHANGED} == values_in(netns) == {k: str(v) for k, v in CHANGED.items()}
    assert told[RESERVED] == "11 of the range"
    assert told["net.ipv4.tcp_tw_recycle"] == "gone"
    netns.sysctl("net.ipv4.tcp_fin_timeout", 34)
    netns.sysctl(RESERVED, "")
    told = {row["name"]: row["value"] for row in rows(daemon)}
    assert {name: told[name] for name in CHANGED} == values_in(netns)
    assert told[RESERVED] == "0 of the range"


def test_of_other_namespaces(daemon, netns, other_netns):
    """Only where something is to be said; read again through descriptors that were opened inside."""
    netns.listener()
    other_netns.listener()
    wait_for(lambda: daemon.status().knows(netns.inum) and daemon.status().knows(other_netns.inum), 10)
    assert advice(daemon, "net.ipv4.tcp_syncookies", netns) is None
    netns.sysctl("net.ipv4.tcp_syncookies", 0)
    row = await_advice(daemon, "net.ipv4.tcp_syncookies", netns, "warning")
    assert (row["value"], row["recommended"]) == ("0", "1")
    assert advice(daemon, "net.ipv4.tcp_syncookies", other_netns) is None


def test_overflow(daemon, netns):
    """A program that does not accept(), with a backlog that somaxconn has cut."""
    netns.sysctl("net.core.somaxconn", 2)
    listener = netns.listener(backlog=50)
    row = await_advice(daemon, "net.core.somaxconn", netns, "note")
    assert "1 of 1 listeners" in row["finding"] and row["recommended"] == "4096"
    for _ in range(3):
        netns.connect(listener)
    netns.begin(listener.getsockname())  # its SYN is dropped, and comes again
    row = await_advice(daemon, "net.core.somaxconn", netns, "warning")
    assert re.search(rf"port {listener.getsockname()[1]} has 3 of 2", row["finding"])
    wait_for(lambda: "have overflowed" in advice(daemon, "net.core.somaxconn", netns)["finding"], 10)


def test_cookies(daemon, make_netns):
    """A flood, while it goes on and after it."""
    first, second = make_netns(), make_netns()
    veth(first, second)
    route_back(first)
    listener = first.listener(host=VETH[socket.AF_INET][0], backlog=8)
    wait_for(lambda: daemon.status().knows(first.inum), 10)
    flood = second.flood(listener, count=6000, rate=1500)
    row = await_advice(daemon, "net.ipv4.tcp_syncookies", first, "warning")
    assert "cookies a second" in row["finding"]
    row = await_advice(daemon, "net.ipv4.tcp_max_syn_backlog", first, "warning")
    assert "9 of 8" in row["finding"]
    flood.wait()
    row = await_advice(daemon, "net.ipv4.tcp_syncookies", first, "note")
    assert "were sent" in row["finding"]


def test_time_wait_buckets(daemon, netns):
    def told(words):
        row = advice(daemon, "net.ipv4.tcp_max_tw_buckets", netns)
        return row and row["finding"].startswith(words) and row["level"]

    netns.sysctl("net.ipv4.tcp_max_tw_buckets", 20)
    netns.holder().hold("time_wait", 10)
    assert wait_for(lambda: told("10 in use, 50 %"), 10) == "note"
    netns.holder().hold("time_wait", 7)
    assert wait_for(lambda: told("17 in use, 85 %"), 10) == "warning"


def test_no_port(make_daemon, netns):
    netns.sysctl("net.ipv4.ip_local_port_range", "50000 50001")
    daemon = make_daemon(netns=netns, namespaces="host", metrics={"listen": "off"}).start()
    listener = netns.listener(port=80)
    held = [netns.connect(listener) for _ in range(2)]
    third = netns.open_socket()
    try:
        third.connect(listener.getsockname())
    except OSError:
        pass
    row = await_advice(daemon, "net.ipv4.ip_local_port_range", netns, "warning")
    assert "1 connects have found none free" in row["finding"]
    assert advice(daemon, "net.ipv4.tcp_tw_reuse")["recommended"] == "1"
    assert len(held) == 2


def test_ports_of_one_destination(make_watched, netns):  # noqa: F811
    netns.sysctl("net.ipv4.ip_local_port_range", "50000 50009")
    daemon = make_watched(rule("ports", source="ephemeral_ports", scope="remote", above="95%"), text="")
    listener = netns.listener(port=80)
    for _ in range(8):
        netns.connect(listener)
    row = await_advice(daemon, "net.ipv4.ip_local_port_range", netns, "warning")
    assert "most connections uses 80 %" in row["finding"]


def test_why_it_polls(make_daemon):
    daemon = make_daemon(mode="diag").start()
    row = advice(daemon, "tcpwatch mode")
    assert (row["value"], row["level"]) == ("diag", "note")
    assert advice(daemon, "tcpwatch SYN accounting")["level"] == "note"


def test_text(daemon):
    """Every row, on an ordinary terminal; findings are no failure."""
    result = subprocess.run([TCPWATCHCTL, "--socket", daemon.socket, "doctor"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    assert all(len(line) <= 80 and line == line.rstrip() for line in result.stdout.splitlines())
    for name in CHANGED:
        assert re.search(rf"^(ok|note|warning) +{re.escape(name)} = \d", result.stdout, re.M), name
    levels = re.findall(r"^(ok|note|warning) ", result.stdout, re.M)
    assert levels == sorted(levels, key=["warning", "note", "ok"].index)


def test_parameters(daemon):
    assert daemon.control("/v1/doctor?netns=1").status == 400
    assert daemon.control("/v1/doctor", "POST").status == 405
