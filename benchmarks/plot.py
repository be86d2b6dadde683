# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds by number of ids, a line a contender: python plot.py RESULTS.json PLOT.svg"""

from __future__ import annotations

import json
import sys
from statistics import median

import matplotlib  # type: ignore[import-not-found]

matplotlib.use("svg")
from matplotlib import pyplot

# The colours of Okabe and Ito, which all eyes can tell apart.
LINES = {
    "uri": ("ansible.builtin.uri, batches of 100", "#D55E00", "s"),
    "runapy": ("runapy, one call after another", "#E69F00", "^"),
    "module 4": ("runai_workload_batch, concurrency 4", "#56B4E9", "o"),
    "module 8": ("runai_workload_batch, concurrency 8", "#0072B2", "o"),
    "module 16": ("runai_workload_batch, concurrency 16", "#CC79A7", "o"),
    "floor": ("asyncio client, 8 in flight", "#009E73", "v"),
    "empty": ("an empty play", "#999999", "x"),
}


def draw(results: str, plot: str) -> None:
    with open(results, encoding="utf-8") as file:
        runs = json.load(file)["runs"]
    # Text stays text, and the same numbers make the same file.
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "speed", "font.family": "sans-serif"})
    figure, axes = pyplot.subplots(figsize=(7, 4.2))
    for key, (title, colour, marker) in LINES.items():
        points = sorted(
            (int(size), median(run["cost"]["seconds"] for run in some))
            for size, some in runs.get(key, {}).items()
        )
        if points:
            sizes, seconds = zip(*points, strict=True)
            axes.plot(sizes, seconds, label=title, color=colour, marker=marker, markersize=5)
    axes.set(xscale="log", yscale="log", xlabel="workloads", ylabel="seconds")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(plot, metadata={"Date": None})


if __name__ == "__main__":
    draw(sys.argv[1], sys.argv[2])
