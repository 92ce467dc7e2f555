#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures tcpwatch, and beside it, in the same run, what people use today. Prints a table and judges nothing.

All traffic is on loopback, in network namespaces that end with the processes in them. A machine's speed drifts, so
a load is run with a tool and without it in turns, and each run with it is compared with the two without it around it.
"""

import argparse
import contextlib
import datetime
import http.client
import json
import os
import re
import signal
import statistics
import struct
import subprocess
import tempfile
import time

import alerts
import floods
from daemon import DAEMON, OUTPUT, ROOT, SETTLE, Daemon, say, total
from machine import (BpfObject, Process, UnixConnection, available_memory, bpf_programs, bpf_statistics, describe,
                     find_program, free_port, get, in_namespace_of, read_whole, tracepoint_programs, wait_until)
from table import Rows, duration, durations, likely, megabytes, percent, shares

RESULTS = os.path.join(ROOT, "tests/bench/RESULTS.md")
NODE_EXPORTER = find_program(f"{OUTPUT}/tools/usr/bin/prometheus-node-exporter", "prometheus-node-exporter",
                             "node_exporter")
TCPSTATES = find_program("/usr/sbin/tcpstates", "tcpstates")

TIME_LIMIT = 1500    # s, for everything: twice what a full run takes
SOCKET_COST = 6000   # bytes of kernel memory that a held socket takes, file and inode included, with room to spare
# In a mount namespace of its own, with the tracefs that it attaches through and that need not be mounted.
TCPSTATES_ARGV = ["unshare", "--mount", "/bin/sh", "-c",
                  f"mount -t tracefs tracefs /sys/kernel/tracing && exec {TCPSTATES}"]
REACH = {"sockets": 400_000, "few": 20_000, "close_wait": 6_000}


class Plan:
    """How long and how often."""

    def __init__(self, quick):
        self.seconds = 1 if quick else 2          # of one run of the load
        self.rounds = 2 if quick else 8           # of runs with each tool
        self.scrapes = 20 if quick else 100
        self.slow_scrapes = 3 if quick else 10    # of what takes a second each
        self.repeats = 3 if quick else 7          # of a command
        self.slow_repeats = 1 if quick else 3     # of what takes seconds each
        self.idle_seconds = 5 if quick else 20
        self.part_seconds = 5 if quick else 60    # in which a BPF program by itself is put in and taken out
        self.flood_seconds = 8 if quick else 20


# The loads: what each is called, and the arguments of the processes that make it.
LOADS = {
    "one by one": [["--ahead", "0"]],
    "both cores full": [["--ahead", "16"], ["--ahead", "16"]],
}


# The tools under the load. Each is started anew for each run, and answers with what it saw when the run is over.


class Nothing:
    @contextlib.contextmanager
    def running(self, _load_pid):
        yield lambda: {}


class Tcpwatch:
    name = "tcpwatch"

    @contextlib.contextmanager
    def running(self, _load_pid):
        with Daemon() as daemon:
            before, cpu = daemon.metrics(), daemon.process.cpu_seconds()

            def seen():
                time.sleep(SETTLE)
                after = daemon.metrics()
                return {"events": total(after, "tcpwatch_events_total") - total(before, "tcpwatch_events_total"),
                        "lost": total(after, "tcpwatch_events_lost_total"),
                        "cpu": daemon.process.cpu_seconds() - cpu}
            yield seen


class Tcpstates:
    name = "tcpstates"

    @contextlib.contextmanager
    def running(self, _load_pid):
        with tempfile.TemporaryFile("w+") as errors, \
                Process(TCPSTATES_ARGV, stdout=subprocess.DEVNULL, stderr=errors) as process:
            wait_until(process.bpf_programs, "tcpstates' program")
            time.sleep(SETTLE)
            cpu = process.cpu_seconds()

            def seen():
                time.sleep(SETTLE)
                process.check()
                errors.seek(0)
                lost = sum(int(n) for n in re.findall(r"lost (\d+) events", errors.read(), re.I))
                return {"lost": lost, "cpu": process.cpu_seconds() - cpu}
            yield seen


class PollingSs:
    """What a script around ss does: one look at all sockets each second."""
    name = "`ss -tan` each second"

    @contextlib.contextmanager
    def running(self, load_pid):
        with Process(["/bin/sh", "-c", "while :; do ss -tan; sleep 1; done"], namespace_of=load_pid,
                     stdout=subprocess.DEVNULL):
            yield lambda: {}


# Throughput.


def run_load(load, tool, seconds):
    """One run: connections per second, the processor time of a connection at both ends, and what the tool saw."""
    with contextlib.ExitStack() as stack:
        program = [f"{OUTPUT}/tests/bench/load", "--wait", "--seconds", str(seconds)]
        makers = [stack.enter_context(Process(program + arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
                  for arguments in LOADS[load]]
        for maker in makers:
            maker.read_json()
        with tool.running(makers[0].pid) as seen:
            time.sleep(SETTLE)
            for maker in makers:
                maker.popen.stdin.write("\n")
                maker.popen.stdin.flush()
            results = [maker.read_json() for maker in makers]
            sums = {key: sum(result[key] for result in results) for key in results[0]}
            run = {"rate": sums["per_second"], "connections": sums["connections"], "load cpu": sums["cpu_seconds"],
                   "transitions": sums["transitions"], **seen()}
    time.sleep(SETTLE)
    run["cost"] = (run["load cpu"] + run.get("cpu", 0)) / run["connections"]
    return run


def compare(load, tools, plan):
    """Each tool's runs in turns with runs without any: what share of the throughput it took, and what it saw."""
    nothing, results = [run_load(load, Nothing(), plan.seconds)], {tool.name: [] for tool in tools}
    for number in range(plan.rounds):
        say(f"load {load}: round {number + 1} of {plan.rounds}")
        for tool in tools:
            run = run_load(load, tool, plan.seconds)
            nothing.append(run_load(load, Nothing(), plan.seconds))
            rate, cost = (statistics.mean(other[key] for other in nothing[-2:]) for key in ("rate", "cost"))
            results[tool.name].append({"lost share": 1 - run["rate"] / rate, "added share": run["cost"] / cost - 1, **run})
    noise = [abs(1 - second["rate"] / first["rate"]) for first, second in zip(nothing, nothing[1:])]
    return statistics.median(run["rate"] for run in nothing), statistics.median(noise), results


