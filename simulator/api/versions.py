# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the control plane of each version can do (Run:ai API 2.18 to 3.0)."""

from __future__ import annotations

from dataclasses import dataclass

SUPPORTED = ("2.18", "2.19", "2.20", "2.21", "2.22", "2.23", "2.24", "2.25", "2.26", "3.0")

_WORKLOAD_FIELDS = {
    218: (
        "type name clusterId projectId projectName departmentId departmentName createdAt deletedAt"
        " submittedBy phase completedAt nodepool allocatedGPU distributedFramework"
    ),
    220: "idleGpus idleAllocatedGpus",
    221: "phaseUpdatedAt",
    222: "category priority",
    223: (
        "totalPendingTimeSeconds totalRunningTimeSeconds priorityClassName guaranteedRuntimeEndsAt"
        " aiApplicationId aiApplicationName"
    ),
}
_POD_FIELDS = {
    218: "clusterId nodeName currentNodepool createdAt completedAt deletedAt",
    221: "workloadId revisionId",
}
_ROW_FIELDS_SINCE = {"priority": 219, "phaseReason": 219, "idleAllocatedGpus": 220, "category": 222}
_OPERATIONS_SINCE = {
    "batchWorkloads": 219,
    "listNodePools": 219,
    "listNodes": 223,
    "createOAuth2Token": 224,
}
_OPERATIONS_UNTIL = {"listClusterNodes": 300}
_PARAMETERS_SINCE = {
    ("listWorkloads", "search"): 220,
    ("countWorkloads", "search"): 220,
    ("listPods", "search"): 221,
    ("listWorkloadPods", "search"): 221,
}


@dataclass(frozen=True)
class ApiVersion:
    """One version of the API, e.g. `2.24`."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in SUPPORTED:
            raise ValueError(f"API version {self.name!r} is none of {', '.join(SUPPORTED)}")

    @property
    def number(self) -> int:
        """224 for `2.24`."""
        major, minor = self.name.split(".")
        return 100 * int(major) + int(minor)

    def has_operation(self, operation: str) -> bool:
        """Whether the endpoint exists; a request for one that does not gets a 404."""
        since, until = _OPERATIONS_SINCE.get(operation, 0), _OPERATIONS_UNTIL.get(operation, 999)
        return since <= self.number < until

    def has_parameter(self, operation: str, parameter: str) -> bool:
        """Whether the endpoint supports the query parameter."""
        return self.number >= _PARAMETERS_SINCE.get((operation, parameter), 0)

    def pages_cluster_nodes(self) -> bool:
        """Whether the list of a cluster's nodes comes in pages; before, it is whole whatever is asked."""
        return self.number >= 223

    def workload_fields(self) -> frozenset[str]:
        """Fields that `filterBy` and `sortBy` of the workloads list know."""
        return _up_to(self.number, _WORKLOAD_FIELDS)

    def pod_fields(self) -> frozenset[str]:
        """Fields that `filterBy` and `sortBy` of the pods list know."""
        return _up_to(self.number, _POD_FIELDS)

    def unknown_workload_fields(self) -> frozenset[str]:
        """Fields of a workload that this version does not have yet."""
        return frozenset(name for name, since in _ROW_FIELDS_SINCE.items() if self.number < since)


def _up_to(number: int, added: dict[int, str]) -> frozenset[str]:
    return frozenset(name for since, names in added.items() if since <= number for name in names.split())
