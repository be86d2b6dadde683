# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as tables, and as the page of the documentation."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from benchmarks.control_plane import BUSY_ABOVE, LATENCY, LATENCY_PER_ID
from benchmarks.maintenance import STEPS, TITLES
from benchmarks.results import Results
from benchmarks.runs import BUSY_CONTENDERS, BUSY_SIZE, CONTENDERS

# What the times are compared with, by the heading of the column.
_REFERENCES = {
    "To floor and empty play": ("floor", "empty"),
    "To floor and ping": ("floor", "ping"),
    "To the module": ("module 8",),
}
_TEMPLATE = Path(__file__).with_name("page.rst")


def comparison_rows(results: Results) -> list[list[str]]:
    """A heading, then a row for each number of ids and contender."""
    rows = [["Workloads", "What", "Seconds", *_REFERENCES, "Requests", "Runs"]]
    for size in results.sizes:
        for contender in CONTENDERS:
            runs = results.runs.get(contender.key, {}).get(size)
            if not runs:
                continue
            seconds = median(run.cost.seconds for run in runs)
            rows.append(
                [
                    f"{size:,}",
                    contender.title,
                    f"{seconds:.2f}",
                    *(
                        _ratio(results.ratio(contender.key, size, *references) if contender.acts else None)
                        for references in _REFERENCES.values()
                    ),
                    str(runs[-1].requests),
                    str(len(runs)),
                ]
            )
    return rows


def busy_rows(results: Results) -> list[list[str]]:
    """A heading, then a row for each contender against the busy control plane."""
    rows = [["What", "Seconds", "To the best fixed value", "Requests", "Runs"]]
    seconds = results.busy_seconds()
    fixed = [seconds[key] for key in seconds if key != "module"]
    for contender in BUSY_CONTENDERS:
        if contender.key in seconds:
            took, runs = seconds[contender.key], results.busy[contender.key]
            ratio = _ratio(took / min(fixed) if fixed else None)
            rows.append([contender.title, f"{took:.2f}", ratio, str(runs[-1].requests), str(len(runs))])
    return rows


def maintenance_rows(results: Results) -> list[list[str]]:
    """A heading, then a row for each number of ids and step."""
    rows = [["Workloads", "What", "Seconds", "To the batch module", "Memory, MB", "Requests", "Runs"]]
    for size in sorted({size for runs in results.maintenance.values() for size in runs}):
        for key, title in TITLES.items():
            runs = results.maintenance.get(key, {}).get(size)
            if runs:
                rows.append(
                    [
                        f"{size:,}",
                        title,
                        f"{median(run.cost.seconds for run in runs):.2f}",
                        _ratio(results.maintenance_ratio(key, size) if key in STEPS else None),
                        f"{max(run.cost.megabytes for run in runs):.0f}",
                        str(runs[-1].requests),
                        str(len(runs)),
                    ]
                )
    return rows


def _ratio(number: float | None) -> str:
    return "" if number is None else f"{number:.2f}"


def growth_rows(results: Results) -> list[list[str]]:
    """A heading, then a row for each number of ids."""
    rows = [["Workloads", "Seconds", "Milliseconds a workload", "Own share", "Memory, MB", "Requests"]]
    for size, runs in sorted(results.alone.items()):
        seconds = median(run.cost.seconds for run in runs)
        rows.append(
            [
                f"{size:,}",
                f"{seconds:.2f}",
                f"{seconds * 1000 / size:.2f}",
                f"{median(run.cost.cpu_seconds / run.cost.seconds for run in runs):.1%}",
                f"{max(run.cost.megabytes for run in runs):.0f}",
                str(runs[-1].requests),
            ]
        )
    return rows


def page(results: Results) -> str:
    """The page as reStructuredText."""
    return _TEMPLATE.read_text().format(
        latency=LATENCY * 1000,
        latency_per_id=LATENCY_PER_ID * 1000,
        machine=results.machine,
        comparison=_list_table(comparison_rows(results)),
        growth=_list_table(growth_rows(results)),
        busy=_list_table(busy_rows(results)),
        busy_above=BUSY_ABOVE,
        busy_size=f"{BUSY_SIZE:,}",
        maintenance=_list_table(maintenance_rows(results)),
    )


def _list_table(rows: list[list[str]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {'*' if at == 0 else ' '} - {cell}".rstrip() for at, cell in enumerate(row)]
    return "\n".join(lines)