def measure_throughput(load, tools, plan, rows):
    rate, noise, results = compare(load, tools, plan)
    own, tcpstates = results.pop("tcpwatch", None), results.get("tcpstates")
    rows.add(f"throughput lost, {load}, {rate:,.0f} connections/s without", own and shares(own, "lost share"), "≤ 2 %",
             *[f"{name} {shares(runs, 'lost share')}" for name, runs in results.items()],
             f"two runs without differ by {percent(noise)}")
    for figure, text, goal in ((f"processor time added to a connection, {load}", added, "–"),
                               (f"transitions lost, {load}", lost, "0"),
                               (f"CPU per transition, {load}", cpu, "≤ 0.4 µs")):
        rows.add(figure, own and text(own), goal, *([f"tcpstates {text(tcpstates)}"] if tcpstates else []))


def measure_programs(plan, rows):
    """The programs for transitions alone, attached and detached during one run: what the machine drifts by from one
    run to another is not in it."""
    say("load one by one: the programs in and out")
    load = [f"{OUTPUT}/tests/bench/load", "--ahead", "0", "--seconds", str(plan.part_seconds + 2)]
    with Process(load, stdout=subprocess.PIPE) as maker:
        maker.read_json()
        argv = [f"{OUTPUT}/tests/bench/attach", "--empty", f"{OUTPUT}/tests/bench/empty.bpf.o",
                "--seconds", str(plan.part_seconds)]
        with Process(argv, namespace_of=maker.pid, stdout=subprocess.PIPE) as process:
            rates = process.read_json()
        maker.read_json()
    none = rates.pop("none")
    lost = {name: likely([1 - rate / without for rate, without in zip(rates[name], none)]) for name in rates}
    rows.add("throughput lost to the programs alone, one by one, in and out every 18 ms", lost["transitions"], "–",
             f"a program that does nothing {lost['empty']}; two of them {lost['empty_pair']}; {len(none):,} rounds")


def added(runs):
    return shares(runs, "added share")


def lost(runs):
    transitions = sum(run["transitions"] for run in runs)
    unseen = sum(max(0, run["transitions"] - run["events"] - run["lost"]) for run in runs if "events" in run)
    text = f"{sum(run['lost'] for run in runs):,.0f} of {transitions:,}"
    return text + (f", and {unseen:,.0f} unseen" if unseen else "")


def cpu(runs):
    return f"{statistics.median(run['cpu'] / run['transitions'] for run in runs) * 1e6:.3f} µs"


def bpf_time(pid, plan):
    """Time in the BPF programs that a process holds, per transition."""
    before, run, after = bpf_programs(pid), run_load("one by one", Nothing(), plan.seconds), bpf_programs(pid)
    spent = sum(after[number][0] - before.get(number, (0, 0))[0] for number in after)
    return f"{spent / run['transitions']:.0f} ns"


