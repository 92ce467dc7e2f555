# SPDX-License-Identifier: GPL-2.0-or-later
"""What no event tells is right after a quiet second with the budget that the daemon is shipped with, too; all other
tests run with a hundred times as much (see daemon.py). The tests are those of other files."""

import json
import re

import pytest

from test_half_open import test_completed, test_expired, test_given_up_by_the_client
from test_load import test_several_namespaces
from test_loss import small, test_ring_overflow
from test_minisockets import test_limited_time_wait, test_orphan_ends_when_the_peer_closes, test_orphan_expires
from test_older import test_all_states
from test_states import test_all_at_once

PRESET = "0.5%"


@pytest.fixture
def make_daemon(make_daemon):
    """As for the others, but for the budget."""
    def make(**settings):
        return make_daemon(**{"resync_budget": PRESET, **settings})
    return make


def test_preset(daemon):
    """It is what all of these run with, and what a daemon has that is told nothing."""
    assert json.loads(daemon.control("/v1/config").body)["daemon"]["resync_budget"] == PRESET
    daemon.config.write_text(re.sub("resync_budget.*", "", daemon.config.read_text()))
    assert daemon.control("/v1/reload", "POST").status == 200
    assert json.loads(daemon.control("/v1/config").body)["daemon"]["resync_budget"] == PRESET
