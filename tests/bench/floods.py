# SPDX-License-Identifier: GPL-2.0-or-later
"""What a flood of SYNs and what many listeners cost, and how soon the counts follow.

The flood goes from one network namespace to another over a veth pair; both end with the processes in them. What
counts is what the receiving kernel says that it handled, not what was sent.
"""

import contextlib
import os
import random
import socket
import statistics
import subprocess
import time

from daemon import DAEMON, OUTPUT, SETTLE, Daemon, say, total
from machine import (Process, bpf_programs, bpf_statistics, in_namespace_of, iterator_times, read_counters,
                     wait_until)
from table import duration, durations, likely, megabytes, percent, shares

HERE, THERE = "192.0.2.1", "192.0.2.2"
PORT = 80
BACKLOG = 1000
AHEAD = -15  # nice
POLL = 0.02  # s between two looks at the daemon's answer: asking costs it time, too
TICK = 0.5   # s between two looks of the daemon at the kernel
SPACES, LISTENERS = 50, 5000


def namespace():
    """A process in a network namespace of its own."""
    process = Process(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.popen.stdin.write("{}\n")
    process.popen.stdin.flush()
    process.read_json()
    return process


def run_in(process, command):
    subprocess.run(["nsenter", f"--net=/proc/{process.pid}/ns/net", *command.split()], check=True, timeout=10)


@contextlib.contextmanager
def link():
    """The receiving end and the sending one; SYN-ACKs go back to the sender, whose kernel drops them: they are
    not for any of its addresses."""
    with namespace() as here, namespace() as there:
        run_in(here, f"ip link add flood type veth peer name flood netns {there.pid}")
        for process, address in ((here, HERE), (there, THERE)):
            run_in(process, f"ip address add {address}/24 dev flood")
            run_in(process, "ip link set flood up")
        run_in(here, f"ip route add default via {THERE}")
        run_in(here, "sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.flood.rp_filter=0")
        yield here, there


def listen(here):
    with in_namespace_of(here.pid):
        listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HERE, PORT))
    listener.listen(BACKLOG)
    return listener


@contextlib.contextmanager
def flood(there, seconds):
    """On both cores, from anywhere; gives what ends it and says how it went."""
    with contextlib.ExitStack() as stack:
        argv = [f"{OUTPUT}/tests/bench/flood", "--to", HERE, "--port", str(PORT), "--seconds", str(seconds)]
        makers = [stack.enter_context(Process([*argv, "--seed", str(seed)], namespace_of=there.pid,
                                              stdout=subprocess.PIPE)) for seed in (1, 2)]
        for maker in makers:
            maker.read_json()

        def wait():
            results = [maker.read_json() for maker in makers]
            return {"sent": sum(result["sent"] for result in results),
                    "seconds": statistics.mean(result["seconds"] for result in results),
                    "cpu": sum(result["cpu_seconds"] for result in results)}
        yield wait


def segments(here):
    return read_counters(f"/proc/{here.pid}/net/snmp", "Tcp")["InSegs"]


def run_flood(ends, seconds, daemon=None):
    """SYNs handled a second, and the processor time of each at both ends; the daemon's own is apart."""
    here, there = ends
    with listen(here):
        before, own = segments(here), daemon.process.cpu_seconds() if daemon else 0
        with flood(there, seconds) as wait:
            result = wait()
        handled = segments(here) - before
        own = daemon.process.cpu_seconds() - own if daemon else 0
    return {"handled": handled, "rate": handled / result["seconds"],
            "cost": result["cpu"] / handled, "own share": own / result["seconds"]}


TOOLS = {"auto": "with the hook", "off": "syn_accounting = off"}


