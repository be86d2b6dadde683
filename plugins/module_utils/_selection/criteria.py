# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Criteria as plain data, and the rows that meet them. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Callable, NamedTuple, Optional

from .._common.ids import fold_id
from .._workload.phases import UNKNOWN, names_of
from .._workload.row import Row, allocated_gpus, flag, idle_gpus, moment, suspendable, text, texts

# Value as the user gave it -> the keys of a row that it stands for (see KEYS).
Wanted = Mapping[str, frozenset[str]]


class Criteria(NamedTuple):
    """Conditions on a workload. All must hold; an absent one always holds.

    ``any_of``: option (a key of KEYS) to the values wanted; one value is enough, and an empty list
    matches nothing. ``name``: shell pattern. ``at_least``: option of AMOUNTS to GPUs. ``before``:
    option of MOMENTS to the latest moment. ``preemptible`` and ``suspendable`` as the options.
    ``is_deleted``: whether deleted workloads are selected instead of existing ones.
    """

    any_of: Mapping[str, Wanted] = {}
    name: Optional[str] = None
    at_least: Mapping[str, float] = {}
    before: Mapping[str, datetime] = {}
    preemptible: Optional[bool] = None
    suspendable: Optional[bool] = None
    is_deleted: bool = False


class Matched(NamedTuple):
    """Rows that meet the criteria, in the order they came: those to select, and those that are excluded.

    ``unmatched``: option to its values that no such row has; for ``exclude`` and ``except_projects``,
    those that match none.
    """

    rows: list[Row]
    excluded: list[Row]
    unmatched: dict[str, list[str]]


def _one(value: Optional[str]) -> tuple[str, ...]:
    return () if value is None else (value,)


def row_id(row: Row) -> tuple[str, ...]:
    """Return the row's id as a key."""
    return _one(fold_id(row.get("id")))


# What a row carries, for each option that takes a list.
KEYS: dict[str, Callable[[Row], tuple[str, ...]]] = {
    "ids": row_id,
    "projects": lambda row: _one(text(row, "projectName")),
    "departments": lambda row: _one(text(row, "departmentName")),
    "clusters": lambda row: _one(fold_id(row.get("clusterId"))),
    "node_pools": lambda row: texts(row, "currentNodePools"),
    "nodes": row_id,
    "phases": lambda row: names_of(text(row, "phase") or UNKNOWN),
    "types": lambda row: _one(text(row, "type")),
    "categories": lambda row: _one(text(row, "category")),
    "submitted_by": lambda row: _one(text(row, "submittedBy")),
    "priority_classes": lambda row: _one(text(row, "priorityClassName")),
}

AMOUNTS: dict[str, Callable[[Row], Optional[float]]] = {
    "min_allocated_gpus": allocated_gpus,
    "min_idle_gpus": idle_gpus,
}

# The API's field for each option that takes an age or a timestamp.
MOMENTS = {
    "phase_older_than": "phaseUpdatedAt",
    "created_before": "createdAt",
    "completed_before": "completedAt",
}


def predicate(criteria: Criteria) -> Callable[[Row], bool]:
    """Return a function that returns whether a row meets the criteria."""
    tests: list[Callable[[Row], bool]] = []
    for option, wanted in criteria.any_of.items():
        tests.append(_carries_any(KEYS[option], frozenset().union(*wanted.values())))
    if criteria.name is not None:
        tests.append(_is_named(criteria.name))
    for option, least in criteria.at_least.items():
        tests.append(_has_at_least(AMOUNTS[option], least))
    for option, latest in criteria.before.items():
        tests.append(_is_before(MOMENTS[option], latest))
    if criteria.preemptible is not None:
        tests.append(lambda row: flag(row, "preemptible") is criteria.preemptible)
    if criteria.suspendable is not None:
        # Where support is not reported, an action is sent: that counts as suspendable.
        tests.append(lambda row: (suspendable(row) is not False) is criteria.suspendable)
    # A control plane of another version may ignore the parameter and list the others.
    tests.append(lambda row: (moment(row, "deletedAt") is not None) is criteria.is_deleted)
    return lambda row: all(test(row) for test in tests)


def match(
    rows: Iterable[Row],
    criteria: Criteria,
    exclude: Sequence[str] = (),
    except_projects: Sequence[str] = (),
) -> Matched:
    """Return the rows that meet ``criteria``; ``exclude`` holds ids or name patterns."""
    is_match = predicate(criteria)
    matching = [row for row in rows if is_match(row)]
    unmatched = {}
    for option, wanted in criteria.any_of.items():
        carried = {key for row in matching for key in KEYS[option](row)}
        unmatched[option] = [value for value, keys in wanted.items() if not keys & carried]
    by_id = {workload_id: row for row in matching for workload_id in row_id(row)}
    taken_out = {element: _matching(element, by_id) for element in exclude}
    unmatched["exclude"] = [element for element, ids in taken_out.items() if not ids]
    of_projects = {project: _of_project(project, by_id) for project in except_projects}
    unmatched["except_projects"] = [project for project, ids in of_projects.items() if not ids]
    left_out = frozenset[str]().union(*taken_out.values(), *of_projects.values())
    return Matched(
        [row for row in matching if left_out.isdisjoint(row_id(row))],
        [row for row in matching if not left_out.isdisjoint(row_id(row))],
        {option: values for option, values in unmatched.items() if values},
    )


def _carries_any(keys: Callable[[Row], tuple[str, ...]], wanted: frozenset[str]) -> Callable[[Row], bool]:
    return lambda row: any(key in wanted for key in keys(row))


def _is_named(pattern: str) -> Callable[[Row], bool]:
    def test(row: Row) -> bool:
        name = text(row, "name")
        return name is not None and fnmatchcase(name, pattern)

    return test


def _has_at_least(amount: Callable[[Row], Optional[float]], least: float) -> Callable[[Row], bool]:
    def test(row: Row) -> bool:
        found = amount(row)
        return found is not None and found >= least

    return test


def _is_before(field: str, latest: datetime) -> Callable[[Row], bool]:
    def test(row: Row) -> bool:
        found = moment(row, field)
        return found is not None and found <= latest

    return test


def _of_project(project: str, rows: Mapping[str, Row]) -> frozenset[str]:
    return frozenset(one for one, row in rows.items() if text(row, "projectName") == project)


def _matching(element: str, rows: Mapping[str, Row]) -> frozenset[str]:
    """Return the ids of the rows that an element of ``exclude``, an id or a name pattern, matches."""
    workload_id = fold_id(element)
    if workload_id is not None:
        return frozenset((workload_id,)).intersection(rows)
    is_named = _is_named(element)
    return frozenset(one for one, row in rows.items() if is_named(row))
