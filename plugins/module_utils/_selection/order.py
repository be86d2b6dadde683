# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of selected workloads, and how many of them are taken. No I/O."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Callable, NamedTuple, Optional

from .._common.ids import fold_id
from .._workload.phases import canonical
from .._workload.row import Row, allocated_gpus, idle_gpus, moment, number, text
from .criteria import row_id

# A string or a number: the values of one key are all of one type.
_Value = Optional[Any]

# Sums of fractions of a GPU are not exact.
_TOLERANCE = 1e-6


class Order(NamedTuple):
    """``sort_by`` is a key of SORT_KEYS; ``until_gpus`` a number of GPUs."""

    sort_by: str = "created_at"
    is_descending: bool = False
    limit: Optional[int] = None
    until_gpus: Optional[float] = None


class Taken(NamedTuple):
    """Rows in order; whether ``limit`` left some out; their GPUs; whether ``until_gpus`` was reached."""

    rows: list[Row]
    is_limited: bool
    gpus: float
    is_enough: bool


def _by_text(key: str) -> Callable[[Row], _Value]:
    return lambda row: text(row, key)


def _by_moment(key: str) -> Callable[[Row], _Value]:
    def value(row: Row) -> _Value:
        found = moment(row, key)
        return None if found is None else found.timestamp()

    return value


def _by_phase(row: Row) -> _Value:
    found = text(row, "phase")
    return None if found is None else canonical(found)


SORT_KEYS: dict[str, Callable[[Row], _Value]] = {
    "created_at": _by_moment("createdAt"),
    "phase_updated_at": _by_moment("phaseUpdatedAt"),
    "completed_at": _by_moment("completedAt"),
    "name": _by_text("name"),
    "project": _by_text("projectName"),
    "department": _by_text("departmentName"),
    "type": _by_text("type"),
    "category": _by_text("category"),
    "phase": _by_phase,
    "submitted_by": _by_text("submittedBy"),
    "priority": lambda row: number(row, "priority"),
    "allocated_gpus": allocated_gpus,
    "idle_gpus": idle_gpus,
}


def take(rows: Sequence[Row], order: Order) -> Taken:
    """Sort the rows, take at most ``limit``, and of these only until their GPUs reach ``until_gpus``.

    Rows without a value to sort by come last in either direction; the oldest comes first among
    equals. With ``until_gpus``, rows that hold no GPU are left out: they bring it no nearer.
    """
    taken = _sorted(rows, order)
    is_limited = order.limit is not None and len(taken) > order.limit
    taken = taken[: order.limit]
    if order.until_gpus is None:
        return Taken(taken, is_limited, sum_of_gpus(taken), True)
    holders: list[Row] = []
    missing = order.until_gpus
    for row in taken:
        if missing <= _TOLERANCE:
            break
        held = allocated_gpus(row)
        if held:
            holders.append(row)
            missing -= held
    return Taken(holders, is_limited, sum_of_gpus(holders), missing <= _TOLERANCE)


def newest(rows: Iterable[Row], number: int) -> set[str]:
    """Return the ids of the newest ``number`` rows of each project of each cluster.

    The newest is the one that completed last, or was created last where it has not completed.
    """
    projects: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        project = text(row, "projectName") or text(row, "projectId") or ""
        projects[fold_id(row.get("clusterId")) or "", project].append(row)
    return {
        workload_id
        for members in projects.values()
        for row in sorted(members, key=_age_key, reverse=True)[:number]
        for workload_id in row_id(row)
    }


def _age_key(row: Row) -> tuple[float, float, tuple[str, ...]]:
    created = moment(row, "createdAt")
    completed = moment(row, "completedAt") or created
    times = [0.0 if when is None else when.timestamp() for when in (completed, created)]
    return times[0], times[1], row_id(row)


def sum_of_gpus(rows: Sequence[Row]) -> float:
    """Return how many GPUs the rows hold together."""
    return round(math.fsum(allocated_gpus(row) or 0.0 for row in rows), 6)


def _sorted(rows: Sequence[Row], order: Order) -> list[Row]:
    oldest_first = _sorted_by(sorted(rows, key=row_id), SORT_KEYS["created_at"], is_descending=False)
    if order.sort_by == "created_at" and not order.is_descending:
        return oldest_first
    return _sorted_by(oldest_first, SORT_KEYS[order.sort_by], order.is_descending)


def _sorted_by(rows: Sequence[Row], value_of: Callable[[Row], _Value], is_descending: bool) -> list[Row]:
    pairs: list[tuple[Any, Row]] = [(value_of(row), row) for row in rows]
    valued = [pair for pair in pairs if pair[0] is not None]
    # Python's sort keeps the order of equals, also in reverse.
    valued.sort(key=lambda pair: pair[0], reverse=is_descending)
    return [row for _value, row in valued] + [row for value, row in pairs if value is None]
