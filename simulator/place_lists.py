# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lists of node pools, nodes, projects and departments: what a query of each finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .filters import Getter, check_sort_field, comparable, parse, select
from .listing import in_order
from .places import Places
from .rows import node_rows

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


NODE_POOLS = PlaceList(
    lambda places: places.node_pools, ("name", "clusterId", "phase", "createdAt", "updatedAt"), _value
)
NODES = PlaceList(node_rows, ("name", "status", "nodePool", "clusterUuid"), _value)
PROJECTS = PlaceList(
    lambda places: places.projects,
    ("name", "clusterId", "departmentId", "parentId", "parentName", "phase", "createdAt"),
    _value_of_project,
)
DEPARTMENTS = PlaceList(lambda places: places.departments, ("name",), _value)
