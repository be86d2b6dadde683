# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Idle GPU-hours, by workload, owner and project. No I/O.

Idle GPU-hours are the GPUs that a workload holds, times the hours for which all of them were measured idle:
the whole window. Idle time before the window, and workloads that were idle in a part of it, are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, NamedTuple

from .._common.text import counted, counted_gpus
from .._common.times import format_age
from .idle import IdleWindow

_MOST_LINES = 20
NOBODY = "-"


class IdleWorkload(NamedTuple):
    """A workload that was idle in the whole window, in the order of the columns of a table.

    ``peak`` is its highest sample, in percent of a GPU.
    """

    project: str
    owner: str
    name: str
    cluster: str
    gpus: float
    idle_gpu_hours: float
    peak: float
    kept_until: str
    id: str


class Share(NamedTuple):
    """What a project or an owner holds, in the order of the columns of a table."""

    name: str
    idle_gpu_hours: float
    gpus: float
    workloads: int


class IdleReport(NamedTuple):
    """The idle workloads, most GPU-hours first. ``undecided`` is how many may be idle as well."""

    window: IdleWindow
    base_url: str
    workloads: Sequence[IdleWorkload]
    undecided: int
    is_limited: bool

    @property
    def idle_gpu_hours(self) -> float:
        """The sum over all workloads."""
        return round(sum(one.idle_gpu_hours for one in self.workloads), 2)

    def shares(self) -> dict[str, list[Share]]:
        """Return what each project and each owner holds, most GPU-hours first."""
        return {
            "project": _shares(self.workloads, lambda one: one.project),
            "owner": _shares(self.workloads, lambda one: one.owner),
        }


def report_lines(report: IdleReport) -> list[str]:
    """Return the report for a terminal: the sum first."""
    lines = [summary_line(report), *notes(report)]
    for kind, shares in report.shares().items():
        lines += _some(kind, [_share_line(one) for one in shares])
    return lines + _some("workload", [_workload_line(one) for one in report.workloads])


def summary_line(report: IdleReport) -> str:
    """Return the sum in one sentence."""
    gpus = round(sum(one.gpus for one in report.workloads), 2)
    return "{0} of {1} in {2} idle for {3}, until {4}: {5}, {6:g} idle GPU-hours".format(
        counted(len(report.workloads), "workload"),
        counted(len({one.owner for one in report.workloads}), "owner"),
        counted(len({one.project for one in report.workloads}), "project"),
        format_age(report.window.age),
        report.window.end.strftime("%Y-%m-%d %H:%M UTC"),
        counted_gpus(gpus),
        report.idle_gpu_hours,
    )


def notes(report: IdleReport) -> list[str]:
    """Return what the numbers mean, and what they lack."""
    found = [
        "Idle GPU-hours are allocated GPUs times the {0} for which no sample of any of them was above {1:g} "
        "percent. Idle time before that, and workloads that were idle for a part of it, are not "
        "counted.".format(format_age(report.window.age), report.window.threshold)
    ]
    if report.undecided:
        found.append(
            "{0} not counted: GPU use is not known for the whole time".format(
                counted(report.undecided, "workload")
            )
        )
    if report.is_limited:
        found.append("More workloads are beyond the limit of the selection, and not counted")
    return found


def _shares(workloads: Sequence[IdleWorkload], key: Callable[[IdleWorkload], str]) -> list[Share]:
    found: dict[str, list[IdleWorkload]] = {}
    for one in workloads:
        found.setdefault(key(one) or NOBODY, []).append(one)
    shares = [
        Share(
            name,
            round(sum(one.idle_gpu_hours for one in theirs), 2),
            round(sum(one.gpus for one in theirs), 2),
            len(theirs),
        )
        for name, theirs in found.items()
    ]
    return sorted(shares, key=lambda one: (-one.idle_gpu_hours, one.name))


def _share_line(one: Share) -> str:
    return "{0}: {1:g} idle GPU-hours, {2}, {3}".format(
        one.name, one.idle_gpu_hours, counted_gpus(one.gpus), counted(one.workloads, "workload")
    )


def _workload_line(one: IdleWorkload) -> str:
    return "{0}/{1}: {2:g} idle GPU-hours, {3}, {4}{5}".format(
        one.project or NOBODY,
        one.name or one.id,
        one.idle_gpu_hours,
        counted_gpus(one.gpus),
        one.owner or NOBODY,
        ", kept until {0}".format(one.kept_until) if one.kept_until else "",
    )


def _some(kind: str, lines: Sequence[str]) -> list[str]:
    shown = ["{0} {1}".format(kind.capitalize(), line) for line in lines[:_MOST_LINES]]
    if len(lines) > _MOST_LINES:
        shown.append("and {0} more".format(counted(len(lines) - _MOST_LINES, kind)))
    return shown
