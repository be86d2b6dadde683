# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A made-up fleet: the same workloads, ids and places for the same size and seed, whatever the day."""

from __future__ import annotations

import random
import uuid
from typing import Any, NamedTuple

from .clock import to_text, whole
from .places import Node, Places
from .workload import FINISHED, ON_NODES, Workload

DEFAULT_TENANT_ID = 9000
BARE_PROJECT: dict[str, Any] = {
    "description": "",
    "enforceRunaiScheduler": True,
    "resources": [],
    "totalResources": {},
    "effective": {},
}
"""Fields that a project must have and that mean nothing here."""

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


class _Kind(NamedTuple):
    type: str
    category: str
    share: int
    suspendable: bool
    preemptible: bool | None
    priority: tuple[str, int]
    framework: str = ""


_KINDS = (
    _Kind("runai-job", "Train", 40, True, True, ("low", 40)),
    _Kind("runai-interactive", "Build", 25, True, False, ("high", 80)),
    _Kind("runai-distributed", "Train", 15, True, True, ("low", 40), "PyTorch"),
    _Kind("runai-inference", "Deploy", 10, False, False, ("very-high", 125)),
    _Kind("Deployment", "Deploy", 5, False, None, ("medium", 60)),
    _Kind("CronJob", "Train", 5, False, None, ("medium-low", 50)),
)
_PHASE_SHARES = {
    "Running": 50,
    "Pending": 9,
    "Stopped": 10,
    "Completed": 14,
    "Failed": 7,
    "Initializing": 2,
    "Creating": 1,
    "Degraded": 2,
    "Updating": 1,
    "Resuming": 1,
    "Stopping": 1,
    "Terminating": 1,
    "Unknown": 1,
}
_DEPARTMENTS = {
    "research": ("vision", "language", "speech"),
    "products": ("search", "ads", "maps"),
    "science": ("genomics", "climate"),
}
_USERS = tuple(
    f"{name}@example.com" for name in ("ada", "grace", "alan", "edsger", "barbara", "donald", "radia")
)
_CLUSTERS = ("north", "south")
_POOLS = {"default": 0.2, "a100": 0.4, "h100": 0.4}
_GPU_TYPES = {
    "default": "Tesla-V100-SXM2-32GB",
    "a100": "NVIDIA-A100-SXM4-80GB",
    "h100": "NVIDIA-H100-80GB-HBM3",
}
_GPUS_A_NODE = 8
_TASKS = ("train", "tune", "eval", "notebook", "serve", "sweep", "embed", "distil")


def generate(
    workloads: int, seed: int, now: float, tenant_id: int = DEFAULT_TENANT_ID
) -> tuple[list[Workload], Places]:
    """A fleet of so many workloads in two clusters. Node names repeat from one cluster to the other."""
    dice = random.Random(f"{seed}/{workloads}")
    places = _places(dice, workloads, now, tenant_id)
    projects = [project["name"] for project in places.projects]
    by_name = {project["name"]: project for project in places.projects}
    phases = list(_PHASE_SHARES)
    phase_shares = list(_PHASE_SHARES.values())
    kind_shares = [kind.share for kind in _KINDS]
    found = []
    for number in range(workloads):
        kind = dice.choices(_KINDS, kind_shares)[0]
        project = by_name[dice.choice(projects)]
        phase = dice.choices(phases, phase_shares)[0]
        if not kind.suspendable and phase in ("Stopped", "Stopping", "Resuming"):
            phase = "Running"
        found.append(_workload(dice, number, kind, project, phase, places, now))
    return found, places


def department_uuid(given: str) -> str:
    """A department's id where it is the parent of a project: its own if it is a uuid, else one made of it."""
    try:
        return str(uuid.UUID(given))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"department:{given}"))


def _uuid(dice: random.Random) -> str:
    return str(uuid.UUID(int=dice.getrandbits(128), version=4))


