# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the control plane of each version can do (Run:ai API 2.18 to 2.25)."""

from __future__ import annotations

from dataclasses import dataclass

SUPPORTED = ("2.18", "2.19", "2.20", "2.21", "2.22", "2.23", "2.24", "2.25")

_WORKLOAD_FIELDS = {
    18: (
        "type name clusterId projectId projectName departmentId departmentName createdAt deletedAt"
        " submittedBy phase completedAt nodepool allocatedGPU distributedFramework"
    ),
    20: "idleGpus idleAllocatedGpus",
    21: "phaseUpdatedAt",
    22: "category priority",
    23: (
        "totalPendingTimeSeconds totalRunningTimeSeconds priorityClassName guaranteedRuntimeEndsAt"
        " aiApplicationId aiApplicationName"
    ),
}
_POD_FIELDS = {
    18: "clusterId nodeName currentNodepool createdAt completedAt deletedAt",
    21: "workloadId revisionId",
}
_ROW_FIELDS_SINCE = {"priority": 19, "phaseReason": 19, "idleAllocatedGpus": 20, "category": 22}
_OPERATIONS_SINCE = {
    "batchWorkloads": 19,
    "listNodePools": 19,
    "listNodes": 23,
    "createOAuth2Token": 24,
}
_PARAMETERS_SINCE = {
    ("listWorkloads", "search"): 20,
    ("countWorkloads", "search"): 20,
    ("listPods", "search"): 21,
    ("listWorkloadPods", "search"): 21,
}


@dataclass(frozen=True)
class ApiVersion:
    """One version of the API, e.g. `2.24`."""

    name: str

    def __post_init__(self) -> None:
        if self.name not in SUPPORTED:
            raise ValueError(f"API version {self.name!r} is none of {', '.join(SUPPORTED)}")

    @property
    def minor(self) -> int:
        """24 for `2.24`."""
        return int(self.name.split(".")[1])

    def has_operation(self, operation: str) -> bool:
        """Whether the endpoint exists; a request for one that does not gets a 404."""
        return self.minor >= _OPERATIONS_SINCE.get(operation, 0)

    def has_parameter(self, operation: str, parameter: str) -> bool:
        """Whether the endpoint knows the query parameter."""
        return self.minor >= _PARAMETERS_SINCE.get((operation, parameter), 0)

    def workload_fields(self) -> frozenset[str]:
        """Fields that `filterBy` and `sortBy` of the workloads list know."""
        return _up_to(self.minor, _WORKLOAD_FIELDS)

    def pod_fields(self) -> frozenset[str]:
        """Fields that `filterBy` and `sortBy` of the pods list know."""
        return _up_to(self.minor, _POD_FIELDS)

    def unknown_workload_fields(self) -> frozenset[str]:
        """Fields of a workload that this version does not have yet."""
        return frozenset(name for name, since in _ROW_FIELDS_SINCE.items() if self.minor < since)


def _up_to(minor: int, added: dict[int, str]) -> frozenset[str]:
    return frozenset(name for since, names in added.items() if since <= minor for name in names.split())
