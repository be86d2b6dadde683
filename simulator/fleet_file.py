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

from . import contract
from .contract import ContractError
from .fleet_places import places_of
from .fleet_row import workload_from_row
from .places import Places
from .rows import node_rows, workload_row
from .shape import Shape
from .timestamps import from_text
from .workload import Workload


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
