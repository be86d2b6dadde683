# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet read from a file, such as one exported from a real control plane. The format is in README.md."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from ..model import gpu_history
from ..model.clock import from_text, to_text, whole
from ..model.generator import BARE_PROJECT, department_uuid
from ..model.places import Node, Places
from ..model.workload import FINISHED, ON_NODES, Workload
from ..validation import Shape
from . import contract
from .contract import ContractError
from .rows import NODE_DETAILS, node_rows, workload_row

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
    "gpuHistory": gpu_history.SCHEMA,
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

    Beside the API's fields a row may have `frozen`, `hidden`, `nodes` (names, a name a pod), `gpus` (asked
    for, when nothing is allocated now) and `gpuHistory`. `shift` seconds are added
    to its times; `nodes` are for a row without any. Raises ValueError for a row without sense.
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
        gpu_history=gpu_history.history_from(row.get("gpuHistory"), now),
    )


def _gpus(row: dict[str, Any]) -> float:
    allocated = row.get("allocatedResources", {}).get("gpu")
    requested = (row.get("workloadRequestedResources", {}).get("gpu") or {}).get("request")
    return float(allocated or row.get("gpus") or requested or 0)


_DEFAULT_CLUSTER = {"uuid": "2ab0efb3-a0ae-5f55-9d5a-0c4e1d0bd8a5", "name": "cluster"}


def places_of(described: dict[str, Any], now: float, tenant_id: int) -> Places:
    """The places of a fleet file's content; there is at least one cluster."""
    stamp = to_text(now)
    stamps = {"createdAt": stamp, "updatedAt": stamp}
    places = Places(tenant_id)
    places.clusters = _clusters(described, {"createdAt": stamp}, tenant_id)
    first_cluster: str = places.clusters[0]["uuid"]
    places.nodes = _nodes(described, first_cluster)
    names = {cluster["uuid"]: cluster["name"] for cluster in places.clusters}
    for number, pool in enumerate(described.get("nodePools", []), 1):
        defaults = {
            "id": str(number),
            "labelKey": "runai/pool",
            "labelValue": pool["name"],
            "isDefault": pool["name"] == "default",
            "clusterName": names.get(pool["clusterId"], ""),
            "createdBy": "",
            "updatedBy": "",
        }
        places.node_pools.append({**defaults, **stamps, **pool, "tenantId": tenant_id})
    departments = {one["name"]: one for one in described.get("departments", [])}
    projects = {one["name"]: one for one in described.get("projects", [])}
    for row in described["workloads"]:
        full = {**DEFAULTS, "clusterId": first_cluster, **{name: row[name] for name in row if row[name]}}
        department = {"id": full["departmentId"], "name": full["departmentName"]}
        departments.setdefault(department["name"], department)
        project = {
            "id": full["projectId"],
            "name": full["projectName"],
            "clusterId": full["clusterId"],
            "parentId": department["id"],
            "parent": {**department, "id": department_uuid(str(department["id"]))},
        }
        projects.setdefault(project["name"], project)
    places.departments = [{**stamps, **one} for one in departments.values()]
    blank = {"parentId": "1", "status": {}, "clusterId": first_cluster, **BARE_PROJECT}
    places.projects = [{**blank, **stamps, **one} for one in projects.values()]
    return places


def _clusters(described: dict[str, Any], stamps: dict[str, str], tenant_id: int) -> list[dict[str, Any]]:
    found = {cluster["uuid"]: cluster for cluster in described.get("clusters", [])}
    for row in described["workloads"]:
        if row.get("clusterId"):
            found.setdefault(row["clusterId"], {"uuid": row["clusterId"]})
    return [
        {"name": f"cluster-{str(one['uuid'])[:8]}", **stamps, **one, "tenantId": tenant_id}
        for one in found.values() or [_DEFAULT_CLUSTER]
    ]


