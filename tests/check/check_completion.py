#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each shell, asked at some places of a command line, offers the commands, options and words that tcpwatchctl takes."""
import os
import re
import shutil
import subprocess

import tree

OUT = tree.ROOT / ".output"
COMPLETION = tree.ROOT / "packaging/completion"

# Each takes the line as its first argument, and prints a word a line.
BASH = f"""
source /usr/share/bash-completion/bash_completion
source {COMPLETION}/tcpwatchctl.bash
COMP_LINE=$1 COMP_POINT=${{#1}}
read -ra COMP_WORDS <<<"$1"
[[ $1 == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_tcpwatchctl tcpwatchctl
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = f"source {COMPLETION}/tcpwatchctl.fish; complete -C $argv[1] | string replace --regex '\\t.*' ''"
# zsh completes on a terminal only: here its helpers print what they are given, and match no prefix
ZSH = f"""
_call_program() {{ shift; "$@" }}
_describe() {{ print -l -- ${{(P)2}} | sed 's/:.*//' }}
_message() {{ }}
_files() {{ print -l -- $PREFIX*(N) }}
compadd() {{ [[ $1 == -a ]] && print -l -- ${{(P)2}} || print -l -- "$@" }}
words=(${{=1}}); [[ $1 == *' ' ]] && words+=('')
CURRENT=${{#words}} PREFIX=${{words[-1]}}
source {COMPLETION}/tcpwatchctl.zsh
"""
SHELLS = {"bash": ("-c", BASH, "bash"), "fish": ("-c", FISH), "zsh": ("-f", "-c", ZSH, "zsh")}


def run(*argv):
    env = {**os.environ, "PATH": f"{OUT}:{os.environ['PATH']}", "HOME": "/nonexistent"}
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30, env=env,
                          cwd=tree.ROOT, check=False).stdout


def offered(shell, line):
    return {word.rstrip("/") for word in run(shell, *SHELLS[shell], line).splitlines() if word}


def options(*command):
    return set(re.findall(r"^  (--[a-z-]+)", run("tcpwatchctl", *command, "--help"), re.M))


def words_of(option, *command):
    """Those that an option takes: the help has them in lines of their own below it."""
    block = re.search(rf"^  --{option} .*\n((?: {{4,}}.*\n)+)", run("tcpwatchctl", *command, "--help"), re.M)
    return set(block[1].splitlines()[-1].split()) if block else {"no words in the help"}


def expectations():
    commands = set(re.findall(r"^  ([a-z]+) ", run("tcpwatchctl", "--help"), re.M))
    contract = (tree.ROOT / "include/tcpwatch/tcp_state.h").read_text()
    states = set(re.findall(r'X\(\d+, \w+, "(\w+)"\)', contract))
    topics = set(re.findall(r"^([a-z0-9]\S*) ", run("tcpwatchctl", "explain"), re.M))
    found = {
        "tcpwatchctl ": commands,
        "tcpwatchctl --json ": commands,
        "tcpwatchctl --": options(),
        "tcpwatchctl list --state ": states,
        "tcpwatchctl list --sort ": {"age"},
        "tcpwatchctl top --by ": words_of("by", "top"),
        "tcpwatchctl list --port ": set(),
        "tcpwatchctl explain ": topics,
        "tcpwatchctl --socket packaging/install-de": {"packaging/install-deps"},
    }
    for command in commands:
        found[f"tcpwatchctl {command} --"] = options(command)
    return found


def main():
    complaints = []
    expected = expectations()
    for shell in SHELLS:
        if not shutil.which(shell):
            complaints.append(f"{shell} is missing; sudo make deps installs it")
            continue
        for line, words in expected.items():
            found = offered(shell, line)
            if words != found:
                complaints.append(f"packaging/completion/tcpwatchctl.{shell}: after \"{line}\":"
                                  f" missing {sorted(words - found)}, not wanted {sorted(found - words)}")
    tree.finish(complaints)


main()
