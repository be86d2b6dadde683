# Copyright (c) 2026, gpuops.runai contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet read from a file, as one is exported."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from simulator.api.fleet_file import FleetFileError, build, load
from simulator.model.clock import ManualClock, from_text, to_text
from simulator.server import Handle
from tests.support.workloads import workload_id

from .conftest import Client, Start

Connect = Callable[[Handle], Client]
CLUSTER = "11111111-1111-4111-8111-111111111111"


def test_fleet_file_of_exported_rows_gives_the_same_fleet(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    first = connect(start(workloads=80))
    rows = first.rows()
    pods = first.get("/api/v1/workloads/pods", params={"limit": 500}).json()["pods"]
    described = {
        "format": "gpuops.runai fleet",
        "version": 1,
        "exportedAt": to_text(ManualClock().now()),
        "clusters": first.get("/api/v1/clusters").json(),
        "nodePools": first.get("/api/v1/node-pools").json()["nodepools"],
        "nodes": first.get("/api/v1/nodes", params={"limit": 500}).json()["nodes"],
        "projects": first.get("/api/v1/org-unit/projects").json()["projects"],
        "departments": first.get("/api/v1/org-unit/departments").json()["departments"],
        "workloads": rows,
        "pods": pods,
    }
    path = tmp_path / "fleet.json"
    path.write_text(json.dumps(described))
    second = connect(start(fleet=path, tenant_id=77))
    again = second.rows()
    assert [{**row, "tenantId": 0} for row in again] == [{**row, "tenantId": 0} for row in rows]
    assert {row["tenantId"] for row in again} == {77}
    for name in ("clusters", "org-unit/projects", "org-unit/departments", "node-pools", "nodes"):
        assert len(second.get(f"/api/v1/{name}").json()) == len(first.get(f"/api/v1/{name}").json())

    def places(client: Client) -> set[tuple[str, str]]:
        found = client.get("/api/v1/workloads/pods", params={"limit": 500}).json()["pods"]
        return {(pod["workloadId"], pod["nodeName"]) for pod in found}

    assert places(second) == places(first)


def test_fleet_file_with_few_fields_is_filled_in(start: Start, connect: Connect) -> None:
    described = {
        "exportedAt": "2020-01-01T10:00:00Z",
        "workloads": [
            {"id": workload_id(0)},
            {
                "id": workload_id(1),
                "phase": "Completed",
                "clusterId": CLUSTER,
                "phaseUpdatedAt": "2020-01-01T09:00:00Z",
                "createdAt": "2019-12-31T10:00:00Z",
            },
        ],
    }
    simulator = start(fleet=described)
    rows = connect(simulator).rows()
    assert rows[0]["phase"] == "Running"
    now = simulator.control_plane.clock.now()
    assert now - from_text(rows[1]["phaseUpdatedAt"]) == pytest.approx(3600, abs=0.01)
    assert now - from_text(rows[1]["createdAt"]) == pytest.approx(86400, abs=0.01)
    assert "actionsSupport" not in rows[0]
    # Whatever id a row has for its department, the project's parent has a uuid.
    (project,) = connect(simulator).get("/api/v1/org-unit/projects").json()["projects"]
    assert uuid.UUID(project["parent"]["id"])


@pytest.mark.parametrize(
    "described",
    [
        {},
        {"workloads": {}},
        {"workloads": [], "format": "other"},
        {"workloads": [], "version": 2},
        {"workloads": [{"phase": "Running"}]},
        {"workloads": [{"id": "not-a-uuid"}]},
        {"workloads": [{"id": workload_id(0), "phase": "Sleeping"}]},
        {"workloads": [{"id": workload_id(0), "createdAt": "yesterday"}]},
        {"workloads": [{"id": workload_id(0), "projectName": 5}]},
        {"workloads": [{"id": workload_id(0), "departmentId": 5}]},
        {"workloads": [{"id": workload_id(0), "nodes": "gpu-1"}]},
        {"workloads": [{"id": workload_id(0), "nodes": 5}]},
        {"workloads": [{"id": workload_id(0), "frozen": "yes"}]},
        {"workloads": [{"id": workload_id(0), "allocatedResources": 4}]},
        {"workloads": [{"id": workload_id(0)}, {"id": workload_id(0).upper()}]},
        {"workloads": ["row"]},
        {"workloads": [], "workload": []},
        {"workloads": [], "exportedAt": "yesterday"},
        {"workloads": [], "clusters": {}},
        {"workloads": [], "clusters": [{"name": "berlin"}]},
        {"workloads": [], "clusters": [{"uuid": "berlin"}]},
        {"workloads": [], "nodes": [{"name": "gpu-1"}]},
        {"workloads": [], "projects": [{"name": "vision"}]},
        {"workloads": [], "pods": [{"workloadId": None}]},
    ],
)
def test_fleet_file_without_sense_is_refused(described: dict[str, Any]) -> None:
    with pytest.raises(FleetFileError) as refused:
        build(described, now=0.0, tenant_id=1)
    # Those of the format, not of the code that reads it.
    assert "object has no attribute" not in str(refused.value)


def test_fleet_file_nodes_named_by_rows_are_listed(start: Start, connect: Connect) -> None:
    rows = [{"id": workload_id(0), "nodes": ["gpu-1"]}, {"id": workload_id(1), "clusterId": CLUSTER}]
    pods = [{"workloadId": workload_id(1), "nodeName": "gpu-2", "currentNodePool": "a100"}]
    client = connect(start(fleet={"workloads": rows, "pods": pods}))
    nodes = client.get("/api/v1/nodes").json()["nodes"]
    assert {(node["name"], node["nodePool"]) for node in nodes} == {("gpu-1", "default"), ("gpu-2", "a100")}
    fence = {"clusterUuid": CLUSTER, "name": "gpu-2"}
    assert client.post("/_simulator/nodes", json=[fence]).json() == {"fenced": [[CLUSTER, "gpu-2"]]}
    assert client.post("/_simulator/nodes", json=[{**fence, "name": "gpu-3"}]).status_code == 404


def test_fleet_file_with_null_counts_as_missing(start: Start, connect: Connect) -> None:
    names = ("name", "clusterId", "projectName", "priorityClassName", "phaseMessage", "allocatedResources")
    simulator = start(fleet={"workloads": [{"id": workload_id(0), **dict.fromkeys(names)}]})
    (row,) = connect(simulator).rows()
    assert row["clusterId"] == connect(simulator).get("/api/v1/clusters").json()[0]["uuid"]
    assert [
        project["name"] for project in connect(simulator).get("/api/v1/org-unit/projects").json()["projects"]
    ] == [row["projectName"]]


def test_fleet_file_without_json_object_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fleet.json"
    for text in ("[]", "{", ""):
        path.write_text(text)
        with pytest.raises(FleetFileError, match=r"fleet\.json: "):
            load(path, now=0.0, tenant_id=1)