def compare(ends, plan):
    """The daemon with the hook and without it, in turns with runs without any."""
    nothing, results = [run_flood(ends, plan.seconds)], {tool: [] for tool in TOOLS}
    for number in range(plan.rounds):
        say(f"flood: round {number + 1} of {plan.rounds}")
        for tool in TOOLS:
            with Daemon(syn_accounting=tool) as daemon:
                time.sleep(SETTLE)
                run = run_flood(ends, plan.seconds, daemon)
            nothing.append(run_flood(ends, plan.seconds))
            rate, cost = (statistics.mean(other[key] for other in nothing[-2:]) for key in ("rate", "cost"))
            results[tool].append({**run, "lost share": 1 - run["rate"] / rate, "added share": run["cost"] / cost - 1})
    noise = {key: statistics.median(abs(1 - b[key] / a[key]) for a, b in zip(nothing, nothing[1:]))
             for key in ("rate", "cost")}
    return statistics.median(run["rate"] for run in nothing), noise, results


def measure_rate(ends, plan, rows):
    rate, noise, results = compare(ends, plan)
    for tool, goal in (("off", "≤ 1 %"), ("auto", "≤ 3 %")):
        rows.add(f"SYNs handled, lost, {TOOLS[tool]}, {rate:,.0f}/s without", shares(results[tool], "lost share"), goal,
                 f"two runs without differ by {percent(noise['rate'])}")
        rows.add(f"processor time added to a SYN, {TOOLS[tool]}", shares(results[tool], "added share"), goal,
                 f"two runs without differ by {percent(noise['cost'])}")


def measure_hook(ends, plan, rows):
    """The program alone, hooked in and out during one flood: what the runs above differ by is not in it."""
    here, there = ends
    say("flood: the hook in and out")
    with listen(here), flood(there, plan.part_seconds + 2) as wait:
        argv = [f"{OUTPUT}/tests/bench/hook", "--port", str(PORT), "--seconds", str(plan.part_seconds)]
        with Process(argv, namespace_of=here.pid, stdout=subprocess.PIPE) as process:
            rates = process.read_json()
        wait()
    figure = "SYNs handled, lost to the hook alone, in and out every 14 ms"
    lost = [1 - with_it / without for with_it, without in zip(rates["with"], rates["without"])]
    if not lost:
        return rows.add(figure, "no hook on this kernel", "≤ 3 %")
    rows.add(figure, likely(lost), "≤ 3 %",
             f"{len(lost):,} pairs, {statistics.median(rates['without']):,.0f}/s without")


def measure_bpf_time(ends, plan, rows):
    with bpf_statistics(), Daemon() as daemon:
        before = bpf_programs(daemon.process.pid)
        run = run_flood(ends, plan.seconds, daemon)
        after = bpf_programs(daemon.process.pid)
    spent = sum(after[number][0] - before.get(number, (0, 0))[0] for number in after)
    rows.add("BPF time per SYN", f"{spent / run['handled']:.0f} ns", "–",
             f"of {run['cost'] * 1e9:,.0f} ns in all")


def measure_long(ends, plan, rows):
    """A flood of some length, of which nobody asks anything."""
    with Daemon() as daemon:
        time.sleep(2)
        before, memory = daemon.metrics(), daemon.process.memory()["VmRSS"]
        run = run_flood(ends, plan.flood_seconds, daemon)
        grown, after = daemon.process.memory()["VmRSS"] - memory, daemon.metrics()
    lost, resyncs = (total(after, name) - total(before, name)
                     for name in ("tcpwatch_events_lost_total", "tcpwatch_resyncs_total"))
    rows.add(f"daemon's CPU in a flood of {plan.flood_seconds} s, {run['rate']:,.0f} SYNs/s",
             f"{percent(run['own share'], 2)} of a core", "≤ 3 %",
             f"{lost:.0f} transitions lost, {resyncs:.0f} resyncs, memory grown by {megabytes(grown)}")


# How soon the counts follow.


def true_counts(here):
    out = subprocess.run(["nsenter", f"--net=/proc/{here.pid}/ns/net", "ss", "-HOtan"], check=True, timeout=30,
                         capture_output=True, text=True).stdout
    return sum(line.startswith("SYN-RECV") for line in out.splitlines()), len(out.splitlines())