def _nodes(described: dict[str, Any], first_cluster: str) -> list[Node]:
    found = {
        (node["clusterUuid"], node["name"]): Node(
            node["name"],
            node["clusterUuid"],
            node.get("nodePool", "default"),
            {name: node[name] for name in NODE_DETAILS if name in node},
        )
        for node in described.get("nodes", [])
    }
    clusters = {row["id"].lower(): row.get("clusterId") for row in described["workloads"]}
    for pod in described.get("pods", []):
        cluster_id = pod.get("clusterId") or clusters.get(pod["workloadId"].lower()) or first_cluster
        name = pod.get("nodeName")
        if name:
            found.setdefault(
                (cluster_id, name), Node(name, cluster_id, pod.get("currentNodePool") or "default")
            )
    for row in described["workloads"]:
        for name in row.get("nodes") or []:
            cluster_id = row.get("clusterId") or first_cluster
            found.setdefault((cluster_id, name), Node(name, cluster_id, "default"))
    return list(found.values())


class FleetFileError(ValueError):
    """The file is not a fleet; the text says where."""


def _list_of(*needed: str, **properties: Any) -> dict[str, Any]:
    described = {name: {"type": "string"} for name in needed}
    items = {"type": "object", "required": list(needed), "properties": {**described, **properties}}
    return {"type": "array", "items": items}


_HEAD = Shape(
    {
        "type": "object",
        "required": ["workloads"],
        "additionalProperties": False,
        "properties": {
            "format": {"const": "gpuops.runai fleet"},
            "version": {"const": 1},
            "exportedAt": {"type": "string", "format": "date-time"},
            "clusters": _list_of("uuid"),
            "nodePools": _list_of("name", "clusterId"),
            "nodes": _list_of("name", "clusterUuid"),
            "projects": _list_of("name"),
            "departments": _list_of("name"),
            "workloads": _list_of(
                "id",
                clusterId={"type": ["string", "null"]},
                nodes={"type": ["array", "null"], "items": {"type": "string"}},
            ),
            "pods": _list_of("workloadId", nodeName={"type": ["string", "null"]}),
        },
    }
)
"""The lists of the file and what their rows need; what comes of them is held against the contract."""


def load(path: Path, now: float, tenant_id: int) -> tuple[list[Workload], Places]:
    """As `build`, of a file. Raises OSError when it can't be read."""
    try:
        return build(orjson.loads(path.read_bytes()), now, tenant_id)
    except orjson.JSONDecodeError as error:
        raise FleetFileError(f"{path}: not JSON: {error}") from None
    except FleetFileError as error:
        raise FleetFileError(f"{path}: {error}") from None


def build(described: Any, now: float, tenant_id: int) -> tuple[list[Workload], Places]:
    """Workloads and places of a fleet file's content. Times move so that `exportedAt` becomes now.

    Raises FleetFileError for what the format or the API's description does not allow.
    """
    problem = _HEAD.problem(described)
    if problem is not None:
        raise FleetFileError(problem)
    described = copy.deepcopy(described)
    places = places_of(described, now, tenant_id)
    for schema, rows in (
        ("Cluster", places.clusters),
        ("NodePool", places.node_pools),
        ("Node", node_rows(places)),
        ("Project", places.projects),
        ("Department", places.departments),
    ):
        _check(schema, rows)
    return _workloads(described, places, now), places


def _workloads(described: dict[str, Any], places: Places, now: float) -> list[Workload]:
    exported_at = described.get("exportedAt")
    shift = now - from_text(exported_at) if exported_at else 0.0
    nodes_of: dict[str, list[str]] = {}
    for pod in described.get("pods", []):
        nodes_of.setdefault(pod["workloadId"].lower(), []).append(pod.get("nodeName") or "")
    found: dict[str, Workload] = {}
    for number, row in enumerate(described["workloads"]):
        try:
            workload = workload_from_row(row, places, now, shift, nodes_of.get(row["id"].lower()))
        except ValueError as error:
            raise FleetFileError(f"workloads/{number}: {error}") from None
        if workload.id in found:
            raise FleetFileError(f"workloads/{number}: {workload.id} is there twice")
        found[workload.id] = workload
    _check("Workload", (workload_row(one, places) for one in found.values()))
    return list(found.values())


def _check(schema: str, rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        try:
            contract.load().check_row(schema, row)
        except ContractError as error:
            raise FleetFileError(str(error)) from None
