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

# Colour and marker. The colours are those of Okabe and Ito, which all eyes can tell apart.
LINES = {
    "uri": ("#D55E00", "s"),
    "runapy": ("#E69F00", "^"),
    "module": ("#000000", "D"),
    "module 4": ("#56B4E9", "o"),
    "module 8": ("#0072B2", "o"),
    "module 16": ("#CC79A7", "o"),
    "floor": ("#009E73", "v"),
    "empty": ("#999999", "x"),
}


def draw(results: str, plot: str) -> None:
    with open(results, encoding="utf-8") as file:
        saved = json.load(file)
    # Text stays text, and the same numbers make the same file.
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "speed", "font.family": "sans-serif"})
    figure, axes = pyplot.subplots(figsize=(7, 4.2))
    for key, (colour, marker) in LINES.items():
        points = sorted(
            (int(size), median(run["cost"]["seconds"] for run in some))
            for size, some in saved["runs"].get(key, {}).items()
            if some
        )
        if points:
            sizes, seconds = zip(*points, strict=True)
            axes.plot(sizes, seconds, label=saved["titles"][key], color=colour, marker=marker, markersize=5)
    axes.set(xscale="log", yscale="log", xlabel="workloads", ylabel="seconds")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(plot, metadata={"Date": None})


if __name__ == "__main__":
    draw(sys.argv[1], sys.argv[2])