def _workload(
    dice: random.Random,
    number: int,
    kind: _Kind,
    project: dict[str, Any],
    phase: str,
    places: Places,
    now: float,
) -> Workload:
    workload_id = _uuid(dice)
    department = project["parent"]
    distributed = bool(kind.framework)
    pods = dice.choice((2, 4, 8)) if distributed else 1
    per_pod = (
        dice.choice((1.0, 4.0, 8.0)) if distributed else dice.choice((0.0, 0.5, 1.0, 1.0, 2.0, 4.0, 8.0))
    )
    gpus = pods * per_pod
    age = whole(dice.uniform(10 * _MINUTE, 60 * _DAY))
    in_phase = whole(age * dice.uniform(0.01, 0.98))
    running = in_phase if phase == "Running" else age - in_phase
    pool = dice.choices(list(_POOLS), list(_POOLS.values()))[0]
    idle = 0.0 if dice.random() < 0.7 else float(int(dice.uniform(0, gpus + 1)))
    priority_name, priority = kind.priority
    fixed: dict[str, Any] = {
        "name": f"{project['name']}-{dice.choice(_TASKS)}-{number}",
        "type": kind.type,
        "category": kind.category,
        "source": dice.choice(("CLI", "Control-plane", "Other")),
        "priority": priority,
        "priorityClassName": priority_name,
        "preemptible": kind.preemptible,
        "clusterId": project["clusterId"],
        "projectName": project["name"],
        "projectId": project["id"],
        "departmentName": department["name"],
        "departmentId": department["id"],
        "namespace": f"runai-{project['name']}",
        "submittedBy": dice.choice(_USERS),
        "requestedNodePools": [pool],
        "requestedPods": {"number": pods},
        "workloadRequestedResources": {"gpu": {"request": gpus, "limit": gpus}},
        "distributedFramework": kind.framework,
        "totalRunningTimeSeconds": int(running),
        "totalPendingTimeSeconds": int(dice.uniform(0, _HOUR)),
        "images": ["images.example.com/team/image:1"],
    }
    workload = Workload(
        id=workload_id,
        fixed=fixed,
        phase=phase,
        created_at=whole(now - age),
        phase_updated_at=whole(now - in_phase),
        updated_at=whole(now - in_phase),
        gpus=gpus,
        idle_gpus=min(idle, gpus),
        pod_count=pods,
        actions_support={"delete": True, "suspend": kind.suspendable},
        completed_at=whole(now - in_phase) if phase in FINISHED else None,
        phase_message="waiting for GPUs" if phase == "Pending" else "",
        frozen=phase == "Pending",
    )
    if phase in ON_NODES or phase == "Stopping":
        workload.nodes = places.choose(workload)
    elif phase in FINISHED:
        workload.past_nodes = places.choose(workload)
    return workload


def _places(dice: random.Random, workloads: int, now: float, tenant_id: int) -> Places:
    created = to_text(now - 400 * _DAY)
    stamps = {"createdAt": created, "updatedAt": created}
    places = Places(tenant_id)
    nodes_a_pool = max(2, workloads // 60)
    for cluster_name in _CLUSTERS:
        cluster_id = _uuid(dice)
        places.clusters.append(
            {
                "uuid": cluster_id,
                "tenantId": tenant_id,
                "name": cluster_name,
                "createdAt": created,
                "domain": f"https://{cluster_name}.example.com",
                "status": {"state": "Connected"},
            }
        )
        serial = 0
        for pool_name in _POOLS:
            names = [f"gpu-{serial + number:03d}" for number in range(nodes_a_pool)]
            serial += nodes_a_pool
            details = _details(cluster_id, pool_name)
            places.nodes.extend(Node(name, cluster_id, pool_name, dict(details)) for name in names)
            places.node_pools.append(
                {
                    "id": str(len(places.node_pools) + 1),
                    "tenantId": tenant_id,
                    "name": pool_name,
                    "clusterId": cluster_id,
                    "clusterName": cluster_name,
                    "labelKey": "runai/pool",
                    "labelValue": pool_name,
                    "isDefault": pool_name == "default",
                    "phase": "Ready",
                    "createdBy": "system",
                    "updatedBy": "system",
                    "status": {"nodes": names},
                    **stamps,
                }
            )
    serial = 4000
    for department, projects in _DEPARTMENTS.items():
        serial += 1
        department_id = department_uuid(str(serial))
        places.departments.append({"id": department_id, "name": department, **stamps})
        for project in projects:
            serial += 1
            places.projects.append(
                {
                    "id": str(serial),
                    "name": project,
                    "clusterId": places.clusters[serial % 2]["uuid"],
                    "parentId": department_id,
                    "parent": {"id": department_id, "name": department},
                    "requestedNamespace": f"runai-{project}",
                    "status": {"phase": "Ready", "namespace": f"runai-{project}"},
                    **BARE_PROJECT,
                    **stamps,
                }
            )
    return places


def _details(cluster_id: str, pool_name: str) -> dict[str, Any]:
    """What rows of a pool's nodes say of their hardware; the H100 are in one NVLink domain a cluster."""
    linked = pool_name == "h100"
    return {
        "gpuInfo": {"gpuType": _GPU_TYPES[pool_name], "gpuCount": _GPUS_A_NODE},
        "nvLinkDomainUid": str(uuid.uuid5(uuid.UUID(cluster_id), pool_name)) if linked else None,
        "nvLinkCliqueId": "0" if linked else None,
    }
