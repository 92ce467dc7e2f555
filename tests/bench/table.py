# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures as text, and the table of them."""

import statistics

from daemon import say


def percent(share, digits=1):
    return f"{share * 100:.{digits}f} %"


def shares(runs, key):
    """Median and quartiles of a share."""
    low, middle, high = statistics.quantiles([run[key] for run in runs], n=4, method="inclusive")
    return f"{percent(middle)} ({percent(low)} to {percent(high)})"


def likely(values):
    """The median of shares, and where it is with 95 % of certainty: between two of them, by the binomial distribution
    of how many are below it."""
    ordered, half = sorted(values), 0.98 * len(values) ** 0.5
    low, high = (ordered[round((len(values) - 1) / 2 + side * half)] for side in (-1, 1))
    return f"{percent(statistics.median(ordered))} (95 %: {percent(low)} to {percent(high)})"


def duration(seconds):
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def durations(times):
    """The median, and the 99th percentile where there are enough."""
    ordered = sorted(times)
    text = duration(statistics.median(ordered))
    if len(ordered) >= 20:
        text += f", p99 {duration(ordered[int(len(ordered) * 0.99)])}"
    return text


def megabytes(size):
    return f"{size / 1e6:.1f} MB"


class Rows:
    HEAD = ("figure", "tcpwatch", "goal", "peers in the same run")

    def __init__(self):
        self.rows = []

    def add(self, figure, own, goal, *peers):
        self.rows.append((figure, own or "not built", goal, "; ".join(peers) or "–"))
        say(" | ".join(self.rows[-1]))

    def table(self):
        rows = [self.HEAD, *self.rows]
        widths = [max(len(row[column]) for row in rows) for column in range(len(self.HEAD))]
        lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join(lines)
