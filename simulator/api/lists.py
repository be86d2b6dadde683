# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a query of each list finds, and in which order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..model.fleet import Fleet
from ..model.places import Places
from ..model.workload import Workload
from .filters import Condition, Getter, check_sort_field, comparable, parse, select
from .rows import node_rows, pod_rows

_KEPT_VIEWS = 32

_FROM_WORKLOAD: dict[str, Callable[[Workload], Any]] = {
    "createdAt": lambda one: one.created_at,
    "deletedAt": lambda one: one.deleted_at,
    "completedAt": lambda one: one.completed_at,
    "phaseUpdatedAt": lambda one: one.phase_updated_at,
    "phase": lambda one: one.phase,
    "nodepool": lambda one: (one.fixed.get("requestedNodePools") or []) if one.nodes else [],
    "allocatedGPU": lambda one: one.gpus if one.nodes else 0.0,
    "idleAllocatedGpus": lambda one: one.idle_gpus if one.nodes else None,
    "idleGpus": lambda one: int(one.idle_gpus) if one.nodes and one.idle_gpus is not None else None,
}


def workload_value(workload: Workload, field: str) -> Any:
    """The value of a field of `filterBy` or `sortBy`."""
    getter = _FROM_WORKLOAD.get(field)
    if getter is not None:
        return getter(workload)
    return comparable(field, workload.fixed.get(field))


def pod_value(pod: dict[str, Any], field: str) -> Any:
    """The value of a field of the pods' `filterBy` or `sortBy`."""
    return comparable(field, pod.get("currentNodePool" if field == "currentNodepool" else field))


def in_order(things: list[Any], sort_by: str | None, order: str, value_of: Getter) -> list[Any]:
    """Sorted by a field, `asc` or `desc`, those without it last; as they are when `sort_by` is None."""
    if sort_by is None:
        return things
    keyed = [(value_of(thing, sort_by), thing) for thing in things]
    known = [pair for pair in keyed if pair[0] not in (None, [])]
    unknown = [thing for value, thing in keyed if value in (None, [])]
    known.sort(key=lambda pair: pair[0], reverse=order == "desc")
    return [thing for _key, thing in known] + unknown


class Views:
    """Filtered and sorted lists of a fleet, remembered until the fleet changes."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._kept: OrderedDict[tuple[Any, ...], list[Any]] = OrderedDict()
        self._version = -1

    def workloads(
        self,
        conditions: tuple[Condition, ...] = (),
        search: str = "",
        deleted: bool = False,
        sort_by: str | None = None,
        order: str = "asc",
    ) -> list[Workload]:
        """Those that hold every condition and have `search` in name, project, type or submitter."""

        def compute() -> list[Workload]:
            found = select(conditions, self._population(deleted), workload_value)
            if search:
                found = [one for one in found if search.lower() in _searched(one)]
            return in_order(found, sort_by, order, workload_value)

        return self._view(("workloads", conditions, search, deleted, sort_by, order), compute)

    def pods(
        self,
        conditions: tuple[Condition, ...] = (),
        search: str = "",
        deleted: bool = False,
        completed: bool | None = None,
        sort_by: str | None = None,
        order: str = "asc",
    ) -> list[dict[str, Any]]:
        """The pods that hold every condition, with all fields; `completed` None shows both kinds."""

        def compute() -> list[dict[str, Any]]:
            found = select(conditions, self._all_pods(deleted), pod_value)
            if completed is not None:
                found = [pod for pod in found if (pod["completedAt"] is not None) == completed]
            if search:
                found = [pod for pod in found if search.lower() in pod["name"].lower()]
            return in_order(found, sort_by, order, pod_value)

        return self._view(("pods", conditions, search, deleted, completed, sort_by, order), compute)

    def _population(self, deleted: bool) -> list[Workload]:
        return self._fleet.deleted() if deleted else self._fleet.live()

    def _all_pods(self, deleted: bool) -> list[dict[str, Any]]:
        places = self._fleet.places
        return self._view(
            ("all pods", deleted),
            lambda: [pod for one in self._population(deleted) for pod in pod_rows(one, places)],
        )

    def _view(self, key: tuple[Any, ...], compute: Callable[[], list[Any]]) -> list[Any]:
        with self._fleet.lock:
            self._fleet.settle()
            if self._version != self._fleet.version:
                self._kept.clear()
                self._version = self._fleet.version
            if key not in self._kept:
                self._kept[key] = compute()
                while len(self._kept) > _KEPT_VIEWS:
                    self._kept.popitem(last=False)
            return self._kept[key]


def _searched(workload: Workload) -> str:
    fixed = workload.fixed
    parts = (fixed["name"], fixed["projectName"], fixed["type"], fixed.get("submittedBy", ""))
    return "\n".join(parts).lower()


Row = dict[str, Any]


class PlaceList(NamedTuple):
    """One list: its rows, and the fields of `filterBy` and `sortBy` with their values.

    Of the fields that the API names, those of quotas, usage and hardware are not simulated.
    """

    rows: Callable[[Places], list[Row]]
    fields: tuple[str, ...]
    value_of: Getter

    def find(self, places: Places, query: Mapping[str, Any]) -> list[Row]:
        """Rows that a query asks for, in its order. Raises ApiError 400."""
        conditions = parse(query.get("filterBy", ()), self.fields)
        sort_by = query.get("sortBy")
        check_sort_field(sort_by, self.fields)
        search = query.get("search", "").lower()
        named = [row for row in self.rows(places) if search in row["name"].lower()]
        return in_order(select(conditions, named, self.value_of), sort_by, query["sortOrder"], self.value_of)


def _value(row: Row, field: str) -> Any:
    return comparable(field, row.get(field))


def _value_of_project(row: Row, field: str) -> Any:
    if field == "departmentId":
        return row.get("parentId")
    if field == "parentName":
        return (row.get("parent") or {}).get("name")
    if field == "phase":
        return (row.get("status") or {}).get("phase")
    return _value(row, field)


def _value_of_node(row: Row, field: str) -> Any:
    if field == "gpuType":
        return (row.get("gpuInfo") or {}).get("gpuType")
    return _value(row, field)


NODE_POOLS = PlaceList(
    lambda places: places.node_pools, ("name", "clusterId", "phase", "createdAt", "updatedAt"), _value
)
NODES = PlaceList(
    node_rows,
    ("name", "status", "nodePool", "gpuType", "nvLinkDomainUid", "nvLinkCliqueId", "clusterUuid"),
    _value_of_node,
)
PROJECTS = PlaceList(
    lambda places: places.projects,
    ("name", "clusterId", "departmentId", "parentId", "parentName", "phase", "createdAt"),
    _value_of_project,
)
DEPARTMENTS = PlaceList(lambda places: places.departments, ("name",), _value)
