# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload from a row: one of a fleet file, or one that is added while the simulator runs."""

from __future__ import annotations

from typing import Any

from . import contract
from .phases import FINISHED, ON_NODES
from .places import Places
from .shape import Shape
from .timestamps import from_text, whole
from .workload import Workload

_DYNAMIC = frozenset(
    {
        "id",
        "tenantId",
        "phase",
        "phaseUpdatedAt",
        "phaseMessage",
        "k8sPhase",
        "k8sPhaseUpdatedAt",
        "createdAt",
        "updatedAt",
        "completedAt",
        "deletedAt",
        "runningPods",
        "conditions",
        "allocatedResources",
        "idleAllocatedGpus",
        "idleGpus",
        "currentNodePools",
        "actionsSupport",
    }
)
_SIMULATED: dict[str, dict[str, Any]] = {
    "frozen": {"type": "boolean"},
    "hidden": {"type": "boolean"},
    "nodes": {"type": "array", "items": {"type": "string"}},
    "gpus": {"type": "number", "minimum": 0},
}
"""What a row may have beside the API's fields."""

_EXTRAS = Shape({"type": "object", "required": ["id"], "properties": _SIMULATED})
DEFAULTS = {
    "type": "runai-job",
    "source": "Other",
    "priority": None,
    "priorityClassName": "",
    "category": "",
    "projectName": "project",
    "projectId": "1",
    "departmentName": "department",
    "departmentId": "1",
}
"""What a row has where the file says nothing."""

_FILLED = {*DEFAULTS, "name", "clusterId", "namespace", "requestedNodePools"}


def workload_from_row(
    row: dict[str, Any],
    places: Places,
    now: float,
    shift: float = 0.0,
    nodes: list[str] | None = None,
) -> Workload:
    """A workload from a row as the API gives it, or a part of one: `id` is enough.

    Beside the API's fields a row may have `frozen`, `hidden`, `nodes` (names, a name a pod) and `gpus` (asked
    for, when nothing is allocated now). `shift` seconds are added to its times; `nodes` are for a row without
    any. Raises ValueError for a row without sense.
    """
    given, row = row, {name: value for name, value in row.items() if value is not None}
    problem = _EXTRAS.problem(row) or contract.load().problem_of_part("Workload", row)
    if problem is not None:
        raise ValueError(problem)
    workload_id = row["id"].lower()
    fixed: dict[str, Any] = {**DEFAULTS, "name": f"workload-{workload_id[:8]}"}
    # Null is as good as missing where there is something to put in its place.
    known = {name: value for name, value in given.items() if value is not None or name not in _FILLED}
    fixed.update({name: value for name, value in known.items() if name not in _DYNAMIC | set(_SIMULATED)})
    fixed.setdefault("clusterId", places.clusters[0]["uuid"])
    fixed.setdefault("namespace", f"runai-{fixed['projectName']}")
    fixed.setdefault("requestedNodePools", row.get("currentNodePools", []))

    def moment(name: str, otherwise: float) -> float:
        return whole(from_text(row[name]) + shift) if name in row else otherwise

    phase = row.get("phase", "Running")
    created_at = moment("createdAt", moment("phaseUpdatedAt", now))
    phase_updated_at = moment("phaseUpdatedAt", created_at)
    nodes = row.get("nodes") or nodes or []
    return Workload(
        id=workload_id,
        fixed=fixed,
        phase=phase,
        created_at=created_at,
        phase_updated_at=phase_updated_at,
        updated_at=moment("updatedAt", phase_updated_at),
        gpus=_gpus(row),
        idle_gpus=row.get("idleAllocatedGpus", row.get("idleGpus")),
        pod_count=len(nodes) or row.get("requestedPods", {}).get("number") or 1,
        nodes=nodes if phase in ON_NODES or phase in ("Stopping", "Deleting") else [],
        past_nodes=nodes if phase in FINISHED else [],
        actions_support=row.get("actionsSupport"),
        phase_message=row.get("phaseMessage", ""),
        completed_at=moment("completedAt", phase_updated_at)
        if "completedAt" in row or phase in FINISHED
        else None,
        deleted_at=moment("deletedAt", now) if "deletedAt" in row else None,
        frozen=row.get("frozen", phase == "Pending"),
        hidden=row.get("hidden", False),
    )


def _gpus(row: dict[str, Any]) -> float:
    allocated = row.get("allocatedResources", {}).get("gpu")
    requested = (row.get("workloadRequestedResources", {}).get("gpu") or {}).get("request")
    return float(allocated or row.get("gpus") or requested or 0)
