#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual pages are sound, and each key, option, command, metric and state that there is stands in its page."""
import re
import shutil
import subprocess
import tempfile

import tree

OUT = tree.ROOT / ".output"
MAN = tree.ROOT / "packaging/man"
# Sections that there need not be: what else than these lines --print-config then shows are presets.
NAMED = """\
[alert NAME]
state = close_wait
above = 1
[sink NAME]
type = journal
"""
# A section of the configuration may have a name of the user's: the page calls it NAME.
NAMED_SECTION = re.compile(r"\[(\w+) [^\]]+\]")


def run(program, *arguments):
    return subprocess.run(
        [OUT / program, *arguments], check=True, stdout=subprocess.PIPE, text=True, timeout=10).stdout


def page(name):
    """The text of a page, a line that goes on in the next put together with it."""
    return (MAN / name).read_text().replace("\\\n", "")


def compare(name, kind, there, told, complaints):
    complaints += [f"packaging/man/{name}: the {kind} {item} is missing" for item in sorted(there - told)]
    complaints += [f"packaging/man/{name}: there is no {kind} {item}" for item in sorted(told - there)]


def check_sound(complaints):
    if not shutil.which("mandoc"):
        complaints.append("mandoc is missing; sudo make deps installs it")
        return
    for path in sorted(MAN.glob("*.[1-8]")):
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], stdout=subprocess.PIPE, text=True)
        complaints += [f"packaging/man/{line.partition('man/')[2]}" for line in done.stdout.splitlines()]
        # a name of another page of ours that is not there
        for referred, section in re.findall(r"^\.Xr (tcpwatch\S*) (\d)", path.read_text(), re.M):
            if not (MAN / f"{referred}.{section}").exists():
                complaints.append(f"{tree.name(path)}: there is no {referred}({section})")


def options_of(program, *command):
    return set(re.findall(r"^  --([a-z-]+)", run(program, *command, "--help"), re.M))


def check_daemon(complaints):
    """tcpwatchd(8): its options."""
    told = set(re.findall(r"^\.It Fl -([a-z-]+)", page("tcpwatchd.8"), re.M))
    compare("tcpwatchd.8", "option", options_of("tcpwatchd"), told, complaints)


def check_ctl(complaints):
    """tcpwatchctl(1): the commands with their options, and each option once with its meaning."""
    text = page("tcpwatchctl.1")
    heads = dict(re.findall(r"^\.It Ic ([a-z]+)(.*)$", text, re.M))
    commands = set(re.findall(r"^  ([a-z]+) ", run("tcpwatchctl", "--help"), re.M))
    compare("tcpwatchctl.1", "command", commands, set(heads), complaints)
    everywhere = options_of("tcpwatchctl")
    every = set(everywhere)
    for command in commands & set(heads):
        own = options_of("tcpwatchctl", command) - everywhere
        compare("tcpwatchctl.1", f"option of {command},", own, set(re.findall(r"Fl -([a-z-]+)", heads[command])),
                complaints)
        every |= own
    compare("tcpwatchctl.1", "option", every, set(re.findall(r"^\.It Fl -([a-z-]+)", text, re.M)), complaints)


def presets():
    """{"[section] key = value", …} of all that a configuration can say."""
    found, section = set(), None
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as named:
        named.write(NAMED)
        named.flush()
        printed = run("tcpwatchd", "--config", named.name, "--print-config")
    for line in printed.splitlines():
        if line.startswith("["):
            section = NAMED_SECTION.sub(r"[\1 NAME]", line)
        elif line and line not in NAMED.splitlines():
            found.add(f"{section} {line}")
    return found


def check_configuration(complaints):
    """tcpwatchd.conf(5): the keys with their presets."""
    told, section = set(), None
    for line in page("tcpwatchd.conf.5").splitlines():
        if line.startswith(".Ss ["):
            section = line[4:]
        elif key := re.match(r"\.It Ic (\w+ )No = ?(.*)", line):
            told.add(f"{section} {key[1]}= {key[2]}".rstrip())
    compare("tcpwatchd.conf.5", "line", presets(), told, complaints)
    # those without a preset too
    source = "\n".join(path.read_text() for path in sorted((tree.ROOT / "daemon").glob("settings*.c")))
    named = set(re.findall(r"^\.It Ic (\w+)", page("tcpwatchd.conf.5"), re.M))
    compare("tcpwatchd.conf.5", "key", set(re.findall(r'(?:\.key = |ROW\()"(\w+)"', source)), named, complaints)


def check_metrics(complaints):
    """tcpwatch-metrics(7): the families, by the names that they are served with."""
    there = set()
    for path in tree.files(".c", under=["daemon/serve"]):
        for name, kind in re.findall(r'\{"((?:tcpwatch|process|node)_\w+)",\s+([A-Z_]+),', path.read_text()):
            there.add(f"{name}_total" if kind == "EXPOSITION_COUNTER" else name)
    told = set(re.findall(r"^\.It Va (\w+)", page("tcpwatch-metrics.7"), re.M))
    compare("tcpwatch-metrics.7", "metric", there, told, complaints)


def check_states(complaints):
    contract = (tree.ROOT / "include/tcpwatch/tcp_state.h").read_text()
    there = set(re.findall(r'X\(\d+, \w+, "(\w+)"\)', contract))
    told = set(re.findall(r"^\.It Cm (\w+)", page("tcpwatch-states.7"), re.M))
    compare("tcpwatch-states.7", "state", there, told, complaints)


def main():
    complaints = []
    for check in (check_sound, check_daemon, check_ctl, check_configuration, check_metrics, check_states):
        check(complaints)
    tree.finish(complaints)


main()