def follow(daemon, netns, full):
    """The time until the daemon has the queue as full, or as gone. Both cores may add to it at once: it can be one
    longer than the limit."""
    start = time.monotonic()
    wait_until(lambda: ((daemon.counts(netns) or {}).get("syn_recv", 0) > BACKLOG) == full, "SYN_RECV", pause=POLL)
    return time.monotonic() - start


def out_of_step():
    """At any moment between two ticks, and not always right after one."""
    time.sleep(random.uniform(0, TICK))


def cookies(here):
    return read_counters(f"/proc/{here.pid}/net/netstat", "TcpExt")["SyncookiesSent"]


@contextlib.contextmanager
def ahead():
    """Who asks is put before the flood, or it would be its own waiting for a processor that it measures."""
    os.setpriority(os.PRIO_PROCESS, 0, AHEAD)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, 0)


def measure_freshness(ends, plan, rows):
    """Listeners that come, are full at once, and go, while the flood goes on; then the time after it. The way down
    is not timed: the kernel itself keeps a closed listener's half-open connections for up to a second."""
    here, there = ends
    netns, times = os.stat(f"/proc/{here.pid}/ns/net").st_ino, []
    with Daemon() as daemon, flood(there, plan.flood_seconds) as wait:
        end = time.monotonic() + plan.flood_seconds - 3
        while time.monotonic() < end:
            sent = cookies(here)
            with ahead():
                out_of_step()
                with listen(here):
                    wait_until(lambda: cookies(here) > sent, "a full SYN queue")
                    times.append(follow(daemon, netns, True))
                follow(daemon, netns, False)
        with listen(here):
            wait()
            start = time.monotonic()
            wait_until(lambda: is_right(daemon, here, netns), "counts right")
            after = time.monotonic() - start
    rows.add("SYN_RECV in a flood, from a full queue to the count", f"{durations(times)}, at most {duration(max(times))}",
             "≤ 500 ms", f"{len(times)} changes")
    rows.add("from the flood's end to counts as ss has them", duration(after), "≤ 1 s")


def is_right(daemon, here, netns):
    half_open, sockets = true_counts(here)
    counts = daemon.counts(netns)
    return half_open and counts["syn_recv"] == half_open and sum(counts.values()) == sockets


# Many listeners.


def tick_cost(seconds):
    """The daemon's processor time of a tick, all that it does beside included, and the most in 50 ms of it."""
    with Daemon() as daemon:
        time.sleep(3)
        before, last, most = daemon.process.cpu_seconds(), None, 0
        start = time.monotonic()
        while time.monotonic() < start + seconds:
            now = daemon.process.cpu_seconds()
            most, last = max(most, now - (last or now)), now
            time.sleep(0.05)
        share = (daemon.process.cpu_seconds() - before) / (time.monotonic() - start)
        return share / 2, most, iterator_times(daemon.process.pid, "bpf_sk_storage_map", 100)


def measure_listeners(plan, rows):
    say("a tick without listeners")
    base, base_most, base_read = tick_cost(plan.idle_seconds)
    say(f"{LISTENERS:,} listeners")
    argv = [f"{OUTPUT}/tests/bench/listen", "--namespaces", str(SPACES), "--listeners", str(LISTENERS // SPACES)]
    with Process(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.read_json()
        own, most, read = tick_cost(plan.idle_seconds)
    figure = f"{LISTENERS:,} listeners in {SPACES} namespaces"
    rows.add(f"a tick, {figure}", f"{duration(own)} of a processor, at most {duration(most)} in 50 ms", "≤ 5 ms",
             f"with the machine's own alone {duration(base)}, at most {duration(base_most)}")
    rows.add(f"reading the listeners' queues, {figure}", durations(read), "–",
             f"with the machine's own alone {durations(base_read)}")


def measure(plan, rows):
    if not DAEMON:
        return rows.add("SYNs handled in a flood", None, "–")
    with link() as ends:
        measure_rate(ends, plan, rows)
        measure_hook(ends, plan, rows)
        measure_bpf_time(ends, plan, rows)
        measure_long(ends, plan, rows)
        measure_freshness(ends, plan, rows)
    measure_listeners(plan, rows)
