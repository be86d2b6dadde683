# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Criteria as plain data, and the rows that meet them. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import Callable, NamedTuple, Optional

from .._common.ids import fold_id
from .._workload.phases import UNKNOWN, names_of
from .._workload.row import Row, allocated_gpus, flag, idle_gpus, moment, suspendable, text, texts

_NEVER = datetime.max.replace(tzinfo=timezone.utc)

# Value as the user gave it -> the keys of a row that it stands for (see KEYS).
Wanted = Mapping[str, frozenset[str]]


class Criteria(NamedTuple):
    """Conditions on a workload. All must hold; an absent one always holds.

    ``any_of``: option (a key of KEYS) to the values wanted; one value is enough, and an empty list
    matches nothing. ``name``: shell pattern. ``at_least``: option of AMOUNTS to GPUs, more than 0.
    ``before``: option of MOMENTS to the latest moment. ``preemptible`` and ``suspendable`` as the options.
    ``is_deleted``: whether deleted workloads are selected instead of existing ones. ``exclude`` leaves out
    workloads by lower-case ids and name patterns, ``except_projects`` the workloads of whole projects.
    """

    any_of: Mapping[str, Wanted] = {}
    name: Optional[str] = None
    at_least: Mapping[str, float] = {}
    before: Mapping[str, datetime] = {}
    preemptible: Optional[bool] = None
    suspendable: Optional[bool] = None
    is_deleted: bool = False
    exclude: tuple[str, ...] = ()
    except_projects: tuple[str, ...] = ()

    def keys(self, option: str) -> frozenset[str]:
        """Return the keys that the values of an option of ``any_of`` stand for together."""
        return frozenset[str]().union(*self.any_of[option].values())


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
    """Return the row's id in a tuple; an empty one if it is not a uuid."""
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
    """Return a function that returns whether a row meets the criteria, excluded or not."""
    any_of = [(KEYS[option], criteria.keys(option)) for option in criteria.any_of]

    def is_met(row: Row) -> bool:
        return (
            not any(wanted.isdisjoint(keys(row)) for keys, wanted in any_of)
            and (criteria.name is None or _is_named(row, criteria.name))
            and all((AMOUNTS[option](row) or 0) >= least for option, least in criteria.at_least.items())
            and all(
                (moment(row, MOMENTS[option]) or _NEVER) <= latest
                for option, latest in criteria.before.items()
            )
            and criteria.preemptible in (None, flag(row, "preemptible"))
            # Where support is not reported, an action is sent: that counts as suspendable.
            and criteria.suspendable in (None, suspendable(row) is not False)
            # A control plane of another version may ignore the parameter and list the others.
            and (moment(row, "deletedAt") is not None) is criteria.is_deleted
        )

    return is_met


def match(rows: Iterable[Row], criteria: Criteria) -> Matched:
    """Return the rows that meet the criteria."""
    matching = list(filter(predicate(criteria), rows))
    unmatched = {}
    for option, wanted in criteria.any_of.items():
        carried = {key for row in matching for key in KEYS[option](row)}
        unmatched[option] = [value for value, keys in wanted.items() if keys.isdisjoint(carried)]
    elements, projects = frozenset(criteria.exclude), frozenset(criteria.except_projects)
    patterns = [element for element in criteria.exclude if fold_id(element) is None]
    found = Matched([], [], {})
    effective: set[str] = set()
    effective_projects: set[str] = set()
    for row in matching:
        excluding = elements.intersection(row_id(row)).union(one for one in patterns if _is_named(row, one))
        excluding_projects = projects.intersection(KEYS["projects"](row))
        (found.excluded if excluding or excluding_projects else found.rows).append(row)
        effective |= excluding
        effective_projects |= excluding_projects
    unmatched["exclude"] = [one for one in criteria.exclude if one not in effective]
    unmatched["except_projects"] = [one for one in criteria.except_projects if one not in effective_projects]
    return found._replace(unmatched={option: values for option, values in unmatched.items() if values})


def _is_named(row: Row, pattern: str) -> bool:
    name = text(row, "name")
    return name is not None and fnmatchcase(name, pattern)
