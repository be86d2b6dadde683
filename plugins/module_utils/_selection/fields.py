# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows for people: the keys that were requested. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Callable, Optional, Union

from .._common.ids import fold_id
from .._common.text import MESSAGE_LENGTH, NAME_LENGTH, clean
from .._common.times import format_age
from .._workload.phases import canonical
from .._workload.row import (
    USED_KEYS,
    Row,
    allocated_gpus,
    flag,
    idle_gpus,
    moment,
    number,
    suspendable,
    text,
    texts,
)

ALL_FIELDS = "all"
# In percent. The API has no such field: it is added to rows with measured GPU use.
PEAK = "peak_gpu_utilization"
DEFAULT_FIELDS = (
    "id",
    "name",
    "project",
    "department",
    "cluster",
    "type",
    "phase",
    "phase_age",
    "node_pools",
    "allocated_gpus",
    "idle_gpus",
    "submitted_by",
    "suspendable",
)


_Field = Callable[[Row], Any]


def _text(key: str, length: int = NAME_LENGTH) -> _Field:
    return lambda row: clean(row.get(key), length) or None


def _texts(key: str) -> _Field:
    return lambda row: [clean(item, NAME_LENGTH) for item in texts(row, key)]


def _uuid(key: str) -> _Field:
    return lambda row: fold_id(row.get(key))


def _priority(row: Row) -> Union[int, float, str, None]:
    """Return a number as the API gives it, or a text: another version, or a proxy, may send anything."""
    found = row.get("priority")
    if isinstance(found, str):
        return clean(found, NAME_LENGTH) or None
    value = number(row, "priority")
    return found if value is not None and found == value else value


def _age(row: Row, now: datetime) -> Optional[str]:
    since = moment(row, "phaseUpdatedAt")
    return None if since is None else format_age(now - since)


def fields_of(clusters: Mapping[str, str], now: datetime) -> dict[str, _Field]:
    """Return how each field of our own is read from a row. ``clusters`` are names by uuid."""
    cluster_id = _uuid("clusterId")
    return {
        "id": _uuid("id"),
        "name": _text("name"),
        "project": _text("projectName"),
        "project_id": _text("projectId"),
        "department": _text("departmentName"),
        "department_id": _text("departmentId"),
        "cluster": lambda row: clusters.get(cluster_id(row), cluster_id(row)),
        "cluster_id": cluster_id,
        "namespace": _text("namespace"),
        "type": _text("type"),
        "category": _text("category"),
        "phase": lambda row: clean(canonical(text(row, "phase") or ""), NAME_LENGTH) or None,
        "phase_age": partial(_age, now=now),
        "phase_message": _text("phaseMessage", MESSAGE_LENGTH),
        "phase_reason": _text("phaseReason"),
        "phase_updated_at": _text("phaseUpdatedAt"),
        "created_at": _text("createdAt"),
        "completed_at": _text("completedAt"),
        "deleted_at": _text("deletedAt"),
        "node_pools": _texts("currentNodePools"),
        "requested_node_pools": _texts("requestedNodePools"),
        "allocated_gpus": allocated_gpus,
        "idle_gpus": idle_gpus,
        "submitted_by": _text("submittedBy"),
        "priority": _priority,
        "priority_class": _text("priorityClassName"),
        "preemptible": partial(flag, key="preemptible"),
        "suspendable": suspendable,
        PEAK: partial(number, key=PEAK),
    }


FIELDS = tuple(fields_of({}, datetime.max))


def needed_keys(fields: Sequence[str]) -> Optional[frozenset[str]]:
    """Return the keys of the API's rows that a selection with these fields needs, ``None`` for all."""
    return None if ALL_FIELDS in fields else frozenset(USED_KEYS).union(fields)


def shown_rows(
    rows: Sequence[Row], fields: Sequence[str], clusters: Mapping[str, str], now: datetime
) -> list[dict[str, Any]]:
    """Return the rows with the keys ``fields``. ``clusters`` are names by uuid.

    A key that is not in FIELDS is read from the API's row, or null. ``all`` returns the API's rows
    unchanged. Peaks of GPU use are shown wherever they were measured.
    """
    if ALL_FIELDS in fields:
        return [dict(row) for row in rows]
    if PEAK not in fields and any(PEAK in row for row in rows):
        fields = [*fields, PEAK]
    own = fields_of(clusters, now)
    return [{field: own[field](row) if field in own else row.get(field) for field in fields} for row in rows]


def unknown_fields(rows: Sequence[Row], fields: Sequence[str]) -> list[str]:
    """Return those of ``fields`` that are no key of ours nor of any row; none if there is no row."""
    if not rows or ALL_FIELDS in fields:
        return []
    return [field for field in fields if field not in FIELDS and not any(field in row for row in rows)]
