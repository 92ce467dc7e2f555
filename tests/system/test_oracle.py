# SPDX-License-Identifier: GPL-2.0-or-later
"""The tests' own means: they wait longer where they are told to, and say how long they did."""

import os
import subprocess
import sys

import pytest

from netns import HERE

WAIT = """
import oracle
try:
    oracle.wait_for(lambda: False, 0.1)
except AssertionError as error:
    print(error)
"""


@pytest.mark.parametrize("patience, seconds", [("", "0.1"), ("5", "0.5")])
def test_patience(patience, seconds):
    env = {name: value for name, value in os.environ.items() if name != "TCPWATCH_PATIENCE"}
    env.update({"TCPWATCH_PATIENCE": patience} if patience else {})
    done = subprocess.run([sys.executable, "-c", WAIT], cwd=HERE, env=env, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == f"not within {seconds} s: False\n"
