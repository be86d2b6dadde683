# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows for people: the keys that were requested. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Callable, NamedTuple, Optional, Union

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
# In percent; not of the API, but of rows whose GPU use was measured.
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


class RenderContext(NamedTuple):
    """What a row does not hold: names of clusters by uuid, and the time."""

    clusters: Mapping[str, str]
    now: datetime


_Field = Callable[[Row, RenderContext], Any]


def _text(key: str, length: int = NAME_LENGTH) -> _Field:
    return lambda row, _context: clean(row.get(key), length) or None


def _texts(key: str) -> _Field:
    return lambda row, _context: [clean(item, NAME_LENGTH) for item in texts(row, key)]


def _plain(read: Callable[[Row], Any]) -> _Field:
    return lambda row, _context: read(row)


def _cluster(row: Row, context: RenderContext) -> Optional[str]:
    cluster_id = fold_id(row.get("clusterId"))
    return None if cluster_id is None else context.clusters.get(cluster_id, cluster_id)


def _priority(row: Row, _context: RenderContext) -> Union[int, float, str, None]:
    """A number as the API gives it, or a text; of another version, or of a proxy, it may be anything."""
    found = row.get("priority")
    if isinstance(found, str):
        return clean(found, NAME_LENGTH)
    value = number(row, "priority")
    return found if value is not None and found == value else value


def _phase_age(row: Row, context: RenderContext) -> Optional[str]:
    since = moment(row, "phaseUpdatedAt")
    return None if since is None else format_age(context.now - since)


FIELDS: dict[str, _Field] = {
    "id": _plain(lambda row: fold_id(row.get("id"))),
    "name": _text("name"),
    "project": _text("projectName"),
    "project_id": _text("projectId"),
    "department": _text("departmentName"),
    "department_id": _text("departmentId"),
    "cluster": _cluster,
    "cluster_id": _plain(lambda row: fold_id(row.get("clusterId"))),
    "namespace": _text("namespace"),
    "type": _text("type"),
    "category": _text("category"),
    "phase": _plain(lambda row: clean(canonical(text(row, "phase") or ""), NAME_LENGTH) or None),
    "phase_age": _phase_age,
    "phase_message": _text("phaseMessage", MESSAGE_LENGTH),
    "phase_reason": _text("phaseReason"),
    "phase_updated_at": _text("phaseUpdatedAt"),
    "created_at": _text("createdAt"),
    "completed_at": _text("completedAt"),
    "deleted_at": _text("deletedAt"),
    "node_pools": _texts("currentNodePools"),
    "requested_node_pools": _texts("requestedNodePools"),
    "allocated_gpus": _plain(allocated_gpus),
    "idle_gpus": _plain(idle_gpus),
    "submitted_by": _text("submittedBy"),
    "priority": _priority,
    "priority_class": _text("priorityClassName"),
    "preemptible": _plain(lambda row: flag(row, "preemptible")),
    "suspendable": _plain(suspendable),
    PEAK: _plain(lambda row: number(row, PEAK)),
}


def needed_keys(fields: Sequence[str]) -> Optional[frozenset[str]]:
    """Return the keys of the API's rows that a selection with these fields needs, ``None`` for all."""
    return None if ALL_FIELDS in fields else frozenset(USED_KEYS).union(fields)


def shown_rows(rows: Sequence[Row], fields: Sequence[str], context: RenderContext) -> list[dict[str, Any]]:
    """Return the rows with the keys asked for.

    A key that is not in FIELDS is read from the API's row, or null. ``all`` returns the API's rows
    unchanged. Peaks of GPU use are shown wherever they were measured.
    """
    if ALL_FIELDS in fields:
        return [dict(row) for row in rows]
    if PEAK not in fields and any(PEAK in row for row in rows):
        fields = [*fields, PEAK]
    return [
        {field: FIELDS[field](row, context) if field in FIELDS else row.get(field) for field in fields}
        for row in rows
    ]


def unknown_fields(rows: Sequence[Row], fields: Sequence[str]) -> list[str]:
    """Return those of ``fields`` that are no key of ours nor of any row; none if there is no row."""
    if not rows or ALL_FIELDS in fields:
        return []
    return [field for field in fields if field not in FIELDS and not any(field in row for row in rows)]
