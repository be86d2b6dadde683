# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters, nodes, projects and the like of a fleet file, and those that its workloads and pods only name."""

from __future__ import annotations

from typing import Any

from .fleet import BARE_PROJECT, department_uuid
from .fleet_row import DEFAULTS
from .places import Node, Places
from .timestamps import to_text

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
            node["name"], node["clusterUuid"], node.get("nodePool", "default")
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
