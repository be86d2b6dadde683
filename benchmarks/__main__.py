# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure, print the tables, draw the plot: python -m benchmarks [--only maintenance] [--long] [--page]

Results are kept in .cache/bench/results.json; --saved makes tables and plot of those, and measures nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

from benchmarks.control_plane import plane_of
from benchmarks.maintenance import TITLES, run_turn
from benchmarks.page import busy_rows, comparison_rows, growth_rows, maintenance_rows, page
from benchmarks.results import Results, load
from benchmarks.runs import (
    BUSY_CONTENDERS,
    BUSY_SIZE,
    CONTENDERS,
    HERE,
    WORK,
    Contender,
    python_of_clients,
    run_contender,
    run_module,
    version_of,
)
from tools.paths import CHECKOUT

SIZES = (100, 1_000, 10_000)
GROWTH = (1_000, 10_000, 50_000)
MAINTENANCE = (2_400, 10_000)
PARTS = ("compare", "growth", "busy", "maintenance")
SAVED = WORK / "results.json"
PAGE = CHECKOUT / "docs" / "docsite" / "rst" / "guide_speed.rst"
PLOT = CHECKOUT / "docs" / "speed.svg"
# Runs of what takes minutes.
FEW = 2
# A contender that has taken so many seconds at one size is not run again at it.
LONG = 20.0


def numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",") if word]


def machine() -> str:
    python = f"Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {python}, {version_of('ansible-playbook')}"


def compare(
    results: Results, sizes: list[int], repeat: int, contenders: list[Contender], is_long: bool
) -> None:
    """Measure them in turns, so that a machine that slows down slows all of them down."""
    python_of_clients()
    for size in sizes:
        with plane_of(size, WORK) as control_plane:
            for turn in range(repeat):
                for contender in contenders:
                    runs = results.runs.setdefault(contender.key, {}).setdefault(size, [])
                    most = contender.most_long if is_long else contender.most
                    if size > most or sum(run.cost.seconds for run in runs) > LONG:
                        continue
                    runs.append(run_contender(contender, control_plane))
                    print(
                        f"{size:>6} ids, {turn + 1}: {runs[-1].cost.seconds:8.2f} s  {contender.title}",
                        flush=True,
                    )


def grow(results: Results, sizes: list[int], repeat: int) -> None:
    for size in sizes:
        with plane_of(size, WORK) as control_plane:
            # One run of the largest number takes as long as several of the others.
            for _turn in range(repeat if size <= SIZES[-1] else 1):
                run = run_module(control_plane, concurrency=8)
                results.alone.setdefault(size, []).append(run)
                print(f"{size:>6} ids: {run.cost}, {run.requests} requests", flush=True)


def compare_busy(results: Results, size: int, repeat: int) -> None:
    """Measure fixed values and none against a busy control plane."""
    with plane_of(size, WORK, is_busy=True) as control_plane:
        for _turn in range(min(repeat, FEW)):
            for contender in BUSY_CONTENDERS:
                run = run_contender(contender, control_plane)
                results.busy.setdefault(contender.key, []).append(run)
                print(f"busy, {size} ids: {run.cost.seconds:8.2f} s  {contender.title}", flush=True)


def maintain(results: Results, sizes: list[int], repeat: int) -> None:
    """Measure both ways in turns."""
    for size in sizes:
        with plane_of(size, WORK) as control_plane:
            for _turn in range(repeat if size < SIZES[-1] else min(repeat, FEW)):
                for key, run in run_turn(control_plane).items():
                    results.maintenance.setdefault(key, {}).setdefault(size, []).append(run)
                    print(f"{size:>6} ids: {run.cost.seconds:8.2f} s  {TITLES[key]}", flush=True)


def draw(saved: Path) -> None:
    """The plotting library is where the other clients are, apart from the development environment."""
    subprocess.run([str(python_of_clients()), str(HERE / "plot.py"), str(saved), str(PLOT)], check=True)


def show(rows: list[list[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()


def measure_parts(options: argparse.Namespace) -> Results:
    """Measure the parts that are asked for, and keep what was measured until an error."""
    results, repeat = Results(machine()), options.repeat
    keys = [word for word in options.contenders.split(",") if word]
    contenders = [one for one in CONTENDERS if not keys or one.key in keys]
    parts: dict[str, Callable[[], None]] = {
        "compare": lambda: compare(results, options.sizes, repeat, contenders, options.long),
        "growth": lambda: grow(results, options.growth, min(repeat, FEW)),
        "busy": lambda: compare_busy(results, options.busy, repeat),
        "maintenance": lambda: maintain(results, options.maintenance, repeat),
    }
    try:
        for part in options.only.split(","):
            parts[part]()
    finally:
        results.save(SAVED)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Compare, as ratios.")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}, with commas")
    parser.add_argument("--long", action="store_true", help="also what takes long, half an hour in all")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each, of which the median counts")
    parser.add_argument("--sizes", type=numbers, default=list(SIZES), help="numbers of ids to compare at")
    parser.add_argument("--growth", type=numbers, default=list(GROWTH), help="and for the module by itself")
    parser.add_argument("--busy", type=int, default=BUSY_SIZE, help="and for a busy control plane")
    parser.add_argument(
        "--maintenance", type=numbers, default=list(MAINTENANCE), help="and for a maintenance"
    )
    parser.add_argument("--contenders", default="", help="keys of what is compared, with commas")
    parser.add_argument("--saved", action="store_true", help="measure nothing, take what was kept")
    parser.add_argument(
        "--page", action="store_true", help="write the page of the documentation and the plot"
    )
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    results = load(SAVED) if options.saved else measure_parts(options)
    for rows in (comparison_rows, growth_rows, busy_rows, maintenance_rows):
        table = rows(results)
        if len(table) > 1:
            show(table)
    if options.page:
        PAGE.write_text(page(results))
        draw(SAVED)


if __name__ == "__main__":
    main()
