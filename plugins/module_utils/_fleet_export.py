# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The real fleet as a file for the simulator: what that one needs, and no more.

People become pseudonyms, alike only within one file. Environment, images, addresses, labels and messages
are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ._workload.phases import UNKNOWN, canonical, is_known
from ._workload.row import Row, allocated_gpus, idle_gpus

FORMAT = "gpuops.runai fleet"
VERSION = 1

_WORKLOAD = (
    "id",
    "name",
    "type",
    "phase",
    "phaseUpdatedAt",
    "createdAt",
    "completedAt",
    "clusterId",
    "projectId",
    "projectName",
    "departmentId",
    "departmentName",
    "category",
    "priority",
    "priorityClassName",
    "preemptible",
    "requestedNodePools",
    "actionsSupport",
)
_CLUSTER = ("uuid", "name", "version")
_NODE = ("name", "clusterUuid", "nodePool")
_POD = ("workloadId", "nodeName", "clusterId", "currentNodePool")


def fleet_document(
    workloads: Iterable[Row],
    pods: Iterable[Row],
    clusters: Iterable[Row],
    nodes: Iterable[Row],
    exported_at: str,
) -> dict[str, Any]:
    """Return a fleet file's content; ``exported_at`` is the time (UTC) that all ages count from."""
    names: dict[str, str] = {}
    return {
        "format": FORMAT,
        "version": VERSION,
        "exportedAt": exported_at,
        "clusters": [_only(row, _CLUSTER) for row in clusters],
        "nodes": [_only(row, _NODE) for row in nodes],
        "workloads": [_workload(row, names) for row in workloads],
        "pods": [_only(row, _POD) for row in pods if row.get("nodeName")],
    }


def _workload(row: Row, names: dict[str, str]) -> dict[str, Any]:
    found = _only(row, _WORKLOAD)
    if "phase" in found:
        # The simulator takes the API's own phases only.
        found["phase"] = _phase(found["phase"])
    submitted_by = row.get("submittedBy")
    if isinstance(submitted_by, str) and submitted_by:
        # Numbered as they come: a hash of a known address could be guessed.
        found["submittedBy"] = names.setdefault(submitted_by, "owner-{0:03d}".format(len(names) + 1))
    gpus, idle = allocated_gpus(row), idle_gpus(row)
    if gpus is not None:
        found["allocatedResources"] = {"gpu": gpus}
    if idle is not None:
        found["idleAllocatedGpus"] = idle
    return found


def _phase(value: object) -> str:
    return canonical(value) if isinstance(value, str) and is_known(value) else UNKNOWN


def _only(row: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    return {key: row[key] for key in keys if row.get(key) is not None}
