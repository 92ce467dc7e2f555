#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the documents name is what the programs have: configuration keys, commands, states, version, make's targets."""
import re
import subprocess
import tempfile

import tree

OUT = tree.ROOT / ".output"
CONFIGURATION = "packaging/tcpwatchd.conf"
README = "README.md"


def read(path):
    return (tree.ROOT / path).read_text()


def run(program, *arguments):
    return subprocess.run([OUT / program, *arguments], check=True, stdout=subprocess.PIPE, text=True, timeout=10).stdout


def key_lines(text, comment):
    """["[section]", "key = value", …], of lines that start with the comment sign or are sections."""
    pattern = rf"^(?:(\[[^\]]+\])|{comment}([a-z_]+ = .*))$"
    return [section or key for section, key in re.findall(pattern, text, re.M)]


def check_configuration(complaints):
    """The shipped file, uncommented, is what the daemon says its presets are, key by key and in the same order."""
    presets = key_lines(run("tcpwatchd", "--config", "/dev/null", "--print-config"), "")
    shipped = [line for line in key_lines(read(CONFIGURATION), "#") if not re.match(r"\[\w+ ", line)]
    for line in presets:
        if line not in shipped:
            complaints.append(f"{CONFIGURATION}: a line \"{'' if line[0] == '[' else '#'}{line}\" is missing")
    for line in shipped:
        if line not in presets:
            complaints.append(f"{CONFIGURATION}: \"{line}\" is not among the daemon's presets")
    if not complaints and presets != shipped:
        complaints.append(f"{CONFIGURATION}: the keys stand in another order than --print-config has")
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as everything:
        everything.write("\n".join(shipped) + "\n")
        everything.flush()
        for file in (tree.ROOT / CONFIGURATION, everything.name):
            done = subprocess.run([OUT / "tcpwatchd", "--check-config", "--config", file], stderr=subprocess.PIPE, text=True)
            if done.returncode:
                complaints.append(f"{CONFIGURATION}: --check-config refuses it: {done.stderr.strip()}")


def check_examples(complaints):
    """The sections that stand in the shipped file as examples, an indented comment each, are accepted."""
    blocks = re.findall(r"^#   (\[\w+ [^\]]+\])\n((?:#   .*\n)+)", read(CONFIGURATION), re.M)
    if not blocks:
        complaints.append(f"{CONFIGURATION}: no example of a named section")
    for section, lines in blocks:
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as example:
            example.write(section + "\n" + re.sub(r"^#   ", "", lines, flags=re.M))
            example.flush()
            done = subprocess.run(
                [OUT / "tcpwatchd", "--check-config", "--config", example.name], stderr=subprocess.PIPE, text=True)
        if done.returncode:
            complaints.append(f"{CONFIGURATION}: the example {section} is refused: {done.stderr.strip()}")


def check_commands(complaints):
    """README names each command of tcpwatchctl, and no other."""
    source = "\n".join(path.read_text() for path in tree.files(".c", under=["daemon/ctl"]))
    table = re.search(r"struct command commands\[\] = \{(.*?)\n\};", source, re.S)
    commands = set(re.findall(r'^\t\{"([a-z]+)"', table.group(1), re.M)) if table else set()
    named = set(re.findall(r"tcpwatchctl (?:--[a-z]+ )*([a-z]+)", read(README)))
    if not commands:
        complaints.append("daemon/ctl: no table `struct command commands[]` found")
    complaints += [f"{README}: the command `tcpwatchctl {c}` is not named" for c in sorted(commands - named)]
    complaints += [f"{README}: there is no command `tcpwatchctl {c}`" for c in sorted(named - commands)]


def check_states(complaints):
    """The states of the contract are the kernel's, in number and name, and README has their labels."""
    contract = re.findall(r"X\((\d+), (\w+), \"(\w+)\"\)", read("include/tcpwatch/tcp_state.h"))
    with open("/usr/include/linux/bpf.h", encoding="utf-8") as header:
        enum = re.search(r"BPF_TCP_ESTABLISHED = 1,(.*?)BPF_TCP_NEW_SYN_RECV", header.read(), re.S).group(1)
    kernel = ["ESTABLISHED"] + re.findall(r"BPF_TCP_(\w+)", enum)
    if [(int(number), state) for number, state, _ in contract] != list(enumerate(kernel, 1)):
        complaints.append("include/tcpwatch/tcp_state.h: not the numbers and names of <linux/bpf.h>")
    for _, state, label in contract:
        if label != state.lower():
            complaints.append(f"include/tcpwatch/tcp_state.h: the label of {state} is \"{label}\"")
        if f"`{label}`" not in read(README):
            complaints.append(f"{README}: the state `{label}` is not named")


def check_version(complaints):
    version = re.search(r'#define TW_VERSION "(.*)"', read("include/tcpwatch/control.h")).group(1)
    if not re.search(rf"^tcpwatch {re.escape(version)}\b", read("NEWS"), re.M):
        complaints.append(f"NEWS: nothing about version {version}")


def check_targets(complaints):
    """Each `make TARGET` of README is one."""
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.M))
    for target in set(re.findall(r"\bmake ([a-z-]+)`", read(README))) - targets:
        complaints.append(f"{README}: `make {target}` is not a target")


def main():
    complaints = []
    for check in (check_configuration, check_examples, check_commands, check_states, check_version, check_targets):
        check(complaints)
    tree.finish(complaints)


main()
