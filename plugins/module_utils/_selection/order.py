# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of selected workloads, and how many of them are taken. No I/O."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from functools import partial
from typing import Any, Callable, NamedTuple, Optional

from .._common.ids import fold_id
from .._workload.phases import canonical
from .._workload.row import Row, allocated_gpus, idle_gpus, moment, number, text
from .criteria import row_id

# A string, a number or a time: the values of one key are all of one type.
_Value = Optional[Any]

_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)
# Sums of fractions of a GPU are not exact.
_TOLERANCE = 1e-6


class Order(NamedTuple):
    """``sort_by`` is a key of SORT_KEYS; ``until_gpus`` a number of GPUs."""

    sort_by: str = "created_at"
    is_descending: bool = False
    limit: Optional[int] = None
    until_gpus: Optional[float] = None


SORT_KEYS: dict[str, Callable[[Row], _Value]] = {
    "created_at": partial(moment, key="createdAt"),
    "phase_updated_at": partial(moment, key="phaseUpdatedAt"),
    "completed_at": partial(moment, key="completedAt"),
    "name": partial(text, key="name"),
    "project": partial(text, key="projectName"),
    "department": partial(text, key="departmentName"),
    "type": partial(text, key="type"),
    "category": partial(text, key="category"),
    "phase": lambda row: canonical(text(row, "phase") or "") or None,
    "submitted_by": partial(text, key="submittedBy"),
    "priority": partial(number, key="priority"),
    "allocated_gpus": allocated_gpus,
    "idle_gpus": idle_gpus,
}


def take(rows: Sequence[Row], order: Order) -> list[Row]:
    """Sort the rows, take at most ``limit``, and of these only until their GPUs reach ``until_gpus``.

    Rows without a value to sort by come last in either direction; the oldest comes first among
    equals. With ``until_gpus``, rows that hold no GPU are left out: they bring it no nearer.
    """
    taken = _sorted(rows, order)[: order.limit]
    if order.until_gpus is None:
        return taken
    holders: list[Row] = []
    gpus = 0.0
    for row in taken:
        if is_enough(gpus, order):
            break
        held = allocated_gpus(row)
        if held:
            holders.append(row)
            gpus += held
    return holders


def is_enough(gpus: float, order: Order) -> bool:
    """Return whether so many GPUs are as many as ``until_gpus``."""
    return order.until_gpus is None or order.until_gpus - gpus <= _TOLERANCE


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


def _age_key(row: Row) -> tuple[datetime, datetime, tuple[str, ...]]:
    created = moment(row, "createdAt") or _LONG_AGO
    return moment(row, "completedAt") or created, created, row_id(row)


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
