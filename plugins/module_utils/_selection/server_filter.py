# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters that the control plane applies, so that it sends fewer rows. No I/O.

A filter only narrows what is read, since every criterion is applied to the rows again. It is safe as
long as it lets through all rows that meet the criteria. Whether the control plane combines filters by
"and", and whether it compares case, is not documented; the filter is safe either way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Callable, NamedTuple

from .._common.times import parse_timestamp
from .._workload.phases import STOPPING, UNKNOWN, canonical, is_known
from .._workload.row import Row, text
from .criteria import MOMENTS, Criteria

# The fields of the workloads list's filterBy that hold one plain value in every version from 2.18 on.
# Node pools are left out: whether the filter means current or requested ones is not documented.
_FIELDS = {
    "projects": "projectName",
    "departments": "departmentName",
    "clusters": "clusterId",
    "phases": "phase",
    "types": "type",
    "submitted_by": "submittedBy",
}
# phaseUpdatedAt can be filtered by from 2.21 on only.
_MOMENTS = ("created_before", "completed_before")

# Field, operator and value of an expression (Run:ai API 2.25, list of workloads).
EXPRESSION = re.compile(r"([A-Za-z][A-Za-z0-9]*)(==|!=|<=|>=|=@|!@|=\^|=\$)\s*([^,]+)")
# What must hold of a row's text and the text asked for. Where the text must not be there, case counts.
_HOLDS: dict[str, Callable[[str, str], bool]] = {
    "==": lambda found, asked: found.lower() == asked.lower(),
    "=@": lambda found, asked: asked.lower() in found.lower(),
    "=^": lambda found, asked: found.lower().startswith(asked.lower()),
    "=$": lambda found, asked: found.lower().endswith(asked.lower()),
    "!=": lambda found, asked: found != asked,
    "!@": lambda found, asked: asked not in found,
}
# How far a moment may be off: a date may mean the begin or the end of its day, in any zone.
_DOUBT = timedelta(days=2)
# There is no way to write a comma inside a value, and how other signs are read is not documented.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:-]*")


class ServerPart(NamedTuple):
    """``filters``: items of ``filterBy``, at most 10. ``is_whole``: whether they say all that is asked."""

    filters: tuple[str, ...]
    is_whole: bool


def contradicts(row: Row, expression: str) -> bool:
    """Return whether ``row`` clearly contradicts a filter expression.

    Only text and moments are judged, by the operators that the API describes. Whether case counts is
    not documented, nor how exactly moments are compared. In doubt the row does not contradict.
    """
    parts = EXPRESSION.fullmatch(expression)
    if parts is None:
        return False
    field, operator, asked = parts.groups()
    found = text(row, field)
    if found is None:
        return False
    held, wanted = parse_timestamp(found), parse_timestamp(asked)
    if held is not None:
        if wanted is None or operator not in ("<=", ">="):
            return False
        return held - wanted > _DOUBT if operator == "<=" else wanted - held > _DOUBT
    if field == "phase" and not operator.startswith("!"):
        found, asked = canonical(found), canonical(asked)
    return operator in _HOLDS and not _HOLDS[operator](found, asked)


def is_plain(value: str) -> bool:
    """Return whether a value can be sent in a filter and be read in only one way."""
    return _PLAIN.fullmatch(value) is not None


def server_part(criteria: Criteria, api_ids: Mapping[str, str]) -> ServerPart:
    """Return what of ``criteria`` the control plane may filter: one plain value a field.

    ``api_ids``: values as the control plane writes them, where that is known.
    """
    filters = []
    for option in criteria.any_of:
        keys = criteria.keys(option)
        if option in _FIELDS and len(keys) == 1:
            filters += [
                "{0}=={1}".format(_FIELDS[option], api_ids.get(key, key))
                for key in keys
                if _is_sendable(option, key)
            ]
    for option in _MOMENTS:
        if option in criteria.before:
            filters.append("{0}<={1}".format(MOMENTS[option], _whole_second(criteria.before[option])))
    asked = len(criteria.any_of) + len(criteria.before) + len(criteria.at_least)
    asked += sum(part is not None for part in (criteria.name, criteria.preemptible, criteria.suspendable))
    asked += len(criteria.exclude) + len(criteria.except_projects)
    return ServerPart(tuple(filters), len(filters) == asked)


def _is_sendable(option: str, key: str) -> bool:
    if option == "phases":
        # Some versions call Stopping otherwise, and Unknown stands also for what is not known here: a
        # filter for the one would hide the other.
        return is_known(key) and key not in (STOPPING, UNKNOWN)
    return is_plain(key)


def _whole_second(moment: datetime) -> str:
    # Up to the next second: the control plane may keep fractions or drop them.
    up = moment.astimezone(timezone.utc) + timedelta(microseconds=999999)
    return up.strftime("%Y-%m-%dT%H:%M:%SZ")