def measure_bpf_time(plan, rows):
    own = peer = None
    say("time in BPF programs")
    with bpf_statistics():
        with BpfObject(f"{OUTPUT}/tests/bench/empty.bpf.o"):
            empty = bpf_time("self", plan)
        if DAEMON:
            with Daemon() as daemon:
                own = bpf_time(daemon.process.pid, plan)
        if TCPSTATES:
            with Process(TCPSTATES_ARGV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                wait_until(process.bpf_programs, "tcpstates' program")
                peer = bpf_time(process.pid, plan)
    rows.add("BPF time per transition", own, "≤ 150 ns", f"tcpstates {peer or 'not installed'}",
             f"a program that does nothing {empty}")


# The model alone.


def count_records(path):
    """The recording's end says it last, include/tcpwatch/record.h."""
    count = struct.Struct("=Q")
    with open(path, "rb") as file:
        file.seek(-count.size, os.SEEK_END)
        return count.unpack(file.read())[0]


def measure_model(plan, rows):
    if not DAEMON:
        return rows.add("model alone, replay of a recorded load", None, "–")
    say("replay of a recorded load")
    with tempfile.TemporaryDirectory(prefix="tcpwatch-bench-") as directory:
        recording = os.path.join(directory, "recording")
        with Daemon("--record", recording):
            run_load("both cores full", Nothing(), plan.seconds)
        records = count_records(recording)
        for what, config in (("model alone", os.devnull), ("model and shipped rules", f"{ROOT}/packaging/tcpwatchd.conf")):
            replay = [DAEMON, "--config", config, "--replay", recording]
            spent = statistics.median(command_times(replay, plan.repeats))
            rows.add(f"{what}, replay of a recorded load", f"{spent / records * 1e9:.0f} ns a record ({records:,})", "–")


# Many sockets.


def hold(sockets, close_wait):
    process = Process([f"{OUTPUT}/tests/bench/hold", "--sockets", str(sockets), "--close-wait", str(close_wait)],
                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        return process, process.read_json()
    except BaseException:
        process.end()
        raise


def command_times(argv, repeats, namespace_of=None):
    times = []
    with in_namespace_of(namespace_of) if namespace_of else contextlib.nullcontext():
        for _ in range(repeats):
            with Process(argv, stdout=subprocess.DEVNULL) as process:
                times.append(process.wait() - process.started)
    return times


def scrape_times(connect, repeats, keep):
    """Of GET /metrics, over one connection, or over a new one each."""
    times, connection = [], connect()
    connection.connect()
    for _ in range(repeats):
        start = time.monotonic()
        if not keep:
            connection.close()
            connection = connect()
        status, _ = get(connection, "/metrics")
        times.append(time.monotonic() - start)
        if status != 200:
            raise RuntimeError(f"/metrics answered {status}")
    connection.close()
    return times


def measure_node_exporter(pid, plan):
    """Scrapes and memory of node_exporter with nothing but tcpstat, in the namespace of the sockets."""
    if not NODE_EXPORTER:
        return {"scrape": "node_exporter not installed", "memory": "node_exporter not installed",
                "idle": "node_exporter not installed"}
    port = free_port()
    argv = [NODE_EXPORTER, "--collector.disable-defaults", "--collector.tcpstat",
            f"--web.listen-address=127.0.0.1:{port}"]
    with Process(argv, namespace_of=pid, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process, \
            in_namespace_of(pid):
        def connect():
            return http.client.HTTPConnection("127.0.0.1", port, timeout=30)

        def answers():
            process.check()
            with contextlib.suppress(ConnectionError):
                return get(connect(), "/")[0] == 200
        wait_until(answers, "node_exporter")
        before = process.cpu_seconds()
        times = scrape_times(connect, plan.slow_scrapes, keep=True)
        spent = (process.cpu_seconds() - before) / plan.slow_scrapes
        return {"scrape": f"node_exporter tcpstat {durations(times)}",
                "memory": f"node_exporter tcpstat {megabytes(process.memory()['VmRSS'])}",
                "idle": f"node_exporter tcpstat scraped every 15 s {percent(spent / 15, 2)}"}


def measure_ss(pid, plan):
    def ss(arguments, repeats):
        times = command_times(["ss", *arguments.split()], repeats, namespace_of=pid)
        return f"`ss {arguments}` {durations(times)}"

    start = time.monotonic()
    read_whole(f"/proc/{pid}/net/tcp")
    proc = time.monotonic() - start
    return {"all": ss("-tan", plan.slow_repeats),
            "proc": f"/proc/net/tcp {duration(proc)}",
            "close-wait": ss("-tan state close-wait", plan.repeats),
            "owners": ss("-tanp state close-wait", plan.slow_repeats)}


def start_time(expected):
    """The time from exec to counts that are right, and to /-/ready."""
    wanted = {state: expected[state] for state in ("established", "close_wait", "fin_wait2", "listen")}
    daemon = Daemon()

    def right():
        counts = daemon.counts(expected["netns"])
        return counts and all(counts[state] == count for state, count in wanted.items())
    seconds = daemon.wait_until(right, "counts right")
    with daemon:
        return seconds, daemon.ready_seconds


def idle_cell(daemon, seconds):
    start, before, cpu = time.monotonic(), daemon.metrics(), daemon.process.cpu_seconds()
    time.sleep(seconds)
    share = (daemon.process.cpu_seconds() - cpu) / (time.monotonic() - start)
    after = daemon.metrics()
    events, resyncs = (total(after, name) - total(before, name)
                       for name in ("tcpwatch_events_total", "tcpwatch_resyncs_total"))
    return f"{percent(share, 2)} (meanwhile {events:.0f} transitions, {resyncs:.0f} full resyncs)"


def owners_told(daemon):
    """Of how many CLOSE_WAIT connections the list says who holds them."""
    _, rows = get(UnixConnection(daemon.socket), "/v1/connections?state=close_wait")
    return sum(json.loads(row)["owner"]["kind"] != "unknown" for row in rows.splitlines())


def pass_cell(daemon):
    """Over all descriptors, for who holds what: the last one, which the start asked for or somebody now."""
    def made():
        return json.loads(get(UnixConnection(daemon.socket), "/v1/status")[1])["passes"]["count"]

    before = made()
    connection = UnixConnection(daemon.socket)
    connection.request("POST", "/v1/resync")
    connection.getresponse().read()
    daemon.wait_until(lambda: made() > before, "a pass over all descriptors")
    told = json.loads(get(UnixConnection(daemon.socket), "/v1/status")[1])["passes"]
    return (f"{duration(told['last_cpu_seconds'])} of processor time, {duration(told['last_seconds'])} "
            "from begin to end")


def memory_cell(memory, base, sockets):
    text = (f"{megabytes(memory['VmRSS'])} ({megabytes(memory['RssAnon'])} anonymous, "
            f"{megabytes(memory['RssFile'])} file), at most {megabytes(memory['VmHWM'])}")
    if sockets:
        text += f", {(memory['VmRSS'] - base['VmRSS']) / sockets:.0f} B a socket"
    return text


def measure_daemon(expected, base, plan):
    """All that is asked of tcpwatchd while so many sockets are there; the cells of its column, by row."""
    starts = [start_time(expected) for _ in range(plan.slow_repeats)]
    cells = {"start": f"{duration(statistics.median(right for right, _ in starts))} "
                      f"(ready {duration(statistics.median(ready for _, ready in starts))})"}
    with Daemon() as daemon:
        daemon.wait_until(lambda: daemon.counts(expected["netns"]), "namespace known")
        time.sleep(2)
        cells["idle"] = idle_cell(daemon, plan.idle_seconds)
        cells["memory"] = memory_cell(daemon.process.memory(), base, expected["sockets"])
        cells["scrape"] = (f"{durations(scrape_times(daemon.http, plan.scrapes, keep=True))}; a connection each: "
                           f"{durations(scrape_times(daemon.http, plan.scrapes, keep=False))}")
        cells["states"] = durations(command_times(daemon.ctl("states"), plan.repeats))
        close_wait = command_times(daemon.ctl("list", "--state", "close_wait"), plan.repeats)
        cells["close-wait"] = (f"{durations(close_wait)} (the first {duration(close_wait[0])}), "
                               f"{owners_told(daemon):,} with their owner")
        cells["pass"] = pass_cell(daemon)
    return cells


def base_memory():
    with Daemon() as daemon:
        time.sleep(2)
        daemon.metrics()
        return daemon.process.memory()


def measure_sockets(sockets, close_wait, base, plan, rows):
    say(f"{sockets:,} sockets: opening")
    process, expected = hold(sockets, close_wait)
    with process:
        say(f"{sockets:,} sockets: tcpwatch")
        own = measure_daemon(expected, base, plan) if DAEMON else {}
        say(f"{sockets:,} sockets: peers")
        ss, exporter = measure_ss(process.pid, plan), measure_node_exporter(process.pid, plan)
    many = sockets > REACH["few"]
    limit = megabytes(10e6 + 80 * expected["sockets"])
    rows.add(f"/metrics, {sockets:,} sockets", own.get("scrape"), "≤ 2 ms", exporter["scrape"])
    rows.add(f"resident memory, {sockets:,} sockets", own.get("memory"), f"≤ {limit}", exporter["memory"])
    rows.add(f"from exec to right counts, {sockets:,} sockets", own.get("start"), "≤ 1 s", ss["all"])
    rows.add(f"`tcpwatchctl states`, {sockets:,} sockets", own.get("states"), "–", ss["all"], ss["proc"])
    rows.add(f"`list --state close_wait`, {close_wait:,} of {sockets:,}", own.get("close-wait"),
             "≤ 60 ms" if many else "–", ss["close-wait"], f"with owners: {ss['owners']}")
    rows.add(f"a pass over all descriptors, {sockets:,} sockets", own.get("pass"), "≤ 250 ms" if many else "–",
             f"with owners: {ss['owners']}")
    rows.add(f"idle CPU, {sockets:,} sockets", own.get("idle"), "≤ 0.5 %", exporter["idle"])


def document(rows, plan, started, others):
    note = f"Not a quiet machine: {others} other BPF programs at tracepoints.\n\n" if others else ""
    return f"""# Figures

Made by `make bench`, {datetime.date.today().isoformat()}, on {describe()}; {time.monotonic() - started:.0f} s in all.

{note}{rows.table()}

Loads: two threads on loopback, a server and a client: connect, one byte each way, close, ten transitions. "One by one" is
one such pair with one connection at a time; "both cores full" is two pairs, each with 16 connections under way. A run takes
{plan.seconds} s; throughput lost is the median (and the quartiles) over {plan.rounds} runs, each against the mean of the runs without any tool
right before and after it. The programs alone, those of `bpf/transitions.bpf.c` without the daemon, are attached and
detached during one run, in random order with programs that do nothing, which is less at the mercy of the machine's
drift: the median over all rounds, and where it is with 95 % of certainty. Processor time added is that of the load and
the tool together, for a connection, compared as throughput is: it suffers less from other work on the machine. CPU per
transition is that of the whole daemon; BPF time is the kernel's own count, which includes the counting: see the program
that does nothing. Memory is resident memory as the kernel counts it, and at most what it ever was. The times of /metrics
include the Python client's part, those of commands their start.

Floods: two threads send SYNs from random addresses through a veth pair, as fast as they can, to one listener with SYN
cookies; those handled are the segments that the receiving namespace's kernel counts. Compared as above. The hook alone,
the program of `bpf/syn.bpf.c` without the daemon, is put in and taken out in the same way during one flood. A tick is
twice a second; its cost is the daemon's whole processor time for as long, scans and timers included.
"""


def measure(plan, rows):
    tools = [tool for tool, found in ((Tcpwatch(), DAEMON), (Tcpstates(), TCPSTATES)) if found]
    measure_throughput("one by one", [*tools, PollingSs()], plan, rows)
    measure_throughput("both cores full", tools, plan, rows)
    measure_programs(plan, rows)
    measure_bpf_time(plan, rows)
    measure_model(plan, rows)
    base = base_memory() if DAEMON else None
    rows.add("resident memory, no sockets but the machine's own", base and memory_cell(base, base, 0), "≤ 10 MB")
    measure_sockets(REACH["few"], 300, base, plan, rows)
    sockets = min(REACH["sockets"], available_memory() // SOCKET_COST // 1000 * 1000)
    measure_sockets(sockets, min(REACH["close_wait"], sockets // 2), base, plan, rows)
    floods.measure(plan, rows)
    alerts.measure(plan, rows)


def stop(number, _frame):
    raise SystemExit(f"bench: ended by {signal.Signals(number).name}")


def main():
    parser = argparse.ArgumentParser(description="Measures tcpwatch beside its peers and prints a table.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs: figures are coarse")
    parser.add_argument("--write", action="store_true", help="put the table into tests/bench/RESULTS.md too")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("root is needed: for network namespaces, and for the daemon")
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, stop)
    signal.alarm(TIME_LIMIT)
    plan, rows, started = Plan(options.quick), Rows(), time.monotonic()
    others = tracepoint_programs()
    measure(plan, rows)
    text = document(rows, plan, started, max(others, tracepoint_programs()))
    print(text)
    if options.write:
        with open(RESULTS, "w") as file:
            file.write(text)


if __name__ == "__main__":
    main()
