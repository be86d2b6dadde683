# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet read from a file, such as one exported from a real control plane. The format is in README.md."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from . import contract
from .fleet import BARE_PROJECT
from .phases import FINISHED, ON_NODES
from .places import Node, Places
from .rows import workload_row
from .timestamps import from_text, to_text, whole
from .workload import Workload

FORMAT = "gpuops.runai fleet"
VERSION = 1

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
_SIMULATED = frozenset({"frozen", "hidden", "nodes", "gpus"})
_DEFAULTS = {
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
_NAMESPACE = uuid.UUID("5d1f2b0e-6a0b-4b3e-9f52-0d7c1a4b8e11")


class FleetFileError(ValueError):
    """The file is not a fleet; the text says where."""


def read(path: Path) -> dict[str, Any]:
    """The file's content. Raises FleetFileError when it is no JSON object, OSError when it can't be read."""
    try:
        found = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise FleetFileError(f"{path}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise FleetFileError(f"{path}: not a JSON object")
    return found


def build(described: dict[str, Any], now: float, tenant_id: int) -> tuple[list[Workload], Places]:
    """Workloads and places of a fleet file's content. Times move so that `exportedAt` becomes now.

    Raises FleetFileError for a row that the API's description does not allow.
    """
    _check_head(described)
    described = copy.deepcopy(described)
    nodes_of: dict[str, list[str]] = {}
    try:
        exported_at = described.get("exportedAt")
        shift = now - from_text(exported_at) if exported_at else 0.0
        places = _places(described, now, tenant_id)
        for pod in described.get("pods", []):
            nodes_of.setdefault(pod["workloadId"].lower(), []).append(pod.get("nodeName") or "")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FleetFileError(f"clusters, projects, nodes or pods: {error!r}") from None
    workloads = []
    for number, row in enumerate(described["workloads"]):
        where = f"workloads/{number}"
        try:
            workload = workload_from_row(
                row, places, now, shift, nodes_of.get(str(row.get("id", "")).lower())
            )
            contract.load().check_row("Workload", workload_row(workload, places))
        except (KeyError, TypeError, ValueError, AttributeError, contract.ContractError) as error:
            raise FleetFileError(f"{where}: {error}") from None
        workloads.append(workload)
    return workloads, places


def workload_from_row(
    row: dict[str, Any],
    places: Places,
    now: float,
    shift: float = 0.0,
    nodes: list[str] | None = None,
) -> Workload:
    """A workload from a row as the API gives it, or a part of one: `id` and `phase` are enough.

    Beside the API's fields a row may have `frozen`, `hidden`, `nodes` (names, a name a pod) and `gpus` (asked
    for, when nothing is allocated now). Raises KeyError, TypeError or ValueError for a row without sense.
    """
    workload_id = str(uuid.UUID(row["id"]))
    fixed: dict[str, Any] = {**_DEFAULTS, "name": f"workload-{workload_id[:8]}"}
    fixed.update({name: value for name, value in row.items() if name not in _DYNAMIC | _SIMULATED})
    if "clusterId" not in fixed:
        fixed["clusterId"] = _default_cluster(places, now)
    fixed.setdefault("namespace", f"runai-{fixed['projectName']}")
    if not fixed.get("requestedNodePools") and row.get("currentNodePools"):
        fixed["requestedNodePools"] = row["currentNodePools"]

    def moment(name: str, otherwise: float | None) -> float | None:
        text = row.get(name)
        return otherwise if text is None else whole(from_text(text) + shift)

    phase = row.get("phase", "Running")
    phase_updated_at = moment("phaseUpdatedAt", None) or moment("createdAt", now) or now
    created_at = moment("createdAt", phase_updated_at) or now
    nodes = row.get("nodes") or nodes or []
    return Workload(
        id=workload_id,
        fixed=fixed,
        phase=phase,
        created_at=created_at,
        phase_updated_at=phase_updated_at,
        updated_at=moment("updatedAt", phase_updated_at) or phase_updated_at,
        gpus=_gpus(row),
        idle_gpus=_number(row.get("idleAllocatedGpus", row.get("idleGpus"))),
        pod_count=len(nodes) or int((row.get("requestedPods") or {}).get("number") or 1),
        nodes=nodes if phase in ON_NODES or phase in ("Stopping", "Deleting") else [],
        past_nodes=nodes if phase in FINISHED else [],
        actions_support=row.get("actionsSupport"),
        phase_message=row.get("phaseMessage") or "",
        completed_at=moment("completedAt", phase_updated_at if phase in FINISHED else None),
        deleted_at=moment("deletedAt", None),
        frozen=bool(row.get("frozen", phase == "Pending")),
        hidden=bool(row.get("hidden", False)),
    )


def _check_head(described: dict[str, Any]) -> None:
    if described.get("format", FORMAT) != FORMAT:
        raise FleetFileError(f"format is {described['format']!r}, not {FORMAT!r}")
    if described.get("version", VERSION) != VERSION:
        raise FleetFileError(f"version is {described['version']!r}, this simulator reads {VERSION}")
    if not isinstance(described.get("workloads"), list):
        raise FleetFileError("workloads: a list is needed")
    for number, row in enumerate(described["workloads"]):
        if not isinstance(row, dict):
            raise FleetFileError(f"workloads/{number}: not an object")


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _gpus(row: dict[str, Any]) -> float:
    allocated = _number((row.get("allocatedResources") or {}).get("gpu"))
    requested = ((row.get("workloadRequestedResources") or {}).get("gpu") or {}).get("request")
    return allocated or _number(row.get("gpus")) or _number(requested) or 0.0


def _places(described: dict[str, Any], now: float, tenant_id: int) -> Places:
    stamp = to_text(now)
    stamps = {"createdAt": stamp, "updatedAt": stamp}
    places = Places(tenant_id)
    for cluster in described.get("clusters", []):
        places.clusters.append({"createdAt": stamp, **cluster, "tenantId": tenant_id})
    known = {cluster["uuid"] for cluster in places.clusters}
    rows = described["workloads"]
    for cluster_id in _distinct(row.get("clusterId") for row in rows):
        if cluster_id not in known:
            places.clusters.append(
                {
                    "uuid": cluster_id,
                    "name": f"cluster-{cluster_id[:8]}",
                    "tenantId": tenant_id,
                    "createdAt": stamp,
                }
            )
    names = {cluster["uuid"]: cluster["name"] for cluster in places.clusters}
    for node in described.get("nodes", []):
        places.nodes.append(Node(node["name"], node["clusterUuid"], node.get("nodePool", "default")))
    _nodes_of_pods(described, places)
    for pool in described.get("nodePools", []):
        cluster_name = names.get(pool["clusterId"], "")
        defaults = {
            "id": str(len(places.node_pools) + 1),
            "labelKey": "runai/pool",
            "labelValue": pool["name"],
            "isDefault": pool["name"] == "default",
            "clusterName": cluster_name,
            "createdBy": "",
            "updatedBy": "",
        }
        places.node_pools.append({**defaults, **stamps, **pool, "tenantId": tenant_id})
    departments = {one["name"]: one for one in described.get("departments", [])}
    projects = {one["name"]: one for one in described.get("projects", [])}
    for row in rows:
        if row.get("departmentName"):
            department_id = row.get("departmentId", "1")
            departments.setdefault(
                row["departmentName"], {"id": department_id, "name": row["departmentName"]}
            )
        if row.get("projectName"):
            projects.setdefault(
                row["projectName"],
                {
                    "id": row.get("projectId", "1"),
                    "name": row["projectName"],
                    "clusterId": row.get("clusterId") or _default_cluster(places, now),
                    "parentId": row.get("departmentId", "1"),
                },
            )
    places.departments = [{**stamps, **one} for one in departments.values()]
    blank = {"parentId": "1", "status": {}, **BARE_PROJECT}
    places.projects = [{**blank, **stamps, **one} for one in projects.values()]
    return places


def _nodes_of_pods(described: dict[str, Any], places: Places) -> None:
    known = {(node.cluster_id, node.name) for node in places.nodes}
    clusters = {str(row.get("id", "")).lower(): row.get("clusterId") for row in described["workloads"]}
    for pod in described.get("pods", []):
        cluster_id = pod.get("clusterId") or clusters.get(pod["workloadId"].lower())
        name = pod.get("nodeName")
        if name and cluster_id and (cluster_id, name) not in known:
            known.add((cluster_id, name))
            places.nodes.append(Node(name, cluster_id, pod.get("currentNodePool") or "default"))


def _default_cluster(places: Places, now: float) -> str:
    if not places.clusters:
        cluster_id = str(uuid.uuid5(_NAMESPACE, "cluster"))
        places.clusters.append(
            {"uuid": cluster_id, "name": "cluster", "tenantId": places.tenant_id, "createdAt": to_text(now)}
        )
    found: str = places.clusters[0]["uuid"]
    return found


def _distinct(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))
