# SPDX-License-Identifier: GPL-2.0-or-later
"""tcpwatch-metrics(7) has the labels that the metrics are served with; that it has the metrics, tests/check sees to."""

import re

from daemon import ROOT

PAGE = ROOT / "packaging/man/tcpwatch-metrics.7"
SUFFIXES = re.compile(r"_(bucket|sum|count)$")


def test_labels(make_daemon):
    told = {
        name: set(labels.replace(" ", "").split(",")) - {""}
        for name, labels in re.findall(r"^\.It Va (\w+)(?: Ns Brq (.*))?$", PAGE.read_text(), re.M)}
    daemon = make_daemon(metrics={"compat": "node_exporter"}).start()
    served = {}
    for name, labels in daemon.metrics():
        name = name if name in told else SUFFIXES.sub("", name)
        served.setdefault(name, set()).update(label for label, _ in labels)
    assert len(served) > 30
    for name, labels in served.items():
        assert told[name] == labels - {"le"}, name
