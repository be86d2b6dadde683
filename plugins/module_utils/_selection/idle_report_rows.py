# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Idle GPU-hours, by workload, owner and project. No I/O.

Idle GPU-hours are the GPUs that a workload holds, times the hours for which all of them were measured idle:
the whole window. Idle time before the window, and workloads that were idle in a part of it, are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Callable, NamedTuple, Optional

from .._common.text import counted, counted_gpus
from .._common.times import format_age

_MOST_LINES = 20
NOBODY = "-"


class IdleWorkload(NamedTuple):
    """A workload that was idle in the whole window. ``peak`` is its highest sample, in percent of a GPU."""

    id: str
    name: str
    project: str
    owner: str
    cluster: str
    gpus: float
    idle_gpu_hours: float
    peak: Optional[float]
    kept_until: str


class Share(NamedTuple):
    """What a project or an owner holds."""

    name: str
    workloads: int
    gpus: float
    idle_gpu_hours: float


class IdleReport(NamedTuple):
    """The idle workloads, most GPU-hours first. ``undecided`` is how many may be idle as well."""

    start: datetime
    end: datetime
    threshold: float
    base_url: str
    workloads: Sequence[IdleWorkload]
    undecided: int
    is_limited: bool

    @property
    def idle_gpu_hours(self) -> float:
        """All of them."""
        return round(sum(one.idle_gpu_hours for one in self.workloads), 2)

    def by_project(self) -> list[Share]:
        """Return an element a project, most GPU-hours first."""
        return _shares(self.workloads, lambda one: one.project)

    def by_owner(self) -> list[Share]:
        """Return an element an owner, most GPU-hours first."""
        return _shares(self.workloads, lambda one: one.owner)


def report_lines(report: IdleReport) -> list[str]:
    """Return the report for a terminal: the sum first."""
    return [
        summary_line(report),
        *notes(report),
        *_some("Project", [_share_line(one) for one in report.by_project()]),
        *_some("Owner", [_share_line(one) for one in report.by_owner()]),
        *_some("Workload", [_workload_line(one) for one in report.workloads]),
    ]


def summary_line(report: IdleReport) -> str:
    """Return the sum in one sentence."""
    gpus = round(sum(one.gpus for one in report.workloads), 2)
    return "{0} of {1} in {2} idle for {3}, until {4}: {5}, {6:g} idle GPU-hours".format(
        counted(len(report.workloads), "workload"),
        counted(len({one.owner for one in report.workloads}), "owner"),
        counted(len({one.project for one in report.workloads}), "project"),
        format_age(report.end - report.start),
        report.end.strftime("%Y-%m-%d %H:%M UTC"),
        counted_gpus(gpus),
        report.idle_gpu_hours,
    )


def notes(report: IdleReport) -> list[str]:
    """Return what the numbers mean, and what they lack."""
    found = [
        "Idle GPU-hours are allocated GPUs times the {0} for which no sample of any of them was above {1:g} "
        "percent. Idle time before that, and workloads that were idle for a part of it, are not "
        "counted.".format(format_age(report.end - report.start), report.threshold)
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
            len(theirs),
            round(sum(one.gpus for one in theirs), 2),
            round(sum(one.idle_gpu_hours for one in theirs), 2),
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
    shown = ["{0} {1}".format(kind, line) for line in lines[:_MOST_LINES]]
    if len(lines) > _MOST_LINES:
        shown.append("and {0} more".format(counted(len(lines) - _MOST_LINES, kind.lower())))
    return shown
