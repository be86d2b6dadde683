# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workloads, pods and nodes as the API shows them."""

from __future__ import annotations

import uuid
from typing import Any

from ..model.clock import to_text
from ..model.places import Places
from ..model.workload import ACTIVE, FINISHED, Workload

_K8S_PHASES = {"Completed": "Succeeded", "Failed": "Failed", "Stopped": "Suspended", "Running": "Running"}

VERBOSE_POD_FIELDS = ("workloadName", "projectName")
"""Fields of a pod that only `verbosity=full` shows."""


def _optional_time(seconds: float | None) -> str | None:
    return None if seconds is None else to_text(seconds)


def workload_row(workload: Workload, places: Places) -> dict[str, Any]:
    """A row of the workloads list; also the response of the single GET."""
    on_nodes = bool(workload.nodes)
    running = (
        len(workload.nodes) if workload.phase in ("Running", "Degraded", "Updating", "Terminating") else 0
    )
    phase_updated_at = to_text(workload.phase_updated_at)
    row = dict(workload.fixed)
    row.update(
        id=workload.id,
        tenantId=places.tenant_id,
        phase=workload.phase,
        phaseUpdatedAt=phase_updated_at,
        phaseMessage=workload.phase_message,
        k8sPhase=_K8S_PHASES.get(workload.phase, "Pending"),
        k8sPhaseUpdatedAt=phase_updated_at,
        createdAt=to_text(workload.created_at),
        updatedAt=to_text(max(workload.updated_at, workload.phase_updated_at)),
        completedAt=_optional_time(workload.completed_at),
        deletedAt=_optional_time(workload.deleted_at),
        runningPods=running,
        conditions=[],
        allocatedResources={"gpu": workload.gpus if on_nodes else 0},
        idleAllocatedGpus=workload.idle_gpus if on_nodes else None,
        idleGpus=None if workload.idle_gpus is None or not on_nodes else int(workload.idle_gpus),
        currentNodePools=(workload.fixed.get("requestedNodePools") or []) if on_nodes else [],
    )
    if workload.actions_support is not None:
        row["actionsSupport"] = workload.actions_support
    return row


def pod_rows(workload: Workload, places: Places) -> list[dict[str, Any]]:
    """The pods of a workload, with VERBOSE_POD_FIELDS.

    Stopped ones have none; those of finished ones are completed; those that wait have no node.
    """
    fixed = workload.fixed
    if workload.nodes:
        k8s_phase = "Pending" if workload.phase == "Initializing" else "Running"
        nodes: list[str] = workload.nodes
    elif workload.phase in FINISHED:
        k8s_phase = "Succeeded" if workload.phase == "Completed" else "Failed"
        nodes = workload.past_nodes
    elif workload.phase in ACTIVE and workload.phase not in ("Creating", "Resuming"):
        k8s_phase, nodes = "Pending", [""] * workload.pod_count
    else:
        return []
    started = max(workload.created_at, workload.phase_updated_at if workload.incarnation else 0.0)
    completed_at = _optional_time(workload.completed_at) if workload.phase in FINISHED else None
    cluster_id = fixed["clusterId"]
    family = uuid.UUID(workload.id)
    return [
        {
            "id": str(uuid.uuid5(family, f"{workload.incarnation}/{number}")),
            "name": f"{fixed['name']}-{workload.incarnation}-{number}",
            "workloadId": workload.id,
            "clusterId": cluster_id,
            "projectId": fixed["projectId"],
            "tenantId": places.tenant_id,
            "priorityClassName": fixed["priorityClassName"],
            "nodeName": node or None,
            "currentNodePool": places.pool_of(cluster_id, node) if node else None,
            "requestedNodePools": fixed.get("requestedNodePools") or [],
            "createdAt": to_text(started),
            "completedAt": completed_at,
            "deletedAt": _optional_time(workload.deleted_at),
            "containers": [],
            "k8sPhase": k8s_phase,
            "k8sPhaseUpdatedAt": to_text(workload.phase_updated_at),
            "updatedAt": to_text(workload.phase_updated_at),
            "workloadName": fixed["name"],
            "projectName": fixed["projectName"],
        }
        for number, node in enumerate(nodes)
    ]


def history_records(workload: Workload) -> list[dict[str, Any]]:
    """What happened to a workload, newest first: phases that it entered, and requests that were accepted."""
    return [
        {
            "meta": {"creationTimestamp": to_text(at), "type": "PhaseUpdate" if phase else "Event"},
            "spec": {"phaseUpdate": {"phase": phase, "phaseMessage": message}}
            if phase
            else {"event": _event(workload, at, message)},
        }
        for at, phase, message in reversed(workload.history())
    ]


def _event(workload: Workload, at: float, message: str) -> dict[str, Any]:
    return {
        "createdAt": to_text(at),
        "type": "Normal",
        "clusterId": workload.fixed["clusterId"],
        "message": message,
        "reason": "Requested",
        "source": "control-plane",
    }


NODE_DETAILS = ("status", "conditions", "taints", "gpuInfo", "nvLinkDomainUid", "nvLinkCliqueId")
"""Fields of a node that a fleet file or a control request may set."""

_FENCE = {"key": "runai", "value": "drain", "effect": "NoExecute"}


def node_rows(places: Places) -> list[dict[str, Any]]:
    """Every node of every cluster. A fence shows as a taint."""
    created = places.clusters[0]["createdAt"] if places.clusters else ""
    rows = [
        {
            "id": str(uuid.uuid5(uuid.UUID(node.cluster_id), node.name)),
            "name": node.name,
            "clusterUuid": node.cluster_id,
            "status": "Ready",
            "nodePool": node.pool,
            "conditions": [],
            "taints": [],
            "createdAt": created,
            "updatedAt": created,
            **node.details,
        }
        for node in places.nodes
    ]
    for row in rows:
        if (row["clusterUuid"], row["name"]) in places.fenced:
            row["taints"] = [*row["taints"], _FENCE]
    return rows
